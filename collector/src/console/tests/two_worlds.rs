//! Two worlds that differ in concerns about one person alone, and whatever came of them: that person sees, is sent and can
//! fetch the same in both, byte for byte.
//!
//! Roles, what happens and whom it is about are drawn from a seed. References and form tokens are random in each world; they
//! are put in the order in which their concerns were made before the worlds are compared.

use std::fmt::Write as _;

use lapwing_proto::{Capture, Excerpt, Open};
use lapwing_rules::{Category, Level, Scope};

use super::super::seeded::{Seeded, Visitor};
use crate::actor::Role;
use crate::clock::Clock as _;
use crate::store::fixture::title;

const STAFF: [&str; 7] = ["dsl", "deputy", "head", "chair", "tech", "governor", "teacher"];
const PUPILS: [&str; 2] = ["amelia", "ben"];
const PAGES: [&str; 14] = [
    "/",
    "/queue",
    "/queue?show=closed",
    "/devices",
    "/checks",
    "/media",
    "/counts",
    "/requests",
    "/away",
    "/exemptions",
    "/queue?show=all",
    "/queue?show=put-off&state=mine",
    "/local-help",
    "/keys",
];
const MINUTE_US: i64 = 60_000_000;
const CASES: u64 = 24;

/// Numbers that look random, and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// Something that happens in both worlds, or about the one person in the second alone.
#[derive(Clone, Copy, Debug)]
struct Event {
    about: &'static str,
    category: Category,
    level: Level,
    /// What is done with it: nothing, acknowledged, judged, judged and asked to be closed.
    done: usize,
    later_min: i64,
}

fn event(dice: &mut Dice, about: &'static str) -> Event {
    let categories = [
        Category::Gambling,
        Category::SelfHarm,
        Category::Grooming,
        Category::FilterBypass,
        Category::Csam,
        Category::Radicalisation,
    ];
    let category = dice.pick(&categories);
    let level = if category.class().is_illegal() { Level::Critical } else { dice.pick(&Level::ALL[1..]) };
    Event { about, category, level, done: dice.roll(4), later_min: i64::try_from(dice.roll(90)).unwrap() + 1 }
}

fn capture(event: Event, now_us: i64) -> Capture {
    let mut capture = title(event.about, event.category, event.level, "seeded words");
    let host = Excerpt { scope: Open::Known(Scope::UrlHost), text: "site.example".to_owned() };
    capture.excerpts.push(host);
    if STAFF.contains(&event.about) {
        capture.account.groups = vec!["staff".to_owned()];
    }
    Capture { wall_us: now_us, ..capture }
}

/// Lets `event` happen. Answers its reference.
async fn happen(seeded: &Seeded, event: Event) -> String {
    let reference = seeded.concern_of(event.level, capture(event, seeded.clock.wall_us())).await;
    let address = format!("/concerns/{reference}");
    for account in STAFF {
        let mut visitor = seeded.visitor(account).await;
        if event.done == 0 || visitor.get(&address).await.status != http::StatusCode::OK {
            continue;
        }
        visitor.post(&format!("{address}/acknowledge"), &[]).await;
        if event.done > 1 {
            let judged = [("verdict", "true"), ("outcome", "filter_change")];
            visitor.post(&format!("{address}/judge"), &judged).await;
        }
        // A rule that is called noisy, and whoever wants to hear of it again.
        visitor.post(&format!("{address}/report-rule"), &[("rule", "self_harm.words")]).await;
        visitor.post(&format!("{address}/watch"), &[]).await;
        visitor.post(&format!("{address}/escalate"), &[("reason", "words")]).await;
        if event.done > 2 {
            visitor.post(&format!("{address}/close"), &[]).await;
            visitor.post(&format!("{address}/ask-close"), &[("reason", "it is over")]).await;
        }
        break;
    }
    reference
}

/// Roles of the staff, besides which nothing differs from the school that tests begin with.
async fn cast(seeded: &Seeded, roles: &[(&'static str, Vec<Role>)]) {
    seeded.school.write("DELETE FROM person_roles").await;
    for (account, roles) in roles {
        let person = data_encoding::HEXUPPER.encode(seeded.person(account).as_bytes());
        for role in roles {
            let row = format!("INSERT INTO person_roles VALUES ('hill-school', x'{person}', '{role}')");
            seeded.school.write(&row).await;
        }
    }
    seeded.school.write("INSERT INTO person_classes SELECT school_id, person_id, '8B' FROM person_roles WHERE role = 'class_teacher'").await;
}

/// Everything that `account` can fetch or was sent; references in the order in which they were made.
async fn view(seeded: &Seeded, account: &str, references: &[String], unknown: &str) -> String {
    let mut visitor = seeded.visitor(account).await;
    let mut seen = String::new();
    let mut paths: Vec<String> = PAGES.map(str::to_owned).to_vec();
    for reference in references.iter().map(String::as_str).chain([unknown]) {
        paths.push(format!("/concerns/{reference}"));
        paths.push(format!("/concerns/{reference}/chronology"));
        paths.push(format!("/queue/several?act=acknowledge&concern.{reference}=on"));
    }
    for path in paths {
        look(&mut visitor, &path, &mut seen).await;
    }
    let person = data_encoding::HEXUPPER.encode(seeded.person(account).as_bytes());
    let sent = "SELECT hex(person_id) || ' ' || kind || ' ' || level || ' ' || reference || ' ' || created_us
        FROM outbox ORDER BY created_us, level, kind";
    for message in seeded.school.texts(sent).await.iter().filter(|row| row.starts_with(&person)) {
        writeln!(seen, "sent {message}").unwrap();
    }
    seen = seen.replace(unknown, "UNKNOWN");
    for (number, reference) in references.iter().enumerate() {
        seen = seen.replace(reference.as_str(), &format!("CONCERN-{number}"));
    }
    without_ids(&seen)
}

/// Tickets have random ids.
fn without_ids(seen: &str) -> String {
    let mut parts = seen.split("tic-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |seen, part| seen + "TICKET" + part.get(32..).unwrap_or_default())
}

async fn look(visitor: &mut Visitor, path: &str, seen: &mut String) {
    let answer = visitor.get(path).await;
    let body = answer.body.replace(&visitor.post_token(), "TOKEN");
    writeln!(seen, "{} {path} {}\n{body}", answer.status, answer.location()).unwrap();
}

/// Both worlds as `subject` sees them after `events`; `own` happens in the second alone, before the event of that number.
async fn worlds(
    roles: &[(&'static str, Vec<Role>)],
    subject: &str,
    events: &[Event],
    own: &[(usize, Event)],
) -> [String; 2] {
    let mut seen = [const { String::new() }; 2];
    for (world, seen) in seen.iter_mut().enumerate() {
        let seeded = Seeded::open().await;
        cast(&seeded, roles).await;
        let (mut references, mut unknown) = (Vec::new(), "ZZ-9999".to_owned());
        for (number, event) in events.iter().enumerate() {
            for (_, own) in own.iter().filter(|(before, _)| *before == number && world == 1) {
                unknown = happen(&seeded, *own).await;
            }
            references.push(happen(&seeded, *event).await);
            seeded.clock.advance_us(event.later_min * MINUTE_US);
            seeded.climb().await;
        }
        *seen = view(&seeded, subject, &references, &unknown).await;
    }
    seen
}

#[tokio::test]
async fn whoever_a_concern_is_about_lives_in_the_same_world_with_it_and_without() {
    let mut looked_at = 0;
    for case in 0..CASES {
        let mut dice = Dice(case);
        let roles =
            STAFF.map(|account| (account, (0..dice.roll(3)).map(|_| dice.pick(&Role::ALL)).collect::<Vec<_>>()));
        let mut roles = roles.to_vec();
        // Somebody reads concerns and somebody is a technician in every case.
        roles[0].1.push(dice.pick(&[Role::Dsl, Role::DeputyDsl, Role::Headteacher]));
        roles[4].1.push(Role::Technician);
        for (_, roles) in &mut roles {
            roles.sort_unstable();
            roles.dedup();
        }
        let subject = dice.pick(&STAFF);
        let others: Vec<_> = STAFF.into_iter().chain(PUPILS).filter(|account| *account != subject).collect();
        let events: Vec<_> = (0..4)
            .map(|_| {
                let about = dice.pick(&others);
                event(&mut dice, about)
            })
            .collect();
        let own: Vec<_> = (0..2).map(|_| (dice.roll(4), event(&mut dice, subject))).collect();
        let [without, with] = worlds(&roles, subject, &events, &own).await;
        looked_at += without.matches("200 OK").count();
        let differs = without.lines().zip(with.lines()).find(|(without, with)| without != with);
        assert_eq!(differs, None, "case {case}: {subject}, {roles:?}, {events:?}, {own:?}");
        assert_eq!(without.len(), with.len(), "case {case}: {subject}, {roles:?}, {events:?}, {own:?}");
    }
    assert!(looked_at > 50, "pages were seen, not only refusals: {looked_at}");
}

#[tokio::test]
async fn the_worlds_would_differ_if_anything_showed() {
    let roles = [("dsl", vec![Role::Dsl]), ("head", vec![Role::Headteacher])];
    let about_pupil = Event { about: "ben", category: Category::SelfHarm, level: Level::High, done: 0, later_min: 1 };
    let [without, with] = worlds(&roles, "dsl", &[about_pupil], &[(0, about_pupil)]).await;
    assert_ne!(without, with, "a concern about somebody else shows");
}
