//! Messages changed by chance, from an enrolled device and from anybody: each is answered, and nobody else notices.

use http_body_util::{BodyExt as _, Full};
use lapwing_proto::wire;
use lapwing_proto::wire::control_up::Message as Report;
use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use prost::Message;
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt as _;

use crate::control::status;
use crate::device::{Device, batch, connect, join, key_and_request};
use crate::mutation::Chance;
use crate::school::{PATIENCE, School};

/// Changed messages a method.
const MUTATIONS: usize = 150;
const SECOND_US: i64 = 1_000_000;
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// `UNKNOWN`, which no answer of the contract is.
const UNKNOWN: &str = "2";

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// Calls a method with these frames. The answer's bytes; it has to end as the protocol says, with a code of the contract.
async fn answer(channel: &Channel, method: &str, frames: Vec<u8>) -> Bytes {
    let request = http::Request::post(format!("http://localhost/lapwing.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(Bytes::from(frames))))
        .unwrap();
    let answered = async {
        let answer = channel.clone().oneshot(request).await.unwrap();
        let at_once = answer.headers().get("grpc-status").cloned();
        let body = answer.into_body().collect().await.unwrap();
        let code = at_once.or_else(|| body.trailers()?.get("grpc-status").cloned());
        assert!(code.is_some_and(|code| code != UNKNOWN), "{method} ended without a code");
        body.to_bytes()
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap()
}

/// What the first message of an answer says, where it is a welcome.
fn welcome(answer: &Bytes) -> Option<wire::Welcome> {
    let length = u32::from_be_bytes(answer.get(1..PREFIX_BYTES)?.try_into().ok()?);
    let end = PREFIX_BYTES + usize::try_from(length).ok()?;
    match wire::DeliverDown::decode(answer.get(PREFIX_BYTES..end)?).ok()?.message? {
        Down::Welcome(welcome) => Some(welcome),
        Down::Ack(_) | Down::Refusal(_) => None,
    }
}

#[tokio::test]
async fn a_device_that_sends_anything_is_answered_and_others_are_served() {
    let school = School::open().await;
    let (hostile, other) = (Device::enrol(&school).await, Device::enrol(&school).await);
    let (mut delivery, _) = other.deliver(&school, &[]).await;
    assert_eq!(delivery.acknowledged(batch(1, 1)).await, 1);
    let channel = hostile.channel(&school, None).await.unwrap();
    let (_, csr) = key_and_request();
    let up = wire::DeliverUp { message: Some(Up::Batch(batch(1, 3))) }.encode_to_vec();
    let report = Report::Status(status(wire::Health::Working));
    let seeds = [
        ("Uplink/Control", wire::ControlUp { message: Some(report) }.encode_to_vec()),
        ("Uplink/Fetch", wire::FetchRequest { release: 1, ..wire::FetchRequest::default() }.encode_to_vec()),
        ("Uplink/Renew", wire::RenewRequest { csr }.encode_to_vec()),
        (
            "Uplink/ResolveSession",
            wire::ResolveSessionRequest { account: "amy.b".into(), groups: vec!["pupils".into()] }.encode_to_vec(),
        ),
    ];
    let mut chance = Chance::new(1);

    for (method, seed) in &seeds {
        for _ in 0..MUTATIONS {
            school.clock.advance_us(SECOND_US);
            answer(&channel, method, framed(&chance.mutated(seed, &up))).await;
        }
    }
    let mut incarnation = Vec::new();
    for _ in 0..MUTATIONS {
        school.clock.advance_us(SECOND_US);
        let hello = wire::DeliverUp { message: Some(Up::Hello(hostile.hello(&incarnation))) }.encode_to_vec();
        let frames = [framed(&hello), framed(&chance.mutated(&up, &hello))].concat();
        if let Some(welcome) = welcome(&answer(&channel, "Uplink/Deliver", frames).await) {
            incarnation = welcome.incarnation;
        }
        answer(&channel, "Uplink/Deliver", framed(&chance.mutated(&hello, &up))).await;
    }

    assert_eq!(delivery.acknowledged(batch(2, 1)).await, 2, "who delivers meanwhile goes on");
    assert!(!incarnation.is_empty(), "it was welcome, and what it sent was looked at");
}

#[tokio::test]
async fn anybody_who_sends_anything_to_the_enrolment_is_answered_and_spends_nobodys_token() {
    let school = School::open().await;
    let url = format!("https://{}", school.collector().addresses().enrol);
    let channel = connect(&url, &school.authority().await, None).await.unwrap();
    let (token, (_, csr)) = (school.token(1).await, key_and_request());
    let foreign = join(&"x".repeat(43), csr.clone()).encode_to_vec();
    let proof =
        wire::Proof { nonce: vec![1; 32], signature: vec![2; 64], public_key: vec![3; 64], ..Default::default() };
    let proven = wire::JoinRequest { proof: Some(proof), ..join("", csr.clone()) }.encode_to_vec();
    let mut chance = Chance::new(2);

    for _ in 0..MUTATIONS {
        school.clock.advance_us(SECOND_US);
        answer(&channel, "Enrol/Join", framed(&chance.mutated(&foreign, &proven))).await;
        answer(&channel, "Enrol/Join", framed(&chance.mutated(&proven, &foreign))).await;
        answer(&channel, "Enrol/Challenge", framed(&chance.mutated(&proven, &foreign))).await;
    }

    assert_eq!(school.count("SELECT COUNT(*) FROM devices").await, 0);
    let joined = answer(&channel, "Enrol/Join", framed(&join(&token, csr).encode_to_vec())).await;
    assert!(joined.len() > PREFIX_BYTES && school.count("SELECT COUNT(*) FROM devices").await == 1);
}
