//! Campaigns: what the token of one roll-out lets in. Pure.

use std::net::IpAddr;

use lapwing_proto::firmware::serial_hash;
use lapwing_rules::Network;

/// Most networks of a campaign.
pub(crate) const MAX_NETWORKS: usize = 16;

/// What a token lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Group its devices join.
    pub(crate) device_group: String,
    /// Where devices may come from; empty: from anywhere.
    pub(crate) networks: Vec<Network>,
    /// Only devices of the school's own list, by host name and, where the list has one, serial number.
    pub(crate) is_listed_only: bool,
    /// Each device waits until somebody lets it in.
    pub(crate) is_by_approval: bool,
    /// End, microseconds of UTC; does not count.
    pub(crate) expires_us: i64,
    /// Devices it may still let in.
    pub(crate) uses_left: i64,
}

/// Who asks to join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comer<'a> {
    /// Where from, as far as the connection tells.
    pub(crate) address: Option<IpAddr>,
    /// SHA-256 of its serial number as [`serial_hash`] makes it; empty where the firmware names none.
    pub(crate) serial_hash: &'a [u8],
    /// Serial number that the school's list has for its host name, empty where it has none; `None`: it is not listed.
    pub(crate) listed_serial: Option<&'a str>,
}

/// Why a token does not let somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    Expired,
    UsedUp,
    Network,
    NotListed,
}

impl Terms {
    /// Whether the campaign lets `comer` in at `now_us`.
    pub(crate) fn admit(&self, comer: &Comer<'_>, now_us: i64) -> Result<(), Barred> {
        if self.expires_us <= now_us {
            return Err(Barred::Expired);
        }
        let holds = |network: &Network| comer.address.is_some_and(|address| network.holds(address));
        if !self.networks.is_empty() && !self.networks.iter().any(holds) {
            return Err(Barred::Network);
        }
        if self.is_listed_only && !comer.is_listed() {
            return Err(Barred::NotListed);
        }
        if self.uses_left <= 0 {
            return Err(Barred::UsedUp);
        }
        Ok(())
    }
}

impl Comer<'_> {
    /// Whether it is who the list names. A serial number that the list has is one the device has to show.
    pub(crate) fn is_listed(&self) -> bool {
        let Some(serial) = self.listed_serial else { return false };
        serial_hash(serial).is_none_or(|wanted| wanted.as_bytes().as_slice() == self.serial_hash)
    }
}

/// Networks as they are stored: their text forms with a space between them.
pub(crate) fn networks_to_text(networks: &[Network]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads what [`networks_to_text`] wrote; `None` where it is something else.
pub(crate) fn networks_from_text(text: &str) -> Option<Vec<Network>> {
    text.split_whitespace().map(|network| network.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms { device_group: "g".into(), expires_us: 100, uses_left: 1, ..Terms::default() }
    }

    fn from(address: &str) -> Comer<'static> {
        Comer { address: address.parse().ok(), serial_hash: &[], listed_serial: None }
    }

    #[test]
    fn a_campaign_ends_with_its_time_and_its_uses() {
        assert_eq!(terms().admit(&from("10.0.0.1"), 99), Ok(()));
        assert_eq!(terms().admit(&from("10.0.0.1"), 100), Err(Barred::Expired));
        assert_eq!(Terms { uses_left: 0, ..terms() }.admit(&from("10.0.0.1"), 99), Err(Barred::UsedUp));
    }

    #[test]
    fn networks_let_nobody_else_in_nor_whom_the_connection_does_not_tell() {
        let terms = Terms { networks: networks_from_text("10.0.0.0/8 fd00::/8").unwrap(), ..terms() };
        assert_eq!(terms.admit(&from("10.9.9.9"), 1), Ok(()));
        assert_eq!(terms.admit(&from("fd00::1"), 1), Ok(()));
        for other in ["192.0.2.1", "2001:db8::1", ""] {
            assert_eq!(terms.admit(&from(other), 1), Err(Barred::Network), "{other}");
        }
        assert_eq!(networks_from_text(&networks_to_text(&terms.networks)), Some(terms.networks));
        assert_eq!(networks_from_text("10.0.0.0/8 else"), None);
    }

    #[test]
    fn a_listed_device_shows_the_serial_number_that_the_list_has() {
        let terms = Terms { is_listed_only: true, ..terms() };
        let shown = serial_hash("5CG1").unwrap();
        let comer = |listed_serial, serial_hash| Comer { listed_serial, serial_hash, ..from("10.0.0.1") };
        for (listed, shows, admitted) in [
            (Some("5cg1"), shown.as_bytes().as_slice(), Ok(())),
            (Some(""), shown.as_bytes(), Ok(())),
            (Some("To be filled by O.E.M."), &[], Ok(())),
            (Some("5CG2"), shown.as_bytes(), Err(Barred::NotListed)),
            (Some("5CG1"), &[], Err(Barred::NotListed)),
            (None, shown.as_bytes(), Err(Barred::NotListed)),
        ] {
            assert_eq!(terms.admit(&comer(listed, shows), 1), admitted, "{listed:?}");
        }
    }
}
