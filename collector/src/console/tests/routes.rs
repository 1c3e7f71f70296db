//! Every route against every role, and every concern's routes against every role and whom the concern is about. The tables
//! are written by hand; a route that stands in none of them fails.

use std::collections::BTreeSet;

use http::StatusCode;
use lapwing_rules::{Category, Level};

use super::super::seeded::{Answer, Seeded};
use crate::actor::Role::{
    self, Chair, ClassTeacher, DeputyDsl, Dsl, Governor, HeadOfDepartment, Headteacher, SiteLead, Technician,
};

/// Where the routes stand.
const ROUTES: &str = include_str!("../../console.rs");

/// Whom a route lets in.
#[derive(Clone, Copy, Debug)]
enum LetsIn {
    /// Whoever comes, signed in or not.
    Everybody,
    /// Whoever is signed in, pupils too.
    SignedIn,
    /// Staff, with a role or without.
    Staff,
    /// These roles.
    Roles(&'static [Role]),
}

use LetsIn::{Everybody, Roles, SignedIn, Staff};

/// Who may be named as a recipient of a concern; which they see is routing's to say.
const READERS: &[Role] = &[Dsl, DeputyDsl, Headteacher, Chair, SiteLead, ClassTeacher, HeadOfDepartment];
const LEADERS: &[Role] = &[Dsl, DeputyDsl, Headteacher];
const OVERSEERS: &[Role] = &[Technician, Dsl, DeputyDsl, Headteacher];

/// Method, address, and whom it lets in.
const TABLE: [(&str, &str, LetsIn); 48] = [
    ("GET", "/", Staff),
    ("GET", "/sign-in", Everybody),
    ("POST", "/sign-in", Everybody),
    ("GET", "/sign-in/code", Everybody),
    ("POST", "/sign-in/code", Everybody),
    ("GET", "/sign-in/set-up", Everybody),
    ("POST", "/sign-in/set-up", Everybody),
    ("POST", "/sign-out", SignedIn),
    ("GET", "/queue", Roles(READERS)),
    ("GET", "/queue/live", Roles(READERS)),
    ("GET", "/queue/several", Roles(READERS)),
    ("POST", "/queue/several", Roles(READERS)),
    ("POST", "/queue/several/undo", Roles(READERS)),
    ("GET", "/requests", Staff),
    ("POST", "/requests", Staff),
    ("POST", "/requests/{reference}/answer", Staff),
    ("POST", "/requests/{reference}/withdraw", Staff),
    ("POST", "/tickets/{ticket}/done", Roles(&[Technician])),
    ("GET", "/devices", Roles(&[Technician])),
    ("GET", "/enrolment", Roles(&[Technician])),
    ("POST", "/enrolment", Roles(&[Technician])),
    ("POST", "/enrolment/withdraw", Roles(&[Technician])),
    ("POST", "/joins/{join}/let-in", Roles(&[Technician])),
    ("POST", "/joins/{join}/turn-away", Roles(&[Technician])),
    ("GET", "/checks", Roles(OVERSEERS)),
    ("POST", "/checks", Roles(OVERSEERS)),
    ("GET", "/media", Roles(OVERSEERS)),
    ("POST", "/media", Roles(OVERSEERS)),
    ("POST", "/media/withdraw", Roles(OVERSEERS)),
    ("GET", "/counts", Roles(&[Governor])),
    ("GET", "/exemptions", Staff),
    ("POST", "/exemptions", Staff),
    ("POST", "/exemptions/{reference}/answer", Staff),
    ("POST", "/exemptions/{reference}/end", Staff),
    ("GET", "/away", Roles(LEADERS)),
    ("POST", "/away", Roles(LEADERS)),
    ("POST", "/away/end", Roles(LEADERS)),
    ("GET", "/local-help", Roles(LEADERS)),
    ("POST", "/local-help/numbers", Roles(LEADERS)),
    ("POST", "/local-help/matrix", Roles(LEADERS)),
    ("GET", "/keys", SignedIn),
    ("POST", "/keys", SignedIn),
    ("GET", "/two-step", SignedIn),
    ("POST", "/two-step", SignedIn),
    ("GET", "/blank", SignedIn),
    ("GET", "/assets/{name}", Everybody),
    ("GET", "/concerns/{reference}", Roles(READERS)),
    ("GET", "/concerns/{reference}/chronology", Roles(READERS)),
];

/// A form's fields.
type Fields = &'static [(&'static str, &'static str)];

/// What is done with a concern, with a form that is whole.
const DEEDS: [(&str, Fields); 25] = [
    ("acknowledge", &[]),
    ("note", &[("note", "words")]),
    ("judge", &[("verdict", "true"), ("outcome", "talked")]),
    ("close", &[]),
    ("settle", &[("routine", "talked"), ("seen", "1")]),
    ("undo", &[]),
    ("put-off", &[("until", "hour")]),
    ("bring-back", &[]),
    ("assign", &[("person", PERSON)]),
    ("escalate", &[("reason", "words")]),
    ("refer", &[("recipient", "a"), ("purpose", "b"), ("basis", "safeguarding"), ("consent", "c"), ("wishes", "d")]),
    ("report-rule", &[("rule", "self_harm.words")]),
    ("watch", &[]),
    ("unwatch", &[]),
    ("reopen", &[]),
    ("merge", &[("into", "ZZ-9999")]),
    ("split", &[]),
    ("share", &[("person", PERSON)]),
    ("transfer", &[("person", PERSON), ("reason", "words")]),
    ("hold", &[("reason", "words")]),
    ("release", &[("reason", "words")]),
    ("attribute", &[("account", "amelia"), ("reason", "words")]),
    ("unattribute", &[("reason", "words")]),
    ("ask-close", &[("reason", "words")]),
    ("chronology", &[]),
];
const PERSON: &str = "per-0000000000000000000000000000000a";

/// Whom a concern is about, its topic, and who sees it when it opens: routing as the guidance has it, written by hand.
const SUBJECTS: [(&str, Category, &[Role]); 12] = [
    ("amelia", Category::SelfHarm, &[Dsl, DeputyDsl]),
    ("amelia", Category::Radicalisation, &[Dsl, DeputyDsl]),
    ("amelia", Category::Grooming, &[Dsl, DeputyDsl, Headteacher]),
    ("nobody", Category::SelfHarm, &[Headteacher]),
    ("member", Category::SelfHarm, &[Headteacher]),
    ("dsl", Category::SelfHarm, &[Headteacher]),
    ("deputy_dsl", Category::SelfHarm, &[Headteacher]),
    ("headteacher", Category::SelfHarm, &[Chair]),
    ("chair", Category::SelfHarm, &[Headteacher]),
    ("governor", Category::SelfHarm, &[Headteacher]),
    ("technician", Category::SelfHarm, &[Headteacher, Dsl]),
    // What is critical and the DSL sees, the deputy sees at once too.
    ("technician", Category::Grooming, &[Headteacher, Dsl, DeputyDsl]),
];

/// A school with one person of each role, called as it is, a member of staff without one, and pupils.
async fn school() -> Seeded {
    let mut seeded = Seeded::open().await;
    seeded.school.write("DELETE FROM person_roles").await;
    for (number, role) in (20..).zip(Role::ALL) {
        seeded.joins(number, role.as_str(), &[role.as_str()]).await;
    }
    seeded.joins(40, "member", &[]).await;
    seeded
}

/// Method and address of every route of the program.
fn routes() -> BTreeSet<(String, String)> {
    let code = ROUTES.split(".route(\"").skip(1);
    code.flat_map(|rest| {
        let (path, rest) = rest.split_once('"').unwrap();
        let methods = rest.lines().next().unwrap().to_owned();
        let path = path.to_owned();
        [("GET", "get("), ("POST", "post(")]
            .into_iter()
            .filter(move |(_, word)| methods.contains(word))
            .map(move |(method, _)| (method.to_owned(), path.clone()))
    })
    .collect()
}

fn filled(path: &str) -> String {
    let parts = [("{reference}", "ZZ-9999"), ("{ticket}", "x"), ("{join}", "x"), ("{name}", "lapwing.css")];
    parts.into_iter().fold(path.to_owned(), |path, (part, with)| path.replace(part, with))
}

async fn ask(seeded: &Seeded, account: Option<&str>, method: &str, path: &str, fields: Fields) -> Answer {
    let mut visitor = match account {
        Some(account) => seeded.visitor(account).await,
        None => seeded.stranger(),
    };
    match (method, path) {
        // A stream has no end: its first answer is enough.
        ("GET", "/queue/live") => visitor.begins(path).await,
        ("GET", path) => visitor.get(path).await,
        (_, path) => visitor.post(path, fields).await,
    }
}

#[tokio::test]
async fn a_route_lets_in_whom_the_table_says_and_every_route_stands_in_it() {
    let listed: BTreeSet<_> = TABLE
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .chain(
            DEEDS
                .iter()
                .filter(|(deed, _)| *deed != "chronology")
                .map(|(deed, _)| ("POST".to_owned(), format!("/concerns/{{reference}}/{deed}"))),
        )
        .collect();
    assert_eq!(routes(), listed, "the routes of the program, and those of the tables");
    let seeded = school().await;
    let people = Role::ALL.map(|role| (role.as_str(), Some(role)));
    let people: Vec<_> = people.into_iter().chain([("member", None), ("amelia", None)]).collect();
    for (method, path, lets_in) in TABLE {
        let path = filled(path);
        let stranger = ask(&seeded, None, method, &path, &[]).await;
        let is_sent_away = stranger.location().starts_with("/sign-in") || stranger.status == StatusCode::UNAUTHORIZED;
        let is_door = path.starts_with("/sign-in");
        assert!(
            is_door || is_sent_away != matches!(lets_in, Everybody),
            "nobody at {method} {path}: {}",
            stranger.status
        );
        for (account, role) in &people {
            let is_let_in = match lets_in {
                Everybody | SignedIn => true,
                Staff => *account != "amelia",
                Roles(roles) => role.is_some_and(|role| roles.contains(&role)),
            };
            let status = ask(&seeded, Some(account), method, &path, &[]).await.status;
            assert_eq!(status != StatusCode::FORBIDDEN, is_let_in || is_door, "{account} at {method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_concern_is_nothing_to_whom_routing_does_not_name_by_any_route() {
    for (about, category, sees) in SUBJECTS {
        let seeded = school().await;
        let level = if category.class().is_illegal() { Level::Critical } else { Level::High };
        let mut capture = crate::store::fixture::title(about, category, level, "seeded words");
        if about == "nobody" || about == "member" || Role::ALL.iter().any(|role| role.as_str() == about) {
            capture.account.groups = vec!["staff".to_owned()];
        }
        let reference = seeded.concern_of(level, capture).await;
        let steps = seeded.school.count("SELECT COUNT(*) FROM concern_steps").await;
        for account in Role::ALL.map(Role::as_str).into_iter().chain(["member", "amelia"]) {
            let role = Role::ALL.into_iter().find(|role| role.as_str() == account);
            let may = role.is_some_and(|role| sees.contains(&role));
            let is_reader = role.is_some_and(|role| READERS.contains(&role));
            let refused = if is_reader { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
            let mut visitor = seeded.visitor(account).await;
            let queue = visitor.get("/queue").await;
            assert_eq!(queue.body.contains(&reference), may, "{account}, the list, about {about}, {category}");
            if may {
                continue;
            }
            let mut pages = vec![visitor.get(&format!("/concerns/{reference}")).await];
            pages.push(visitor.get(&format!("/concerns/{reference}/chronology")).await);
            pages.push(visitor.get("/queue?show=all&q=seeded").await);
            assert_eq!((pages[0].status, pages[1].status), (refused, refused), "{account} about {about}, {category}");
            for (deed, fields) in DEEDS.iter().filter(|(deed, _)| *deed != "chronology") {
                let answer = visitor.post(&format!("/concerns/{reference}/{deed}"), fields).await;
                assert_eq!(answer.status, refused, "{account}: {deed}, about {about}, {category}");
                pages.push(answer);
            }
            let several = format!("concern.{reference}");
            let boxes = [("act", "acknowledge"), (several.as_str(), "on")];
            pages.push(visitor.post("/queue/several", &boxes).await);
            pages.push(visitor.get(&format!("/queue/several?act=acknowledge&{several}=on")).await);
            for page in &pages {
                assert!(!page.body.contains("seeded words"), "{account} about {about}, {category}");
            }
        }
        let now = seeded.school.count("SELECT COUNT(*) FROM concern_steps WHERE kind <> 'read_alone'").await;
        assert_eq!(now, steps, "nothing was done, about {about}, {category}");
    }
}

/// The tables would not pass whatever the program did: whoever routing names opens the concern by every route that reads.
#[tokio::test]
async fn a_concern_opens_to_whom_routing_names() {
    let seeded = school().await;
    let reference = seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
    for account in ["dsl", "deputy_dsl"] {
        let mut visitor = seeded.visitor(account).await;
        let page = visitor.get(&format!("/concerns/{reference}")).await;
        assert!(page.status == StatusCode::OK && page.body.contains("seeded words"), "{account}");
        assert_eq!(visitor.get(&format!("/concerns/{reference}/chronology")).await.status, StatusCode::OK);
    }
}
