//! The networks of a school.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_NETWORKS: usize = 64;

/// Where anything is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sites {
    /// Everywhere.
    Any,
    /// On devices seen in one of these networks, at most 64.
    Networks(Vec<Network>),
}

impl Sites {
    /// Whether `address` is one of a site.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Networks(networks) => networks.iter().any(|network| network.holds(address)),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Any => Ok(()),
            Self::Networks(networks) if (1..=MAX_NETWORKS).contains(&networks.len()) => Ok(()),
            Self::Networks(_) => Err(format!("has not 1 to {MAX_NETWORKS} networks")),
        }
    }
}

/// An IPv4 or IPv6 network; its text form is `address/bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is `address/bits` without bits set beyond them, such as `10.2.0.0/16`")]
pub struct InvalidNetwork;

impl Network {
    /// Whether `address` is in the network. An IPv4 address mapped into IPv6 is the IPv4 one.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == masked(self.address, self.bits)
    }
}

impl Network {
    /// Whether all of it is in `other`.
    pub(super) fn is_within(self, other: Self) -> bool {
        other.bits <= self.bits && other.holds(self.address)
    }
}

/// The first `bits` bits of an address.
fn masked(address: IpAddr, bits: u8) -> u128 {
    let (number, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u8),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address), 128),
    };
    number.checked_shr(u32::from(width.saturating_sub(bits))).unwrap_or(0)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').ok_or(InvalidNetwork)?;
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let bits: u8 = bits.parse().map_err(|_| InvalidNetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if bits > width || address.to_canonical() != address {
            return Err(InvalidNetwork);
        }
        let beyond = u32::from(width - bits);
        let kept = masked(address, bits).checked_shl(beyond).unwrap_or(0);
        if kept == masked(address, width) { Ok(Self { address, bits }) } else { Err(InvalidNetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().holds(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_its_own_addresses_alone() {
        assert!(holds("10.2.0.0/16", "10.2.255.1"));
        assert!(!holds("10.2.0.0/16", "10.3.0.1"));
        assert!(holds("10.2.0.0/16", "::ffff:10.2.0.1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("192.0.2.7/32", "192.0.2.7"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.2.0.0", "10.2.0.1/16", "10.2.0.0/33", "::/129", "ten/8", "10.0.0.0/-1", "::ffff:10.0.0.0/104"]
        {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
