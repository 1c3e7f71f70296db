//! Which addresses a webhook may be at: what somebody writes into a configuration must not reach what only this machine
//! or its network offers, unless they said so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::Private;

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the Internet.
    Public,
    /// On this machine or a network of somebody's own.
    Private,
    /// Nowhere a webhook is: link-local (where clouds keep their secrets), multicast, reserved.
    Nowhere,
}

/// Those of `found` that may be connected to, in order.
pub(super) fn allowed(found: impl IntoIterator<Item = SocketAddr>, private: Private) -> Vec<SocketAddr> {
    let may = |address: &SocketAddr| match place(address.ip()) {
        Place::Public => true,
        Place::Private => private == Private::Allowed,
        Place::Nowhere => false,
    };
    found.into_iter().filter(may).collect()
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => place_v6(address),
    }
}

/// By the registry of special-purpose addresses.
const fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [10 | 127, ..] | [100, 64..=127, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private,
        [0, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] => Place::Nowhere,
        [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => Place::Nowhere,
        [..] => Place::Public,
    }
}

/// What carries an address of version 4 lies where that lies.
fn place_v6(address: Ipv6Addr) -> Place {
    let [a, b, c, d, _, _, g, h] = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return place_v4(mapped);
    }
    match (a, b) {
        (0, 0) if address.is_loopback() => Place::Private,
        (0x0064, 0xff9b) if c == 0 && d == 0 => place_v4(carried(g, h)),
        (0x2002, _) => place_v4(carried(b, c)),
        (0xfc00..=0xfdff, _) => Place::Private,
        // Teredo, benchmarks, ORCHID; documentation.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => Place::Nowhere,
        (0x2000..=0x3fff, _) => Place::Public,
        _ => Place::Nowhere,
    }
}

fn carried(high: u16, low: u16) -> Ipv4Addr {
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(addresses: &[&str], private: Private) -> usize {
        let parsed = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443));
        allowed(parsed, private).len()
    }

    const PUBLIC: [&str; 6] =
        ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"];
    const OWN: [&str; 14] = [
        "127.0.0.1",
        "127.9.9.9",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
    ];
    const NEVER: [&str; 18] = [
        "0.0.0.0",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::8.8.8.8",
        "fe80::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "::ffff:169.254.169.254",
        "2002:a9fe:a9fe::1",
    ];

    #[test]
    fn only_the_internet_is_reached_unless_private_is_allowed() {
        for private in [Private::Refused, Private::Allowed] {
            assert_eq!(count(&PUBLIC, private), PUBLIC.len());
            assert_eq!(count(&NEVER, private), 0);
        }
        assert_eq!((count(&OWN, Private::Refused), count(&OWN, Private::Allowed)), (0, OWN.len()));
    }

    #[test]
    fn of_several_addresses_only_those_allowed_are_left() {
        let mixed = ["10.0.0.1:443", "8.8.8.8:443"].map(|text| text.parse().unwrap());
        assert_eq!(allowed(mixed, Private::Refused), [mixed[1]]);
    }
}
