use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::actor::{Actor, PersonId, Role};
use crate::clock::ManualClock;
use crate::requests::{Answer, Approvals, Change, RequestError, State};
use crate::store::exemptions;
use crate::store::fixture::{NINE_US, School};
use crate::subject::Kind;

const HOUR_US: i64 = 60 * MINUTE_US;

/// Drugs and weapons in the IT room, from ten to eleven, as devices of that room know it.
pub(crate) fn plan(id: u8) -> Plan {
    Plan {
        id: ExemptionId::from_bytes([id; 16]),
        categories: [Category::Drugs, Category::Weapons].into(),
        whole_school: false,
        groups: BTreeSet::new(),
        rooms: ["IT room".to_owned()].into(),
        from_us: NINE_US + HOUR_US,
        until_us: NINE_US + 2 * HOUR_US,
        lesson_minutes: 60,
        risks: "Pupils may come upon pictures; the teacher walks round.".to_owned(),
    }
}

fn agreed(plan: Plan) -> Agreed {
    Agreed { plan, agreed_us: NINE_US, ended_us: None }
}

fn groups(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let check = |change: &dyn Fn(&mut Plan)| {
        let mut changed = plan(1);
        change(&mut changed);
        changed.check(NINE_US, 60, &[])
    };
    assert_eq!(check(&|_| ()), Ok(()));
    assert_eq!(check(&|plan| plan.categories.clear()), Err(PlanFault::NoTopic));
    assert_eq!(check(&|plan| plan.rooms.clear()), Err(PlanFault::Place));
    assert_eq!(check(&|plan| plan.whole_school = true), Err(PlanFault::Place), "everywhere, and in a room");
    assert_eq!(check(&|plan| plan.rooms = groups(&[" "])), Err(PlanFault::Place));
    assert_eq!(check(&|plan| plan.rooms = (0..33).map(|n| n.to_string()).collect()), Err(PlanFault::Place));
    for (from_us, until_us) in [
        (NINE_US, NINE_US),
        (NINE_US + 1, NINE_US),
        (NINE_US - HOUR_US, NINE_US),
        (NINE_US, NINE_US + LONGEST_US + 1),
        (NINE_US + AHEAD_US + 1, NINE_US + AHEAD_US + 2),
        (i64::MIN, i64::MAX),
    ] {
        let timed = check(&|plan| (plan.from_us, plan.until_us) = (from_us, until_us));
        assert_eq!(timed, Err(PlanFault::Time), "{from_us} to {until_us}");
    }
    assert_eq!(check(&|plan| plan.risks = " ".to_owned()), Err(PlanFault::Risks));
    assert_eq!(check(&|plan| plan.risks = "x".repeat(MAX_RISKS_BYTES + 1)), Err(PlanFault::Risks));
    assert_eq!(check(&|plan| plan.lesson_minutes = 61), Err(PlanFault::Lesson));
    let full: Vec<Agreed> = (0..MAX_STANDING).map(|_| agreed(plan(2))).collect();
    assert_eq!(plan(1).check(NINE_US, 60, &full), Err(PlanFault::TooMany));
    let over: Vec<Agreed> = full.into_iter().map(|one| Agreed { ended_us: Some(NINE_US), ..one }).collect();
    assert_eq!(plan(1).check(NINE_US, 60, &over), Ok(()), "those that are over take no room");
}

#[test]
fn no_topic_that_the_law_forbids_can_be_asked_for() {
    for category in Category::all() {
        let asked = Plan { categories: [category].into(), ..plan(1) }.check(NINE_US, 60, &[]);
        let never = category.class().is_illegal() || category.branch() == lapwing_rules::FourC::System;
        assert_eq!(asked.is_err(), never, "{category}");
    }
}

#[test]
fn a_lesson_cut_in_two_is_longer_than_a_lesson() {
    let standing = [agreed(plan(1))];
    let next = |minutes: i64, lasts: i64| Plan {
        from_us: plan(1).until_us + minutes * MINUTE_US,
        until_us: plan(1).until_us + (minutes + lasts) * MINUTE_US,
        ..plan(2)
    };
    assert_eq!(next(0, 30).check(NINE_US, 60, &standing), Err(PlanFault::Adjoins));
    assert_eq!(next(19, 30).check(NINE_US, 60, &standing), Err(PlanFault::Adjoins));
    assert_eq!(next(20, 30).check(NINE_US, 60, &standing), Ok(()), "another lesson");
    assert_eq!(next(-60, 30).check(NINE_US, 60, &standing), Ok(()), "within the hour that was agreed on");
    assert_eq!(next(0, 61).check(NINE_US, 60, &standing), Ok(()), "two approve it anyway");
    let elsewhere = Plan { rooms: groups(&["Library"]), ..next(0, 30) };
    assert_eq!(elsewhere.check(NINE_US, 60, &standing), Ok(()));
    let class = Plan { rooms: groups(&[]), groups: groups(&["10B"]), ..next(0, 30) };
    assert_eq!(class.check(NINE_US, 60, &standing), Err(PlanFault::Adjoins), "a class may sit in that room");
    let otherwise = Plan { categories: [Category::Gambling].into(), ..next(0, 30) };
    assert_eq!(otherwise.check(NINE_US, 60, &standing), Ok(()));
}

#[test]
fn a_chain_of_short_ones_is_as_long_as_the_whole_chain() {
    let part = |number: u8, from: i64, lasts: i64| Plan {
        from_us: plan(1).from_us + from * MINUTE_US,
        until_us: plan(1).from_us + (from + lasts) * MINUTE_US,
        ..plan(number)
    };
    let standing = [agreed(part(1, 0, 10)), agreed(part(2, 25, 10))];
    assert_eq!(part(3, 50, 10).check(NINE_US, 60, &standing), Ok(()), "an hour with its breaks");
    assert_eq!(part(3, 50, 11).check(NINE_US, 60, &standing), Err(PlanFault::Adjoins));
    let later_first = [agreed(part(2, 25, 10)), agreed(part(1, 0, 10))];
    assert_eq!(part(3, 50, 11).check(NINE_US, 60, &later_first), Err(PlanFault::Adjoins), "in any order");
    let just_over_us = part(2, 25, 10).until_us;
    assert_eq!(part(3, 50, 11).check(just_over_us, 60, &standing), Err(PlanFault::Adjoins), "and when they are over");
    let ended = standing.map(|one| Agreed { ended_us: Some(one.plan.from_us), ..one });
    assert_eq!(part(3, 50, 11).check(NINE_US, 60, &ended), Ok(()), "what was ended before it began never was");
}

#[test]
fn a_device_is_told_of_what_is_for_it_or_for_accounts_that_may_sit_there() {
    let class = Plan { rooms: BTreeSet::new(), groups: groups(&["10B"]), ..plan(2) };
    let school = Plan { rooms: BTreeSet::new(), whole_school: true, ..plan(3) };
    let standing = [agreed(plan(1)), agreed(class), agreed(school)];
    let told = |group: &str, room: &str| {
        let list = list_for((&standing, &[]), (group, room), &"hill".parse().unwrap(), 7, NINE_US);
        assert_eq!(list.number, 7);
        list.exemptions.into_iter().map(|one| (one.id.as_bytes()[0], one.groups.len())).collect::<Vec<_>>()
    };
    assert_eq!(told("pupils", "IT room"), [(1, 0), (2, 1), (3, 0)]);
    assert_eq!(told("10B", "Library"), [(2, 0), (3, 0)], "a device of the class is everybody's");
    let over = list_for((&standing, &[]), ("", "IT room"), &"hill".parse().unwrap(), 7, NINE_US + 2 * HOUR_US);
    assert!(over.exemptions.is_empty());
}

#[test]
fn what_was_ended_early_is_over_and_what_was_agreed_late_begins_then() {
    let late = Agreed { agreed_us: NINE_US + 90 * MINUTE_US, ..agreed(plan(1)) };
    let ended = Agreed { ended_us: Some(NINE_US + 100 * MINUTE_US), ..late };
    let place = Place { device_group: "", room: "IT room", class: "" };
    let holds = |minutes: i64| {
        let at_us = NINE_US + minutes * MINUTE_US;
        in_force(std::slice::from_ref(&ended), (Category::Drugs, Level::High), place, at_us).is_some()
    };
    assert_eq!([60, 89, 90, 99, 100, 119].map(holds), [false, false, true, true, false, false]);
}

proptest! {
    /// What a device makes of its list is what the collector makes of a late capture.
    #[test]
    fn a_device_and_the_collector_exempt_the_same(
        whole_school in any::<bool>(),
        named in prop::collection::btree_set(prop::sample::select(vec!["a", "b", "c"]), 1..3),
        by_room in any::<bool>(),
        (device_group, room, class) in (
            prop::sample::select(vec!["", "a", "b"]),
            prop::sample::select(vec!["", "a", "c"]),
            prop::sample::select(vec!["", "a", "b"]),
        ),
        level in prop::sample::select(Level::ALL.to_vec()),
        minutes in 0_i64..180,
    ) {
        let names: BTreeSet<String> = named.into_iter().map(str::to_owned).collect();
        let (groups, rooms) = match (whole_school, by_room) {
            (true, _) => (BTreeSet::new(), BTreeSet::new()),
            (false, true) => (BTreeSet::new(), names),
            (false, false) => (names, BTreeSet::new()),
        };
        let all = Plan { categories: Category::all().collect(), whole_school, groups, rooms, ..plan(1) };
        let standing = [agreed(all)];
        let at_us = NINE_US + minutes * MINUTE_US;
        let list = list_for((&standing, &[]), (device_group, room), &"hill".parse().unwrap(), 1, NINE_US);
        for category in Category::all() {
            let here = in_force(&standing, (category, level), Place { device_group, room, class }, at_us).is_some();
            let there = list.exemptions.iter().any(|one| {
                one.covers(category, level)
                    && one.is_in_force(at_us, at_us)
                    && (one.groups.is_empty() || one.groups.contains(class))
            });
            prop_assert_eq!(here, there);
            prop_assert!(!here || (level < Level::Critical && !category.class().is_illegal()));
        }
    }

    #[test]
    fn a_plan_comes_back_from_the_database_as_it_was(id in any::<u8>(), risks in "\\PC{0,40}") {
        let plan = Plan { risks, ..plan(id) };
        prop_assert_eq!(serde_json::from_str::<Plan>(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
    }
}

/// A school in which an exemption can be agreed on.
struct Office {
    school: School,
    clock: Arc<ManualClock>,
    desk: Approvals,
}

impl Office {
    async fn open() -> Self {
        let school = School::open().await;
        crate::store::seeded::add_device(&school).await;
        let clock = Arc::new(ManualClock::at(NINE_US));
        let desk = Approvals::new(school.store.clone(), clock.clone(), Arc::new(Notify::new()));
        Self { school, clock, desk }
    }

    async fn person(&self, account: &str, role: Role) -> Actor {
        let person = self.school.person(account, Kind::Staff, &[role]).await;
        self.school.actor(person, &[role])
    }

    /// A teacher, who holds no role.
    async fn teacher(&self) -> Actor {
        let person = self.school.person("teacher", Kind::Staff, &[]).await;
        self.school.actor(person, &[])
    }

    async fn ask(&self, by: &Actor, plan: Plan) -> Result<String, RequestError> {
        self.desk.ask(by, Change::Exempt { exemption: plan }, "Year 10 look into county lines").await
    }

    async fn standing(&self) -> Vec<Agreed> {
        let mut tx = self.school.store.begin().await.unwrap();
        exemptions::standing(&mut tx, &self.school.id, NINE_US).await.unwrap()
    }
}

#[tokio::test]
async fn a_lesson_takes_the_dsl_and_a_technician_who_read_the_risks() {
    let office = Office::open().await;
    let (dsl, head) = (office.person("dsl", Role::Dsl).await, office.person("head", Role::Headteacher).await);
    let (tech, teacher) = (office.person("tech", Role::Technician).await, office.teacher().await);
    let reference = office.ask(&teacher, plan(1)).await.unwrap();
    let own = office.desk.answer(&teacher, &reference, Answer::Approved).await;
    assert!(matches!(own, Err(RequestError::NotTheirs)));
    assert_eq!(office.desk.answer(&head, &reference, Answer::Approved).await.unwrap(), State::Waiting, "no DSL yet");
    assert_eq!(office.desk.answer(&dsl, &reference, Answer::Approved).await.unwrap(), State::Waiting, "not read yet");
    assert!(office.standing().await.is_empty());
    assert_eq!(office.desk.answer(&tech, &reference, Answer::Seen).await.unwrap(), State::Done);
    assert_eq!(office.standing().await.iter().map(|one| &one.plan).collect::<Vec<_>>(), [&plan(1)]);
    assert!(exemptions::number(&office.school.store, &office.school.id).await.unwrap() > 0);
}

#[tokio::test]
async fn a_whole_school_or_more_than_a_lesson_takes_two_besides_whoever_asks() {
    let office = Office::open().await;
    let (dsl, head) = (office.person("dsl", Role::Dsl).await, office.person("head", Role::Headteacher).await);
    let (tech, teacher) = (office.person("tech", Role::Technician).await, office.teacher().await);
    let whole = Plan { whole_school: true, rooms: BTreeSet::new(), ..plan(1) };
    let long = Plan { until_us: plan(2).until_us + 1, ..plan(2) };
    for (number, plan) in [(1, whole), (2, long)] {
        let reference = office.ask(&teacher, plan).await.unwrap();
        office.desk.answer(&tech, &reference, Answer::Seen).await.unwrap();
        assert_eq!(office.desk.answer(&dsl, &reference, Answer::Approved).await.unwrap(), State::Waiting);
        assert_eq!(office.standing().await.len(), number - 1);
        assert_eq!(office.desk.answer(&head, &reference, Answer::Approved).await.unwrap(), State::Done);
        assert_eq!(office.standing().await.len(), number);
    }
}

#[tokio::test]
async fn what_cannot_be_is_not_asked_for_and_what_cannot_be_any_more_fails() {
    let office = Office::open().await;
    let (dsl, teacher) = (office.person("dsl", Role::Dsl).await, office.teacher().await);
    assert!(matches!(office.ask(&teacher, plan(1)).await, Err(RequestError::Fault(_))), "no technician");
    let tech = office.person("tech", Role::Technician).await;
    let illegal = Plan { categories: [Category::Terrorism].into(), ..plan(1) };
    let nowhere = Plan { rooms: groups(&["Room 101"]), ..plan(1) };
    for refused in [illegal, nowhere] {
        assert!(matches!(office.ask(&teacher, refused).await, Err(RequestError::Fault(_))));
    }
    let reference = office.ask(&teacher, plan(1)).await.unwrap();
    office.desk.answer(&tech, &reference, Answer::Seen).await.unwrap();
    office.clock.advance_us(3 * HOUR_US);
    let late = office.desk.answer(&dsl, &reference, Answer::Approved).await.unwrap();
    assert_eq!((late, office.standing().await.len()), (State::Failed, 0));
}

#[tokio::test]
async fn an_end_makes_a_newer_list_and_hits_are_kept_of_what_was_agreed_alone() {
    let office = Office::open().await;
    let (store, school) = (&office.school.store, &office.school.id);
    let mut tx = store.begin().await.unwrap();
    let request = crate::ids::RequestId::from_bytes([1; 16]);
    exemptions::insert(&mut tx, school, request, &plan(1), NINE_US).await.unwrap();
    let hits = |id: u8, count: u64| [((ExemptionId::from_bytes([id; 16]), Category::Drugs), count)].into();
    for counts in [hits(1, 2), hits(1, 3), hits(9, 5)] {
        exemptions::add_hits(&mut tx, school, &counts).await.unwrap();
    }
    tx.commit().await.unwrap();
    let first = exemptions::number(store, school).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let by = PersonId::from_bytes([3; 16]);
    let ended_us = NINE_US + HOUR_US;
    assert!(exemptions::end(&mut tx, school, plan(1).id, by, ended_us).await.unwrap());
    assert!(!exemptions::end(&mut tx, school, plan(1).id, by, ended_us).await.unwrap(), "once");
    assert!(exemptions::standing(&mut tx, school, ended_us).await.unwrap().is_empty());
    assert_eq!(exemptions::standing(&mut tx, school, NINE_US).await.unwrap().len(), 1, "for what comes late");
    let rows = exemptions::by_request(&mut tx, school).await.unwrap();
    assert_eq!(rows[&request].1, [("drugs".to_owned(), 5)].into());
    tx.commit().await.unwrap();
    assert!(exemptions::number(store, school).await.unwrap() > first);
}
