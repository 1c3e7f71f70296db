//! Status, announcements and fetching.

use std::io::Read;

use ed25519_dalek::SigningKey;
use flate2::read::ZlibDecoder;
use lapwing_proto::wire::control_down::Directive;
use lapwing_proto::wire::control_up::Message as Up;
use lapwing_proto::wire::{self, ErrorCode};
use lapwing_rules::{Compiler, Digest, Policy, Release, Validity, sign, sign_policy};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::device::{Device, code_of};
use crate::people::staff;
use crate::school::School;

pub(crate) struct Control {
    up: mpsc::Sender<wire::ControlUp>,
    down: Streaming<wire::ControlDown>,
}

impl Control {
    pub(crate) async fn open(device: &Device, school: &School) -> Self {
        let (up, sent) = mpsc::channel(4);
        let down = device.uplink(school).await.control(ReceiverStream::new(sent)).await.unwrap().into_inner();
        Self { up, down }
    }

    async fn send(&mut self, message: Up) {
        self.up.send(wire::ControlUp { message: Some(message) }).await.unwrap();
    }

    pub(crate) async fn directive(&mut self) -> Option<Directive> {
        self.down.message().await.unwrap().map(|down| down.directive.unwrap())
    }

    pub(crate) async fn received(&mut self, status: wire::Status) {
        self.send(Up::Status(status)).await;
        assert!(matches!(self.directive().await, Some(Directive::Received(_))));
    }
}

pub(crate) fn status(titles: wire::Health) -> wire::Status {
    let sensor = wire::SensorState { sensor: "titles".into(), health: titles.into(), ..wire::SensorState::default() };
    wire::Status { boot_id: vec![1; 16], sensors: vec![sensor], ..wire::Status::default() }
}

pub(crate) fn signed_policy(release: u64, school: &str) -> Vec<u8> {
    let json = format!(
        r#"{{"release": {release}, "school": "{school}", "zone": "Europe/London", "hours": "always", "sites": "any",
            "staff_watched": true, "group_off": {{}}, "notice_version": 1}}"#
    );
    signed_by_two(&json)
}

/// A policy with the signatures of both the school's keys.
fn signed_by_two(json: &str) -> Vec<u8> {
    let signed = sign_policy(&Policy::from_json(json).unwrap(), &School::key()).unwrap();
    let mut artefact = lapwing_rules::Artefact::read(&signed, lapwing_rules::Kind::Policy).unwrap();
    artefact.add_signature(&School::second_key());
    artefact.to_bytes()
}

#[tokio::test]
async fn a_status_is_stored_when_it_changed_and_counts_carry_no_device() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    let day = u32::try_from(lapwing_collector::clock::Clock::wall_us(&*school.clock) / 86_400_000_000).unwrap();
    let count = wire::Count { key: "support:childline.org.uk".into(), day, count: 2 };

    control.received(status(wire::Health::Working)).await;
    let since = "SELECT since_us FROM device_sensors WHERE sensor = 'titles' AND health = 1";
    let first = school.count(since).await;
    school.clock.advance_us(1_000_000);
    control.received(wire::Status { counts: vec![count], ..status(wire::Health::Working) }).await;
    assert_eq!(school.count(since).await, first);
    control.received(status(wire::Health::Blind)).await;

    assert_eq!(school.count("SELECT health FROM device_sensors").await, 2);
    assert!(school.count("SELECT since_us FROM device_sensors").await > first);
    assert_eq!(school.count("SELECT count FROM anonymous_counts").await, 2);
}

#[tokio::test]
async fn a_device_whose_clock_is_off_is_told_so_and_goes_on() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    let now_us = lapwing_collector::clock::Clock::wall_us(&*school.clock);
    let hour_us = 3_600_000_000;

    for (wall_us, trouble) in
        [(now_us - hour_us, ErrorCode::Clock), (now_us + hour_us, ErrorCode::Clock), (now_us, ErrorCode::Unspecified)]
    {
        control.send(Up::Status(wire::Status { wall_us, ..status(wire::Health::Working) })).await;
        let Some(Directive::Received(received)) = control.directive().await else { panic!("it goes on") };
        assert_eq!(received.trouble(), trouble);
    }

    assert_eq!(school.count("SELECT count(*) FROM device_sensors").await, 1);
}

#[tokio::test]
async fn a_malformed_status_ends_control() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;

    control.send(Up::Status(wire::Status { boot_id: vec![1; 15], ..status(wire::Health::Working) })).await;

    let code = i32::from(ErrorCode::Malformed);
    assert_eq!(control.directive().await, Some(Directive::GoAway(wire::GoAway { code })));
    assert_eq!(control.directive().await, None);
}

#[tokio::test]
async fn a_policy_published_by_command_is_announced_and_fetched_whole() {
    let school = School::open().await;
    staff(&school, 3).await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;
    let artefact = signed_policy(4, "sample-school");
    std::fs::write(school.path("policy"), &artefact).unwrap();

    school.command(&["policy", "publish", &school.path("policy").display().to_string()]).await;
    let Some(Directive::Policy(available)) = control.directive().await else { panic!("no announcement") };
    let request = |release| wire::FetchRequest { artefact: wire::Artefact::Policy.into(), release };
    let mut uplink = device.uplink(&school).await;
    let mut chunks = uplink.fetch(request(4)).await.unwrap().into_inner();
    let mut compressed = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        assert_eq!(chunk.size_bytes, available.size_bytes);
        compressed.extend(chunk.data);
        assert!(compressed.len() as u64 <= chunk.compressed_bytes);
    }
    let mut fetched = Vec::new();
    ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut fetched).unwrap();

    assert_eq!(fetched, artefact);
    assert_eq!(available.digest, Digest::of(&artefact).as_bytes());
    assert_eq!(code_of(&uplink.fetch(request(3)).await.unwrap_err()), ErrorCode::NotFound);
    let mut control = Control::open(&device, &school).await;
    control.received(wire::Status { policy_release: 4, ..status(wire::Health::Working) }).await;
    control.received(wire::Status { policy_release: 3, ..status(wire::Health::Working) }).await;
}

#[tokio::test]
async fn what_was_never_published_or_was_replaced_is_not_found() {
    let school = School::open().await;
    staff(&school, 3).await;
    let device = Device::enrol(&school).await;
    let mut uplink = device.uplink(&school).await;
    let mut answers = async |artefact, release| match uplink.fetch(wire::FetchRequest { artefact, release }).await {
        Ok(_) => None,
        Err(status) => Some(code_of(&status)),
    };
    let policy = wire::Artefact::Policy.into();
    assert_eq!(answers(policy, 4).await, Some(ErrorCode::NotFound), "nothing is published");
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;

    for release in [4, 5] {
        std::fs::write(school.path("policy"), signed_policy(release, "sample-school")).unwrap();
        school.command(&["policy", "publish", &school.path("policy").display().to_string()]).await;
        let announced = control.directive().await;
        assert!(matches!(&announced, Some(Directive::Policy(policy)) if policy.release == release), "{announced:?}");
    }

    assert_eq!(answers(policy, 5).await, None);
    for (artefact, release) in [(policy, 4), (policy, 6), (wire::Artefact::RuleSet.into(), 5), (0, 5), (99, 5)] {
        assert_eq!(answers(artefact, release).await, Some(ErrorCode::NotFound), "{artefact} {release}");
    }
}

#[tokio::test]
async fn policies_of_strangers_of_other_schools_and_old_ones_are_not_published() {
    let school = School::open().await;
    staff(&school, 3).await;
    let publish = async |artefact: &[u8]| {
        std::fs::write(school.path("policy"), artefact).unwrap();
        school.run(&["policy", "publish", &school.path("policy").display().to_string()]).await
    };
    assert!(publish(&signed_policy(4, "sample-school")).await.status.success());
    let mut altered = signed_policy(5, "sample-school");
    if let Some(last) = altered.last_mut() {
        *last ^= 1;
    }

    for bad in [altered, signed_policy(5, "elsewhere"), signed_policy(4, "sample-school"), b"{}".to_vec()] {
        let output = publish(&bad).await;
        assert_eq!(output.status.code(), Some(64), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(school.count("SELECT MAX(release) FROM artefacts").await, 4);
}

/// A rule set of the school's signed by `signers`, upon an illegal base of this release and key, or without one.
fn signed_rules(release: u64, base: Option<(u64, SigningKey)>, signers: &[SigningKey]) -> Vec<u8> {
    signed_pack(PACK, release, base, signers)
}

const PACK: &str = "[pack]\nid = \"bare\"\nversion = 1\ntitle = \"Bare\"\nsources = [\"a test\"]\n\
    [[rule]]\nid = \"bare.owls\"\ntitle = \"Owls\"\ncategory = \"weapons\"\nscopes = [\"title\"]\nguidance = \"Talk.\"\n\
    level = 4\nmatch = { any = [\"barn owl\", \"tawny owl\"] }\nexamples = {}\n";

fn signed_pack(pack: &str, release: u64, base: Option<(u64, SigningKey)>, signers: &[SigningKey]) -> Vec<u8> {
    let (compiler, release) = (Compiler::new().pack("bare.toml", pack), Release::new(release));
    let mut artefact = match base {
        None => compiler.compile(release, Validity::default()).unwrap(),
        Some((base, project)) => {
            let text = include_str!("../../../rules/packs/illegal_base.toml");
            let unsigned =
                Compiler::new().pack("illegal_base.toml", text).base(Release::new(base), Validity::default());
            compiler.compile_upon(&sign(&unsigned.unwrap(), &project), release, Validity::default()).unwrap()
        }
    };
    signers.iter().for_each(|key| artefact.add_signature(key));
    artefact.to_bytes()
}

#[tokio::test]
async fn a_rule_set_is_announced_where_two_signed_it_upon_the_projects_illegal_base() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;
    let publish = async |artefact: &[u8]| {
        std::fs::write(school.path("rules"), artefact).unwrap();
        let output = school.run(&["rules", "publish", &school.path("rules").display().to_string()]).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (one, two) = ([School::key()], [School::key(), School::second_key()]);
    let project = |release: u64| Some((release, School::project_key()));

    let refused = [
        (signed_rules(7, None, &two), "it lacks the illegal base"),
        (signed_rules(7, Some((3, School::key())), &two), "0 of the 1 trusted signatures"),
        (signed_rules(7, project(3), &one), "it has 1 such"),
        (signed_rules(7, project(3), &[School::key(), School::project_key()]), "it has 1 such"),
    ];
    for (artefact, why) in refused {
        let (code, words) = publish(&artefact).await;
        assert!(code == Some(64) && words.contains(why), "{words}");
    }
    assert_eq!(publish(&signed_rules(6, project(3), &two)).await.0, Some(0));
    let (code, words) = publish(&signed_rules(8, project(2), &two)).await;
    assert!(code == Some(64) && words.contains("is release 2, and release 3 is published"), "{words}");

    let directive = control.directive().await;
    assert!(matches!(&directive, Some(Directive::RuleSet(available)) if available.release == 6), "{directive:?}");

    let weaker = PACK.replace(", \"tawny owl\"", "");
    let (code, words) = publish(&signed_pack(&weaker, 7, project(3), &two)).await;
    assert!(code == Some(64) && words.contains("3 people sign it"), "{words}");
    assert!(
        words.contains("`bare.owls` looks for less, or asks for more") && words.contains("it has 2 such"),
        "{words}"
    );
    let three = [School::key(), School::second_key(), School::third_key()];
    assert_eq!(publish(&signed_pack(&weaker, 7, project(3), &three)).await.0, Some(0));
    assert_eq!(publish(&signed_pack(PACK, 8, project(3), &two)).await.0, Some(0), "and back with two");

    let stronger = PACK.replace("\"tawny owl\"", "\"tawny owl\", \"owls\"");
    assert_eq!(publish(&signed_pack(&stronger, 9, project(3), &two)).await.0, Some(0));
    assert_eq!(publish(&signed_pack(PACK, 10, project(3), &two)).await.0, Some(64), "it takes something away");
    school.command(&["rules", "rollback"]).await;
    let (code, words) = publish(&signed_pack(&weaker, 10, project(3), &two)).await;
    assert!(code == Some(64) && words.contains("3 people sign it"), "halting is no way past three: {words}");
    assert_eq!(publish(&signed_pack(PACK, 10, project(3), &two)).await.0, Some(0), "what was before it comes back");

    let stronger = signed_pack(&stronger, 11, project(4), &two);
    assert_eq!(publish(&stronger).await.0, Some(0));
    school.command(&["rules", "rollback"]).await;
    let (code, words) = publish(&signed_pack(PACK, 12, project(3), &two)).await;
    assert!(code == Some(64) && words.contains("is release 3, and release 4 is published"), "{words}");
    let far = signed_pack(PACK, 2_000_000, project(4), &three);
    assert!(publish(&far).await.1.contains("more than 1000000 above release 11"), "none could follow it");
    assert_eq!(publish(&signed_pack(PACK, 12, project(4), &two)).await.0, Some(0), "upon the newer base");
}

#[tokio::test]
async fn a_collector_that_stops_tells_devices_to_come_back() {
    let mut school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;

    let (directive, ()) = tokio::join!(control.directive(), school.stop());

    assert!(matches!(directive, Some(Directive::Reconnect(_))), "{directive:?}");
}

#[tokio::test]
async fn a_policy_takes_two_signatures_and_one_that_looks_at_more_a_newer_notice() {
    let school = School::open().await;
    staff(&school, 3).await;
    let signed = |release: u64, staff_watched: bool, notice_version: u32, twice: bool| {
        let json = format!(
            r#"{{"release": {release}, "school": "sample-school", "zone": "Europe/London", "hours": "always",
                "sites": "any", "staff_watched": {staff_watched}, "notice_version": {notice_version}}}"#
        );
        if twice {
            signed_by_two(&json)
        } else {
            sign_policy(&Policy::from_json(&json).unwrap(), &School::key()).unwrap()
        }
    };
    let publish = async |artefact: &[u8]| {
        std::fs::write(school.path("policy"), artefact).unwrap();
        let output = school.run(&["policy", "publish", &school.path("policy").display().to_string()]).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };

    let (code, words) = publish(&signed(1, false, 1, false)).await;
    assert!(code == Some(64) && words.contains("2 people sign it") && words.contains("it has 1 such"), "{words}");
    assert_eq!(publish(&signed(1, false, 1, true)).await.0, Some(0), "there was none to be wider than");
    let (code, words) = publish(&signed(2, true, 1, true)).await;
    assert_eq!(code, Some(64));
    assert!(words.contains("has to grow") && words.contains("staff, beyond illegal content"), "{words}");
    assert_eq!(publish(&signed(2, true, 2, true)).await.0, Some(0));
    assert_eq!(publish(&signed(3, false, 2, false)).await.0, Some(64), "nobody alone makes it narrower");
    assert_eq!(publish(&signed(3, false, 2, true)).await.0, Some(0));
}
