//! What may be asked for, who may ask and approve, and how many it takes.

use lapwing_proto::DeviceId;
use serde::{Deserialize, Serialize};

use crate::actor::{PersonId, Role};
use crate::exemption::Plan;
use crate::ids::{ConcernId, as_text};

const SENIORS: &[Role] = &[Role::Dsl, Role::DeputyDsl, Role::Headteacher, Role::Chair];
/// Who asks for changes to roles and settings.
pub const ASKERS: [Role; 5] = [Role::Dsl, Role::DeputyDsl, Role::Headteacher, Role::Chair, Role::Administrator];

/// A change that takes more than one person. Identifiers and what people wrote about the school; nothing of a pupil.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Gives somebody a role.
    GrantRole {
        /// Whom.
        #[serde(with = "as_text")]
        person: PersonId,
        /// Which.
        #[serde(with = "as_text")]
        role: Role,
    },
    /// Takes a role away from somebody.
    WithdrawRole {
        /// Whom.
        #[serde(with = "as_text")]
        person: PersonId,
        /// Which.
        #[serde(with = "as_text")]
        role: Role,
    },
    /// Puts a calendar in force.
    Calendar {
        /// The calendar, as TOML; empty for weekdays from 08:30 to 16:00.
        text: String,
        /// Digest of the one it takes the place of: what was agreed on over another is not carried out.
        over: String,
    },
    /// Puts changes to the routing table in force.
    Routing {
        /// All of the school's changes, as TOML; empty for the table as it comes.
        text: String,
        /// Digest of those it takes the place of.
        over: String,
    },
    /// Closes an illegal case, and releases what it holds.
    CloseIllegal {
        /// The concern.
        #[serde(with = "as_text")]
        concern: ConcernId,
        /// When it last changed, microseconds of UTC: what happens to it afterwards was not agreed on.
        changed_us: i64,
        /// When it is looked at again, microseconds of UTC.
        review_us: Option<i64>,
    },
    /// Looks at a device on purpose: its captures are filed with the investigation and concern nobody.
    Investigate {
        /// The device.
        #[serde(with = "as_text")]
        device: DeviceId,
        /// What for.
        purpose: String,
        /// From when, microseconds of UTC.
        from_us: i64,
        /// Until when; does not count.
        until_us: i64,
    },
    /// Captures nothing of some topics for a while.
    Exempt {
        /// Which, where and when.
        exemption: Plan,
    },
}

/// Who may ask for a change, who may approve it, and how many it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// One of these roles asks; empty for anybody who is signed in.
    pub askers: &'static [Role],
    /// One of these roles approves; for a change to a concern, whoever routing could name.
    pub approvers: &'static [Role],
    /// Approvals it takes, besides whoever asks.
    pub needed: usize,
    /// One of the approvals is given in one of these roles.
    pub among: Option<&'static [Role]>,
    /// Somebody in this role has read what comes with it.
    pub seen_by: Option<Role>,
}

impl Change {
    /// SHA-256 of what is asked for, in hexadecimal digits: as in the audit log.
    #[must_use]
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        lapwing_rules::Digest::of(&text).to_string()
    }

    /// The stable code, as in the audit log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GrantRole { .. } => "grant_role",
            Self::WithdrawRole { .. } => "withdraw_role",
            Self::Calendar { .. } => "calendar",
            Self::Routing { .. } => "routing",
            Self::CloseIllegal { .. } => "close_illegal",
            Self::Investigate { .. } => "investigate",
            Self::Exempt { .. } => "exempt",
        }
    }

    /// Who asks, who approves, how many.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        let one = Terms { askers: &ASKERS, approvers: SENIORS, needed: 1, among: None, seen_by: None };
        let two = Terms { needed: 2, ..one };
        match self {
            Self::GrantRole { role, .. } if role.is_privileged() => two,
            Self::WithdrawRole { role, .. } if role.is_privileged() => two,
            Self::GrantRole { .. } | Self::WithdrawRole { .. } | Self::Calendar { .. } => one,
            Self::Routing { .. } => two,
            Self::CloseIllegal { .. } => Terms { askers: &[], ..two },
            Self::Investigate { .. } => Terms { askers: SENIORS, ..one },
            Self::Exempt { exemption } => Terms {
                askers: &[],
                needed: if exemption.takes_two() { 2 } else { 1 },
                among: Some(&[Role::Dsl, Role::DeputyDsl]),
                seen_by: Some(Role::Technician),
                ..one
            },
        }
    }

    /// Whom it is about: they neither ask nor approve.
    #[must_use]
    pub const fn about(&self) -> Option<PersonId> {
        match self {
            Self::GrantRole { person, .. } | Self::WithdrawRole { person, .. } => Some(*person),
            Self::Calendar { .. }
            | Self::Routing { .. }
            | Self::CloseIllegal { .. }
            | Self::Investigate { .. }
            | Self::Exempt { .. } => None,
        }
    }

    /// The concern it changes.
    #[must_use]
    pub const fn concern(&self) -> Option<ConcernId> {
        match self {
            Self::CloseIllegal { concern, .. } => Some(*concern),
            Self::GrantRole { .. }
            | Self::WithdrawRole { .. }
            | Self::Calendar { .. }
            | Self::Routing { .. }
            | Self::Investigate { .. }
            | Self::Exempt { .. } => None,
        }
    }
}
