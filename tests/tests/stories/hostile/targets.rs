//! What is done with hostile bytes. Each function takes any, and stops at a promise that is broken.

use std::path::Path;

use jiff::tz::TimeZone;
use lapwing_agent::browser_host::{NativeCodec, Said};
use lapwing_agent::frame::{FrameCodec, MAX_PAYLOAD_BYTES, Message, Received, Role, Tab, TabKind, Title};
use lapwing_agent::identity::{DeviceKey as AgentKey, Identity};
use lapwing_collector::authority::DeviceKey;
use lapwing_collector::proof::{expected, filter};
use lapwing_collector::{people, token::CampaignToken};
use lapwing_proto::{Capture, ExemptionList, wire};
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder as _};

/// Whether the bytes were what they were read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read.
    Accepted,
    /// Refused, with a reason.
    Refused,
}

/// A target.
pub(crate) type Target = fn(&[u8]) -> Outcome;
/// What a target accepts.
pub(crate) type Seeds = fn() -> Vec<Vec<u8>>;

/// Every target by its name, and seeds that it accepts.
pub(crate) const ALL: [(&str, Target, Seeds); 11] = [
    ("frame", frame, frames),
    ("native", native, natives),
    ("deliver", deliver, delivered),
    ("exemptions", exemptions, exemption_lists),
    ("csr", csr, signing_requests),
    ("certificate", certificate, certificates),
    ("agent_toml", agent_toml, agent_tomls),
    ("collector_toml", collector_toml, collector_tomls),
    ("roster", roster, rosters),
    ("expected", expected_list, expected_lists),
    ("filter", filter_file, filter_files),
];

/// What DER begins with.
const SEQUENCE: u8 = 0x30;
/// Most that a reader of one message at a time holds of a stream.
const MOST_HELD: usize = 4 * MAX_PAYLOAD_BYTES;

fn accepted(is_accepted: bool) -> Outcome {
    if is_accepted { Outcome::Accepted } else { Outcome::Refused }
}

/// Frames of the local socket, as they come from programs of a session. What was read is written and read alike.
pub(crate) fn frame(data: &[u8]) -> Outcome {
    let (mut codec, mut buffer, mut was_read) = (FrameCodec::default(), BytesMut::from(data), false);
    while let Ok(Some(received)) = codec.decode(&mut buffer) {
        let Received::Message(message) = received else { continue };
        was_read = true;
        let mut written = BytesMut::new();
        if FrameCodec::default().encode(&message, &mut written).is_ok() {
            let again = FrameCodec::default().decode(&mut written);
            assert!(again.is_ok_and(|again| again == Some(Received::Message(message))), "read otherwise than written");
        }
    }
    assert!(buffer.capacity() <= data.len().max(MOST_HELD), "it makes room for what a length says");
    accepted(was_read)
}

fn frames() -> Vec<Vec<u8>> {
    let title = Title { window: 7, title: "Homework".to_owned(), app: "writer".to_owned(), pid: 9 };
    let url = "https://a.example/?q=b".to_owned();
    let tab = Tab { browser: "chromium".to_owned(), tab: 4, event: TabKind::Committed, url, private: false };
    let hello = lapwing_agent::frame::Hello { role: Role::Session };
    let messages = [Message::Hello(hello), Message::Title(title), Message::Tab(tab), Message::Ping];
    let mut all = BytesMut::new();
    for message in &messages {
        FrameCodec::default().encode(message, &mut all).expect("a message fits its frame");
    }
    vec![all.to_vec()]
}

/// What a browser writes to its native host.
pub(crate) fn native(data: &[u8]) -> Outcome {
    let (mut codec, mut buffer, mut was_read) = (NativeCodec::default(), BytesMut::from(data), false);
    while let Ok(Some(said)) = codec.decode(&mut buffer) {
        was_read |= matches!(said, Said::Message(_));
    }
    assert!(buffer.capacity() <= data.len().max(MOST_HELD), "it makes room for what a length says");
    accepted(was_read)
}

fn natives() -> Vec<Vec<u8>> {
    let told = ["committed", "same_document", "snapshot", "closed", "ping"].map(|kind| {
        let json = format!(
            r#"{{"v":1,"seq":1,"kind":"{kind}","tab":5,"url":"https://a.example/","private":false,"browser":"firefox","active":true}}"#
        );
        let length = u32::try_from(json.len()).expect("a short message");
        [&length.to_ne_bytes()[..], json.as_bytes()].concat()
    });
    vec![told.concat()]
}

/// What a device delivers. A capture that is taken is the same after a second journey.
pub(crate) fn deliver(data: &[u8]) -> Outcome {
    let Ok(up) = wire::DeliverUp::decode(data) else { return Outcome::Refused };
    let Some(wire::deliver_up::Message::Batch(batch)) = up.message else { return Outcome::Refused };
    let mut was_taken = false;
    for capture in batch.captures {
        let Ok(capture) = Capture::try_from(capture) else { continue };
        let again = Capture::try_from(wire::Capture::from(capture.clone()));
        assert!(again.is_ok_and(|again| again == capture), "it differs after a second journey");
        was_taken = true;
    }
    accepted(was_taken)
}

fn delivered() -> Vec<Vec<u8>> {
    let span = wire::Span { excerpt: 0, start: 2, end: 9, mark: wire::Mark::Intent.into(), weight: 1 };
    let hit = wire::Hit {
        rule: "weapons.buying".to_owned(),
        category: "weapons".to_owned(),
        level: 3,
        spans: vec![span],
        ..wire::Hit::default()
    };
    let verdict =
        wire::Verdict { release: 3, rule_set_digest: vec![7; 32], band: wire::Band::Ks3.into(), hits: vec![hit] };
    let excerpt = wire::Excerpt { scope: wire::Scope::Title.into(), text: "a lapwing".to_owned() };
    let account = wire::Account { name: "kim".to_owned(), session: "7".to_owned(), groups: vec!["pupils".to_owned()] };
    let capture = wire::Capture {
        boot_id: vec![1; 16],
        signal: wire::Signal::Title.into(),
        account: Some(account),
        verdict: Some(verdict),
        excerpts: vec![excerpt],
        ..wire::Capture::default()
    };
    let batch = wire::Batch { lane: 3, first_seq: 1, captures: vec![capture], ..wire::Batch::default() };
    let up = wire::DeliverUp { message: Some(wire::deliver_up::Message::Batch(batch)) };
    vec![up.encode_to_vec()]
}

/// A list of exemptions whose signature would hold.
pub(crate) fn exemptions(data: &[u8]) -> Outcome {
    accepted(ExemptionList::open(data, |_, _| true).is_ok())
}

fn exemption_lists() -> Vec<Vec<u8>> {
    let exemption = wire::Exemption {
        id: vec![1; 16],
        from_us: 1_000_000,
        until_us: 2_000_000,
        categories: vec!["weapons".to_owned()],
        groups: vec!["room-12".to_owned()],
    };
    let medium = wire::ApprovedMedium { serial_hash: vec![3; 32], until_us: 9 };
    let list = wire::ExemptionList {
        school: "a".to_owned(),
        number: 3,
        issued_us: 1,
        heard_within_s: 60,
        exemptions: vec![exemption],
        approved_media: vec![medium],
    };
    vec![wire::SignedExemptions { list: list.encode_to_vec(), signature: vec![1; 64] }.encode_to_vec()]
}

/// A certificate signing request of whoever has a token.
pub(crate) fn csr(data: &[u8]) -> Outcome {
    accepted(DeviceKey::from_request(data).is_ok())
}

fn signing_requests() -> Vec<Vec<u8>> {
    let key = AgentKey::generate().expect("a key");
    vec![key.signing_request().expect("a signing request")]
}

/// A certificate as a collector issues it, or as something between says that it did. None is of a key just made.
pub(crate) fn certificate(data: &[u8]) -> Outcome {
    let Ok(key) = AgentKey::generate() else { return Outcome::Refused };
    assert!(Identity::new(key, data.to_vec(), vec![data.to_vec()], 1).is_err(), "a certificate of another key");
    accepted(data.starts_with(&[SEQUENCE]))
}

fn certificates() -> Vec<Vec<u8>> {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
    vec![parameters.self_signed(&key).expect("a certificate").der().to_vec()]
}

fn with_text(data: &[u8], read: impl FnOnce(&str) -> bool) -> Outcome {
    accepted(std::str::from_utf8(data).is_ok_and(read))
}

/// The configuration of an agent.
pub(crate) fn agent_toml(data: &[u8]) -> Outcome {
    with_text(data, |text| {
        let config = lapwing_agent::config::Config::from_text(text, Path::new("/etc/lapwing/agent.toml"));
        config.is_ok_and(|config| !config.explain().is_empty())
    })
}

fn agent_tomls() -> Vec<Vec<u8>> {
    let key = format!("ed25519:{}", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let text = format!(
        "state_dir = \"/var/lib/lapwing\"\nroom = \"B12\"\n[collector]\nenrol = \"https://a.example:1\"\n\
         uplink = \"https://a.example:2\"\nca_fingerprint = \"sha256:{}\"\n[enrol]\ntoken_file = \"/etc/token\"\n\
         [trust]\nrule_keys = [\"{key}\"]\nrule_threshold = 1\n[files]\nfolders = [\"/srv\"]\n\
         [limits]\nspool_mib = 64\n[bands]\ndefault = \"ks3\"\ngroups = {{ teachers = \"staff\" }}\n",
        "00".repeat(32)
    );
    vec![text.into_bytes()]
}

/// The configuration of a collector.
pub(crate) fn collector_toml(data: &[u8]) -> Outcome {
    with_text(data, |text| lapwing_collector::config::Config::parse(Path::new("/etc/collector.toml"), text).is_ok())
}

fn collector_tomls() -> Vec<Vec<u8>> {
    let text = "data_dir = \"/var/lib/c\"\nhost_names = [\"a.example\"]\nbase_url = \"https://a.example\"\n\
        [school]\nid = \"a\"\nname = \"A\"\nzone = \"Europe/London\"\n[listen]\nenrol = \"127.0.0.1:1\"\n\
        [filter_syslog]\nlisten = \"127.0.0.1:4\"\nformat = \"rm\"\nfrom = [\"10.0.0.9\"]\n\
        [[webhook]]\nname = \"w\"\nurl = \"https://a.example\"\nsecret_file = \"/s\"\nreaders = [\"dsl\"]\n\
        [smtp]\nhost = \"m.example\"\nport = 1\ntls = \"implicit\"\nfrom = \"a@b.example\"\n";
    vec![text.as_bytes().to_vec()]
}

/// A list of people.
pub(crate) fn roster(data: &[u8]) -> Outcome {
    accepted(people::parse(data).is_ok())
}

fn rosters() -> Vec<Vec<u8>> {
    let text = "account,name,role,class,band,mail,reference,vulnerable\nkim,\"Kim, S\",pupil,8B,ks3,,r1,yes\n\
        dana;d2,Dana Sample,dsl,,staff,dana@a.example,r2,\n";
    let short = "account,name,role,class,band,year\nlee,Lee Sample,pupil,4A,,4\n";
    vec![text.as_bytes().to_vec(), short.as_bytes().to_vec()]
}

/// A list of devices that are expected.
pub(crate) fn expected_list(data: &[u8]) -> Outcome {
    accepted(expected::parse(data).is_ok())
}

fn expected_lists() -> Vec<Vec<u8>> {
    vec![b"hostname,serial,room,group\nPC-1,5CG123,Room 12,pupils\nPC-2,,Room 12,\n".to_vec()]
}

/// An export of a web filter, as each of those that are known; and a campaign token, which is as short.
pub(crate) fn filter_file(data: &[u8]) -> Outcome {
    let _ = std::str::from_utf8(data).map(str::parse::<CampaignToken>);
    let mut was_read = false;
    for source in filter::Source::ALL {
        was_read |= filter::parse(data, source, &TimeZone::UTC).is_ok();
    }
    accepted(was_read)
}

fn filter_files() -> Vec<Vec<u8>> {
    vec![
        b"time,account,url,terms,category,address\n2026-11-27T09:00:00Z,kim,https://a.example/b,,Self-Harm,\n".to_vec(),
    ]
}
