use std::sync::Arc;

use lapwing_rules::{Category, Level};
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::actor::Actor;
use crate::clock::ManualClock;
use crate::exemption::Plan;
use crate::routing::{Holder, Reach};
use crate::store::fixture::{DEVICE, NINE_US, School, delivery, title};
use crate::subject::Kind;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A school with one person in each senior role, and the desk of its requests.
struct Office {
    school: School,
    clock: Arc<ManualClock>,
    desk: Approvals,
    dsl: Actor,
    deputy: Actor,
    head: Actor,
    chair: Actor,
    teacher: Actor,
}

impl Office {
    async fn open() -> Self {
        let school = School::open().await;
        let clock = Arc::new(ManualClock::at(NINE_US));
        let desk = Approvals::new(school.store.clone(), clock.clone(), Arc::new(Notify::new()));
        let mut actors = Vec::new();
        for (account, role) in [
            ("dsl", Role::Dsl),
            ("deputy", Role::DeputyDsl),
            ("head", Role::Headteacher),
            ("chair", Role::Chair),
            ("teacher", Role::ClassTeacher),
        ] {
            let person = school.person(account, Kind::Staff, &[role]).await;
            actors.push(school.actor(person, &[role]));
        }
        let [dsl, deputy, head, chair, teacher] = actors.try_into().unwrap();
        Self { school, clock, desk, dsl, deputy, head, chair, teacher }
    }

    fn grant(&self, role: Role) -> Change {
        Change::GrantRole { person: self.teacher.person().unwrap(), role }
    }

    async fn roles(&self) -> i64 {
        self.school.count("SELECT COUNT(*) FROM person_roles").await
    }
}

/// A calendar that takes the place of `before`.
fn calendar(text: &str, before: &str) -> Change {
    let over = lapwing_rules::Digest::of(before.as_bytes()).to_string();
    Change::Calendar { text: text.to_owned(), over }
}

/// Routing that takes the place of the standard.
fn routing(text: &str) -> Change {
    Change::Routing { text: text.to_owned(), over: lapwing_rules::Digest::of(b"").to_string() }
}

#[tokio::test]
async fn a_privileged_role_takes_two_besides_whoever_asks() {
    let office = Office::open().await;
    let reference = office.desk.ask(&office.head, office.grant(Role::DeputyDsl), "from Monday on").await.unwrap();
    assert_eq!(office.school.count("SELECT COUNT(*) FROM outbox WHERE kind = 'request'").await, 3);

    let twice = office.desk.answer(&office.head, &reference, Answer::Approved).await;
    assert!(matches!(twice, Err(RequestError::NotTheirs)), "whoever asks does not approve");
    let first = office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    let again = office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    assert_eq!((first, again, office.roles().await), (State::Waiting, State::Waiting, 5), "one person counts once");
    let second = office.desk.answer(&office.chair, &reference, Answer::Approved).await.unwrap();
    assert_eq!((second, office.roles().await), (State::Done, 6));
    let late = office.desk.answer(&office.deputy, &reference, Answer::Refused).await;
    assert!(matches!(late, Err(RequestError::Settled(State::Done))));
}

#[tokio::test]
async fn nothing_is_asked_for_that_nobody_could_agree_to() {
    let office = Office::open().await;
    office.school.person("tech", Kind::Staff, &[Role::Technician]).await;
    let exempt = || Change::Exempt {
        exemption: Plan { rooms: [].into(), whole_school: true, ..crate::exemption::tests::plan(1) },
    };
    office.school.write("DELETE FROM person_roles WHERE role = 'deputy_dsl'").await;
    assert!(office.desk.ask(&office.teacher, exempt(), "county lines").await.is_ok());
    office.school.write("DELETE FROM person_roles WHERE role = 'dsl'").await;
    let asked = office.desk.ask(&office.teacher, exempt(), "county lines").await;
    assert!(
        matches!(asked, Err(RequestError::NobodyAmong)),
        "head and chair are two, and neither is the DSL: {asked:?}"
    );
}

#[tokio::test]
async fn requests_of_others_take_no_place_on_ones_page_and_an_exemption_stays_until_it_is_over() {
    let office = Office::open().await;
    office.school.person("tech", Kind::Staff, &[Role::Technician]).await;
    let plan = Plan { rooms: [].into(), whole_school: true, ..crate::exemption::tests::plan(1) };
    let until_us = plan.until_us;
    let exempt = office.desk.ask(&office.teacher, Change::Exempt { exemption: plan.clone() }, "lines").await.unwrap();
    let mut tx = office.school.store.begin().await.unwrap();
    let asked = crate::store::requests::by_reference(&mut tx, &office.school.id, &exempt).await.unwrap().unwrap();
    crate::store::exemptions::insert(&mut tx, &office.school.id, asked.id, &plan, NINE_US).await.unwrap();
    tx.commit().await.unwrap();
    office.school.write("UPDATE requests SET state = 'done'").await;
    let own = office.desk.ask(&office.dsl, calendar("", ""), "hours").await.unwrap();
    office.desk.withdraw(&office.dsl, &own).await.unwrap();
    office.clock.advance_us(1);
    // Later ones of the head, which the teacher may not know of, and the DSL may.
    office
        .school
        .write(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 700)
             INSERT INTO requests SELECT school_id, randomblob(16), 'R-X' || n.n, change, reason, NULL,
             (SELECT person_id FROM persons WHERE name = 'Name of head'), asked_us + 1 + n.n / 5, lapses_us, state, NULL
             FROM requests, n WHERE reference NOT LIKE 'R-X%' AND state = 'withdrawn'",
        )
        .await;
    let references = async |actor: &Actor| {
        let shown = office.desk.list(actor).await.unwrap();
        shown.into_iter().map(|one| one.request.reference).collect::<Vec<_>>()
    };
    assert_eq!(references(&office.teacher).await, std::slice::from_ref(&exempt));
    let seen = references(&office.dsl).await;
    assert_eq!((seen.len(), &seen[0]), (201, &exempt), "what is in force, and the latest of the others");
    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len());
    assert!(!seen.contains(&own));
    office.clock.advance_us(until_us);
    assert_eq!(references(&office.teacher).await, std::slice::from_ref(&exempt), "among what is settled");
    assert!(!references(&office.dsl).await.contains(&exempt));
}

#[tokio::test]
async fn an_ordinary_role_takes_one_and_nobody_gives_it_to_themselves() {
    let office = Office::open().await;
    let technician = office.grant(Role::Technician);
    let own = Change::GrantRole { person: office.head.person().unwrap(), role: Role::Technician };
    let alone = office.desk.ask(&office.head, own, "mine").await;
    assert!(matches!(alone, Err(RequestError::NotTheirs)));
    let without = office.desk.ask(&office.teacher, technician.clone(), "please").await;
    assert!(matches!(without, Err(RequestError::NotTheirs)));
    let reference = office.desk.ask(&office.head, technician, "from Monday on").await.unwrap();
    assert_eq!(office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap(), State::Done);
}

#[tokio::test]
async fn an_approval_of_somebody_whose_role_is_gone_does_not_count() {
    let office = Office::open().await;
    let reference = office.desk.ask(&office.head, office.grant(Role::Dsl), "from Monday on").await.unwrap();
    office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    office.school.write("DELETE FROM person_roles WHERE role = 'dsl'").await;
    assert_eq!(office.desk.answer(&office.chair, &reference, Answer::Approved).await.unwrap(), State::Waiting);
    assert_eq!(office.desk.answer(&office.deputy, &reference, Answer::Approved).await.unwrap(), State::Done);
}

#[tokio::test]
async fn a_refusal_settles_and_a_request_lapses_or_is_withdrawn() {
    let office = Office::open().await;
    let ask = async || office.desk.ask(&office.head, office.grant(Role::Dsl), "from Monday on").await.unwrap();
    let refused = ask().await;
    assert_eq!(office.desk.answer(&office.dsl, &refused, Answer::Refused).await.unwrap(), State::Refused);
    let withdrawn = ask().await;
    assert!(matches!(office.desk.withdraw(&office.dsl, &withdrawn).await, Err(RequestError::NotTheirs)));
    office.desk.withdraw(&office.head, &withdrawn).await.unwrap();
    let lapsed = ask().await;
    office.clock.advance_us(14 * DAY_US);
    let late = office.desk.answer(&office.dsl, &lapsed, Answer::Approved).await;
    assert!(matches!(late, Err(RequestError::Settled(State::Lapsed))));
    let list = office.desk.list(&office.head).await.unwrap();
    let states: BTreeSet<_> = list.iter().map(|one| one.request.state).collect();
    assert_eq!(states, BTreeSet::from([State::Refused, State::Withdrawn, State::Lapsed]));
    assert_eq!(office.roles().await, 5);
}

#[tokio::test]
async fn who_may_neither_ask_nor_answer_sees_no_request() {
    let office = Office::open().await;
    let reference = office.desk.ask(&office.head, office.grant(Role::Dsl), "from Monday on").await.unwrap();
    assert!(office.desk.list(&office.teacher).await.unwrap().is_empty(), "nor does whom it is about");
    let tried = office.desk.answer(&office.teacher, &reference, Answer::Approved).await;
    assert!(matches!(tried, Err(RequestError::NotFound)));
    assert_eq!(office.desk.list(&office.chair).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_takes_more_people_than_there_are_cannot_be_asked_for() {
    let office = Office::open().await;
    office.school.write("DELETE FROM sign_ins WHERE login IN ('deputy', 'chair')").await;
    let asked = office.desk.ask(&office.head, office.grant(Role::Dsl), "from Monday on").await;
    assert!(matches!(asked, Err(RequestError::TooFewApprovers { needed: 2, able: 1 })), "{asked:?}");
    assert_eq!(office.school.count("SELECT COUNT(*) FROM requests").await, 0);
}

#[tokio::test]
async fn the_last_holder_of_a_privileged_role_keeps_it() {
    let office = Office::open().await;
    let change = Change::WithdrawRole { person: office.dsl.person().unwrap(), role: Role::Dsl };
    let asked = office.desk.ask(&office.head, change, "leaves").await;
    assert!(matches!(asked, Err(RequestError::Fault(_))), "{asked:?}");
}

#[tokio::test]
async fn whoever_loses_a_role_no_longer_sees_its_concerns() {
    let office = Office::open().await;
    let school = &office.school;
    let second = school.person("second", Kind::Staff, &[Role::Dsl, Role::ClassTeacher]).await;
    school
        .intake()
        .take(delivery(Level::High, 1, vec![title("amy", Category::SelfHarm, Level::High, "w")]))
        .await
        .unwrap();
    school.triage_all().await;
    let sees = async || school.count("SELECT COUNT(*) FROM concern_recipients").await;
    assert_eq!(sees().await, 3);
    let change = Change::WithdrawRole { person: second, role: Role::Dsl };
    let reference = office.desk.ask(&office.head, change, "moves on").await.unwrap();
    for actor in [&office.dsl, &office.chair] {
        office.desk.answer(actor, &reference, Answer::Approved).await.unwrap();
    }
    assert_eq!(sees().await, 2);
}

#[tokio::test]
async fn a_calendar_and_routing_come_into_force_when_they_are_approved() {
    let office = Office::open().await;
    let text = "[hours]\nmonday = [\"09:00\", \"15:00\"]".to_owned();
    let bad = calendar("[hours]", "");
    assert!(matches!(office.desk.ask(&office.head, bad, "hours").await, Err(RequestError::Fault(_))));
    let reference = office.desk.ask(&office.head, calendar(&text, ""), "hours").await.unwrap();
    assert!(office.school.texts("SELECT value FROM settings").await.is_empty());
    office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    assert_eq!(office.school.texts("SELECT value FROM settings").await, [text]);

    let nobody = routing("[guest]\nfirst = [\"site_lead\"]\nalso = []\notherwise = []");
    assert!(matches!(office.desk.ask(&office.head, nobody, "guests").await, Err(RequestError::Fault(_))));
    let change = routing("[staff]\nalso = [\"dsl\"]");
    let reference = office.desk.ask(&office.head, change, "shared").await.unwrap();
    office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    assert_eq!(office.desk.answer(&office.chair, &reference, Answer::Approved).await.unwrap(), State::Done);
    assert_eq!(office.school.count("SELECT COUNT(*) FROM settings").await, 2);
}

#[tokio::test]
async fn an_illegal_case_is_closed_by_three_who_may_all_see_it() {
    let office = Office::open().await;
    let school = &office.school;
    let capture = title("amy", Category::Grooming, Level::Critical, "w");
    school.intake().take(delivery(Level::Critical, 1, vec![capture])).await.unwrap();
    school.triage_all().await;
    let [concern] = school.concerns().await.try_into().unwrap();
    let changed_us = school.count("SELECT changed_us FROM concerns").await;
    let close = Change::CloseIllegal { concern, changed_us, review_us: None };
    let early = office.desk.ask(&office.dsl, close.clone(), "police have it").await;
    assert!(matches!(early, Err(RequestError::Fault(_))), "nobody has decided yet");
    school.write("UPDATE concerns SET state = 'referred'").await;
    let outsider = office.desk.ask(&office.teacher, close.clone(), "police have it").await;
    assert!(matches!(outsider, Err(RequestError::Fault(_))));
    let reference = office.desk.ask(&office.dsl, close, "police have it").await.unwrap();
    office.desk.answer(&office.head, &reference, Answer::Approved).await.unwrap();
    assert_eq!(school.texts("SELECT state FROM concerns").await, ["referred"]);
    assert_eq!(office.desk.answer(&office.deputy, &reference, Answer::Approved).await.unwrap(), State::Done);
    assert_eq!(school.texts("SELECT state FROM concerns").await, ["closed"]);
}

#[tokio::test]
async fn what_changed_since_it_was_asked_for_is_not_carried_out() {
    let office = Office::open().await;
    let hours = |day: &str| format!("[hours]\n{day} = [\"09:00\", \"15:00\"]");
    let first = office.desk.ask(&office.head, calendar(&hours("monday"), ""), "hours").await.unwrap();
    let second = office.desk.ask(&office.chair, calendar(&hours("friday"), ""), "hours").await.unwrap();
    assert_eq!(office.desk.answer(&office.dsl, &second, Answer::Approved).await.unwrap(), State::Done);
    assert_eq!(office.desk.answer(&office.dsl, &first, Answer::Approved).await.unwrap(), State::Failed);
    assert_eq!(office.school.texts("SELECT value FROM settings").await, [hours("friday")]);
    let standard = office.desk.ask(&office.head, calendar("", &hours("friday")), "as it was").await.unwrap();
    assert_eq!(office.desk.answer(&office.dsl, &standard, Answer::Approved).await.unwrap(), State::Done);
}

#[tokio::test]
async fn a_role_that_concerns_depend_on_is_not_taken_away() {
    let office = Office::open().await;
    let head = office.head.person().unwrap();
    let chair = Change::GrantRole { person: head, role: Role::Chair };
    // The head could not read about themselves: the chair stays the one who does.
    let reference = office.desk.ask(&office.dsl, chair, "for a while").await.unwrap();
    for actor in [&office.deputy, &office.chair] {
        office.desk.answer(actor, &reference, Answer::Approved).await.unwrap();
    }
    let change = Change::WithdrawRole { person: office.chair.person().unwrap(), role: Role::Chair };
    let asked = office.desk.ask(&office.dsl, change, "leaves").await;
    assert!(matches!(asked, Err(RequestError::Fault(_))), "{asked:?}");
}

#[tokio::test]
async fn nobody_floods_the_list() {
    let office = Office::open().await;
    for _ in 0..20 {
        office.desk.ask(&office.head, office.grant(Role::Technician), "from Monday on").await.unwrap();
    }
    let more = office.desk.ask(&office.head, office.grant(Role::Technician), "from Monday on").await;
    assert!(matches!(more, Err(RequestError::TooMany)));
    assert_eq!(office.desk.list(&office.dsl).await.unwrap().len(), 20);
}

#[tokio::test]
async fn an_investigation_begins_after_it_was_opened_by_two() {
    let office = Office::open().await;
    let (from_us, until_us) = (NINE_US + DAY_US, NINE_US + 2 * DAY_US);
    let investigate = |from_us| Change::Investigate { device: DEVICE, purpose: "a test".to_owned(), from_us, until_us };
    let unknown = office.desk.ask(&office.head, investigate(from_us), "a test").await;
    assert!(matches!(unknown, Err(RequestError::Fault(_))), "no such device");
    crate::store::seeded::add_device(&office.school).await;
    let past = office.desk.ask(&office.head, investigate(NINE_US - 1), "a test").await;
    assert!(matches!(past, Err(RequestError::Fault(_))), "nothing is filed away afterwards");
    let reference = office.desk.ask(&office.head, investigate(from_us), "a test").await.unwrap();
    office.clock.advance_us(2 * DAY_US);
    let late = office.desk.answer(&office.dsl, &reference, Answer::Approved).await.unwrap();
    assert_eq!(late, State::Failed, "nor by approving it late");
}

#[tokio::test]
async fn what_is_answered_is_in_the_log_or_did_not_happen() {
    let office = Office::open().await;
    let reference = office.desk.ask(&office.head, office.grant(Role::Technician), "from Monday on").await.unwrap();
    office.school.break_audit().await;
    assert!(office.desk.answer(&office.dsl, &reference, Answer::Approved).await.is_err());
    assert_eq!(office.school.count("SELECT COUNT(*) FROM request_answers").await, 0);
    assert_eq!(office.roles().await, 5);
}

fn any_change() -> impl Strategy<Value = Change> {
    let person = || (1u8..7).prop_map(|n| PersonId::from_bytes([n; 16]));
    prop_oneof![
        (person(), proptest::sample::select(Role::ALL.to_vec()))
            .prop_map(|(person, role)| Change::GrantRole { person, role }),
        (person(), proptest::sample::select(Role::ALL.to_vec()))
            .prop_map(|(person, role)| Change::WithdrawRole { person, role }),
        Just(Change::Routing { text: String::new(), over: String::new() }),
        Just(Change::Calendar { text: String::new(), over: String::new() }),
        Just(Change::CloseIllegal {
            concern: crate::ids::ConcernId::from_bytes([9; 16]),
            changed_us: 1,
            review_us: None
        }),
    ]
}

proptest! {
    #[test]
    fn nothing_is_carried_out_without_enough_distinct_people_who_still_may(
        change in any_change(),
        people in proptest::collection::btree_map(
            (1u8..7).prop_map(|n| PersonId::from_bytes([n; 16])),
            (proptest::collection::btree_set(proptest::sample::select(Role::ALL.to_vec()), 0..3), any::<bool>()),
            0..6,
        ),
        answers in proptest::collection::btree_map(
            (1u8..7).prop_map(|n| PersonId::from_bytes([n; 16])),
            prop_oneof![Just(Answer::Approved), Just(Answer::Refused), Just(Answer::Seen)],
            0..6,
        ),
        by in (1u8..7).prop_map(|n| PersonId::from_bytes([n; 16])),
        chain in proptest::collection::btree_set((1u8..7).prop_map(|n| PersonId::from_bytes([n; 16])), 0..6),
    ) {
        let staffing: Staffing = people.into_iter().map(|(person, (roles, signs_in))| {
            let reach = if signs_in { Reach::SignsIn } else { Reach::NoSignIn };
            (person, Holder { roles, reach, ..Holder::default() })
        }).collect();
        let chain = change.concern().map(|_| chain);
        let able = eligible(&change, by, &staffing, chain.as_ref());
        prop_assert!(!able.contains(&by) && able.iter().all(|person| staffing.can_sign_in(*person)));
        prop_assert!(change.about().is_none_or(|person| !able.contains(&person)));
        let request = Request {
            id: RequestId::from_bytes([0; 16]),
            reference: String::new(),
            change,
            reason: String::new(),
            by,
            asked_us: 0,
            lapses_us: 1,
            state: State::Waiting,
            answers,
        };
        let approvals =
            request.answers.iter().filter(|(person, given)| **given == Answer::Approved && able.contains(person)).count();
        let refusals = request.answers.iter().any(|(person, given)| *given == Answer::Refused && able.contains(person));
        let enough = approvals >= request.change.terms().needed && !refusals;
        prop_assert_eq!(standing(&request, &able, &staffing) == Standing::Approved, enough);
    }

    #[test]
    fn a_change_comes_back_from_the_database_as_it_was(change in any_change()) {
        let text = serde_json::to_string(&change).unwrap();
        prop_assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
    }
}
