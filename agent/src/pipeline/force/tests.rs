use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::sample::{
    NOON_US, artefact, artefact_until, artefact_upon, artefact_without_base, project_key, signed_policy, signing_key,
    trusted,
};

struct Desk {
    keeper: Keeper,
    diagnostics: Diagnostics,
    notice: watch::Receiver<Notice>,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl Desk {
    /// The rule set that was taken last goes on for as long as it has to.
    fn passes(&mut self) {
        let between = Duration::from_secs(10);
        for _ in 0..=trial::PERIOD_US / 10_000_000 {
            self.clock.advance(between);
            self.keeper.look_at_trial();
        }
    }
}

fn desk_in(folder: tempfile::TempDir, keys: Option<TrustedKeys>) -> Desk {
    let diagnostics = Diagnostics::new();
    let (send, notice) = watch::channel(Notice::without_policy());
    let clock = Arc::new(ManualClock::at(NOON_US));
    let keeper = Keeper {
        force: Force::default(),
        state_dir: folder.path().to_owned(),
        trial: Trial::open(folder.path(), clock.boot_id(), "1.0.0"),
        clock: clock.clone(),
        rule_keys: keys.clone(),
        policy_keys: keys,
        base_keys: Some(crate::sample::trusted_project()),
        diagnostics: diagnostics.clone(),
        notice: send,
    };
    Desk { keeper, diagnostics, notice, clock, folder }
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
    desk.passes();
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
        desk.passes();
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

/// The service starts again by itself, `times` times. Answers the last start.
fn ends(mut desk: Desk, times: u32) -> Desk {
    for _ in 0..times {
        desk = desk_in(desk.folder, Some(trusted()));
        desk.keeper.take_kept();
    }
    desk
}

#[test]
fn a_rule_set_under_which_the_service_keeps_ending_goes_and_the_one_before_it_comes_back() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact(3));
    desk.passes();
    desk.keeper.take_rule_set(&artefact(4));
    let mut desk = ends(desk, trial::MAX_STARTS - 1);
    assert_eq!((desk.keeper.force().releases().0, desk.diagnostics.snapshot().get(&Code::RuleSetRefused)), (4, None));
    desk = ends(desk, 1);
    assert_eq!(desk.keeper.force().releases().0, 3);
    let told = desk.diagnostics.snapshot().remove(&Code::RuleSetRefused).unwrap();
    assert_eq!(told, "the agent ended 3 times by itself under it while it was new: publish a mended one");
    desk.keeper.take_rule_set(&artefact(4));
    desk = ends(desk, 9);
    assert_eq!(desk.keeper.force().releases().0, 3, "nor where it is offered again");
    desk.keeper.take_rule_set(&artefact(5));
    assert_eq!((desk.keeper.force().releases().0, desk.diagnostics.snapshot().get(&Code::RuleSetRefused)), (5, None));
    desk = ends(desk, trial::MAX_STARTS);
    assert_eq!(desk.keeper.force().releases().0, 3, "the one to go back to is one that has passed");
}

#[test]
fn a_rule_set_on_a_newer_base_goes_back_too() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 1, 3));
    desk.passes();
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 2, 4));
    desk = ends(desk, trial::MAX_STARTS);
    assert_eq!(desk.keeper.force().releases().0, 3, "what is illegal is looked for all the same");
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 2, 5));
    desk.passes();
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 1, 6));
    assert_eq!(desk.keeper.force().releases().0, 5, "from then on no older one");
    desk = ends(desk, 1);
    desk.keeper.take_rule_set(&artefact_upon(&project_key(), 1, 7));
    assert_eq!(desk.keeper.force().releases().0, 5, "nor after a restart");
}

#[test]
fn one_on_trial_that_is_not_trusted_any_more_has_not_ended_the_service() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact(3));
    for _ in 0..9 {
        desk = desk_in(desk.folder, None);
        desk.keeper.take_kept();
    }
    assert_eq!(ends(desk, 1).keeper.force().releases().0, 3, "once it is trusted again");
}

#[test]
fn where_none_has_passed_yet_the_one_before_is_back_until_it_breaks_too() {
    let mut desk = desk();
    desk.keeper.take_rule_set(&artefact(3));
    desk.keeper.take_rule_set(&artefact(4));
    desk = ends(desk, trial::MAX_STARTS);
    assert_eq!(desk.keeper.force().releases().0, 3);
    desk = ends(desk, trial::MAX_STARTS);
    assert_eq!(desk.keeper.force().releases().0, 0, "it watches without rules, and says so, rather than end for ever");
    assert!(desk.diagnostics.snapshot().contains_key(&Code::RuleSetRefused));
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
