use jiff::Timestamp;
use lapwing_rules::Category;

use super::*;
use crate::actor::Role;
use crate::clock::ManualClock;
use crate::store::fixture::{EPOCH, School, delivery, title};
use crate::subject::Kind;
use crate::triage::{State, Triage};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
const YEAR: &str = r#"
[hours]
monday = ["08:30", "16:00"]
tuesday = ["08:30", "16:00"]
wednesday = ["08:30", "16:00"]
thursday = ["08:30", "16:00"]
friday = ["08:30", "14:30"]
[[term]]
from = "2026-09-02"
to = "2026-12-18"
[[term]]
from = "2027-01-04"
to = "2027-07-21"
[[closed]]
from = "2026-10-26"
to = "2026-10-30"
[[closed]]
from = "2027-02-15"
to = "2027-02-19"
[out_of_hours]
on_call = [5]
"#;

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

/// A school with its people, whose clock is moved by hand.
struct Watched {
    school: School,
    clock: Arc<ManualClock>,
    people: BTreeMap<&'static str, PersonId>,
}

impl Watched {
    async fn at(time: &str) -> Self {
        let school = School::open().await;
        let mut people = BTreeMap::new();
        for (account, role) in
            [("dsl", Role::Dsl), ("deputy", Role::DeputyDsl), ("head", Role::Headteacher), ("chair", Role::Chair)]
        {
            people.insert(account, school.person(account, Kind::Staff, &[role]).await);
        }
        let sent = "CREATE TRIGGER mail AFTER INSERT ON outbox BEGIN
             UPDATE outbox SET sent_us = NEW.created_us WHERE message_id = NEW.message_id; END";
        school.write(sent).await;
        Self { school, clock: Arc::new(ManualClock::at(us(time))), people }
    }

    fn climber(&self) -> Climber {
        let (events, _) = broadcast::channel(64);
        let (store, clock) = (self.school.store.clone(), self.clock.clone());
        Climber::new(self.school.id.clone(), store, clock, Arc::new(Notify::new()), events)
    }

    /// A capture of `account` arrives and is triaged now.
    async fn arrive(&self, account: &str, category: Category, level: Level) {
        let now_us = self.clock.wall_us();
        let capture = lapwing_proto::Capture { wall_us: now_us, ..title(account, category, level, "words") };
        let next = self.school.through(EPOCH, level).await.next().number();
        let batch = crate::intake::Delivery { received_us: now_us, ..delivery(level, next, vec![capture]) };
        self.school.intake().take(batch).await.unwrap();
        let (events, _) = broadcast::channel(64);
        let (wake, mail) = (Arc::clone(&self.school.wake), Arc::new(Notify::new()));
        let (store, clock) = (self.school.store.clone(), self.clock.clone());
        let triage = Triage::new(self.school.id.clone(), store, clock, wake, mail, events);
        while triage.step().await.unwrap().is_some() {}
    }

    /// Lets the climber do everything that falls due until `end_us`, each at its time.
    async fn walk(&self, end_us: i64) {
        let climber = self.climber();
        loop {
            match climber.step().await.unwrap() {
                Step::Worked => {}
                Step::Idle(Some(due_us)) if due_us <= end_us => self.clock.set_us(due_us.max(self.clock.wall_us())),
                Step::Idle(_) => break,
            }
        }
        self.clock.set_us(end_us);
    }

    /// Messages so far: when, of what kind, to whom.
    async fn messages(&self) -> Vec<(String, String)> {
        let sql = "SELECT created_us || ' ' || kind || ' ' || hex(person_id) FROM outbox ORDER BY created_us, rowid";
        let rows = self.school.texts(sql).await;
        let name = |hex: &str| {
            let same = |person: &PersonId| data_encoding::HEXUPPER.encode(person.as_bytes()) == hex;
            self.people.iter().find(|(_, person)| same(person)).map_or("?", |(name, _)| name)
        };
        rows.iter()
            .map(|row| {
                let [at, kind, person] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
                let at = Timestamp::from_microsecond(at.parse().unwrap()).unwrap().to_string();
                (at, format!("{kind} {}", name(person)))
            })
            .collect()
    }

    async fn use_calendar(&self) {
        self.school.write(&format!("INSERT INTO settings VALUES ('hill-school', 'calendar', '{YEAR}', 1)")).await;
    }
}

fn said(messages: &[(String, String)]) -> Vec<(&str, &str)> {
    messages.iter().map(|(at, what)| (at.as_str(), what.as_str())).collect()
}

#[tokio::test]
async fn what_nobody_acknowledges_climbs_in_school_hours() {
    let school = Watched::at("2026-09-07T14:30:00Z").await;
    school.use_calendar().await;
    school.arrive("amy", Category::SelfHarm, Level::High).await;
    school.walk(us("2026-09-08T11:00:00Z")).await;
    let expected = [
        ("2026-09-07T14:30:00Z", "concern dsl"),
        // Half an hour on Monday and half an hour on Tuesday.
        ("2026-09-08T08:00:00Z", "climbed deputy"),
        ("2026-09-08T09:00:00Z", "climbed head"),
        ("2026-09-08T10:00:00Z", "climbed chair"),
    ];
    assert_eq!(said(&school.messages().await), expected);
    assert_eq!(school.school.count("SELECT COUNT(*) FROM concern_recipients").await, 4);
    let report = audit::verify(&school.school.store, &school.school.id).await.unwrap();
    assert!(report.faults.is_empty());
}

#[tokio::test]
async fn a_critical_concern_is_told_again_until_somebody_takes_it() {
    let school = Watched::at("2026-09-07T22:00:00Z").await;
    school.use_calendar().await;
    school.arrive("amy", Category::Threats, Level::Critical).await;
    school.walk(us("2026-09-07T22:32:00Z")).await;
    school.school.write("UPDATE concerns SET state = 'acknowledged'").await;
    let mut tx = school.school.store.begin().await.unwrap();
    let [concern] = school.school.concerns().await.try_into().unwrap();
    concerns::set_state(&mut tx, &school.school.id, concern, State::Acknowledged, 1).await.unwrap();
    tx.commit().await.unwrap();
    school.walk(us("2026-09-09T22:00:00Z")).await;
    let expected = [
        ("2026-09-07T22:00:00Z", "concern dsl"),
        ("2026-09-07T22:00:00Z", "concern deputy"),
        ("2026-09-07T22:15:00Z", "climbed head"),
        ("2026-09-07T22:15:00Z", "again dsl"),
        ("2026-09-07T22:15:00Z", "again deputy"),
        ("2026-09-07T22:30:00Z", "climbed chair"),
        ("2026-09-07T22:30:00Z", "again dsl"),
        ("2026-09-07T22:30:00Z", "again deputy"),
        ("2026-09-07T22:30:00Z", "again head"),
    ];
    let mut seen = school.messages().await;
    seen.sort();
    let mut expected: Vec<_> = expected.iter().map(|(at, what)| ((*at).to_owned(), (*what).to_owned())).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn while_mail_is_down_one_reminder_waits_for_each_and_no_more() {
    let school = Watched::at("2026-09-07T09:00:00Z").await;
    school.school.write("DROP TRIGGER mail").await;
    school.arrive("amy", Category::Threats, Level::Critical).await;
    school.walk(us("2026-09-07T12:00:00Z")).await;
    let waiting = "SELECT kind || ' ' || COUNT(*) || ' ' || COUNT(DISTINCT person_id) FROM outbox GROUP BY kind";
    let waiting = school.school.texts(waiting).await;
    assert_eq!(waiting, ["again 4 4", "climbed 2 2", "concern 2 2"]);
}

#[tokio::test]
async fn a_shared_channel_is_reminded_whatever_becomes_of_mail() {
    let school = Watched::at("2026-09-07T09:00:00Z").await;
    school.school.write("DROP TRIGGER mail").await;
    school
        .school
        .write(
            "INSERT INTO channels (school_id, name, kind, has_readers) VALUES ('hill-school', 'pager', 'webhook', 1)",
        )
        .await;
    school.arrive("amy", Category::Threats, Level::Critical).await;
    let shared = "SELECT COUNT(*) FROM outbox WHERE target = 'pager' AND kind <> 'concern'";
    let mut made = Vec::new();
    for until in ["09:20", "09:40", "10:00"] {
        school.walk(us(&format!("2026-09-07T{until}:00Z"))).await;
        made.push(school.school.count(shared).await);
        if until == "09:40" {
            school.school.write("UPDATE outbox SET sent_us = 1 WHERE target = 'pager'").await;
        }
    }
    assert_eq!(made, [1, 1, 2], "one waits, and once it went out there is another, though no mail goes");
}

#[tokio::test]
async fn an_absence_that_begins_moves_the_clock_to_whoever_stands_in() {
    let school = Watched::at("2026-09-07T09:00:00Z").await;
    school.arrive("amy", Category::SelfHarm, Level::High).await;
    let away = data_encoding::HEXUPPER.encode(school.people["dsl"].as_bytes());
    let (from_us, until_us) = (us("2026-09-07T09:10:00Z"), us("2026-09-08T09:00:00Z"));
    let absence =
        format!("INSERT INTO absences VALUES ('hill-school', x'01', x'{away}', {from_us}, {until_us}, NULL, 1)");
    school.school.write(&absence).await;
    school.walk(us("2026-09-07T09:09:59Z")).await;
    assert_eq!(school.messages().await.len(), 1);
    school.clock.set_us(us("2026-09-07T09:10:00Z"));
    school.walk(us("2026-09-07T10:05:00Z")).await;
    let messages = school.messages().await;
    assert_eq!(said(&messages)[1..], [("2026-09-07T09:10:00Z", "climbed deputy")], "an hour anew for the deputy");
    school.walk(us("2026-09-07T10:10:00Z")).await;
    assert_eq!(school.messages().await.len(), 3);
}

#[tokio::test]
async fn a_clock_that_was_ahead_holds_nothing_up() {
    let school = Watched::at("2029-09-07T09:00:00Z").await;
    school.arrive("amy", Category::SelfHarm, Level::High).await;
    school.clock.set_us(us("2026-09-07T09:00:00Z"));
    school.walk(us("2026-09-08T09:00:00Z")).await;
    let messages = school.messages().await;
    assert!(messages.iter().any(|(at, what)| at.starts_with("2026-09-0") && what == "climbed deputy"), "{messages:?}");
}

#[tokio::test]
async fn a_review_date_brings_a_closed_concern_back_once() {
    let school = Watched::at("2026-09-07T09:00:00Z").await;
    school.arrive("amy", Category::SelfHarm, Level::High).await;
    let review_us = us("2026-09-21T07:30:00Z");
    school.school.write(&format!("UPDATE concerns SET state = 'closed', review_us = {review_us}")).await;
    school.school.write("DELETE FROM escalations").await;
    school.walk(review_us - 1).await;
    assert_eq!(school.school.texts("SELECT state FROM concerns").await, ["closed"]);
    school.clock.set_us(review_us);
    school.walk(review_us + DAY_US).await;
    assert_eq!(school.school.texts("SELECT state || COALESCE(review_us, '') FROM concerns").await, ["reopened"]);
    let told = school.school.count("SELECT COUNT(*) FROM outbox WHERE kind = 'review'").await;
    assert_eq!(told, 2, "the DSL and the deputy");
}

#[tokio::test]
async fn an_illegal_case_that_comes_back_keeps_what_belongs_to_it_again() {
    let school = Watched::at("2026-09-07T09:00:00Z").await;
    school.arrive("amy", Category::Grooming, Level::Critical).await;
    let review_us = us("2026-09-21T07:30:00Z");
    school.school.write(&format!("UPDATE concerns SET state = 'closed', review_us = {review_us}")).await;
    school.school.write("UPDATE holds SET released_us = 1").await;
    school.school.write("DELETE FROM escalations").await;
    let kept = "SELECT COUNT(*) FROM holds WHERE released_us IS NULL";
    assert_eq!(school.school.count(kept).await, 0);
    school.clock.set_us(review_us);
    school.walk(review_us + DAY_US).await;
    assert_eq!(school.school.texts("SELECT state FROM concerns").await, ["reopened"]);
    assert_eq!(school.school.count(kept).await, 1);
}

/// A number that looks random, and is the same in every run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[tokio::test]
async fn a_whole_school_year_keeps_its_hours_and_tells_everybody_in_turn() {
    let school = Watched::at("2026-09-01T00:00:00Z").await;
    school.use_calendar().await;
    let calendar =
        Calendar::parse(YEAR, jiff::tz::TimeZone::get("Europe/London").unwrap(), jiff::civil::date(2026, 9, 1));
    let (calendar, mut seed) = (calendar.unwrap(), 7);
    let mut opened = Vec::new();
    for day in 0..322_i64 {
        let at_us =
            us("2026-09-01T00:00:00Z") + day * DAY_US + i64::try_from(next(&mut seed) % 1440).unwrap() * MINUTE_US;
        school.walk(at_us).await;
        let level = [Level::Moderate, Level::High, Level::Critical][usize::try_from(next(&mut seed) % 3).unwrap()];
        // Whom it is about: a pupil, or now and then somebody who might otherwise be told.
        let who = ["amy", "ben", "dsl", "head", "chair"][usize::try_from(next(&mut seed) % 5).unwrap()];
        school.arrive(who, Category::Threats, level).await;
        opened.push((at_us, level, who));
        if next(&mut seed).is_multiple_of(2) {
            school.school.write("UPDATE concerns SET state = 'closed' WHERE state = 'new'").await;
            school.school.write("DELETE FROM escalations").await;
        }
    }
    let rows = school.school.texts(
        "SELECT o.created_us || ' ' || o.kind || ' ' || o.level || ' ' || c.opened_us || ' ' ||
         COALESCE(hex(s.person_id) = hex(o.person_id), 0)
         FROM outbox AS o JOIN concerns AS c ON c.reference = o.reference JOIN subjects AS s ON s.subject_id = c.subject_id
         ORDER BY o.created_us",
    );
    let rows = rows.await;
    assert!(rows.len() > 600, "{}", rows.len());
    for row in rows {
        let [at, kind, level, opened, to_subject] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(to_subject, "0", "nobody is told of themselves");
        let (at_us, opened_us): (i64, i64) = (at.parse().unwrap(), opened.parse().unwrap());
        if kind != "concern" {
            // A step falls into a school hour, or on its very end; critical ones have somebody on call.
            let open = calendar.is_open(at_us) || calendar.is_open(at_us - 1);
            assert!(open || level == "5", "{kind} of level {level} at {at}");
            assert!(at_us > opened_us);
        }
    }
    assert_eq!(opened.len(), 322);
}
