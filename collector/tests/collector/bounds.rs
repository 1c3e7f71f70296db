//! What a device, or somebody who is none, can make the collector bear.

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use lapwing_collector::ingest;
use lapwing_collector::lifecycle::{Limits, ListenerLimits};
use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::uplink_client::UplinkClient;
use lapwing_proto::wire::{self, ErrorCode, deliver_down};
use prost::Message as _;
use prost::bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt;

use crate::device::{Delivery, Device, batch, capture};
use crate::school::{PATIENCE, School, eventually};

const CAPTURES: &str = "SELECT COUNT(*) FROM captures";
const SHORT: Duration = Duration::from_millis(200);

fn uplink_limits(change: impl FnOnce(&mut ListenerLimits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits.uplink);
    limits
}

fn ingest_limits(change: impl FnOnce(&mut ingest::Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits.ingest);
    limits
}

/// The collector closes `tcp` without a word.
async fn closed(tcp: &mut TcpStream) {
    let mut bytes = [0; 16];
    let read = tokio::time::timeout(PATIENCE, tcp.read(&mut bytes)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_connection_over_the_bound_is_closed_and_its_place_comes_back() {
    for limits in [uplink_limits(|uplink| uplink.connections = 2), uplink_limits(|uplink| uplink.per_address = 2)] {
        let school = School::open_within(limits).await;
        let device = Device::enrol(&school).await;
        let (first, _second) =
            (device.channel(&school, None).await.unwrap(), device.channel(&school, None).await.unwrap());

        let mut third = TcpStream::connect(school.collector().addresses().uplink).await.unwrap();
        closed(&mut third).await;

        drop(first);
        eventually("a place", async || device.channel(&school, None).await.ok()).await;
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_dropped_and_holds_up_one_place_for_its_time() {
    let limits = uplink_limits(|uplink| (uplink.handshakes, uplink.handshake_within) = (1, SHORT));
    let school = School::open_within(limits).await;
    let device = Device::enrol(&school).await;

    let mut hanging = TcpStream::connect(school.collector().addresses().uplink).await.unwrap();
    closed(&mut hanging).await;

    eventually("a handshake", async || device.channel(&school, None).await.ok()).await;
}

#[tokio::test]
async fn a_device_has_a_few_connections_at_most() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(
            device
                .deliver(
                    &school,
                    held.last().map_or(&[][..], |(_, welcome): &(Delivery, wire::Welcome)| &welcome.incarnation),
                )
                .await,
        );
    }

    let ninth = UplinkClient::new(device.channel(&school, None).await.unwrap());
    let refused = ninth.clone().resolve_session(wire::ResolveSessionRequest::default()).await;
    assert!(refused.is_err());

    drop(held);
    eventually("a place", async || {
        let mut uplink = UplinkClient::new(device.channel(&school, None).await.ok()?);
        uplink.resolve_session(wire::ResolveSessionRequest::default()).await.ok()
    })
    .await;
}

/// Calls `Deliver` with `body` as it stands.
async fn raw(channel: Channel, encoding: Option<&str>, body: Body) -> http::Response<Body> {
    let mut request = http::Request::post("http://localhost/lapwing.v1.Uplink/Deliver")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    tokio::time::timeout(PATIENCE, channel.oneshot(request.body(body).unwrap())).await.unwrap().unwrap()
}

/// The code of the only message of `answer`.
async fn refusal(answer: http::Response<Body>) -> ErrorCode {
    let answer = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
    match wire::DeliverDown::decode(answer.slice(5..)).unwrap().message {
        Some(deliver_down::Message::Refusal(refusal)) => refusal.code(),
        other => panic!("not refused: {other:?}"),
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

#[tokio::test]
async fn a_compressed_message_is_refused_unopened() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 64 * 1024 * 1024]).unwrap();
    let bomb = framed(1, &bomb.finish().unwrap());

    let answer =
        raw(device.channel(&school, None).await.unwrap(), Some("gzip"), Body::new(Full::new(Bytes::from(bomb)))).await;

    assert_eq!(answer.headers().get("grpc-status").unwrap(), "12", "unimplemented");
}

#[tokio::test]
async fn a_message_that_unfolds_or_is_too_long_is_refused_as_malformed() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let unfolding = wire::Batch { captures: vec![wire::Capture::default(); 100_000], ..batch(1, 0) };
    let long = wire::Capture { app: "x".repeat(5 * 1024 * 1024), ..capture() };
    let long = wire::Batch { captures: vec![long], ..batch(1, 0) };
    let mut incarnation = Vec::new();
    for bad in [unfolding, long] {
        let (mut delivery, welcome) = device.deliver(&school, &incarnation).await;
        incarnation = welcome.incarnation;
        assert_eq!(delivery.refused(bad).await, ErrorCode::Malformed);
    }
}

#[tokio::test]
async fn a_device_that_never_reads_its_acknowledgements_is_not_read_either() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let channel = device.channel(&school, Some(100)).await.unwrap();
    let mut delivery = Delivery::open(UplinkClient::new(channel)).await;
    let hello = delivery.send(Up::Hello(device.hello(&[]))).await;
    assert!(matches!(hello, Some(deliver_down::Message::Welcome(_))), "{hello:?}");

    // Its window for answers is full after a handful; then its batches fill ours, and then nothing more goes out.
    eventually("the end of reading", async || {
        while delivery.up.capacity() > 0 {
            delivery.up.send(wire::DeliverUp { message: Some(Up::Batch(batch(1, 100))) }).await.unwrap();
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(SHORT).await;
        (delivery.up.capacity() == 0).then_some(())
    })
    .await;

    assert!(delivery.down.message().await.unwrap().is_some(), "reading goes on");
}

#[tokio::test]
async fn half_a_message_is_kept_for_its_time_and_counts_against_the_budget() {
    let late = ingest_limits(|ingest| ingest.message_within = SHORT);
    let poor = ingest_limits(|ingest| ingest.received_bytes = 10_000);
    for limits in [late, poor] {
        let school = School::open_within(limits).await;
        let device = Device::enrol(&school).await;
        let whole = framed(0, &wire::DeliverUp { message: Some(Up::Batch(batch(1, 200))) }.encode_to_vec());
        let half = Frame::data(Bytes::from(whole).split_to(20_000));
        // The request does not end: what is missing may still come.
        let body = stream::iter([Ok::<_, Infallible>(half)]).chain(stream::pending());

        let answer = raw(device.channel(&school, None).await.unwrap(), None, Body::new(StreamBody::new(body))).await;

        assert_eq!(refusal(answer).await, ErrorCode::Busy);
    }
}

#[tokio::test]
async fn a_message_longer_than_the_bound_is_refused_by_its_length_alone_and_one_of_the_bound_is_read() {
    let school = School::open_within(ingest_limits(|ingest| ingest.message_within = SHORT)).await;
    let device = Device::enrol(&school).await;
    for (more, code) in [(1, ErrorCode::Malformed), (0, ErrorCode::Busy)] {
        let length = u32::try_from(MAX_MESSAGE_BYTES).unwrap() + more;
        // What would come after its length never does: one that is read is late in the end.
        let prefix = Frame::data(Bytes::from([&[0][..], &length.to_be_bytes()].concat()));
        let body = stream::iter([Ok::<_, Infallible>(prefix)]).chain(stream::pending());

        let answer = raw(device.channel(&school, None).await.unwrap(), None, Body::new(StreamBody::new(body))).await;

        assert_eq!(refusal(answer).await, code, "{length}");
    }
}

#[tokio::test]
async fn a_connection_of_age_ends_between_messages_and_nothing_is_lost() {
    let limits = ingest_limits(|ingest| (ingest.uplink_age, ingest.grace) = (SHORT, PATIENCE));
    let school = School::open_within(limits).await;
    let device = Device::enrol(&school).await;
    let (mut incarnation, mut next, mut connections) = (Vec::new(), 1, 0);

    while connections < 3 || next <= 3 {
        let (mut delivery, welcome) = device.deliver(&school, &incarnation).await;
        incarnation = welcome.incarnation;
        let through = welcome.high_water.first().map_or(0, |mark| mark.through);
        assert_eq!(through + 1, next, "every acknowledged capture counts, and no other");
        loop {
            let message = wire::DeliverUp { message: Some(Up::Batch(batch(next, 1))) };
            // A closed stream is told by either half.
            if delivery.up.send(message).await.is_err() {
                break;
            }
            match delivery.down.message().await.unwrap() {
                Some(_) => next += 1,
                None => break,
            }
        }
        connections += 1;
    }

    assert_eq!(school.count(CAPTURES).await, i64::try_from(next - 1).unwrap());
}

#[tokio::test]
async fn an_answer_under_way_is_given_when_the_collector_stops() {
    let mut school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, welcome) = device.deliver(&school, &[]).await;
    delivery.up.send(wire::DeliverUp { message: Some(Up::Batch(batch(1, 200))) }).await.unwrap();

    let (answer, ()) = tokio::join!(delivery.down.message(), school.stop());

    let acknowledged = answer.unwrap().is_some();
    school.start().await;
    let (_, welcome) = device.deliver(&school, &welcome.incarnation).await;
    assert_eq!(!welcome.high_water.is_empty(), acknowledged);
}
