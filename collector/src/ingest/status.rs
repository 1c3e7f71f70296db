//! What a device says of itself, checked against the bounds of the contract.

use std::collections::BTreeMap;

use lapwing_proto::bounds::{self, OutOfBounds};
use lapwing_proto::{BootId, Exemption, ExemptionId, wire};
use lapwing_rules::{Category, Level};

use crate::store::device_health::{Health, SensorState};

/// A spool that holds fewer is about to be empty.
const TOLD_WAITING: u64 = 100;
const MAX_SENSORS: usize = 16;
const MAX_COUNTS: usize = 256;
const MAX_DIAGNOSTICS: usize = 16;
const MAX_KEY_BYTES: usize = 96;
/// Most that one status may add to one count: an hour of a fast typist on one helpline page.
const MAX_COUNT: u64 = 10_000;
/// Days a count may lie back: the longest a device keeps it.
const MAX_DAYS_BACK: i64 = 15;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
const COUNT_PREFIXES: [&str; 2] = ["support:", "shadow:"];
const EXEMPTED: &str = "exempted:";

/// A checked status.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) health: Health,
    /// By key and day since 1970.
    pub(super) counts: BTreeMap<(String, u32), u64>,
    /// What an exemption kept from being captured.
    pub(super) exempted: BTreeMap<(ExemptionId, Category), u64>,
    /// Of the list of exemptions that it holds.
    pub(super) exemptions_number: u64,
}

/// Checks `status`, received at `now_us`.
pub(super) fn check(status: wire::Status, now_us: i64) -> Result<Told, OutOfBounds> {
    bounds::list("status.sensors", &status.sensors, MAX_SENSORS)?;
    bounds::list("status.counts", &status.counts, MAX_COUNTS)?;
    bounds::list("status.diagnostics", &status.diagnostics, MAX_DIAGNOSTICS)?;
    BootId::try_from(status.boot_id.as_slice()).map_err(|_| OutOfBounds::new("status.boot_id", "16 bytes"))?;
    let sensors = status.sensors.into_iter().map(sensor).collect::<Result<_, _>>()?;
    let diagnostics = status.diagnostics.into_iter().map(diagnostic).collect::<Result<_, _>>()?;
    let (mut counts, mut exempted) = (BTreeMap::new(), BTreeMap::new());
    for (hit, count) in status.counts.iter().filter_map(exempted_hit) {
        let total: &mut u64 = exempted.entry(hit).or_default();
        *total = total.saturating_add(count).min(MAX_COUNT);
    }
    // Whoever is at the device chooses the host, and its clock may be wrong: a count that makes no sense is left out,
    // and the device still says how it is.
    for (key, count) in status.counts.into_iter().filter_map(|told| count(told, now_us)) {
        let total: &mut u64 = counts.entry(key).or_default();
        *total = total.saturating_add(count).min(MAX_COUNT);
    }
    bounds::list("status.lanes", &status.lanes, Level::ALL.len())?;
    let held = status.lanes.iter().filter(|lane| lane.first > 0).map(|lane| lane.next.saturating_sub(lane.first));
    let waiting = held.fold(0_u64, u64::saturating_add);
    let dropped = status.counters.map_or(0, |told| {
        told.dropped_oversize.saturating_add(told.dropped_rate).saturating_add(told.dropped_malformed)
    });
    let health = Health {
        is_scoped_out: status.scoped_out,
        waiting: Health::rounded(waiting, TOLD_WAITING),
        dropped: Health::rounded(dropped, 1),
        sensors,
        diagnostics,
        rule_set_release: status.rule_set_release,
        policy_release: status.policy_release,
    };
    Ok(Told { health, counts, exempted, exemptions_number: status.exemptions_number })
}

fn sensor(told: wire::SensorState) -> Result<((String, String), SensorState), OutOfBounds> {
    bounds::text("status.sensors.sensor", &told.sensor, 16)?;
    bounds::text("status.sensors.reason", &told.reason, 48)?;
    bounds::text("status.sensors.session", &told.session, bounds::MAX_NAME_BYTES)?;
    bounds::text("status.sensors.detail", &told.detail, 128)?;
    let state = SensorState { health: told.health, reason: told.reason, detail: told.detail };
    Ok(((told.sensor, told.session), state))
}

fn diagnostic(told: wire::Diagnostic) -> Result<(String, String), OutOfBounds> {
    bounds::text("status.diagnostics.code", &told.code, 16)?;
    bounds::text("status.diagnostics.detail", &told.detail, 256)?;
    Ok((told.code, told.detail))
}

/// What an exemption kept from being captured, and how often; `None` for any other count, and for what none could.
fn exempted_hit(told: &wire::Count) -> Option<((ExemptionId, Category), u64)> {
    let (exemption, category) = told.key.strip_prefix(EXEMPTED)?.split_once(':')?;
    let category = category.parse().ok().filter(|category| Exemption::may_hold_for(*category))?;
    Some(((exemption.parse().ok()?, category), told.count.min(MAX_COUNT)))
}

/// Key, day and number; `None` for what is neither a support host's nor a shadow rule's, or of no day a device may tell.
fn count(told: wire::Count, now_us: i64) -> Option<((String, u32), u64)> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b':');
    let is_key = COUNT_PREFIXES.iter().any(|prefix| told.key.starts_with(prefix))
        && told.key.len() <= MAX_KEY_BYTES
        && told.key.bytes().all(allowed);
    let today = now_us.div_euclid(DAY_US);
    let is_told_in_time = (today - MAX_DAYS_BACK..=today + 1).contains(&i64::from(told.day));
    (is_key && is_told_in_time).then(|| ((told.key, told.day), told.count.min(MAX_COUNT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 20_000 * DAY_US;

    fn status(counts: Vec<wire::Count>) -> wire::Status {
        wire::Status { boot_id: vec![0; 16], counts, ..wire::Status::default() }
    }

    fn count_of(key: &str, day: u32, count: u64) -> wire::Count {
        wire::Count { key: key.to_owned(), day, count }
    }

    #[test]
    fn counts_that_name_anything_else_or_another_time_are_left_out_and_the_rest_is_taken() {
        let good = count_of("support:childline.org.uk", 20_000, 1);
        for bad in [
            count_of("support:Somebody Else", 20_000, 1),
            count_of("account:jo", 20_000, 1),
            count_of("support:childline.org.uk", 19_900, 1),
            count_of("support:childline.org.uk", 20_002, 1),
            count_of("support:a+b.childline.org.uk", 20_000, 1),
            count_of(&format!("support:{}", "x".repeat(96)), 20_000, 1),
        ] {
            let told = check(status(vec![bad, good.clone()]), NOW_US).unwrap();
            assert_eq!(told.counts.into_keys().collect::<Vec<_>>(), [(good.key.clone(), good.day)]);
        }
    }

    #[test]
    fn a_count_is_added_up_and_capped() {
        let one = count_of("support:childline.org.uk", 20_000, 3);
        let huge = count_of("shadow:self_harm.method", 19_990, u64::MAX);

        let told = check(status(vec![one.clone(), one, huge]), NOW_US).unwrap();

        assert_eq!(told.counts[&("support:childline.org.uk".to_owned(), 20_000)], 6);
        assert_eq!(told.counts[&("shadow:self_harm.method".to_owned(), 19_990)], MAX_COUNT);
    }

    #[test]
    fn what_was_exempted_is_counted_for_its_exemption_and_nothing_that_none_could_exempt() {
        let id = ExemptionId::from_bytes([7; 16]);
        let key = |category: &str| format!("exempted:{id}:{category}");
        let counts = vec![
            count_of(&key("drugs"), 20_000, 2),
            count_of(&key("drugs"), 19_999, 3),
            count_of(&key("csam"), 20_000, 1),
            count_of(&key("canary"), 20_000, 1),
            count_of(&key("no_such"), 20_000, 1),
            count_of("exempted:exm-1:drugs", 20_000, 1),
            count_of("exempted:", 20_000, 1),
            count_of(&key("weapons"), 20_000, u64::MAX),
        ];
        let told = check(wire::Status { exemptions_number: 9, ..status(counts) }, NOW_US).unwrap();
        let expected = [((id, Category::Weapons), MAX_COUNT), ((id, Category::Drugs), 5)];
        assert_eq!(told.exempted, expected.into());
        assert_eq!((told.counts.len(), told.exemptions_number), (0, 9));
    }

    #[test]
    fn what_waits_and_what_was_dropped_is_told_in_powers_of_ten() {
        let lane = |first, next| wire::LaneState { lane: 3, first, next };
        let told = |lanes, dropped_rate| {
            let counters = Some(wire::Counters { dropped_rate, ..wire::Counters::default() });
            check(wire::Status { lanes, counters, scoped_out: true, ..status(vec![]) }, NOW_US).unwrap().health
        };
        let few = told(vec![lane(1, 100), lane(0, 5_000)], 0);
        assert_eq!((few.waiting, few.dropped, few.is_scoped_out), (0, 0, true));
        let many = told(vec![lane(1, 100), lane(7, 5_000)], 73);
        assert_eq!((many.waiting, many.dropped), (1_000, 10));
        assert_eq!(told(vec![lane(1, u64::MAX), lane(1, u64::MAX)], u64::MAX).dropped, 10_u64.pow(19));
    }

    #[test]
    fn lists_over_their_bound_are_refused() {
        let sensors = vec![wire::SensorState::default(); MAX_SENSORS + 1];
        assert!(check(wire::Status { sensors, ..status(vec![]) }, NOW_US).is_err());
    }
}
