//! Control, and what it leads to.

use std::collections::BTreeMap;

use super::*;
use crate::diagnostic::Code;

#[tokio::test]
async fn a_change_is_reported_and_the_goodbye_says_why() {
    let rig = Rig::new(Script::default()).await;
    rig.goodbye.send_replace(wire::GoodbyeReason::Upgrade);
    rig.until(async {
        rig.collector.eventually(|told| !told.statuses.is_empty()).await;
        rig.status.send_modify(|facts| facts.rule_set_release = 9);
        rig.collector.eventually(|told| told.statuses.iter().any(|status| status.rule_set_release == 9)).await;
    })
    .await;
    rig.collector.eventually(|told| told.goodbyes.contains(&wire::GoodbyeReason::Upgrade)).await;
}

#[tokio::test]
async fn a_goodbye_counts_as_heard_once_the_collector_said_so() {
    let rig = Rig::new(Script::default()).await;
    let shutdown = Shutdown::new();
    let (uplink, _fetched) = rig.uplink(&shutdown);
    let (heard, delivers) = (uplink.goodbye_heard(), uplink.delivers());
    assert!(!*heard.borrow() && !*delivers.borrow());
    let story = async {
        rig.collector.eventually(|_| *delivers.borrow()).await;
        assert!(!*heard.borrow());
        shutdown.request();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(story, uplink.run()) }).await.unwrap();
    assert!(*heard.borrow());
}

#[tokio::test]
async fn where_the_collector_is_not_reached_is_told_at_the_device_alone() {
    let rig = Rig::new(Script::default()).await;
    rig.until(rig.collector.eventually(|told| !told.statuses.is_empty())).await;
    // Nobody listens at port 1.
    let nowhere = UplinkConfig { uplink: "https://localhost:1".parse().unwrap(), ..rig.config() };
    let shutdown = Shutdown::new();
    let (uplink, _fetched) = rig.uplink_of(nowhere, &shutdown);
    let story = async {
        rig.collector.eventually(|_| rig.diagnostics.snapshot().contains_key(&Code::Unreached)).await;
        shutdown.request();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(story, uplink.run()) }).await.unwrap();
    let facts = StatusFacts { diagnostics: rig.diagnostics.to_wire(), ..StatusFacts::default() };
    assert_eq!(facts.diagnostics.len(), 1);
    assert!(facts.to_wire(&rig.counters).diagnostics.is_empty());
    rig.until(rig.collector.eventually(|_| rig.diagnostics.snapshot().is_empty())).await;
}

#[tokio::test]
async fn anonymous_counts_are_sent_once() {
    let rig = Rig::new(Script::default()).await;
    rig.counters.count_anonymously("support:example.org", 0);
    rig.until(async {
        rig.collector.eventually(|told| told.statuses.iter().any(|status| !status.counts.is_empty())).await;
        rig.status.send_modify(|facts| facts.scoped_out = true);
        rig.collector.eventually(|told| told.statuses.iter().any(|status| status.scoped_out)).await;
    })
    .await;
    let counts: u64 = rig.collector.told(|told| told.statuses.iter().flat_map(|s| &s.counts).map(|c| c.count).sum());
    assert_eq!(counts, 1);
}

#[tokio::test]
async fn an_announced_rule_set_is_fetched_whole() {
    let bytes: Vec<u8> = (0..50_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let rig = Rig::new(Script { rule_set: Some((3, bytes.clone())), ..Script::default() }).await;
    let shutdown = Shutdown::new();
    let (uplink, mut fetched) = rig.uplink(&shutdown);
    let arrival = async {
        let artefact = fetched.recv().await.unwrap();
        shutdown.request();
        artefact
    };
    let (artefact, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(arrival, uplink.run()) }).await.unwrap();
    assert_eq!((artefact.kind, artefact.release), (ArtefactKind::RuleSet, Release::new(3)));
    assert_eq!(Digest::of(&artefact.bytes), Digest::of(&bytes));
}

#[tokio::test]
async fn an_announced_list_of_exemptions_is_fetched_and_its_number_told() {
    let rig = Rig::new(Script { exemptions: Some((4, b"a list".to_vec())), ..Script::default() }).await;
    let shutdown = Shutdown::new();
    let (uplink, mut fetched) = rig.uplink(&shutdown);
    let time = uplink.time();
    let arrival = async {
        let artefact = fetched.recv().await.unwrap();
        rig.status.send_modify(|facts| facts.exemptions_number = 4);
        rig.collector.eventually(|told| told.statuses.iter().any(|status| status.exemptions_number == 4)).await;
        shutdown.request();
        artefact
    };
    let (artefact, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(arrival, uplink.run()) }).await.unwrap();
    assert_eq!((artefact.kind, artefact.release), (ArtefactKind::Exemptions, Release::new(4)));
    assert_eq!(artefact.bytes, b"a list");
    let between = time.between(rig.clock.boot_us()).expect("its time was told before the list was");
    assert!(between.earliest_us <= between.latest_us);
}

#[tokio::test]
async fn a_renewed_identity_delivers_on() {
    let rig = Rig::new(Script { renew: true, ..Script::default() }).await;
    rig.until(async {
        rig.collector.eventually(|told| told.renewals == 1).await;
        let mut identity = rig.identity.changed();
        identity.wait_for(Option::is_some).await.unwrap();
        rig.append(Level::High, 1);
        rig.until_empty().await;
    })
    .await;
    let kept = IdentityStore::open(rig.folder.path()).unwrap().current().unwrap();
    assert_eq!(kept.certificate(), rig.identity.current().unwrap().certificate());
}

#[tokio::test]
async fn an_account_is_resolved_once_and_remembered_without_a_collector() {
    let rig = Rig::new(Script::default()).await;
    let shutdown = Shutdown::new();
    let (uplink, _fetched) = rig.uplink(&shutdown);
    let resolver = uplink.resolver();
    assert_eq!(resolver.resolve("pupil", &[]).await, None, "not enrolled, never asked");
    let story = async {
        rig.collector.eventually(|told| !told.statuses.is_empty()).await;
        let first = resolver.resolve("pupil", &[]).await.unwrap();
        let second = resolver.resolve("pupil", &[]).await.unwrap();
        shutdown.request();
        (first, second)
    };
    let ((first, second), ()) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(story, uplink.run()) }).await.unwrap();
    assert_eq!((first.band, first.mapped), (Some(lapwing_rules::Band::Ks3), true));
    assert_eq!(first, second);
    assert_eq!(rig.collector.told(|told| told.resolved), 1);
}

#[tokio::test]
async fn a_wrong_clock_is_told_and_everything_goes_on_until_it_is_right() {
    let rig = Rig::new(Script { trouble: wire::ErrorCode::Clock.into(), ..Script::default() }).await;
    rig.until(async {
        let mut board = rig.diagnostics.changed();
        board.wait_for(|board| board.contains_key(&Code::ClockOff)).await.unwrap();
        rig.append(Level::High, 1);
        rig.until_empty().await;
        rig.collector.change(|script| script.trouble = 0);
        rig.status.send_modify(|facts| facts.rule_set_release = 9);
        board.wait_for(BTreeMap::is_empty).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_artefact_that_is_gone_is_not_asked_for_again_at_once() {
    let rig = Rig::new(Script { rule_set: Some((3, vec![1])), gone: true, ..Script::default() }).await;
    rig.until(async {
        rig.collector.eventually(|told| told.fetches == 1).await;
        rig.collector.change(|script| script.gone = false);
        rig.status.send_modify(|facts| facts.policy_release = 9);
        rig.collector.eventually(|told| told.statuses.iter().any(|status| status.policy_release == 9)).await;
        rig.collector.change(|script| script.rule_set = Some((4, vec![2])));
        rig.status.send_modify(|facts| facts.policy_release = 10);
        rig.collector.eventually(|told| told.fetches == 2).await;
    })
    .await;
}
