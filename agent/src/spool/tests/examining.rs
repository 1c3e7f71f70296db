//! Looking into a spool: what is told, that nothing changes, and that nobody is in the way.

use super::*;

fn key() -> SpoolKey {
    SpoolKey::from_bytes([9; 32])
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    all
}

fn filled() -> Rig {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    for tag in 1..=5 {
        stored(spool.append(Level::High, &capture(tag, 300)));
        stored(spool.append(Level::Low, &capture(tag, 2_000)));
    }
    spool.acknowledge(Level::Low, Seq::new(2)).unwrap();
    spool.give_up(Level::High, Seq::new(3)).unwrap();
    rig
}

#[test]
fn a_look_tells_places_and_sizes_and_changes_nothing() {
    let rig = filled();
    let before = contents(rig.path());
    let found = examine(rig.path(), Some(&key())).unwrap();
    assert_eq!(contents(rig.path()), before);
    assert!(found.is_whole() && found.opened, "{found:?}");
    let lanes: Vec<_> = found.lanes.iter().map(|lane| (lane.held, lane.first, lane.next)).collect();
    assert_eq!(lanes, [(0, None, 1), (3, Some(3), 6), (0, None, 1), (4, Some(1), 6), (0, None, 1)]);
    let gap = GapFacts { lane: 4, from: 3, to: 3, reason: "quarantined", epoch: None };
    assert_eq!(found.gaps, [gap]);
    assert_eq!(found.records.iter().map(|record| record.bytes).sum::<u64>(), rig.open().0.live_bytes());
    assert!(found.records.iter().all(|record| record.spooled_us == Some(NOW_US)));
    assert!(found.records.iter().all(|record| record.state == RecordState::Whole));
}

#[test]
fn a_look_without_the_key_counts_and_opens_nothing() {
    let rig = filled();
    let found = examine(rig.path(), None).unwrap();
    assert!(found.is_whole() && !found.opened);
    assert!(found.records.iter().all(|record| record.state == RecordState::Unopened));
    let other = examine(rig.path(), Some(&SpoolKey::from_bytes([8; 32]))).unwrap();
    assert_eq!(other.damage, ["it was written under another key"]);
}

#[test]
fn a_spool_in_use_is_not_looked_at_and_a_copy_of_it_is() {
    let rig = filled();
    let (spool, _) = rig.open();
    assert!(matches!(examine(rig.path(), None), Err(ExamineError::InUse(_))));
    let copy = tempfile::tempdir().unwrap();
    copy_folder(rig.path(), copy.path());
    assert_eq!(examine(copy.path(), Some(&key())).unwrap().records.len(), 7);
    drop(spool);
    assert!(matches!(examine(&rig.path().join("none"), None), Err(ExamineError::NoSpool(_))));
}

#[test]
fn what_is_damaged_is_told_and_left_as_it_is() {
    let rig = filled();
    let before = fs::read(rig.path().join("live/db")).unwrap();
    let (spool, _) = rig.open();
    stored(spool.append(Level::High, &capture(6, 10)));
    drop(spool);
    fs::write(rig.path().join("live/db"), before).unwrap();
    let files = contents(rig.path());
    assert_eq!(examine(rig.path(), Some(&key())).unwrap().damage, ["lane 4: its last 1 records are lost"]);
    assert_eq!(contents(rig.path()), files);
    fs::write(rig.path().join("live/db"), b"nothing").unwrap();
    let damage = examine(rig.path(), None).unwrap().damage;
    assert!(damage[0].starts_with("the store cannot be read: "), "{damage:?}");
    assert_eq!(fs::read(rig.path().join("live/db")).unwrap(), b"nothing");
}
