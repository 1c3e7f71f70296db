//! Delivery.

use std::collections::BTreeSet;

use super::fake::refusal;
use super::*;
use crate::diagnostic::Code;

/// Tags in order of commit.
fn tags(rig: &Rig) -> Vec<u64> {
    rig.collector.told(|told| told.book.captures.iter().map(|(_, _, capture)| capture.boot_us).collect())
}

#[tokio::test]
async fn captures_arrive_once_urgent_lanes_first() {
    let rig = Rig::new(Script { credit: 1, ..Script::default() }).await;
    for tag in 1..=3 {
        rig.append(Level::Low, tag);
        rig.append(Level::Critical, 10 + tag);
    }
    rig.until(rig.until_empty()).await;
    assert_eq!(tags(&rig), [11, 12, 13, 1, 2, 3]);
}

#[tokio::test]
async fn what_is_spooled_later_is_delivered_at_once() {
    let rig = Rig::new(Script::default()).await;
    rig.append(Level::High, 1);
    rig.until(async {
        rig.until_empty().await;
        rig.append(Level::High, 2);
        rig.until_empty().await;
    })
    .await;
    assert_eq!(tags(&rig), [1, 2]);
}

#[tokio::test]
async fn a_cut_between_commit_and_acknowledgement_delivers_nothing_twice() {
    let rig = Rig::new(Script { cuts: vec![1, 2, 1, 3], credit: 5, ..Script::default() }).await;
    for tag in 0..40 {
        rig.append(Level::High, tag);
    }
    rig.until(rig.until_empty()).await;
    assert_eq!(tags(&rig), (0..40).collect::<Vec<_>>());
    assert!(rig.collector.told(|told| told.hellos.len()) >= 5);
}

#[tokio::test]
async fn each_hello_shows_the_incarnation_of_the_last_welcome() {
    let rig = Rig::new(Script { cuts: vec![1, 1], ..Script::default() }).await;
    rig.append(Level::High, 1);
    rig.until(rig.until_empty()).await;
    rig.collector.told(|told| {
        assert!(told.hellos[0].incarnation.is_empty());
        assert!(told.hellos.iter().all(|hello| hello.boot_us > 0), "so that captures can be dated");
        for (hello, welcomed) in told.hellos.iter().skip(1).zip(&told.incarnations) {
            assert_eq!(&hello.incarnation, welcomed);
        }
    });
}

#[tokio::test]
async fn gaps_are_told_and_the_rest_arrives() {
    let rig = Rig::new(Script::default()).await;
    for tag in 1..=4 {
        rig.append(Level::High, tag);
    }
    rig.spool.give_up(Level::High, Seq::new(2)).unwrap();
    rig.spool.give_up(Level::High, Seq::new(4)).unwrap();
    rig.until(rig.collector.eventually(|told| told.book.gaps.len() == 2)).await;
    assert_eq!(tags(&rig), [1, 3]);
    let gaps: Vec<_> = rig.collector.told(|told| told.book.gaps.iter().map(|gap| (gap.from, gap.to)).collect());
    assert_eq!(gaps, [(2, 2), (4, 4)]);
}

#[tokio::test]
async fn a_refused_capture_does_not_hold_up_its_lane() {
    let rig = Rig::new(Script { malformed: Some(7), ..Script::default() }).await;
    for tag in 0..20 {
        rig.append(Level::High, tag);
    }
    rig.until(rig.until_empty()).await;
    let arrived: BTreeSet<u64> = tags(&rig).into_iter().collect();
    assert_eq!(arrived, (0..20).filter(|tag| *tag != 7).collect());
    assert_eq!(rig.collector.told(|told| told.book.gaps.len()), 1);
}

#[tokio::test]
async fn a_busy_collector_is_tried_again_and_a_hole_heals_itself() {
    let refuse_hello = vec![refusal(wire::ErrorCode::Busy), refusal(wire::ErrorCode::Hole)];
    let rig = Rig::new(Script { refuse_hello, ..Script::default() }).await;
    rig.append(Level::High, 1);
    rig.until(rig.until_empty()).await;
    assert_eq!(tags(&rig), [1]);
}

#[tokio::test]
async fn who_is_refused_for_good_says_so_at_the_computer_although_control_goes_on() {
    for (code, words) in [
        (wire::ErrorCode::Clone, "enrol again"),
        (wire::ErrorCode::Clone, "`lapwing-collector restored`"),
        (wire::ErrorCode::Revoked, "denies this device"),
        (wire::ErrorCode::Version, "does not serve this version"),
    ] {
        let rig = Rig::new(Script { refuse_hello: vec![refusal(code); 2], ..Script::default() }).await;
        let told = rig.until(async {
            let mut board = rig.diagnostics.changed();
            board.wait_for(|board| board.contains_key(&Code::Unwelcome)).await.unwrap();
            rig.collector.eventually(|told| !told.statuses.is_empty()).await;
            rig.status.send_modify(|facts| facts.rule_set_release = 9);
            rig.collector.eventually(|told| told.statuses.iter().any(|status| status.rule_set_release == 9)).await;
            rig.diagnostics.snapshot()
        });
        let told = told.await;
        assert!(told[&Code::Unwelcome].contains(words), "{code:?}: {told:?}");
        assert_eq!(rig.collector.told(|told| told.hellos.len()), 1, "{code:?} is not tried again at once");
    }
}

#[tokio::test]
async fn batches_keep_within_credit_and_bounds() {
    let rig = Rig::new(Script::default()).await;
    for tag in 0..300 {
        rig.append(Level::High, tag);
    }
    rig.until(rig.until_empty()).await;
    assert_eq!(tags(&rig), (0..300).collect::<Vec<_>>());
    assert_eq!(rig.collector.told(|told| told.largest_batch), 256);
}
