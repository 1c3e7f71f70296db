use super::*;
use crate::sample::{
    artefact, artefact_until, artefact_upon, artefact_without_base, project_key, signed_policy, signing_key, trusted,
};

struct Desk {
    keeper: Keeper,
    diagnostics: Diagnostics,
    notice: watch::Receiver<Notice>,
    folder: tempfile::TempDir,
}

fn desk_in(folder: tempfile::TempDir, keys: Option<TrustedKeys>) -> Desk {
    let diagnostics = Diagnostics::new();
    let (send, notice) = watch::channel(Notice::without_policy());
    let keeper = Keeper {
        force: Force::default(),
        state_dir: folder.path().to_owned(),
        rule_keys: keys.clone(),
        policy_keys: keys,
        base_keys: Some(crate::sample::trusted_project()),
        diagnostics: diagnostics.clone(),
        notice: send,
    };
    Desk { keeper, diagnostics, notice, folder }
}

fn desk() -> Desk {
    desk_in(tempfile::tempdir().unwrap(), Some(trusted()))
}

#[test]
fn what_arrives_is_in_force_at_once_and_after_a_restart() {
    let mut first = desk();
    first.keeper.take_kept();
    assert_eq!(first.diagnostics.snapshot().into_keys().collect::<Vec<_>>(), [Code::NoRuleSet, Code::NoPolicy]);
    first.keeper.take_rule_set(&artefact(3));
    first.keeper.take_policy(&signed_policy(2));
    assert_eq!(first.keeper.force().releases(), (3, 2));
    assert!(first.diagnostics.snapshot().is_empty());
    assert_eq!(first.notice.borrow().version, 4);
    let mut again = desk_in(first.folder, Some(trusted()));
    again.keeper.take_kept();
    assert_eq!(again.keeper.force().releases(), (3, 2));
    assert!(again.diagnostics.snapshot().is_empty());
}

#[test]
fn what_is_refused_leaves_the_last_good_one_in_force_and_on_disk() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact(3));
    desk.keeper.take_policy(&signed_policy(2));
    let mut broken = artefact(4);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let of_school = artefact_upon(&signing_key(), 9, 6);
    for refused in [broken, artefact_without_base(5), of_school, artefact(2), b"junk".to_vec()] {
        desk.keeper.take_rule_set(&refused);
        assert_eq!(desk.keeper.force().releases(), (3, 2));
        assert_eq!(desk.diagnostics.snapshot().into_keys().collect::<Vec<_>>(), [Code::RuleSetRefused]);
    }
    desk.keeper.take_policy(&signed_policy(1));
    assert!(desk.diagnostics.snapshot().contains_key(&Code::PolicyRefused));
    let mut again = desk_in(desk.folder, Some(trusted()));
    again.keeper.take_kept();
    assert_eq!(again.keeper.force().releases(), (3, 2));
}

#[test]
fn an_illegal_base_older_than_the_one_in_force_is_not_taken_again() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 5, 3));
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 4, 4));
    assert_eq!(desk.keeper.force().releases().0, 3);
    let told = desk.diagnostics.snapshot().remove(&Code::RuleSetRefused).unwrap();
    assert!(told.contains("its illegal base is release 4, and release 5 was in force"), "{told}");
    let mut again = desk_in(desk.folder, Some(trusted()));
    again.keeper.take_kept();
    again.keeper.take_rule_set(&artefact_upon(&project_key(), 4, 4));
    assert_eq!(again.keeper.force().releases().0, 3, "nor after a restart");
    again.keeper.take_rule_set(&artefact_upon(&project_key(), 5, 4));
    assert_eq!(again.keeper.force().releases().0, 4);
    for file in [state_folder::RULE_SET, state_folder::RULE_SET_BEFORE] {
        std::fs::remove_file(again.folder.path().join(file)).unwrap();
    }
    let mut bare = desk_in(again.folder, Some(trusted()));
    bare.keeper.take_kept();
    bare.keeper.take_rule_set(&artefact_upon(&project_key(), 4, 9));
    assert_eq!(bare.keeper.force().releases().0, 0, "nor where the set that carried it is gone");
}

#[test]
fn where_the_last_rule_set_cannot_be_read_any_more_the_one_before_it_is_in_force() {
    let mut desk = desk();
    for release in [3, 4, 4] {
        desk.keeper.take_rule_set(&artefact(release));
    }
    std::fs::write(desk.folder.path().join(state_folder::RULE_SET), b"torn").unwrap();
    let mut again = desk_in(desk.folder, Some(trusted()));
    again.keeper.take_kept();
    assert_eq!(again.keeper.force().releases().0, 3);
    assert!(again.diagnostics.snapshot().contains_key(&Code::RuleSetRefused), "and it says so");
    again.keeper.take_rule_set(&artefact(5));
    assert_eq!(again.keeper.force().releases().0, 5);
    assert!(!again.diagnostics.snapshot().contains_key(&Code::RuleSetRefused));
}

#[test]
fn a_rule_set_past_its_day_stays_in_force_and_is_called_outdated() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact_until(3, 1_000));
    let force = desk.keeper.force();
    assert!(!force.is_outdated(999_999_999) && force.is_outdated(1_000_000_000));
    assert_eq!((force.releases().0, desk.diagnostics.snapshot().contains_key(&Code::RuleSetRefused)), (3, false));
    desk.keeper.take_rule_set(&artefact_until(4, 2_000));
    assert!(!force.is_outdated(1_000_000_000), "the next one is in time");
}

#[test]
fn without_a_key_of_the_project_no_rule_set_is_taken() {
    let mut desk = desk();
    desk.keeper.base_keys = None;
    desk.keeper.take_rule_set(&artefact(1));
    assert_eq!(desk.keeper.force().releases(), (0, 0));
}

#[test]
fn a_good_one_after_a_refused_one_ends_the_report() {
    let mut desk = desk();
    desk.keeper.take_policy(&signed_policy(1));
    desk.keeper.take_rule_set(b"junk");
    desk.keeper.take_rule_set(&artefact(1));
    assert!(desk.diagnostics.snapshot().is_empty());
}

#[test]
fn without_a_trusted_key_nothing_is_taken() {
    let mut desk = desk_in(tempfile::tempdir().unwrap(), None);
    desk.keeper.take_rule_set(&artefact(1));
    assert_eq!(desk.keeper.force().releases(), (0, 0));
    let stranger = lapwing_rules::SigningKey::from_bytes(&[1; 32]).verifying_key();
    assert_ne!(stranger, signing_key().verifying_key());
    let mut desk = desk_in(tempfile::tempdir().unwrap(), Some(TrustedKeys::new(vec![stranger], 1).unwrap()));
    desk.keeper.take_rule_set(&artefact(1));
    assert_eq!(desk.keeper.force().releases(), (0, 0));
    assert!(desk.diagnostics.snapshot().contains_key(&Code::RuleSetRefused));
}

#[test]
fn a_policy_that_looks_at_more_needs_a_newer_notice() {
    let mut desk = desk();
    desk.keeper.take_policy(&signed_policy(1));
    let signed = |release: u64, staff_watched: bool, notice_version: u32| {
        let policy = crate::sample::policy(release, staff_watched, r#""any""#);
        lapwing_rules::sign_policy(&Policy { notice_version, ..policy }, &signing_key()).unwrap()
    };
    desk.keeper.take_policy(&signed(2, true, 4));
    assert_eq!(desk.keeper.force().releases(), (0, 1));
    let told = desk.diagnostics.snapshot().remove(&Code::PolicyRefused).unwrap();
    assert!(told.contains("staff, beyond illegal content"), "{told}");
    desk.keeper.take_policy(&signed(3, true, 5));
    assert_eq!((desk.keeper.force().releases(), desk.notice.borrow().version), ((0, 3), 5));
    desk.keeper.take_policy(&signed(4, false, 5));
    assert_eq!(desk.keeper.force().releases(), (0, 4), "a narrower one needs none");
}
