use super::*;
use crate::config::Config;
use crate::pipeline::accounts;
use crate::pipeline::force::Keeper;
use crate::sample::{artefact, signed_policy, title, trusted, url};

/// A judge with everything in force, and its counters.
fn judge(take_policy: bool) -> (Judge, Counters, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<String> = trusted().keys().iter().map(lapwing_rules::key_text).collect();
    let text = format!(
        "state_dir = \"{}\"\n[trust]\nrule_keys = [\"{1}\"]\npolicy_keys = [\"{1}\"]\n",
        folder.path().display(),
        keys[0]
    );
    let config = Config::from_text(&text, std::path::Path::new("agent.toml")).unwrap();
    let (notice, _) = tokio::sync::watch::channel(crate::notice::Notice::without_policy());
    let mut keeper = Keeper::new(&config, crate::diagnostic::Diagnostics::new(), notice);
    keeper.take_rule_set(&artefact(1));
    if take_policy {
        keeper.take_policy(&signed_policy(1));
    }
    let (counters, bands) = (Counters::new(), Arc::new(ArcSwap::from_pointee(Bands::of_config(&config))));
    let (accounts, _asking) = accounts::accounts();
    let judge = Judge::new(keeper.force(), bands, accounts, counters.clone(), BootId::from_bytes([1; 16]));
    (judge, counters, folder)
}

#[test]
fn a_signal_that_matches_becomes_a_capture() {
    let (mut judge, counters, _folder) = judge(true);
    assert!(judge.judge(title("Homework", None)).is_none());
    let capture = judge.judge(title("flimwager", None)).unwrap();
    assert_eq!(capture.verdict.hits[0].rule.as_str(), "sample.bets");
    let numbers = counters.to_wire();
    assert_eq!((numbers.seen, numbers.matched), (2, 1));
}

#[test]
fn without_a_policy_nothing_is_looked_at() {
    let (mut judge, counters, _folder) = judge(false);
    assert!(judge.judge(title("flimwager", None)).is_none());
    assert_eq!(counters.to_wire().seen, 0);
}

#[test]
fn a_helplines_page_leaves_a_count_and_nothing_else() {
    let (mut judge, counters, _folder) = judge(true);
    assert!(judge.judge(url("https://helpline.example/talk")).is_none());
    let counts = counters.take_counts();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].key.as_str(), counts[0].count), ("support:helpline.example", 1));
}

#[test]
fn a_teacher_by_group_is_looked_at_by_illegal_rules_alone_while_the_switch_is_off() {
    let (mut judge, _, _folder) = judge(true);
    let of_staff = |text: &str| {
        let mut signal = title(text, None);
        signal.account.groups = vec!["teachers".to_owned()];
        signal
    };
    assert!(judge.judge(of_staff("flimwager")).is_none());
    assert!(judge.judge(of_staff("join the brambit front")).is_some());
}
