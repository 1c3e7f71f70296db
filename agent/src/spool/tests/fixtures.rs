//! Spools as released versions wrote them, kept for ever: what is here must open in every later version.

use std::path::PathBuf;

use super::*;

/// Where the spool of a version is. Its key is 32 bytes of 9, and its hardware is not named.
fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spool/fixtures").join(version)
}

/// Fills a spool with a bit of everything; the tag is the sequence.
fn fill(rig: &Rig) {
    let (spool, _) = rig.open();
    for tag in 1..=6 {
        stored(spool.append(Level::Low, &capture(tag, 100)));
        stored(spool.append(Level::High, &capture(tag, 2_000)));
    }
    stored(spool.append(Level::Critical, &capture(1, bounds::MAX_CAPTURE_BYTES / 4)));
    spool.acknowledge(Level::Low, Seq::new(2)).unwrap();
    spool.give_up(Level::Low, Seq::new(4)).unwrap();
    spool.give_up(Level::Low, Seq::new(5)).unwrap();
    stored(spool.append(Level::Moderate, &capture(1, 10)));
    spool.acknowledge(Level::Moderate, Seq::new(1)).unwrap();
}

/// `cargo nextest run -p lapwing-agent --run-ignored only a_spool_of_this_version_is_kept`, once a release.
#[test]
#[ignore = "writes the fixture of a release into the source tree; a fixture that is there stays"]
fn a_spool_of_this_version_is_kept() {
    let place = fixture(env!("CARGO_PKG_VERSION"));
    assert!(!place.exists(), "`{}` is there: fixtures are never written again", place.display());
    let rig = Rig::roomy();
    fill(&rig);
    for unneeded in ["ballast", "lock"] {
        fs::remove_file(rig.path().join(unneeded)).unwrap();
    }
    copy_folder(rig.path(), &place);
}

#[test]
fn a_spool_of_0_1_0_opens_with_every_record_and_gap() {
    let rig = Rig::roomy();
    copy_folder(&fixture("0.1.0"), rig.path());
    let (spool, report) = rig.open();
    assert_eq!((report.opened, report.held, report.damaged), (Opened::Continued, 9, 0));
    let lane = |level| held(&spool, level);
    assert_eq!(lane(Level::Info), []);
    assert_eq!(lane(Level::Low), [(3, 3), (6, 6)]);
    assert_eq!(lane(Level::High), (1..=6).map(|tag| (tag, tag)).collect::<Vec<_>>());
    assert_eq!(lane(Level::Critical), [(1, 1)]);
    assert_eq!(gaps(&spool, Level::Low), [(4, 5, GapReason::Quarantined)]);
    let next: Vec<_> = spool.lane_states().iter().map(|lane| lane.next.number()).collect();
    assert_eq!(next, [1, 7, 2, 7, 2]);
    let large = spool.read(Level::Critical, Seq::NONE, 1).unwrap();
    assert_eq!(large[0].1, capture(1, bounds::MAX_CAPTURE_BYTES / 4));
    assert_eq!(stored(spool.append(Level::Moderate, &capture(2, 10))), 2);
}
