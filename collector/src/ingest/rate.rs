//! How often one address may knock at enrolment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Joins at once: a classroom behind one address.
const BURST: i64 = 64;
/// Afterwards one for each of these: 400 PCs behind one address that come back from the summer together take two minutes.
const EVERY: Duration = Duration::from_millis(250);
/// Addresses remembered; when full, those that are long quiet are forgotten, and without any a new one waits.
const MAX_ADDRESSES: usize = 8192;
const EVERY_US: i64 = 250_000;

/// One bucket an address; IPv6 by its /64.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// Until when each address has used up its joins, as microseconds of UTC: empty when in the past.
    busy_until_us: Mutex<BTreeMap<IpAddr, i64>>,
}

impl RateLimit {
    /// Lets one join through, or says how long to wait.
    pub(crate) fn admit(&self, address: IpAddr, now_us: i64) -> Result<(), Duration> {
        let mut buckets = self.busy_until_us.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(&address) {
            buckets.retain(|_, busy_until_us| *busy_until_us > now_us);
            if buckets.len() >= MAX_ADDRESSES {
                return Err(EVERY);
            }
        }
        let bucket = buckets.entry(address).or_insert(now_us);
        *bucket = (*bucket).clamp(now_us, now_us.saturating_add(BURST * EVERY_US));
        let busy_until_us = bucket.saturating_add(EVERY_US);
        let over_us = busy_until_us.saturating_sub(now_us).saturating_sub(BURST * EVERY_US);
        if over_us > 0 {
            return Err(Duration::from_micros(over_us.unsigned_abs()));
        }
        *bucket = busy_until_us;
        Ok(())
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_795_000_000_000_000;

    #[test]
    fn a_burst_passes_then_a_few_a_second_and_others_are_not_held_up() {
        let limit = RateLimit::default();
        let pc: IpAddr = "10.0.0.1".parse().unwrap();

        let passed = (0..1000).filter(|_| limit.admit(pc, NOW_US).is_ok()).count();

        assert_eq!(passed, 64);
        assert_eq!(limit.admit(pc, NOW_US), Err(EVERY));
        assert!(limit.admit(pc, NOW_US + EVERY_US).is_ok());
        assert!(limit.admit(pc, NOW_US + EVERY_US).is_err());
        assert!(limit.admit("10.0.0.2".parse().unwrap(), NOW_US).is_ok());
    }

    #[test]
    fn addresses_of_one_network_share_and_a_clock_set_back_does_not_lock_out() {
        let limit = RateLimit::default();
        for host in 0..64 {
            limit.admit(format!("2001:db8::{host}").parse().unwrap(), NOW_US).unwrap();
        }
        assert!(limit.admit("2001:db8::ffff".parse().unwrap(), NOW_US).is_err());
        assert!(limit.admit("2001:db8:0:1::1".parse().unwrap(), NOW_US).is_ok());

        let year_us = 365 * 24 * 3600 * EVERY_US;
        assert!(limit.admit("2001:db8::1".parse().unwrap(), NOW_US - year_us).is_err());
        assert!(limit.admit("2001:db8::1".parse().unwrap(), NOW_US - year_us + EVERY_US).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let limit = RateLimit::default();
        for host in 0..u32::try_from(MAX_ADDRESSES).unwrap() {
            limit.admit(IpAddr::V4(host.into()), NOW_US).unwrap();
        }
        assert!(limit.admit("200.0.0.1".parse().unwrap(), NOW_US).is_err());
        assert!(limit.admit("200.0.0.1".parse().unwrap(), NOW_US + 2 * EVERY_US).is_ok());
    }
}
