use lapwing_proto::{Capture, Open as Kept, Signal};
use lapwing_rules::{Category, Level};

use super::*;
use crate::proof::Lookout;
use crate::store::device_health::{self, Health, SensorState};
use crate::store::fixture::{DEVICE, NINE_US, School, delivery, title};
use crate::store::seeded::{self, Enrolling};

const HOUR_US: i64 = 3_600_000_000;
/// Four o'clock in London on the day of [`NINE_US`].
const CLOSES_US: i64 = NINE_US + 6 * HOUR_US;

async fn school() -> (School, Lookout) {
    let school = School::open().await;
    seeded::enrol(&school, &Enrolling { device: DEVICE, hostname: "PC-12", room: "", enrolled_us: 1 }).await;
    let working = SensorState { health: 1, reason: String::new(), detail: String::new() };
    let sensors = ["titles", "urls", "files"].map(|sensor| ((sensor.to_owned(), "3".to_owned()), working.clone()));
    let health = Health { sensors: sensors.into(), rule_set_release: 1, ..Health::default() };
    let mut tx = school.store.begin().await.unwrap();
    device_health::replace(&mut tx, &school.id, DEVICE, &health, NINE_US).await.unwrap();
    tx.commit().await.unwrap();
    let lookout = Lookout::new(school.id.clone(), school.store.clone());
    (school, lookout)
}

fn canary(signal: Signal) -> Capture {
    Capture { signal: Kept::Known(signal), ..title("amy", Category::Canary, Level::Info, "lapwing daily check") }
}

async fn arrive(school: &School, signals: &[Signal]) {
    let captures = signals.iter().map(|signal| canary(*signal)).collect();
    school.intake().take(delivery(Level::Info, 1, captures)).await.unwrap();
}

async fn log(school: &School) -> Vec<String> {
    school.texts("SELECT kind || ' ' || result || ' ' || detail FROM checks ORDER BY at_us, kind").await
}

#[tokio::test]
async fn a_device_whose_every_sensor_brought_it_passes_at_once_and_the_day_is_summed_up_once() {
    let (school, mut lookout) = school().await;
    arrive(&school, &[Signal::Title, Signal::Url, Signal::FileDrop]).await;
    lookout.look(NINE_US + 1).await.unwrap();
    lookout.look(NINE_US + 2).await.unwrap();
    assert_eq!(log(&school).await, ["canary passed "]);
    lookout.look(CLOSES_US - 1).await.unwrap();
    lookout.look(CLOSES_US).await.unwrap();
    lookout.look(CLOSES_US + HOUR_US).await.unwrap();
    assert_eq!(log(&school).await, ["canary passed ", "canary_day passed passed:1 failed:0 unclear:0 not_run:0"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, 0);
}

#[tokio::test]
async fn a_device_of_which_a_sensor_brought_nothing_fails_when_the_school_closes_and_names_it() {
    let (school, mut lookout) = school().await;
    arrive(&school, &[Signal::Title, Signal::FileDrop]).await;
    lookout.look(NINE_US + HOUR_US).await.unwrap();
    assert!(log(&school).await.is_empty(), "the rest may be on its way");
    lookout.look(CLOSES_US).await.unwrap();
    assert_eq!(
        log(&school).await,
        ["canary failed urls:missing", "canary_day failed passed:0 failed:1 unclear:0 not_run:0"]
    );
}

#[tokio::test]
async fn a_device_that_nobody_signed_in_to_is_neither_whole_nor_broken() {
    let (school, mut lookout) = school().await;
    school.write("DELETE FROM device_sensors WHERE sensor <> 'files'").await;
    arrive(&school, &[Signal::FileDrop]).await;
    lookout.look(CLOSES_US).await.unwrap();
    assert_eq!(
        log(&school).await,
        [
            "canary unclear titles:not_reported urls:not_reported",
            "canary_day unclear passed:0 failed:0 unclear:1 not_run:0"
        ]
    );
}

#[tokio::test]
async fn a_device_that_was_on_and_ran_no_check_is_counted_and_one_of_another_day_is_not() {
    let (school, mut lookout) = school().await;
    lookout.look(CLOSES_US).await.unwrap();
    assert_eq!(log(&school).await, ["canary_day unclear passed:0 failed:0 unclear:0 not_run:1"]);
    // The next day nothing was on.
    lookout.look(CLOSES_US + 24 * HOUR_US).await.unwrap();
    // The day after, something is: it says nothing of the day before.
    seeded::say(&school, &[(DEVICE, NINE_US + 48 * HOUR_US, None)], NINE_US + 48 * HOUR_US).await;
    lookout.look(NINE_US + 48 * HOUR_US + 1).await.unwrap();
    assert_eq!(log(&school).await.len(), 1);
}

#[tokio::test]
async fn a_collector_that_was_down_when_the_school_closed_sums_up_when_it_is_back() {
    let (school, mut lookout) = school().await;
    arrive(&school, &[Signal::Title]).await;
    lookout.look(NINE_US + 14 * 24 * HOUR_US).await.unwrap();
    assert!(log(&school).await.is_empty(), "too long ago");
    let (school, mut lookout) = self::school().await;
    arrive(&school, &[Signal::Title]).await;
    lookout.look(CLOSES_US + 14 * HOUR_US).await.unwrap();
    assert_eq!(
        log(&school).await,
        ["canary failed files:missing urls:missing", "canary_day failed passed:0 failed:1 unclear:0 not_run:0"]
    );
}

#[test]
fn the_latest_closed_day_is_looked_for_over_a_weekend_and_a_change_of_the_clocks() {
    let calendar = Calendar::weekdays(jiff::tz::TimeZone::get("Europe/London").unwrap());
    let us = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let friday = last_closed(&calendar, us("2026-10-26T08:00:00Z")).unwrap();
    assert_eq!(friday.1.until_us, us("2026-10-23T15:00:00Z"));
    assert_eq!(last_closed(&calendar, us("2026-10-26T16:00:00Z")).unwrap().1.until_us, us("2026-10-26T16:00:00Z"));
    let sunday = whole_day(&calendar, us("2026-10-25T12:00:00Z")).unwrap();
    assert_eq!(sunday.until_us - sunday.from_us, 25 * HOUR_US);
}
