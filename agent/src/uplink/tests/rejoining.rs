//! Joining again: copies, and certificates that ran out.

use super::fake::{COPY, refusal};
use super::*;
use crate::spool::LaneState;

async fn enrolled(rig: &Rig) {
    let joined = enrol(&rig.config(), &rig.identity, HardwareHash::default(), None, Arc::clone(&rig.clock)).await;
    joined.unwrap();
}

/// As if the state folder had been copied after an earlier start, in which a lane came up to `next`.
fn copied(rig: &Rig, next: u64) {
    let (epoch, earlier) = (rig.spool.epoch(), lapwing_proto::BootId::from_bytes([77; 16]));
    let lanes = [LaneState { lane: Level::High, first: None, next: Seq::new(next) }];
    rig.identity.note_start(epoch, earlier, &[]).unwrap();
    rig.identity.set_incarnation(epoch, lapwing_proto::Incarnation::from_bytes([1; 16])).unwrap();
    rig.identity.note_start(epoch, rig.clock.boot_id(), &lanes).unwrap();
}

/// What was told of the spool when the device joined again: of each start, the last sequence of the lane.
fn told(rig: &Rig) -> Vec<(u8, u64)> {
    let spool = rig.collector.told(|told| told.asked.last().unwrap().spool.clone().unwrap());
    assert_eq!(spool.epoch, rig.spool.epoch().as_bytes());
    let high = |start: &wire::SpoolStart| start.through.iter().find(|mark| mark.lane == 4).unwrap().through;
    spool.starts.iter().map(|start| (start.boot_id[0], high(start))).collect()
}

#[tokio::test]
async fn a_copy_becomes_a_device_of_its_own_and_takes_its_own_captures_with_it() {
    let rig = Rig::new(Script { refuse_hello: vec![refusal(wire::ErrorCode::Copy)], ..Script::default() }).await;
    enrolled(&rig).await;
    for tag in 1..=3 {
        rig.append(Level::High, tag);
    }
    copied(&rig, 3);
    rig.until(async {
        rig.collector.eventually(|told| told.hellos.len() == 2 && told.held == 1).await;
    })
    .await;
    assert_eq!(rig.identity.device(), Some(COPY));
    assert_eq!(IdentityStore::open(rig.folder.path()).unwrap().device(), Some(COPY));
    assert_eq!(told(&rig), [(77, 0), (rig.clock.boot_id().as_bytes()[0], 2)], "two were there at its own start");
    assert_eq!(rig.collector.told(|told| told.hellos[0].earlier_boots.clone()), [vec![77; 16]]);
    assert!(!rig.folder.path().join("joining.key").exists());
}

#[tokio::test]
async fn a_copy_whose_turn_was_taken_before_it_could_say_that_it_holds_it_knows_what_it_was_copied_with() {
    let rig = Rig::new(Script { refuse_held: vec![refusal(wire::ErrorCode::Copy)], ..Script::default() }).await;
    enrolled(&rig).await;
    copied(&rig, 5);
    rig.until(rig.collector.eventually(|told| told.held == 2)).await;
    assert_eq!(told(&rig), [(77, 0), (rig.clock.boot_id().as_bytes()[0], 4)]);
    assert_eq!(rig.identity.starts(rig.spool.epoch()).unwrap().len(), 1, "it is confirmed, and knows this start alone");
}

#[tokio::test]
async fn an_answer_that_got_lost_is_asked_for_again_with_the_same_key() {
    let rig = Rig::new(Script {
        refuse_hello: vec![refusal(wire::ErrorCode::Copy)],
        refuse_after_join: Some(wire::ErrorCode::Store),
        ..Script::default()
    })
    .await;
    let first = enrol(&rig.config(), &rig.identity, HardwareHash::default(), None, Arc::clone(&rig.clock)).await;
    assert!(first.unwrap_err().is_transient());
    enrolled(&rig).await;
    rig.collector.change(|script| script.refuse_after_join = Some(wire::ErrorCode::Busy));
    rig.until(rig.collector.eventually(|told| told.held == 1)).await;
    rig.collector.told(|told| {
        let keys: Vec<_> = told.asked.iter().map(|asked| public_key(&asked.csr)).collect();
        assert_eq!((keys.len(), keys[0] == keys[1], keys[2] == keys[3], keys[1] == keys[2]), (4, true, true, false));
    });
}

#[tokio::test]
async fn who_was_away_for_too_long_joins_by_a_token_where_there_is_one() {
    let rig = Rig::new(Script { refuse_hello: vec![refusal(wire::ErrorCode::Copy)], ..Script::default() }).await;
    enrolled(&rig).await;
    rig.collector.change(|script| script.refuse_after_join = Some(wire::ErrorCode::Expired));
    std::fs::write(rig.folder.path().join("token"), fake::TOKEN).unwrap();
    rig.until(rig.collector.eventually(|told| told.held == 1)).await;
    let by_token = rig.collector.told(|told| told.asked.last().unwrap().proof.is_none());
    assert!(by_token && !rig.folder.path().join("token").exists());
}

#[tokio::test]
async fn status_goes_on_once_an_identity_that_was_said_to_be_over_delivers_again() {
    let rig = Rig::new(Script::default()).await;
    enrolled(&rig).await;
    let link = Link::new(LinkParts {
        config: rig.config(),
        identity: Arc::clone(&rig.identity),
        clock: Arc::clone(&rig.clock),
        tasks: TaskTracker::new(),
        shutdown: Shutdown::new(),
        diagnostics: rig.diagnostics.clone(),
        dice: || 0,
        dial: tls::over_tcp(),
    });
    let identity = link.identity.current().unwrap();
    link.lose(&identity, wire::JoinReason::Copy);
    link.lose(&identity, wire::JoinReason::Expired);
    assert_eq!(link.lost.borrow().as_ref().unwrap().1, wire::JoinReason::Copy, "a copy stays one");
    let both = async { tokio::join!(link.keeps_identity(), async { link.works(link::Part::Delivery) }) };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
}

fn public_key(csr: &[u8]) -> Vec<u8> {
    use x509_parser::prelude::FromDer;
    let (_, request) = x509_parser::certification_request::X509CertificationRequest::from_der(csr).unwrap();
    request.certification_request_info.subject_pki.raw.to_vec()
}
