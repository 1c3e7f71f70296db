use super::*;

async fn logged(acts: usize) -> (tempfile::TempDir, Store, SchoolId) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
    let school: SchoolId = "hill-school".parse().unwrap();
    let actor = Actor::Product { school: school.clone() };
    for number in 0..acts {
        let mut tx = store.begin().await.unwrap();
        let act = Act::new(&actor, 1_000, ActKind::ConcernOpened, "con-1").with("number", number);
        assert_eq!(append(&mut tx, &act).await.unwrap(), LeafIndex(number as u64));
        tx.commit().await.unwrap();
    }
    (folder, store, school)
}

#[tokio::test]
async fn a_sound_log_verifies() {
    let (_folder, store, school) = logged(3).await;
    assert_eq!(verify(&store, &school).await.unwrap(), Report { leaves: 3, matching: 3, faults: vec![] });
}

#[tokio::test]
async fn an_undone_act_leaves_no_leaf_and_no_hole() {
    let (_folder, store, school) = logged(1).await;
    let actor = Actor::Product { school: school.clone() };
    let mut tx = store.begin().await.unwrap();
    append(&mut tx, &Act::new(&actor, 2_000, ActKind::SignedIn, "")).await.unwrap();
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let index = append(&mut tx, &Act::new(&actor, 2_000, ActKind::SignedIn, "")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(index, LeafIndex(1));
    assert!(verify(&store, &school).await.unwrap().faults.is_empty());
}

#[test]
fn the_leaf_is_hashed_as_the_tree_will() {
    let leaf = leaf_bytes(5, 7, &[9; 32]);
    assert_eq!(leaf.len(), LEAF_BYTES);
    assert_eq!(read_leaf(&leaf), Some((5, [9; 32].as_slice())));
    let mut prefixed = vec![0];
    prefixed.extend(&leaf);
    assert_eq!(leaf_hash(&leaf), Digest::of(&prefixed));
}

#[test]
fn equal_acts_have_unlike_leaves() {
    let school: SchoolId = "hill-school".parse().unwrap();
    assert_ne!(commitment(&school, &[1; 32], "{}"), commitment(&school, &[2; 32], "{}"));
}

#[tokio::test]
async fn every_alteration_is_found() {
    for (statement, fault) in [
        ("UPDATE audit_acts SET act = replace(act, 'con-1', 'con-2') WHERE leaf_index = 1", Fault::Altered(1)),
        ("UPDATE audit_acts SET salt = zeroblob(32) WHERE leaf_index = 1", Fault::Altered(1)),
        ("DELETE FROM audit_acts WHERE leaf_index = 1", Fault::ActGone(1)),
        ("UPDATE audit_leaves SET leaf = zeroblob(49) WHERE leaf_index = 1", Fault::Malformed(1)),
    ] {
        let (_folder, store, school) = logged(3).await;
        rows::tamper(&store, statement).await;
        assert_eq!(verify(&store, &school).await.unwrap().faults, [fault], "{statement}");
    }
    let (_folder, store, school) = logged(3).await;
    rows::tamper(&store, "UPDATE audit_leaves SET leaf_index = 9223372036854775807 WHERE leaf_index = 2").await;
    let faults = verify(&store, &school).await.unwrap().faults;
    assert_eq!(faults.first(), Some(&Fault::Missing(2, i64::MAX.unsigned_abs() - 1)));
    let (_folder, store, school) = logged(3).await;
    rows::tamper(&store, "DELETE FROM audit_leaves WHERE leaf_index = 1").await;
    assert_eq!(verify(&store, &school).await.unwrap().faults, [Fault::Missing(1, 1), Fault::Orphans(1)]);
}
