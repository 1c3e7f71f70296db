//! Many devices at once.

use e2e::{Clones, Fleet, Herd, Load, Pace, School, Site, Until};
use lapwing_rules::Level;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fleet_delivers_is_stored_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = School::open(folder.path(), &[]).await.expect("a school");
    let site = Site::of(&school, 60).expect("a token");
    let fleet = Fleet::enrol(site, 60, 7).await.expect("more devices than one address may enrol");
    let mut crew = fleet.crew(0..60).await.expect("all are welcomed");
    let load = Load { lane: Level::Low, batch: 16, in_flight: 64, pace: Pace::FlatOut, until: Until::Batches(5) };

    let delivered = crew.deliver(load).await.expect("all is acknowledged");

    assert_eq!((delivered.captures, delivered.latencies.len()), (60 * 5 * 16, 60 * 5));
    assert_eq!(school.captures().await.expect("a count"), 60 * 5 * 16);
    assert!(crew.account().iter().all(|lane| lane.issued.number() == 80 && lane.acknowledged == lane.issued));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_herd_holds_arrives_once_after_the_collector_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");

    let report = Herd { agents: 50, captures: 20, down: 1, seed: 3 }.run(folder.path()).await.expect("it comes back");

    assert!(report.all_well(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_an_enrolled_pc_become_devices_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");

    let report = Clones { copies: 8 }.run(folder.path()).await.expect("they start");

    assert!(report.all_well(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_takes_a_school_dark() {
    let folder = tempfile::tempdir().expect("a folder");

    let report = e2e::certificates(folder.path()).await.expect("it starts");

    assert!(report.all_well(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_set_goes_out_in_stages_and_is_halted_where_it_makes_pcs_unwell() {
    let folder = tempfile::tempdir().expect("a folder");

    let report = e2e::Rollout { pcs: 14 }.run(folder.path()).await.expect("it starts");

    assert!(report.all_well(), "{report}");
}
