use futures_util::FutureExt as _;
use lapwing_rules::Category;
use proptest::prelude::*;

use super::*;
use crate::store::fixture::{EPOCH, School, delivery, title};

const CAPTURES: &str = "SELECT COUNT(*) FROM captures";

fn batch(first: u64, count: usize) -> Delivery {
    let capture = title("amy", Category::Drugs, Level::Moderate, "matched words");
    delivery(Level::Moderate, first, vec![capture; count])
}

fn gap(from: u64, to: u64) -> Gap {
    Gap { epoch: None, from: Seq::new(from), to: Seq::new(to), reason: 1 }
}

#[tokio::test]
async fn a_batch_sent_again_is_acknowledged_and_stored_once() {
    let school = School::open().await;
    let intake = school.intake();
    assert_eq!(intake.take(batch(1, 3)).await.unwrap(), Seq::new(3));
    assert_eq!(intake.take(batch(1, 3)).await.unwrap(), Seq::new(3));
    assert_eq!(intake.take(batch(2, 4)).await.unwrap(), Seq::new(5));
    assert_eq!(school.count(CAPTURES).await, 5);
    assert_eq!(school.count("SELECT COUNT(DISTINCT seq) FROM captures").await, 5);
    assert_eq!(school.through(EPOCH, Level::Moderate).await, Seq::new(5));
    assert_eq!(school.through(EPOCH, Level::High).await, Seq::NONE);
}

#[tokio::test]
async fn a_hole_is_refused_until_a_gap_accounts_for_it() {
    let school = School::open().await;
    let intake = school.intake();
    intake.take(batch(1, 1)).await.unwrap();
    let error = intake.take(batch(4, 1)).await.unwrap_err();
    assert!(matches!(error, TakeError::Hole { expected, .. } if expected == Seq::new(2)), "{error}");
    let short = Delivery { gaps: vec![gap(2, 2)], ..batch(4, 1) };
    assert!(matches!(intake.take(short).await, Err(TakeError::Hole { .. })));
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps").await, 0);
    let whole = || Delivery { gaps: vec![gap(3, 3), gap(2, 2)], ..batch(4, 1) };
    assert_eq!(intake.take(whole()).await.unwrap(), Seq::new(4));
    assert_eq!(intake.take(whole()).await.unwrap(), Seq::new(4));
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps").await, 2);
    assert_eq!(school.count(CAPTURES).await, 2);
}

#[tokio::test]
async fn a_gap_alone_moves_the_mark() {
    let school = School::open().await;
    let intake = school.intake();
    let alone = Delivery { gaps: vec![gap(1, 9)], ..delivery(Level::Low, 10, vec![]) };
    assert_eq!(intake.take(alone).await.unwrap(), Seq::new(9));
}

#[tokio::test]
async fn a_gap_of_an_earlier_spool_leaves_this_one_alone() {
    let school = School::open().await;
    let intake = school.intake();
    let earlier = Epoch::from_bytes([0xe0; 16]);
    let gap = Gap { epoch: Some(earlier), ..gap(5, 8) };
    assert_eq!(intake.take(Delivery { gaps: vec![gap], ..batch(1, 1) }).await.unwrap(), Seq::new(1));
    assert_eq!(school.through(earlier, Level::Moderate).await, Seq::new(8));
}

#[tokio::test]
async fn an_earlier_spool_that_nobody_can_read_any_more_holds_nothing_up() {
    let school = School::open().await;
    let intake = school.intake();
    let unreadable = Gap { epoch: Some(Epoch::from_bytes([0xe0; 16])), ..gap(0, 0) };
    assert_eq!(intake.take(Delivery { gaps: vec![unreadable], ..batch(1, 1) }).await.unwrap(), Seq::new(1));
    assert_eq!(school.count("SELECT COUNT(*) FROM gaps").await, 1);
    let of_this_one = Delivery { gaps: vec![gap(0, 0)], ..batch(2, 1) };
    assert!(matches!(intake.take(of_this_one).await, Err(TakeError::Malformed(_))));
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused_whole() {
    let school = School::open().await;
    let intake = school.intake();
    let mut hitless = batch(1, 1);
    for capture in &mut hitless.captures {
        capture.verdict.hits.clear();
    }
    let refused = [
        batch(0, 1),
        batch(u64::MAX, 1),
        batch(1, bounds::MAX_BATCH + 1),
        Delivery { gaps: vec![gap(3, 2)], ..batch(1, 1) },
        Delivery { gaps: vec![gap(1, u64::MAX)], ..batch(1, 1) },
        Delivery { gaps: vec![gap(1, 1); bounds::MAX_GAPS + 1], ..batch(1, 1) },
        hitless,
    ];
    for delivery in refused {
        let error = intake.take(delivery).await.unwrap_err();
        assert!(matches!(error, TakeError::Malformed(_)) && !error.is_transient(), "{error}");
    }
    assert_eq!(school.count(CAPTURES).await, 0);
}

#[tokio::test]
async fn one_subject_has_one_row_whatever_the_case_of_its_account() {
    let school = School::open().await;
    let intake = school.intake();
    let captures = ["amy", "AMY", " Amy", "ben"].map(|name| title(name, Category::Drugs, Level::Moderate, "x"));
    intake.take(delivery(Level::Moderate, 1, captures.to_vec())).await.unwrap();
    assert_eq!(school.count("SELECT COUNT(*) FROM subjects").await, 2);
}

#[tokio::test]
async fn an_erased_subject_gets_a_new_key_and_the_old_evidence_stays_shut() {
    let school = School::open().await;
    let intake = school.intake();
    intake.take(batch(1, 1)).await.unwrap();
    let read = "SELECT key_id FROM captures ORDER BY seq";
    let keys = school.bytes(read).await;
    let erased = crate::ids::KeyId::try_from(keys.first().unwrap().as_slice()).unwrap();
    assert!(school.vault.erase(erased).await.unwrap());
    intake.take(batch(2, 1)).await.unwrap();
    let keys = school.bytes(read).await;
    assert_ne!(keys.first(), keys.last());
    assert!(school.vault.key(erased).await.unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However batches are cut and repeated, each sequence is stored once and the mark is the highest.
    #[test]
    fn every_sequence_is_stored_once(cuts in proptest::collection::vec((1u64..20, 1usize..8), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let school = School::open().await;
            let intake = school.intake();
            let mut through = 0;
            for (first, count) in cuts {
                match intake.take(batch(first, count)).await {
                    Ok(seq) => {
                        through = through.max(first + count as u64 - 1);
                        assert_eq!(seq, Seq::new(through));
                    }
                    Err(TakeError::Hole { expected, .. }) => {
                        assert_eq!(expected, Seq::new(through + 1));
                        assert!(first > through + 1);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(school.count(CAPTURES).await, through.cast_signed());
            assert_eq!(school.count("SELECT COALESCE(MAX(seq), 0) FROM captures").await, through.cast_signed());
        });
    }
}

#[tokio::test]
async fn batches_that_share_a_commit_each_have_their_own_fate() {
    let school = School::open().await;
    let intake = school.intake();
    let device = |number| DeviceId::from_bytes([number; 16]);
    let mut together: Vec<_> = (0..40).map(|number| Delivery { device: device(number), ..batch(1, 20) }).collect();
    together.push(Delivery { device: device(50), ..batch(3, 1) });
    together.extend([1, 21, 40].map(|first| Delivery { device: device(51), ..batch(first, 20) }));

    let fates = futures_util::future::join_all(together.into_iter().map(|delivery| intake.take(delivery))).await;

    let through: Vec<_> = fates.iter().map(|fate| fate.as_ref().ok().map(|through| through.number())).collect();
    assert_eq!(through[..40], vec![Some(20); 40]);
    assert_eq!(through[40..], [None, Some(20), Some(40), Some(59)]);
    assert!(matches!(fates[40], Err(TakeError::Hole { expected, .. }) if expected == Seq::new(1)));
    assert_eq!(school.count(CAPTURES).await, 40 * 20 + 59);
    assert_eq!(school.count("SELECT SUM(through) FROM high_water").await, 40 * 20 + 59);
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_fails_alone() {
    let school = School::open().await;
    let intake = school.intake();
    let mut tx = school.store.begin().await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON captures WHEN NEW.repeats = 7
        BEGIN SELECT RAISE(ABORT, 'refused'); END";
    sqlx::query(refuse).execute(tx.connection()).await.unwrap();
    tx.commit().await.unwrap();
    let mut bad = Delivery { device: DeviceId::from_bytes([9; 16]), ..batch(1, 2) };
    for capture in &mut bad.captures {
        capture.repeats = 7;
    }

    let (good, bad, next) = tokio::join!(intake.take(batch(1, 2)), intake.take(bad), intake.take(batch(3, 1)));

    assert_eq!((good.unwrap(), next.unwrap()), (Seq::new(2), Seq::new(3)));
    assert!(matches!(bad, Err(TakeError::Store(_))));
    assert_eq!(school.count(CAPTURES).await, 3);
}

#[tokio::test]
async fn what_was_taken_before_the_stop_is_committed_and_nothing_after_it() {
    let school = School::open().await;
    let (intake, worker) = school.idle_intake();
    let stop = Shutdown::new();
    stop.request();

    let (fate, ()) = tokio::join!(intake.take(batch(1, 3)), worker.run(stop));

    assert_eq!(fate.unwrap(), Seq::new(3));
    assert!(matches!(intake.take(batch(4, 1)).await, Err(TakeError::Stopping)));
    assert_eq!(school.count(CAPTURES).await, 3);
}

#[tokio::test]
async fn triage_is_told_of_a_delivery() {
    let school = School::open().await;
    school.intake().take(batch(1, 1)).await.unwrap();
    school.wake.notified().await;
}

#[tokio::test]
async fn what_a_batch_takes_up_is_given_back_after_its_commit_and_not_when_its_stream_goes() {
    let school = School::open().await;
    let (intake, worker) = school.idle_intake();
    let room = Arc::new(tokio::sync::Semaphore::new(1));
    let held = Held::of(Arc::clone(&room).try_acquire_owned().unwrap());
    let mut taking = Box::pin(intake.take(Delivery { held, ..batch(1, 3) }));
    assert!(taking.as_mut().now_or_never().is_none());

    drop(taking);
    assert_eq!(room.available_permits(), 0, "the batch still waits");

    let stop = Shutdown::new();
    stop.request();
    worker.run(stop).await;
    assert_eq!(room.available_permits(), 1);
    assert_eq!(school.count(CAPTURES).await, 3);
}
