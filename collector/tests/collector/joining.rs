//! Who may join, and how a device joins again.

use lapwing_proto::firmware::serial_hash;
use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::{self, ErrorCode, JoinReason};

use crate::device::{Device, batch, code_of, enrolment, join, key_and_request};
use crate::school::{School, eventually};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

async fn token(school: &School, options: &[&str]) -> String {
    school.command(&[&["token", "create", "--group", "ict-suite", "--uses", "3"], options].concat()).await
}

async fn asks(school: &School, request: wire::JoinRequest) -> Result<wire::JoinResponse, ErrorCode> {
    let answer = enrolment(school).await.join(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| code_of(&status))
}

fn named(request: wire::JoinRequest, hostname: &str, serial: &str) -> wire::JoinRequest {
    let serial_hash = serial_hash(serial).map(|hash| hash.as_bytes().to_vec()).unwrap_or_default();
    let facts = request.facts.map(|facts| wire::DeviceFacts { hostname: hostname.into(), serial_hash, ..facts });
    wire::JoinRequest { facts, ..request }
}

#[tokio::test]
async fn a_token_for_another_network_or_for_listed_devices_lets_nobody_else_in_and_says_so_in_its_log() {
    let school = School::open().await;
    let list = school.path("devices.csv");
    std::fs::write(&list, "hostname,serial,room\nPC-12,5CG1,Library\n").unwrap();
    school.command(&["device", "expect", list.to_str().unwrap()]).await;
    let elsewhere = token(&school, &["--network", "10.0.0.0/8"]).await;
    let listed = token(&school, &["--listed", "--network", "127.0.0.0/8", "--label", "New PCs"]).await;
    let csr = || key_and_request().1;

    assert_eq!(asks(&school, join(&elsewhere, csr())).await, Err(ErrorCode::Network));
    assert_eq!(asks(&school, named(join(&listed, csr()), "pc-13", "5CG1")).await, Err(ErrorCode::NotListed));
    assert_eq!(asks(&school, named(join(&listed, csr()), "pc-12", "5CG2")).await, Err(ErrorCode::NotListed));
    let joined = asks(&school, named(join(&listed, csr()), "pc-12", "5CG1")).await.unwrap();

    let tokens = school.command(&["token", "list"]).await;
    assert!(tokens.contains("0 joined, 1 refused; from 10.0.0.0/8"), "{tokens}");
    assert!(
        tokens.contains("(New PCs): group ict-suite") && tokens.contains("2 uses left, 1 joined, 2 refused"),
        "{tokens}"
    );
    let log = school.command(&["token", "log"]).await;
    for line in ["pc-12  127.0.0.1  network", "pc-13  127.0.0.1  not_listed", &format!("joined {}", joined.device_id)] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains(&listed) && !tokens.contains(&listed), "a token is shown once");
}

#[tokio::test]
async fn who_knocks_at_the_enrolment_too_often_waits_and_is_let_in_after() {
    let school = School::open().await;
    let (token, csr) = (school.token(1).await, key_and_request().1);
    let guess = join(&"x".repeat(43), csr.clone());

    let mut guesses = 0;
    let refused = loop {
        match asks(&school, guess.clone()).await {
            Err(ErrorCode::TokenUnknown) => guesses += 1,
            other => break other,
        }
    };

    assert_eq!((refused, guesses), (Err(ErrorCode::Busy), 64));
    assert_eq!(asks(&school, join(&token, csr.clone())).await, Err(ErrorCode::Busy), "whoever comes from there");
    school.clock.advance_us(250_000);
    asks(&school, join(&token, csr)).await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_token_lets_nobody_in() {
    let school = School::open().await;
    let token = school.token(2).await;
    asks(&school, join(&token, key_and_request().1)).await.unwrap();
    let list = school.command(&["token", "list"]).await;
    let reference = list.split(':').next().unwrap();

    assert!(school.command(&["token", "withdraw", reference]).await.contains("is withdrawn"));
    school.clock.advance_us(DAY_US);

    assert_eq!(asks(&school, join(&token, key_and_request().1)).await, Err(ErrorCode::TokenExpired));
    assert!(school.command(&["token", "list"]).await.contains("withdrawn"));
    assert!(school.command(&["audit", "verify"]).await.contains("acts match"));
}

#[tokio::test]
async fn a_device_that_has_to_be_let_in_waits_for_it_and_comes_with_the_same_key() {
    let school = School::open().await;
    let token = token(&school, &["--approve"]).await;
    let (one, other) = (key_and_request().1, key_and_request().1);
    for (csr, name) in [(&one, "pc-1"), (&one, "pc-1"), (&other, "pc-2")] {
        assert_eq!(asks(&school, named(join(&token, csr.clone()), name, "")).await, Err(ErrorCode::Waits));
    }
    assert_eq!(school.count("SELECT uses_left FROM campaign_tokens").await, 1, "who asks twice is one");
    let waiting = school.command(&["device", "waiting"]).await;
    assert!(waiting.contains("2 wait to be let in") && waiting.contains("not listed"), "{waiting}");
    let id = |name: &str| waiting.lines().find(|line| line.contains(name)).unwrap().split(' ').next().unwrap();
    let (first, second) = (id("  pc-1  "), id("  pc-2  "));

    school.command(&["device", "let-in", first]).await;
    school.command(&["device", "turn-away", second]).await;

    asks(&school, join(&token, one)).await.unwrap();
    assert_eq!(asks(&school, join(&token, other)).await, Err(ErrorCode::Denied));
    assert_eq!(school.count("SELECT COUNT(*) FROM devices").await, 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_given_again_and_uses_nothing_up() {
    let school = School::open().await;
    let token = school.token(1).await;
    let (_, csr) = key_and_request();
    let first = asks(&school, join(&token, csr.clone())).await.unwrap();
    let again = asks(&school, join(&token, csr.clone())).await.unwrap();
    assert_eq!(first.device_id, again.device_id);
    assert_ne!(first.certificate, again.certificate);
    school.command(&["device", "revoke", &first.device_id]).await;
    let denied = async || (asks(&school, join(&token, csr.clone())).await == Err(ErrorCode::Revoked)).then_some(());
    eventually("the denial", denied).await;
}

#[tokio::test]
async fn a_certificate_that_ran_out_is_renewed_by_its_key_for_90_days_and_no_longer() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let csr = || key_and_request();
    school.clock.advance_us(31 * DAY_US);
    assert!(!device.is_served(&school).await, "its certificate has run out");

    let (key, request) = csr();
    let joined = device.rejoin(&school, request, JoinReason::Expired).await.unwrap();
    assert_eq!(joined.device_id, device.id, "the same device");
    let renewed = device.joined(joined, key);
    assert!(renewed.is_served(&school).await);

    school.clock.advance_us(88 * DAY_US);
    assert!(device.rejoin(&school, csr().1, JoinReason::Expired).await.is_ok(), "its 30 days, and 90 more");
    school.clock.advance_us(2 * DAY_US);
    assert_eq!(device.rejoin(&school, csr().1, JoinReason::Expired).await, Err(ErrorCode::Expired));
    assert_eq!(school.count("SELECT COUNT(*) FROM devices").await, 1);
}

#[tokio::test]
async fn a_proof_holds_once_for_its_own_request_device_and_reason() {
    let school = School::open().await;
    let (device, other) = (Device::enrol(&school).await, Device::enrol(&school).await);
    let csr = key_and_request().1;
    assert_eq!(device.rejoin(&school, csr.clone(), JoinReason::Expired).await, Err(ErrorCode::Busy), "it is valid");
    school.clock.advance_us(31 * DAY_US);
    let mut enrolment = enrolment(&school).await;
    let mut nonce = async || enrolment.challenge(wire::ChallengeRequest {}).await.unwrap().into_inner().nonce;
    let ask = async |proof: wire::Proof, csr: &[u8]| {
        asks(&school, wire::JoinRequest { proof: Some(proof), ..join("", csr.to_vec()) }).await
    };
    let sound = device.proof(&nonce().await, &csr, JoinReason::Expired);
    let for_copy =
        wire::Proof { reason: JoinReason::Copy.into(), ..device.proof(&nonce().await, &csr, JoinReason::Expired) };
    let of_other =
        wire::Proof { device_id: other.id.clone(), ..device.proof(&nonce().await, &csr, JoinReason::Expired) };
    let forged = wire::Proof { signature: vec![1; 64], ..device.proof(&nonce().await, &csr, JoinReason::Expired) };
    let never_made = device.proof(&[8; 32], &csr, JoinReason::Expired);
    for bad in [for_copy, of_other, forged, never_made] {
        assert_eq!(ask(bad, &csr).await, Err(ErrorCode::Proof));
    }
    let for_another_request = device.proof(&nonce().await, &csr, JoinReason::Expired);
    assert_eq!(ask(for_another_request, &key_and_request().1).await, Err(ErrorCode::Proof));

    assert!(ask(sound.clone(), &csr).await.is_ok());
    assert_eq!(ask(sound, &csr).await, Err(ErrorCode::Proof), "a nonce is taken once");

    school.command(&["device", "revoke", &device.id]).await;
    let denied = async || {
        let again = device.rejoin(&school, key_and_request().1, JoinReason::Expired).await;
        (again == Err(ErrorCode::Revoked)).then_some(())
    };
    eventually("the denial", denied).await;
}

#[tokio::test]
async fn a_copy_becomes_a_device_of_the_same_group_and_delivers_above_what_it_was_copied_with() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 2)).await;
    let (key, csr) = key_and_request();
    let unasked = device.rejoin(&school, csr.clone(), JoinReason::Copy).await;
    assert_eq!(unasked, Err(ErrorCode::Proof), "nobody is a copy that was not refused as one");
    let (_, refused) = device.greet(&school, device.hello_of_copy(&[])).await;
    assert!(matches!(&refused, Down::Refusal(refusal) if refusal.code() == ErrorCode::Copy), "{refused:?}");
    let mut enrolment = enrolment(&school).await;
    let nonce = enrolment.challenge(wire::ChallengeRequest {}).await.unwrap().into_inner().nonce;
    let proof = Some(device.proof(&nonce, &csr, JoinReason::Copy));
    let spool = wire::SpoolState {
        epoch: device.epoch.as_bytes().to_vec(),
        through: vec![wire::LaneMark { lane: 3, through: 1 }],
        // In the first start it was the original, which knows it; the second is its own.
        starts: [(1, 0), (2, 4)].map(start).to_vec(),
    };
    let request = wire::JoinRequest { proof, spool: Some(spool), ..named(join("", csr.clone()), "pc-13", "") };
    let request = with_hardware(request, Vec::new());
    let joined = asks(&school, request).await.unwrap();

    assert_ne!(joined.device_id, device.id);
    let again = device.rejoin(&school, csr, JoinReason::Copy).await.unwrap();
    assert_eq!(again.device_id, joined.device_id, "who asks again is the same device");
    let copy = device.joined(joined, key);
    let (mut of_copy, answer) = copy.greet(&school, copy.hello_of_copy(&[])).await;
    let Down::Welcome(welcome) = answer else { panic!("{answer:?}") };
    assert_eq!(welcome.high_water, [wire::LaneMark { lane: 3, through: 4 }]);
    assert_eq!(of_copy.acknowledged(batch(5, 1)).await, 5);
    assert_eq!(delivery.acknowledged(batch(3, 1)).await, 3, "the original goes on");
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 4);
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps").await, 0, "nothing was lost");
    let origin = "SELECT COUNT(*) FROM devices WHERE copied_from IS NOT NULL AND device_group = 'ict-suite'";
    assert_eq!(school.count(origin).await, 1);
    assert_eq!(school.count("SELECT copies FROM image_copies").await, 1);
}

#[tokio::test]
async fn a_pc_that_enrols_anew_is_the_same_asset_until_its_earlier_self_is_heard_again() {
    let mut school = School::open().await;
    let first = Device::enrol(&school).await;
    let (delivery, before) = first.deliver(&school, &[]).await;
    let goodbye = wire::DeliverUp { message: Some(Up::Goodbye(wire::Goodbye::default())) };
    delivery.up.send(goodbye).await.unwrap();
    let heard = async || (school.count("SELECT COUNT(*) FROM devices WHERE heard_us > 0").await == 1).then_some(());
    eventually("the goodbye", heard).await;
    school.clock.advance_us(DAY_US);
    let (key, csr) = key_and_request();
    let request = join(&school.token(1).await, csr);
    let facts = request.facts.clone().map(|facts| wire::DeviceFacts { room: String::new(), ..facts });
    let joined = asks(&school, wire::JoinRequest { facts, ..request }).await.unwrap();
    let anew = first.joined(joined, key);

    assert_ne!(anew.id, first.id);
    assert_eq!(
        school.count("SELECT COUNT(*) FROM devices WHERE room = 'Room 12'").await,
        2,
        "it stands where it stood"
    );
    let replaced =
        "SELECT COUNT(*) FROM devices WHERE replaced_us IS NOT NULL AND COALESCE(heard_us, 0) <= replaced_us";
    assert_eq!(school.count(replaced).await, 0, "whoever claims to be a PC and says nothing replaces nobody");
    let (_delivery, _) = anew.deliver(&school, &[]).await;
    assert_eq!(school.count(replaced).await, 1);
    school.clock.advance_us(DAY_US);
    let (mut delivery, _) = first.deliver(&school, &before.incarnation).await;
    delivery.acknowledged(batch(1, 1)).await;
    school.stop().await;
    assert_eq!(school.count(replaced).await, 0, "two PCs say that they are the same");
}

/// A PC of this name, whose firmware names nothing, enrols and is heard.
async fn nameless(school: &School, hostname: &str, room: &str) {
    let (key, csr) = key_and_request();
    let request = with_hardware(named(join(&school.token(1).await, csr), hostname, ""), Vec::new());
    let facts = request.facts.clone().map(|facts| wire::DeviceFacts { room: room.into(), ..facts });
    let request = wire::JoinRequest { facts, ..request };
    let joined = asks(school, request).await.unwrap();
    let device = Device::enrol(school).await.joined(joined, key);
    let hello = wire::Hello { hardware_hash: Vec::new(), ..device.hello(&[]) };
    assert!(matches!(device.greet(school, hello).await.1, Down::Welcome(_)));
}

#[tokio::test]
async fn a_pc_whose_firmware_names_nothing_is_the_one_that_the_list_has_under_its_name() {
    let school = School::open().await;
    let list = school.path("devices.csv");
    std::fs::write(&list, "hostname,serial,room\nPC-12,,Library\n").unwrap();
    school.command(&["device", "expect", list.to_str().unwrap()]).await;
    let replaced = "SELECT COUNT(*) FROM devices WHERE replaced_us IS NOT NULL AND hardware_hash IS NULL";
    let replaced_listed = "SELECT COUNT(*) FROM devices WHERE replaced_us IS NOT NULL AND hostname = 'pc-12' AND \
         hardware_hash IS NULL";

    for name in ["pc-12", "pc-13"] {
        nameless(&school, name, "Room 12").await;
    }
    assert_eq!(school.count(replaced).await, 0);
    for name in ["PC-12", "pc-13"] {
        nameless(&school, name, "").await;
    }

    assert_eq!(school.count(replaced).await, 1, "one that nobody listed may be any");
    assert_eq!(school.count(replaced_listed).await, 1);
    let placed = "SELECT COUNT(*) FROM devices WHERE hostname = 'PC-12' AND hardware_hash IS NULL AND room = 'Room 12'";
    assert_eq!(school.count(placed).await, 1);
}

#[tokio::test]
async fn a_key_that_another_took_the_place_of_is_a_copys() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (key, csr) = key_and_request();
    school.clock.advance_us(11 * DAY_US);
    let mut uplink = device.uplink(&school).await;
    let renewed = uplink.renew(wire::RenewRequest { csr }).await.unwrap().into_inner();
    let joined =
        wire::JoinResponse { certificate: renewed.certificate, device_id: device.id.clone(), ..Default::default() };
    let (_delivery, _) = device.joined(joined, key).deliver(&school, &[]).await;
    school.clock.advance_us(20 * DAY_US);

    let mut enrolment = enrolment(&school).await;
    let csr = key_and_request().1;
    let nonce = enrolment.challenge(wire::ChallengeRequest {}).await.unwrap().into_inner().nonce;
    let proof = Some(device.proof(&nonce, &csr, JoinReason::Expired));
    let request = with_hardware(wire::JoinRequest { proof, ..join("", csr.clone()) }, Vec::new());
    assert_eq!(asks(&school, request).await, Err(ErrorCode::Copy), "another PC goes on by this identity");
    let copy = device.rejoin(&school, csr, JoinReason::Copy).await.unwrap();
    assert_ne!(copy.device_id, device.id);
    let told = school.command(&["device", "revoke", &device.id, "--copies"]).await;
    assert!(told.contains("and 1 that came out of its identity"), "{told}");
}

fn start((boot, through): (u8, u64)) -> wire::SpoolStart {
    wire::SpoolStart { boot_id: vec![boot; 16], through: vec![wire::LaneMark { lane: 3, through }] }
}

fn with_hardware(request: wire::JoinRequest, hardware_hash: Vec<u8>) -> wire::JoinRequest {
    let facts = request.facts.map(|facts| wire::DeviceFacts { hardware_hash, ..facts });
    wire::JoinRequest { facts, ..request }
}
