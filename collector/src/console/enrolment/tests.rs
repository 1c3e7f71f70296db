use http::StatusCode;
use lapwing_proto::DeviceId;

use crate::clock::Clock as _;
use crate::console::seeded::{Seeded, Visitor};
use crate::ids::JoinId;
use crate::proof::certificates::Ends;
use crate::store::joins::{self, Decision, NewJoin};
use crate::store::{images, tokens};
use crate::tls;
use crate::token::CampaignToken;

const TOKEN: [(&str, &str); 5] = [
    ("label", "New PCs <b>"),
    ("group", "ict-suite"),
    ("uses", "30"),
    ("until", "2026-10-05"),
    ("networks", "10.2.0.0/16 fd00::/8"),
];

/// Makes a token; answers its text and the page.
async fn made(technician: &mut Visitor, other: &[(&str, &str)]) -> (CampaignToken, String) {
    let page = technician.post("/enrolment", &[&TOKEN, other].concat()).await.body;
    let text = page.split("lwt-").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    (format!("lwt-{text}").parse().unwrap(), page)
}

async fn asks(seeded: &Seeded, token: &CampaignToken, key: u8) -> JoinId {
    let mut tx = seeded.school.store.begin().await.unwrap();
    let new = NewJoin {
        id: JoinId::random().unwrap(),
        token: &token.hash(),
        public_key_digest: &[key; 32],
        hostname: "PC-13",
        room: "Library",
        os: "linux",
        address: "10.2.0.13",
        is_listed: false,
        asked_us: crate::store::fixture::NINE_US,
    };
    joins::insert(&mut tx, &seeded.school.id, &new).await.unwrap();
    tx.commit().await.unwrap();
    new.id
}

#[tokio::test]
async fn a_token_is_shown_once_and_withdrawn_by_its_reference() {
    let seeded = Seeded::open().await;
    let mut technician = seeded.visitor("tech").await;
    let (token, page) = made(&mut technician, &[("listed", "on")]).await;
    assert!(page.contains("not shown again") && page.contains("New PCs &#60;b&#62;"), "{page}");
    let page = technician.get("/enrolment").await.body;
    assert!(
        !page.contains("lwt-") && page.contains("From 10.2.0.0/16") && page.contains("Listed devices alone"),
        "{page}"
    );
    assert!(page.contains("for 30 more") && page.contains("0 joined, 0 refused"), "{page}");
    let reference = tokens::all(&seeded.school.store, &seeded.school.id, 1).await.unwrap().remove(0).reference;
    technician.post("/enrolment/withdraw", &[("reference", &reference)]).await;
    let page = technician.get("/enrolment").await.body;
    assert!(page.contains("Withdrawn") && !page.contains("action=\"/enrolment/withdraw\""), "{page}");
    let mut tx = seeded.school.store.begin().await.unwrap();
    let (_, terms) = tokens::find(&mut tx, &seeded.school.id, &token.hash()).await.unwrap().unwrap();
    assert!(terms.expires_us <= seeded.clock.wall_us());
}

#[tokio::test]
async fn what_cannot_be_made_is_said_and_stays_in_the_form() {
    let seeded = Seeded::open().await;
    let mut technician = seeded.visitor("tech").await;
    for (field, value, words) in [
        ("uses", "many", "how many devices"),
        ("uses", "0", "1 to 100000"),
        ("until", "", "a last day"),
        ("until", "2020-01-01", "ends within 366 days"),
        ("networks", "10.2.0.1/16", "10.2.0.1/16 cannot be read"),
        ("group", " ", "The group is not usable"),
    ] {
        let kept = TOKEN.iter().copied().filter(|(name, _)| *name != field).chain([(field, value)]);
        let answer = technician.post("/enrolment", &kept.collect::<Vec<_>>()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains(words) && answer.body.contains("No token was made"), "{words}: {}", answer.body);
        assert!(answer.body.contains("New PCs"), "what was written stays");
    }
    assert_eq!(seeded.school.count("SELECT COUNT(*) FROM campaign_tokens").await, 0);
}

#[tokio::test]
async fn devices_that_wait_are_let_in_or_turned_away_by_a_technician_alone() {
    let seeded = Seeded::open().await;
    let mut technician = seeded.visitor("tech").await;
    let (token, _) = made(&mut technician, &[("approve", "on")]).await;
    let (one, other) = (asks(&seeded, &token, 1).await, asks(&seeded, &token, 2).await);
    let page = technician.get("/enrolment").await.body;
    assert!(page.contains("PC-13") && page.contains("Library, from 10.2.0.13, by TOK-"), "{page}");
    assert!(page.contains("not on the school&#39;s list"), "{page}");
    technician.post(&format!("/joins/{one}/let-in"), &[]).await;
    technician.post(&format!("/joins/{other}/turn-away"), &[]).await;
    technician.post(&format!("/joins/{other}/let-in"), &[]).await;
    let mut tx = seeded.school.store.begin().await.unwrap();
    for (key, said) in [(1, Decision::LetIn), (2, Decision::Denied)] {
        let decision = joins::decision(&mut tx, &seeded.school.id, &token.hash(), &[key; 32]).await.unwrap();
        assert_eq!(decision, Some(said));
    }
    drop(tx);
    assert!(!technician.get("/enrolment").await.body.contains("PC-13"));
    let mut governor = seeded.visitor("governor").await;
    assert_eq!(governor.get("/enrolment").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_certificate_that_ends_is_named_with_what_to_do() {
    let seeded = Seeded::open().await;
    let mut technician = seeded.visitor("tech").await;
    assert!(!technician.get("/enrolment").await.body.contains("Certificates that end"));
    let (now_us, day_us) = (seeded.clock.wall_us(), 24 * 60 * 60 * 1_000_000);
    let servers = tls::Ends { issued_us: now_us + 20 * day_us, console_us: Some(now_us + 5 * day_us) };
    let ends = Ends { authority_us: now_us - day_us, servers };
    seeded.certificates.store(Some(std::sync::Arc::new(ends)));
    let page = technician.get("/enrolment").await.body;
    assert!(page.contains("The authority ended on") && page.contains("ca roll-over"), "{page}");
    assert!(page.contains("own certificate ends on") && !page.contains("CERT-COLLECTOR"), "{page}");
}

#[tokio::test]
async fn an_image_of_an_enrolled_pc_is_named_with_what_came_out_of_it() {
    let seeded = Seeded::open().await;
    let mut tx = seeded.school.store.begin().await.unwrap();
    let device: DeviceId = crate::store::fixture::DEVICE;
    for _ in 0..29 {
        images::count(&mut tx, &seeded.school.id, device, seeded.clock.wall_us()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let page = seeded.visitor("tech").await.get("/enrolment").await.body;
    assert!(page.contains("29 PCs came up with the identity of PC-12, today."), "{page}");
    assert!(page.contains("doctor --image") && page.contains("(IMG-"), "{page}");
}
