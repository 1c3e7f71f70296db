use lapwing_proto::Capture;
use lapwing_rules::Category;
use proptest::prelude::*;

use super::*;
use crate::actor::Role;
use crate::audit;
use crate::clock::ManualClock;
use crate::store::fixture::{EPOCH, NINE_US, School, delivery, title};
use crate::subject::Kind;

const MINUTE_US: i64 = 60_000_000;

fn triage(school: &School) -> (Triage, broadcast::Receiver<ConcernChanged>) {
    let (events, changed) = broadcast::channel(64);
    let clock = Arc::new(ManualClock::at(NINE_US));
    let mail = Arc::new(Notify::new());
    let worker = Triage::new(school.id.clone(), school.store.clone(), clock, Arc::clone(&school.wake), mail, events);
    (worker, changed)
}

/// Delivers each capture in the lane of its level, and lets triage take all.
async fn arrive(school: &School, captures: Vec<Capture>) {
    for capture in captures {
        let lane = capture.level();
        let intake = school.intake();
        let next = school.through(EPOCH, lane).await.next().number();
        intake.take(delivery(lane, next, vec![capture])).await.unwrap();
    }
    while triage(school).0.step().await.unwrap().is_some() {}
}

fn at(minutes: i64, capture: Capture) -> Capture {
    Capture { wall_us: NINE_US - 600 * MINUTE_US + minutes * MINUTE_US, ..capture }
}

fn drugs(account: &str) -> Capture {
    title(account, Category::Drugs, Level::Moderate, "words")
}

#[tokio::test]
async fn a_burst_is_one_concern_and_another_subject_or_category_is_not() {
    let school = School::open().await;
    let hate = title("amy", Category::Hate, Level::High, "words");
    let burst = [at(0, drugs("amy")), at(30, drugs("amy")), at(80, drugs("AMY")), at(81, drugs("ben")), at(82, hate)];
    arrive(&school, burst.to_vec()).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, 3);
    assert_eq!(school.count("SELECT MAX(captures) FROM concerns").await, 3);
    let spread = school.count("SELECT MAX(last_us - first_us) FROM concerns").await;
    assert_eq!(spread, 80 * MINUTE_US);
    arrive(&school, vec![at(200, drugs("amy"))]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, 4);
    assert_eq!(school.count("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await, 0);
}

#[tokio::test]
async fn a_capture_takes_effect_once_however_often_triage_runs() {
    let school = School::open().await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    arrive(&school, vec![title("amy", Category::SelfHarm, Level::High, "words")]).await;
    arrive(&school, vec![]).await;
    for table in ["SELECT COUNT(*) FROM concerns", "SELECT COUNT(*) FROM outbox", "SELECT COUNT(*) FROM audit_leaves"] {
        assert_eq!(school.count(table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn the_highest_level_is_taken_first() {
    let school = School::open().await;
    let levels = [Level::Low, Level::Critical, Level::Moderate];
    let captures = levels.map(|level| title("amy", Category::Threats, level, "words"));
    for (index, capture) in captures.into_iter().enumerate() {
        let account = format!("pupil{index}");
        let capture = Capture { account: lapwing_proto::Account { name: account, ..capture.account }, ..capture };
        school.intake().take(delivery(capture.level(), 1, vec![capture])).await.unwrap();
    }
    triage(&school).0.step().await.unwrap();
    let order = school.texts("SELECT CAST(level AS TEXT) FROM concerns ORDER BY rowid").await;
    assert_eq!(order, ["5", "3", "2"]);
}

#[tokio::test]
async fn a_concern_about_the_dsl_is_the_headteachers_alone() {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let head = school.person("head", Kind::Staff, &[Role::Headteacher]).await;
    arrive(&school, vec![drugs("dsl"), drugs("amy")]).await;
    let [about_dsl, about_amy] = school.concerns().await.try_into().unwrap();
    assert_eq!(crate::store::recipients::all(&school.store, about_dsl).await, [head]);
    assert_eq!(crate::store::recipients::all(&school.store, about_amy).await, [dsl]);
}

#[tokio::test]
async fn only_urgent_levels_put_mail_into_the_outbox() {
    let school = School::open().await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    school.person("deputy", Kind::Staff, &[Role::DeputyDsl]).await;
    arrive(&school, vec![drugs("amy")]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM outbox").await, 0);
    arrive(&school, vec![title("amy", Category::SelfHarm, Level::High, "words")]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM outbox").await, 1);
    arrive(&school, vec![title("amy", Category::Threats, Level::Critical, "words")]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM outbox").await, 3);
}

#[tokio::test]
async fn something_worse_raises_the_concern_and_tells_again() {
    let school = School::open().await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let threat = |level| title("amy", Category::Threats, level, "words");
    arrive(&school, vec![threat(Level::Moderate)]).await;
    arrive(&school, vec![threat(Level::High)]).await;
    assert_eq!(school.texts("SELECT level || state FROM concerns").await, ["4new"]);
    assert_eq!(school.texts("SELECT kind FROM concern_steps ORDER BY rowid").await, ["opened", "raised"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM outbox").await, 1);
}

#[tokio::test]
async fn repeated_low_behaviour_is_looked_at_the_same_day() {
    let school = School::open().await;
    let low = || title("amy", Category::Profanity, Level::Low, "words");
    arrive(&school, vec![low(), Capture { repeats: 2, ..low() }]).await;
    assert_eq!(school.count("SELECT level FROM concerns").await, 2);
    arrive(&school, vec![low()]).await;
    assert_eq!(school.count("SELECT level FROM concerns").await, 3);
    assert_eq!(school.count("SELECT captures FROM concerns").await, 5);
}

#[tokio::test]
async fn the_daily_check_opens_nothing() {
    let school = School::open().await;
    arrive(&school, vec![title("amy", Category::Canary, Level::Info, "words")]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, 0);
    assert_eq!(school.count("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await, 0);
}

#[tokio::test]
async fn a_device_clock_ahead_of_ours_counts_as_now() {
    let school = School::open().await;
    arrive(&school, vec![at(100_000, drugs("amy"))]).await;
    assert_eq!(school.count("SELECT last_us FROM concerns").await, NINE_US);
}

#[tokio::test]
async fn the_worker_takes_what_waited_and_what_arrives_and_stops_when_asked() {
    let school = School::open().await;
    school.intake().take(delivery(Level::Moderate, 1, vec![drugs("amy")])).await.unwrap();
    let (worker, mut changed) = triage(&school);
    let shutdown = Shutdown::new();
    let work = worker.run(shutdown.clone());
    let watch = async {
        let first = changed.recv().await.unwrap();
        school.intake().take(delivery(Level::Moderate, 2, vec![drugs("ben")])).await.unwrap();
        let second = changed.recv().await.unwrap();
        assert_ne!(first.concern, second.concern);
        shutdown.request();
    };
    tokio::join!(work, watch);
}

#[tokio::test]
async fn what_triage_did_is_in_a_sound_log() {
    let school = School::open().await;
    let threat = |level| title("amy", Category::Threats, level, "words");
    arrive(&school, vec![threat(Level::Moderate), drugs("amy")]).await;
    arrive(&school, vec![threat(Level::High)]).await;
    let report = audit::verify(&school.store, &school.id).await.unwrap();
    assert_eq!((report.leaves, report.faults.len()), (3, 0));
}

#[derive(Clone, Debug)]
struct Seen {
    account: &'static str,
    category: Category,
    level: Level,
    minutes: i64,
    repeats: u32,
}

fn seen() -> impl Strategy<Value = Seen> {
    let account = prop::sample::select(vec!["amy", "ben"]);
    let category =
        prop::sample::select(vec![Category::Profanity, Category::Profanity, Category::Drugs, Category::Canary]);
    let level = prop_oneof![8 => Just(Level::Low), 1 => Just(Level::Moderate), 1 => Just(Level::High)];
    (account, category, level, 0_i64..200, 0_u32..4).prop_map(|(account, category, level, minutes, repeats)| Seen {
        account,
        category,
        level,
        minutes,
        repeats,
    })
}

/// What triage makes of `captures`, so many a transaction.
async fn filed(captures: &[Seen], batch: u32) -> Vec<String> {
    let school = School::open().await;
    for Seen { account, category, level, minutes, repeats } in captures.iter().cloned() {
        let capture = Capture { repeats, ..at(minutes, title(account, category, level, "words")) };
        let next = school.through(EPOCH, level).await.next().number();
        school.intake().take(delivery(level, next, vec![capture])).await.unwrap();
    }
    let worker = Triage { batch, ..triage(&school).0 };
    while worker.step().await.unwrap().is_some() {}
    assert_eq!(school.count("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await, 0);
    let concerns = "SELECT s.account || c.category || c.level || c.state
         || ' ' || c.captures || ' ' || c.first_us || ' ' || c.last_us
         || ' ' || (SELECT COUNT(*) FROM concern_captures AS l WHERE l.concern_id = c.concern_id)
         || ' ' || (SELECT COUNT(*) FROM concern_steps AS t WHERE t.concern_id = c.concern_id)
         FROM concerns AS c JOIN subjects AS s ON s.subject_id = c.subject_id ORDER BY 1";
    school.texts(concerns).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn captures_taken_together_make_the_concerns_that_they_make_one_by_one(
        captures in prop::collection::vec(seen(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert_eq!(filed(&captures, BATCH).await, filed(&captures, 1).await);
        });
    }
}

#[tokio::test]
async fn no_more_concerns_are_made_in_a_transaction_than_a_page_can_wait_for() {
    let school = School::open().await;
    let captures = (0..TOLD + 3).map(|number| drugs(&format!("pupil{number}"))).collect();
    school.intake().take(delivery(Level::Moderate, 1, captures)).await.unwrap();
    let worker = triage(&school).0;
    worker.step().await.unwrap();
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, i64::try_from(TOLD).unwrap());
    worker.step().await.unwrap();
    assert_eq!(worker.step().await.unwrap(), None);
    assert_eq!(school.count("SELECT COUNT(*) FROM concern_captures").await, i64::try_from(TOLD + 3).unwrap());
}

/// An exemption from `category` for the whole school, from an hour before [`NINE_US`] until an hour after.
async fn exempt(school: &School, category: Category) {
    let plan = crate::exemption::Plan {
        categories: [category].into(),
        whole_school: true,
        groups: [].into(),
        rooms: [].into(),
        from_us: NINE_US - 60 * MINUTE_US,
        until_us: NINE_US + 60 * MINUTE_US,
        ..crate::exemption::tests::plan(1)
    };
    let mut tx = school.store.begin().await.unwrap();
    let request = crate::ids::RequestId::from_bytes([1; 16]);
    crate::store::exemptions::insert(&mut tx, &school.id, request, &plan, NINE_US - 60 * MINUTE_US).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_a_device_captured_under_an_exemption_it_had_not_heard_of_is_low() {
    let school = School::open().await;
    crate::store::seeded::add_device(&school).await;
    exempt(&school, Category::Drugs).await;
    let level = |category, level| title("amy", category, level, "words");
    arrive(&school, vec![level(Category::Drugs, Level::High), level(Category::Hate, Level::High)]).await;
    let levels = "SELECT category || level || causes FROM concerns ORDER BY category";
    assert_eq!(school.texts(levels).await, ["drugs2exempted", "hate4"]);
    arrive(&school, vec![level(Category::Drugs, Level::Critical)]).await;
    assert_eq!(school.texts(levels).await, ["drugs5", "hate4"], "nothing critical is exempted");
}

#[tokio::test]
async fn what_arrives_long_after_an_exemption_is_not_lowered_whatever_the_devices_clock_says() {
    for (minutes, stands) in [(64, "drugs2exempted"), (66, "drugs4")] {
        let school = School::open().await;
        crate::store::seeded::add_device(&school).await;
        exempt(&school, Category::Drugs).await;
        let lane = Level::High;
        let next = school.through(EPOCH, lane).await.next().number();
        let late = delivery(lane, next, vec![title("amy", Category::Drugs, lane, "words")]);
        let received_us = NINE_US + minutes * MINUTE_US;
        school.intake().take(crate::intake::Delivery { received_us, ..late }).await.unwrap();
        while triage(&school).0.step().await.unwrap().is_some() {}
        let levels = school.texts("SELECT category || level || causes FROM concerns").await;
        assert_eq!(levels, [stands], "{minutes} minutes");
    }
}

#[tokio::test]
async fn an_investigation_keeps_what_its_openers_do_and_nobody_elses_nor_what_is_illegal() {
    let school = School::open().await;
    let head = school.person("head", Kind::Staff, &[Role::Headteacher]).await;
    school.person("teacher", Kind::Staff, &[]).await;
    school.person("amy", Kind::Pupil, &[]).await;
    let (from, until) = (NINE_US - MINUTE_US, NINE_US + MINUTE_US);
    let hex = |bytes: &[u8]| data_encoding::HEXUPPER.encode(bytes);
    let (device, head) = (hex(crate::store::fixture::DEVICE.as_bytes()), hex(head.as_bytes()));
    let id = "01010101010101010101010101010101";
    school
        .write(&format!(
            "INSERT INTO investigations VALUES \
             ('hill-school', x'{id}', 'R-1', x'{device}', 'a test', {from}, {until}, x'{head}', x'{head}', 1)"
        ))
        .await;
    let illegal = title("head", Category::Grooming, Level::High, "words");
    arrive(&school, vec![drugs("head"), drugs("teacher"), drugs("amy"), illegal]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM investigation_captures").await, 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM concerns").await, 3);
    arrive(&school, vec![at(0, drugs("head"))]).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM investigation_captures").await, 1, "seen before it began");
}

#[tokio::test]
async fn a_concern_that_is_raised_leaves_the_class_teachers_list() {
    let school = School::open().await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let teacher = school.person("teacher", Kind::Staff, &[Role::ClassTeacher]).await;
    school.person("amy", Kind::Pupil, &[]).await;
    school.write("UPDATE persons SET class = '7B' WHERE kind = 'pupil'").await;
    school.write("INSERT INTO person_classes SELECT school_id, person_id, '7B' FROM person_roles WHERE role = 'class_teacher'").await;
    let low = || title("amy", Category::Profanity, Level::Low, "words");
    arrive(&school, vec![low()]).await;
    let [concern] = school.concerns().await.try_into().unwrap();
    assert!(crate::store::recipients::all(&school.store, concern).await.contains(&teacher));
    arrive(&school, (0..4).map(|_| low()).collect()).await;
    assert_eq!(school.texts("SELECT level || causes FROM concerns").await, ["3repeats"]);
    assert!(!crate::store::recipients::all(&school.store, concern).await.contains(&teacher));
}
