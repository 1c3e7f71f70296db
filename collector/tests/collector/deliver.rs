//! Delivery.

use lapwing_proto::OLDEST_MINOR;
use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::{self, ErrorCode};

use crate::device::{Delivery, Device, batch, capture};
use crate::school::{School, eventually};

const CAPTURES: &str = "SELECT COUNT(*) FROM captures";

fn gap(from: u64, to: u64) -> wire::Gap {
    wire::Gap { lane: 3, from, to, reason: wire::GapReason::Full.into(), epoch: Vec::new() }
}

#[tokio::test]
async fn what_is_sent_again_counts_once_also_after_a_restart() {
    let mut school = School::open().await;
    let device = Device::enrol(&school).await;

    let (mut delivery, welcome) = device.deliver(&school, &[]).await;
    assert!(welcome.high_water.is_empty());
    assert_eq!(delivery.acknowledged(batch(1, 3)).await, 3);
    assert_eq!(delivery.acknowledged(batch(1, 3)).await, 3);
    assert_eq!(delivery.acknowledged(batch(2, 4)).await, 5);
    school.stop().await;
    school.start().await;
    let (mut delivery, welcome) = device.deliver(&school, &welcome.incarnation).await;
    assert_eq!(delivery.acknowledged(batch(4, 3)).await, 6);

    assert_eq!(welcome.high_water, [wire::LaneMark { lane: 3, through: 5 }]);
    assert_eq!(school.count(CAPTURES).await, 6);
}

#[tokio::test]
async fn a_hole_is_refused_and_a_gap_accounts_for_it() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, welcome) = device.deliver(&school, &[]).await;
    assert_eq!(delivery.acknowledged(batch(1, 1)).await, 1);

    assert_eq!(delivery.refused(batch(5, 2)).await, ErrorCode::Hole);

    assert_eq!(school.count(CAPTURES).await, 1);
    let (mut delivery, _) = device.deliver(&school, &welcome.incarnation).await;
    let accounted = wire::Batch { gaps: vec![gap(2, 4)], ..batch(5, 2) };
    assert_eq!(delivery.acknowledged(accounted).await, 6);
    assert_eq!(school.count(CAPTURES).await, 3);
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps WHERE from_seq = 2 AND to_seq = 4").await, 1);
}

/// What comes back for batches sent one after the other without waiting: the last mark of each lane, how many
/// acknowledgements said so, and a refusal at the end.
async fn sent_at_once(delivery: &mut Delivery, batches: Vec<wire::Batch>) -> (Vec<(u32, u64)>, Option<ErrorCode>) {
    let awaited: Vec<_> = batches.iter().map(|batch| (batch.lane, batch.first_seq)).collect();
    for batch in batches {
        delivery.up.send(wire::DeliverUp { message: Some(Up::Batch(batch)) }).await.unwrap();
    }
    let mut marks = std::collections::BTreeMap::new();
    loop {
        let is_all = awaited.iter().all(|(lane, first)| marks.get(lane).is_some_and(|through| through >= first));
        if is_all {
            return (marks.into_iter().collect(), None);
        }
        match delivery.down.message().await.unwrap().and_then(|down| down.message) {
            Some(Down::Ack(ack)) => marks.extend(ack.through.iter().map(|mark| (mark.lane, mark.through))),
            Some(Down::Refusal(refusal)) => {
                let code = refusal.code();
                assert_eq!(delivery.down.message().await.unwrap(), None, "a refusal is the last word");
                return (marks.into_iter().collect(), Some(code));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn batch_of(lane: u32, first: u64, count: usize) -> wire::Batch {
    let capture = |capture: wire::Capture| {
        let verdict = capture.verdict.map(|mut verdict| {
            verdict.hits.iter_mut().for_each(|hit| hit.level = lane);
            verdict
        });
        wire::Capture { verdict, ..capture }
    };
    let batch = batch(first, count);
    wire::Batch { lane, captures: batch.captures.into_iter().map(capture).collect(), ..batch }
}

#[tokio::test]
async fn batches_that_follow_each_other_are_taken_in_order_and_acknowledged_lane_by_lane() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;

    let lanes = [3, 5, 3, 3, 1, 5];
    let mut next = std::collections::BTreeMap::new();
    let batches: Vec<_> = (0..120)
        .map(|place| {
            let lane = lanes[place % lanes.len()];
            let first = next.entry(lane).or_insert(1);
            *first += 2;
            batch_of(lane, *first - 2, 2)
        })
        .collect();
    let (marks, refused) = sent_at_once(&mut delivery, batches).await;

    assert_eq!((marks, refused), (vec![(1, 40), (3, 120), (5, 80)], None));
    assert_eq!(school.count(CAPTURES).await, 240);
    assert_eq!(school.count("SELECT COUNT(DISTINCT lane * 1000 + seq) FROM captures").await, 240);
}

#[tokio::test]
async fn what_was_committed_before_a_refusal_is_acknowledged_before_it_and_nothing_after_it_is_taken() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, welcome) = device.deliver(&school, &[]).await;

    let batches = vec![batch(1, 2), batch(3, 1), batch(5, 1), batch(6, 1)];
    let answers = sent_at_once(&mut delivery, batches).await;
    assert_eq!(answers, (vec![(3, 3)], Some(ErrorCode::Hole)));
    assert_eq!(school.count(CAPTURES).await, 3);

    let (mut delivery, _) = device.deliver(&school, &welcome.incarnation).await;
    let batches = vec![batch(4, 1), wire::Batch { lane: 6, ..batch(5, 1) }, batch(5, 1)];
    let answers = sent_at_once(&mut delivery, batches).await;
    assert_eq!(answers, (vec![(3, 4)], Some(ErrorCode::Malformed)));
    assert_eq!(school.count(CAPTURES).await, 4);
}

#[tokio::test]
async fn a_goodbye_right_behind_batches_ends_the_stream_once_they_are_acknowledged() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;

    let goodbye = wire::Goodbye { reason: wire::GoodbyeReason::Shutdown.into(), wall_us: 1 };
    for message in [Up::Batch(batch(1, 1)), Up::Batch(batch(2, 1)), Up::Goodbye(goodbye)] {
        delivery.up.send(wire::DeliverUp { message: Some(message) }).await.unwrap();
    }
    let (mut through, mut is_told) = (0, false);
    while let Some(down) = delivery.down.message().await.unwrap() {
        let Some(Down::Ack(ack)) = down.message else { panic!("{down:?}") };
        through = ack.through.iter().map(|mark| mark.through).max().unwrap_or(through);
        is_told = ack.goodbye;
    }
    assert!(through == 2 && is_told, "and that the goodbye is written down comes last");
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE goodbye = 'shutdown'").await, 1);
}

#[tokio::test]
async fn a_copy_is_refused_once_the_original_has_delivered() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, first) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;

    assert_eq!(refused(&school, &device, device.hello_of_copy(&[])).await, ErrorCode::Copy);
    assert_eq!(refused(&school, &device, device.hello_of_copy(&[7; 16])).await, ErrorCode::Clone, "never given");
    let (mut delivery, _) = device.deliver(&school, &first.incarnation).await;
    delivery.acknowledged(batch(2, 1)).await;
    assert_eq!(refused(&school, &device, device.hello_of_copy(&first.incarnation)).await, ErrorCode::Copy);
}

async fn refused(school: &School, device: &Device, hello: wire::Hello) -> ErrorCode {
    match device.greet(school, hello).await.1 {
        Down::Refusal(refusal) => refusal.code(),
        other @ (Down::Welcome(_) | Down::Ack(_)) => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_copy_is_refused_once_the_original_says_that_it_holds_its_incarnation() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;
    let held = wire::DeliverUp { message: Some(Up::Held(wire::Held {})) };
    delivery.up.send(held).await.unwrap();
    let answer = delivery.down.message().await.unwrap().unwrap().message;
    assert!(matches!(&answer, Some(Down::Ack(ack)) if ack.through.is_empty()), "{answer:?}");

    assert_eq!(refused(&school, &device, device.hello_of_copy(&[])).await, ErrorCode::Copy);
    assert_eq!(delivery.acknowledged(batch(1, 1)).await, 1);
}

#[tokio::test]
async fn a_pc_whose_disk_is_reset_at_each_start_goes_on_unless_another_start_of_it_delivers() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, frozen) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;
    let (mut later, _) = device.deliver(&school, &frozen.incarnation).await;
    later.acknowledged(batch(2, 1)).await;
    let next_start = wire::Hello { boot_id: vec![9; 16], ..device.hello(&frozen.incarnation) };
    assert_eq!(refused(&school, &device, next_start.clone()).await, ErrorCode::Copy, "two starts at once are two PCs");

    drop((delivery, later));
    let welcomed = async || {
        let answer = device.greet(&school, next_start.clone()).await.1;
        matches!(answer, Down::Welcome(_)).then_some(())
    };
    eventually("a welcome", welcomed).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM devices").await, 1);
}

#[tokio::test]
async fn a_welcome_that_got_lost_does_no_harm() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;

    device.deliver(&school, &[]).await;
    let (mut delivery, second) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;
    device.deliver(&school, &second.incarnation).await;
    let (mut delivery, _) = device.deliver(&school, &second.incarnation).await;

    assert_eq!(delivery.acknowledged(batch(2, 1)).await, 2);
}

#[tokio::test]
async fn a_hello_that_arrives_after_a_later_one_does_not_take_the_turn() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, first) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;
    let (mut later, second) = device.deliver(&school, &first.incarnation).await;

    let (overtaken, third) = device.deliver(&school, &first.incarnation).await;
    drop(overtaken);

    assert_eq!(third.incarnation, second.incarnation);
    assert_eq!(later.acknowledged(batch(2, 1)).await, 2);
    let (mut delivery, _) = device.deliver(&school, &second.incarnation).await;
    assert_eq!(delivery.acknowledged(batch(3, 1)).await, 3);
}

#[tokio::test]
async fn of_two_that_are_connected_the_later_delivers_and_the_earlier_is_refused() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut earlier, first) = device.deliver(&school, &[]).await;
    earlier.acknowledged(batch(1, 1)).await;

    let (mut later, _) = device.deliver(&school, &first.incarnation).await;

    assert_eq!(earlier.refused(batch(2, 1)).await, ErrorCode::Copy);
    assert_eq!(later.acknowledged(batch(2, 1)).await, 2);
}

#[tokio::test]
async fn an_identity_on_other_hardware_is_a_copy() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;

    let elsewhere = wire::Hello { hardware_hash: vec![4; 32], ..device.hello(&[]) };
    let (_, answer) = device.greet(&school, elsewhere).await;

    assert!(matches!(&answer, Down::Refusal(refusal) if refusal.code() == ErrorCode::Copy), "{answer:?}");
}

#[tokio::test]
async fn messages_that_break_the_contract_are_refused_as_malformed() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, mut welcome) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;
    let other_lane = wire::Batch { lane: 4, ..batch(2, 1) };
    let long = wire::Capture { app: "x".repeat(65), ..capture() };

    for bad in [
        wire::Batch { lane: 6, ..batch(2, 1) },
        other_lane,
        wire::Batch { captures: vec![long], ..batch(2, 1) },
        batch(2, 0),
        batch(2, 257),
        wire::Batch { gaps: vec![gap(2, 1)], ..batch(2, 1) },
        wire::Batch { gaps: vec![wire::Gap { lane: 2, ..gap(2, 2) }], ..batch(3, 1) },
    ] {
        let (mut delivery, next) = device.deliver(&school, &welcome.incarnation).await;
        assert_eq!(delivery.refused(bad).await, ErrorCode::Malformed);
        welcome = next;
    }
    assert_eq!(school.count(CAPTURES).await, 1);
}

#[tokio::test]
async fn a_stream_begins_with_hello_in_a_version_that_is_served() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;

    let mut rude = Delivery::open(device.uplink(&school).await).await;
    assert_eq!(rude.refused(batch(1, 1)).await, ErrorCode::Malformed);
    let (_, answer) = device.greet(&school, wire::Hello { minor: 99, ..device.hello(&[]) }).await;
    assert!(matches!(&answer, Down::Refusal(refusal) if refusal.code() == ErrorCode::Version), "{answer:?}");
}

#[tokio::test]
async fn a_revoked_device_is_refused_in_its_open_stream_and_in_new_ones() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 1)).await;

    school.command(&["device", "revoke", &device.id]).await;

    let refusal = eventually("the refusal", async || match delivery.send(Up::Batch(batch(1, 1))).await {
        Some(Down::Refusal(refusal)) => Some(refusal.code()),
        Some(Down::Ack(_)) => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(refusal.await, ErrorCode::Revoked);
    let (_, sent) = tokio::sync::mpsc::channel(1);
    let again = device.uplink(&school).await.deliver(tokio_stream::wrappers::ReceiverStream::new(sent)).await;
    assert_eq!(crate::device::code_of(&again.unwrap_err()), ErrorCode::Revoked);
}

#[tokio::test]
async fn a_goodbye_is_noted_and_ends_the_stream() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, _) = device.deliver(&school, &[]).await;

    let reason = wire::GoodbyeReason::Shutdown.into();
    let answer = delivery.send(Up::Goodbye(wire::Goodbye { reason, wall_us: 1 })).await;

    assert!(matches!(answer, Some(Down::Ack(ack)) if ack.goodbye && ack.through.is_empty()));
    assert_eq!(delivery.down.message().await.unwrap(), None);
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE goodbye = 'shutdown'").await, 1);
}

#[tokio::test]
async fn a_removed_device_is_denied_and_no_later_word_of_it_hides_that() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, first) = device.deliver(&school, &[]).await;
    let (mut other, _) = device.deliver(&school, &first.incarnation).await;

    let goodbye = |reason: wire::GoodbyeReason| Up::Goodbye(wire::Goodbye { reason: reason.into(), wall_us: 1 });
    other.send(Up::Held(wire::Held {})).await;
    let answer = other.send(goodbye(wire::GoodbyeReason::Removed)).await;
    assert!(matches!(answer, Some(Down::Ack(ack)) if ack.goodbye));
    delivery.send(goodbye(wire::GoodbyeReason::Stop)).await;

    let removed = "SELECT COUNT(*) FROM devices WHERE goodbye = 'removed' AND revoked_us IS NOT NULL";
    assert_eq!(school.count(removed).await, 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM audit_acts WHERE act LIKE '%device_removed%'").await, 1);
    eventually("the device to be denied", async || (!device.is_served(&school).await).then_some(())).await;
}

#[tokio::test]
async fn a_removal_said_on_the_control_stream_alone_removes_nothing() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let goodbye = wire::Goodbye { reason: wire::GoodbyeReason::Removed.into(), wall_us: 1 };
    let message = Some(wire::control_up::Message::Goodbye(goodbye));
    let up = tokio_stream::iter([wire::ControlUp { message }]);
    let mut down = device.uplink(&school).await.control(up).await.unwrap().into_inner();
    assert_eq!(down.message().await.unwrap(), None);
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE goodbye IS NULL AND revoked_us IS NULL").await, 1);
}

#[tokio::test]
async fn the_version_of_an_agent_that_was_upgraded_is_the_one_it_says_now() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let hello = wire::Hello { minor: OLDEST_MINOR, agent_version: "0.9.1".to_owned(), ..device.hello(&[]) };
    let (mut delivery, answer) = device.greet(&school, hello).await;
    let Down::Welcome(welcome) = answer else { panic!("an agent of the oldest minor is served: {answer:?}") };
    delivery.acknowledged(batch(1, 1)).await;
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE agent_version = '0.9.1'").await, 1);
    let hello = wire::Hello { agent_version: "0.9.2".to_owned(), ..device.hello(&welcome.incarnation) };
    let (_delivery, answer) = device.greet(&school, hello).await;
    assert!(matches!(answer, Down::Welcome(_)), "{answer:?}");
    assert_eq!(school.count("SELECT COUNT(*) FROM devices WHERE agent_version = '0.9.2'").await, 1);
}

#[tokio::test]
async fn a_capture_of_a_device_whose_clock_is_years_off_is_dated_by_the_collectors() {
    const HOUR_US: u64 = 60 * 60 * 1_000_000;
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let now_us = lapwing_collector::clock::Clock::wall_us(&*school.clock);
    let hello = wire::Hello { boot_us: 3 * HOUR_US, ..device.hello(&[]) };
    let (mut delivery, _) = device.greet(&school, hello).await;

    let told = wire::Capture { wall_us: 1, boot_us: 2 * HOUR_US, boot_id: vec![1; 16], ..capture() };
    let earlier = wire::Capture { boot_id: vec![2; 16], ..told.clone() };
    delivery.acknowledged(wire::Batch { captures: vec![told, earlier], ..batch(1, 0) }).await;

    let seen = school.count("SELECT wall_us FROM captures WHERE seq = 1").await;
    assert!(seen.abs_diff(now_us) - HOUR_US < 60_000_000, "an hour ago: {}", now_us - seen);
    assert_eq!(school.count("SELECT wall_us FROM captures WHERE seq = 2").await, 1, "another boot's is not known");
}
