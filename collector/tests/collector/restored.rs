//! A database that comes back from a back-up.

use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::{self, ErrorCode, GapReason};

use crate::device::{Device, batch};
use crate::school::School;

/// A device that delivered 1 to 3 before the back-up and 4 to 6 after it, and what it was last welcomed with; the
/// collector stands as the back-up left it, stopped.
async fn brought_back() -> (School, Device, Vec<u8>, Vec<u8>) {
    let mut school = School::open().await;
    let device = Device::enrol(&school).await;
    let (mut delivery, before) = device.deliver(&school, &[]).await;
    assert_eq!(delivery.acknowledged(batch(1, 3)).await, 3);
    school.stop().await;
    let (database, backup) = (school.path("data/lapwing.db"), school.path("backup"));
    std::fs::copy(&database, &backup).unwrap();
    school.start().await;
    let (mut delivery, since) = device.deliver(&school, &before.incarnation).await;
    assert_eq!(delivery.acknowledged(batch(4, 3)).await, 6);
    let (mut delivery, last) = device.deliver(&school, &since.incarnation).await;
    assert_eq!(delivery.acknowledged(batch(6, 1)).await, 6);
    school.stop().await;
    std::fs::copy(&backup, &database).unwrap();
    (school, device, last.incarnation, before.incarnation)
}

async fn refused(school: &School, device: &Device, incarnation: &[u8]) -> ErrorCode {
    match device.greet(school, device.hello(incarnation)).await.1 {
        Down::Refusal(refusal) => refusal.code(),
        other @ (Down::Welcome(_) | Down::Ack(_)) => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_believed_once_after_the_collector_was_told_and_says_what_is_gone() {
    let (mut school, device, last, _) = brought_back().await;
    school.start().await;
    assert_eq!(refused(&school, &device, &last).await, ErrorCode::Clone, "nobody said so yet");
    school.stop().await;

    let said = school.command(&["restored"]).await;
    assert!(said.contains("1 were known") && said.contains("device revoke"), "{said}");
    school.start().await;
    let (_lost, welcome) = device.deliver(&school, &last).await;
    let (mut delivery, again) = device.deliver(&school, &last).await;
    assert_eq!(again.incarnation, welcome.incarnation, "a Welcome that got lost is given again");

    assert_eq!(welcome.high_water, [wire::LaneMark { lane: 3, through: 3 }]);
    let gone = wire::Gap { lane: 3, from: 4, to: 6, reason: GapReason::Restored.into(), epoch: Vec::new() };
    assert_eq!(delivery.acknowledged(wire::Batch { gaps: vec![gone], ..batch(7, 1) }).await, 7);
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 4);
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps WHERE from_seq = 4 AND to_seq = 6 AND reason = 5").await, 1);
    let (_delivery, _) = device.deliver(&school, &again.incarnation).await;
    assert!(school.command(&["audit", "verify"]).await.contains("acts match"));
}

#[tokio::test]
async fn a_copy_is_refused_again_once_the_device_is_back() {
    let (mut school, device, last, before) = brought_back().await;
    school.command(&["restored"]).await;
    school.start().await;

    let (mut delivery, _) = device.deliver(&school, &last).await;
    let gone = wire::Gap { lane: 3, from: 4, to: 6, reason: GapReason::Restored.into(), epoch: Vec::new() };
    delivery.acknowledged(wire::Batch { gaps: vec![gone], ..batch(7, 1) }).await;

    for taken_before in [Vec::new(), before, last] {
        let answer = device.greet(&school, device.hello_of_copy(&taken_before)).await.1;
        assert!(matches!(&answer, Down::Refusal(refusal) if refusal.code() == ErrorCode::Copy), "{answer:?}");
    }
    assert_eq!(refused(&school, &device, &[7; 16]).await, ErrorCode::Clone);
}
