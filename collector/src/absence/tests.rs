use proptest::prelude::*;

use super::*;
use crate::actor::Role;
use crate::store::fixture::{NINE_US, School};
use crate::subject::Kind;

const HOUR_US: i64 = 3_600_000_000;

const fn hours(from: i64, until: i64) -> Stretch {
    Stretch { from_us: NINE_US + from * HOUR_US, until_us: NINE_US + until * HOUR_US }
}

fn product(school: &School) -> Actor {
    Actor::Product { school: school.id.clone() }
}

async fn standing(school: &School, now_us: i64) -> Vec<Stretch> {
    let all = absences::standing(&school.store, &school.id, now_us).await.unwrap();
    all.iter().map(|one| one.absence.stretch).collect()
}

#[tokio::test]
async fn stretches_that_overlap_or_touch_become_one_and_others_stay() {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let record = async |stretch| record(&school.store, &product(&school), NINE_US, dsl, stretch).await.unwrap();
    assert_eq!(record(hours(0, 4)).await, hours(0, 4));
    assert_eq!(record(hours(6, 8)).await, hours(6, 8));
    assert_eq!(record(hours(10, 12)).await, hours(10, 12));
    assert_eq!(record(hours(4, 7)).await, hours(0, 8));
    assert_eq!(standing(&school, NINE_US).await, [hours(0, 8), hours(10, 12)]);
    assert_eq!(record(hours(1, 2)).await, hours(0, 8), "a shorter one moves no end");
    let acts = school.texts("SELECT act FROM audit_acts").await;
    assert!(acts.len() == 5 && acts.iter().all(|act| act.contains("absence_recorded") && !act.contains("Name of")));
}

#[tokio::test]
async fn somebody_is_away_from_the_first_moment_to_the_last_and_for_nobody_else() {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let deputy = school.person("deputy", Kind::Staff, &[Role::DeputyDsl]).await;
    record(&school.store, &product(&school), NINE_US, dsl, hours(1, 2)).await.unwrap();
    let present = async |at: i64| {
        let mut view = school.store.view().await.unwrap();
        let staffing = people::staffing(&mut view, &school.id, NINE_US + at).await.unwrap();
        (staffing.is_present(dsl), staffing.is_present(deputy))
    };
    assert_eq!(present(HOUR_US - 1).await, (true, true));
    assert_eq!(present(HOUR_US).await, (false, true));
    assert_eq!(present(2 * HOUR_US - 1).await, (false, true));
    assert_eq!(present(2 * HOUR_US).await, (true, true));
}

#[tokio::test]
async fn impossible_times_and_people_are_refused_and_write_nothing() {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let pupil = school.person("amy", Kind::Pupil, &[]).await;
    let try_to = async |person, stretch| {
        record(&school.store, &product(&school), NINE_US, person, stretch).await.unwrap_err().to_string()
    };
    assert_eq!(try_to(dsl, hours(2, 2)).await, "it ends before it begins");
    assert_eq!(try_to(dsl, hours(-4, 0)).await, "it is over already");
    assert!(try_to(dsl, hours(0, 24 * 366 + 1)).await.starts_with("it is longer than a year"));
    assert_eq!(try_to(dsl, hours(24 * 366 + 1, 24 * 366 + 2)).await, "it begins more than a year from now");
    assert!(try_to(dsl, Stretch { from_us: i64::MIN, until_us: i64::MAX }).await.starts_with("it is longer"));
    assert_eq!(try_to(pupil, hours(0, 1)).await, "nobody who works here is meant");
    assert_eq!(school.count("SELECT COUNT(*) FROM absences").await, 0);
}

#[tokio::test]
async fn an_absence_ends_now_or_is_taken_back_and_never_twice() {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let actor = product(&school);
    record(&school.store, &actor, NINE_US, dsl, hours(0, 4)).await.unwrap();
    record(&school.store, &actor, NINE_US, dsl, hours(6, 8)).await.unwrap();
    let ids: Vec<_> = absences::standing(&school.store, &school.id, NINE_US).await.unwrap();
    let now_us = NINE_US + HOUR_US;
    for one in &ids {
        end(&school.store, &actor, now_us, one.absence.id).await.unwrap();
        assert!(matches!(end(&school.store, &actor, now_us, one.absence.id).await, Err(AbsenceError::Unknown)));
    }
    assert_eq!(standing(&school, now_us).await, []);
    assert_eq!(standing(&school, NINE_US).await, [hours(0, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_recorded_covers_just_what_was_said(said in proptest::collection::vec((0_i64..40, 1_i64..8), 1..10)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let school = School::open().await;
            let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
            for (from, length) in &said {
                let stretch = hours(*from, from + length);
                record(&school.store, &product(&school), NINE_US, dsl, stretch).await.unwrap();
            }
            let standing = standing(&school, NINE_US).await;
            for hour in 0..50 {
                let at_us = NINE_US + hour * HOUR_US + 1;
                let covered = standing.iter().filter(|one| one.from_us <= at_us && at_us < one.until_us).count();
                let expected = said.iter().any(|(from, length)| *from <= hour && hour < from + length);
                assert_eq!(covered, usize::from(expected), "hour {hour}");
            }
        });
    }
}
