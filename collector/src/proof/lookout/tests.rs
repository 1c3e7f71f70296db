use std::collections::BTreeMap;

use super::*;
use crate::store::fixture::School;
use crate::store::seeded::{self, Enrolling};
use crate::subject::Kind;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
/// Thursday 22 October 2026, midnight in London; on the Sunday after it the clocks go back.
const START_US: i64 = 1_792_623_600_000_000;
/// What the devices of one room have in common, by day: from, until, and whether they say goodbye.
type Hours = (i64, i64, bool);

/// A school of two rooms whose devices speak every 50 seconds while they are on, seen by a lookout once a minute.
struct Simulated {
    school: School,
    lookout: Lookout,
    /// Room and, by day from the start, when its devices are on.
    rooms: BTreeMap<&'static str, BTreeMap<i64, Hours>>,
    devices: BTreeMap<DeviceId, &'static str>,
}

impl Simulated {
    async fn open() -> Self {
        Self::of(30).await
    }

    async fn of(devices_in_all: u8) -> Self {
        let school = School::open().await;
        school.person("tech", Kind::Staff, &[Role::Technician]).await;
        school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
        let lookout = Lookout::new(school.id.clone(), school.store.clone());
        let mut devices = BTreeMap::new();
        for number in 0..devices_in_all {
            let room = if number % 2 == 0 { "IT room" } else { "Library" };
            let device = DeviceId::from_bytes([number + 1; 16]);
            let hostname = format!("PC-{number}");
            seeded::enrol(&school, &Enrolling { device, hostname: &hostname, room, enrolled_us: START_US }).await;
            devices.insert(device, room);
        }
        Self { school, lookout, rooms: BTreeMap::new(), devices }
    }

    fn on(&mut self, room: &'static str, day: i64, hours: Hours) {
        self.rooms.entry(room).or_default().insert(day, hours);
    }

    /// Lets the time from `from_us` to `until_us` pass. Answers the minutes at which somebody was told, since the start.
    async fn pass(&mut self, from_us: i64, until_us: i64) -> Vec<i64> {
        let mut told = Vec::new();
        let mut now_us = from_us;
        while now_us < until_us {
            self.speak(now_us).await;
            if self.lookout.look(now_us).await.unwrap() {
                told.push((now_us - START_US) / MINUTE_US);
            }
            now_us += MINUTE_US;
        }
        told
    }

    async fn speak(&self, now_us: i64) {
        let day = (now_us - START_US) / DAY_US;
        let mut words = Vec::new();
        for (device, room) in &self.devices {
            let Some((from, until, goodbye)) = self.rooms.get(room).and_then(|days| days.get(&day)).copied() else {
                continue;
            };
            // No two devices speak at the same moment.
            let jitter_us = i64::from(device.as_bytes()[0]) * SECOND_US;
            let (from_us, until_us) = (START_US + day * DAY_US + from + jitter_us, START_US + day * DAY_US + until);
            if now_us < from_us {
                continue;
            }
            let last_us = now_us.min(until_us);
            let heard_us = last_us - (last_us - from_us) % (50 * SECOND_US);
            words.push((*device, heard_us, (goodbye && now_us >= until_us).then_some(until_us)));
        }
        seeded::say(&self.school, &words, now_us).await;
    }

    async fn silences(&self) -> Vec<String> {
        self.school
            .texts("SELECT room || ' ' || devices || ' ' || (ended_us IS NULL) FROM silences ORDER BY raised_us, room")
            .await
    }
}

#[tokio::test]
async fn a_week_with_a_weekend_and_a_change_of_the_clocks_raises_nothing_while_devices_say_goodbye() {
    let mut simulated = Simulated::of(2).await;
    for day in [0, 1, 4, 5, 6, 7] {
        // By UTC: after the clocks went back the school opens an hour later.
        let later = if day > 3 { HOUR_US } else { 0 };
        simulated.on("IT room", day, (8 * HOUR_US + later, 17 * HOUR_US + later, true));
        simulated.on("Library", day, (9 * HOUR_US + later, 15 * HOUR_US + later, true));
    }
    assert_eq!(simulated.pass(START_US, START_US + 8 * DAY_US).await, Vec::<i64>::new());
    assert!(simulated.silences().await.is_empty());
}

#[tokio::test]
async fn a_room_that_stops_is_one_silence_raised_within_five_minutes_and_the_dsl_hears_when_it_lasts() {
    let mut simulated = Simulated::open().await;
    simulated.on("IT room", 0, (8 * HOUR_US, 10 * HOUR_US, false));
    simulated.on("Library", 0, (8 * HOUR_US, 17 * HOUR_US, true));
    let told = simulated.pass(START_US + 8 * HOUR_US, START_US + DAY_US).await;
    let last_word = 10 * 60 - 1;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!((3..=5).contains(&(told[0] - last_word)), "{told:?}");
    assert_eq!(simulated.silences().await, ["IT room 15 1"]);
    let mails = "SELECT COUNT(*) FROM outbox WHERE kind = 'silence'";
    assert_eq!(simulated.school.count(mails).await, 1);

    simulated.on("Library", 1, (8 * HOUR_US, 17 * HOUR_US, true));
    let told = simulated.pass(START_US + DAY_US, START_US + 2 * DAY_US).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let a_day_later = 24 * 60 + 10 * 60;
    assert!((3..=5).contains(&(told[0] - a_day_later)), "a school day later: {told:?}");
    assert_eq!(simulated.school.count(mails).await, 2);
    assert_eq!(simulated.silences().await, ["IT room 15 1"], "no second one of the same devices");

    simulated.on("IT room", 4, (9 * HOUR_US, 17 * HOUR_US, true));
    simulated.on("Library", 4, (9 * HOUR_US, 17 * HOUR_US, true));
    assert!(simulated.pass(START_US + 4 * DAY_US, START_US + 5 * DAY_US).await.is_empty());
    assert_eq!(simulated.silences().await, ["IT room 15 0"]);
    let acts = simulated.school.texts("SELECT act FROM audit_acts").await;
    assert!(
        acts.iter().any(|act| act.contains("silence_raised")) && acts.iter().any(|act| act.contains("silence_ended"))
    );
}

#[tokio::test]
async fn a_room_that_comes_and_goes_is_one_silence_of_the_day_and_told_once_an_hour() {
    let mut simulated = Simulated::of(2).await;
    let mut told = Vec::new();
    for round in 0..9 {
        let on_us = 9 * HOUR_US + round * 20 * MINUTE_US;
        simulated.on("Library", 0, (on_us, on_us + 8 * MINUTE_US, false));
        told.extend(simulated.pass(START_US + on_us, START_US + on_us + 20 * MINUTE_US).await);
    }
    assert!((2..=3).contains(&told.len()) && told.windows(2).all(|two| two[1] - two[0] >= 60), "{told:?}");
    assert_eq!(simulated.silences().await, ["Library 1 1"]);
}

#[tokio::test]
async fn a_collector_that_was_stopped_raises_nothing_of_the_time_in_which_it_did_not_listen() {
    let mut simulated = Simulated::open().await;
    for room in ["IT room", "Library"] {
        simulated.on(room, 0, (8 * HOUR_US, 17 * HOUR_US, true));
    }
    assert!(simulated.pass(START_US + 9 * HOUR_US, START_US + 10 * HOUR_US).await.is_empty());
    // An hour later; devices need two minutes to find it again.
    let back_us = START_US + 11 * HOUR_US;
    for minute in 0..2 {
        assert!(!simulated.lookout.look(back_us + minute * MINUTE_US).await.unwrap());
    }
    assert!(simulated.pass(back_us + 2 * MINUTE_US, START_US + 12 * HOUR_US).await.is_empty());
}

#[tokio::test]
async fn a_device_that_is_denied_is_silent_no_more_and_a_room_without_technician_is_told_to_the_dsl() {
    let mut simulated = Simulated::open().await;
    simulated.school.write("DELETE FROM person_roles WHERE role = 'technician'").await;
    simulated.on("Library", 0, (8 * HOUR_US, 10 * HOUR_US, false));
    assert_eq!(simulated.pass(START_US + 9 * HOUR_US, START_US + 11 * HOUR_US).await.len(), 1);
    let dsl =
        "SELECT COUNT(*) FROM outbox AS o JOIN person_roles AS r ON r.person_id = o.person_id WHERE r.role = 'dsl'";
    assert_eq!(simulated.school.count(dsl).await, 1);
    simulated.school.write("UPDATE devices SET revoked_us = 1").await;
    assert!(simulated.pass(START_US + 11 * HOUR_US, START_US + 11 * HOUR_US + MINUTE_US).await.is_empty());
    assert_eq!(simulated.silences().await, ["Library 15 0"]);
}

#[tokio::test]
async fn where_nothing_can_be_written_nobody_is_told_and_the_next_look_finds_the_same() {
    let mut simulated = Simulated::open().await;
    simulated.on("Library", 0, (8 * HOUR_US, 10 * HOUR_US, false));
    simulated.pass(START_US + 9 * HOUR_US, START_US + 10 * HOUR_US).await;
    simulated.school.write("ALTER TABLE outbox RENAME TO outbox_away").await;
    for minute in 0..6 {
        let now_us = START_US + 10 * HOUR_US + minute * MINUTE_US;
        simulated.speak(now_us).await;
        assert_eq!(simulated.lookout.look(now_us).await.is_ok(), minute < 3, "{minute}");
    }
    assert!(simulated.silences().await.is_empty());
    simulated.school.write("ALTER TABLE outbox_away RENAME TO outbox").await;
    assert!(simulated.lookout.look(START_US + 10 * HOUR_US + 6 * MINUTE_US).await.unwrap());
    assert_eq!(simulated.silences().await, ["Library 15 1"]);
}
