//! Writing down to whom a case was referred: the record that data protection law asks for, sealed as a note is.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{CommandError, Desk, MAX_NOTE_BYTES, Move, Step};
use crate::actor::Actor;
use crate::audit::ActKind;
use crate::ids::{ConcernId, InvalidId};
use crate::triage::State;

/// The law under which something is shared (UK GDPR articles 6 and 9; Data Protection Act 2018, schedule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Safeguarding of children and individuals at risk (schedule 1, paragraph 18).
    Safeguarding,
    /// Somebody's life is at stake (article 6(1)(d)).
    VitalInterests,
    /// The law orders it (article 6(1)(c)).
    LegalObligation,
    /// Whoever it is about, or their parents, agreed (article 6(1)(a)).
    Consent,
}

/// What is written down.
#[derive(Clone, Copy, Debug)]
pub struct Referral<'a> {
    /// To whom: a body, and whom there.
    pub recipient: &'a str,
    /// What for.
    pub purpose: &'a str,
    /// Under which law.
    pub basis: Basis,
    /// Who agreed, or why nobody was asked.
    pub consent: &'a str,
    /// What the child said they want; "not asked, because ..." where nobody asked.
    pub wishes: &'a str,
}

impl Basis {
    /// All of them, the usual one first.
    pub const ALL: [Self; 4] = [Self::Safeguarding, Self::VitalInterests, Self::LegalObligation, Self::Consent];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safeguarding => "safeguarding",
            Self::VitalInterests => "vital_interests",
            Self::LegalObligation => "legal_obligation",
            Self::Consent => "consent",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Safeguarding => "Safeguarding of a child (Data Protection Act 2018, schedule 1, paragraph 18)",
            Self::VitalInterests => "Somebody's life is at stake (UK GDPR, article 6(1)(d))",
            Self::LegalObligation => "The law orders it (UK GDPR, article 6(1)(c))",
            Self::Consent => "Consent (UK GDPR, article 6(1)(a))",
        }
    }
}

impl FromStr for Basis {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "a legal basis for sharing";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "basis", expected })
    }
}

impl Desk {
    /// Writes down a referral. Every part of it is needed.
    ///
    /// # Errors
    ///
    /// [`CommandError::NoteLength`] where a part is empty or all are too long; otherwise [`CommandError`].
    pub async fn refer(
        &self,
        actor: &Actor,
        concern: ConcernId,
        referral: &Referral<'_>,
    ) -> Result<State, CommandError> {
        let text = referral.text()?;
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        let act = ActKind::ConcernReferred;
        let step = Step { moved: Move::Note, kind: "referral", act, note: Some(&text) };
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }
}

impl Referral<'_> {
    /// One line a part, as the concern's page shows it.
    fn text(&self) -> Result<String, CommandError> {
        let parts = [
            ("To", self.recipient),
            ("Purpose", self.purpose),
            ("Legal basis", self.basis.words()),
            ("Consent", self.consent),
            ("What the child wants", self.wishes),
        ];
        let mut text = String::new();
        for (name, said) in parts {
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            if said.is_empty() {
                return Err(CommandError::NoteLength(0));
            }
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {said}");
        }
        if text.len() > MAX_NOTE_BYTES {
            Err(CommandError::NoteLength(text.len()))
        } else {
            Ok(text.trim_end().to_owned())
        }
    }
}
