//! Rule sets on a PC at work: nothing is missed while they change, and one that breaks the agent goes back by itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Agent, School, eventually_within};

/// Files dropped at once.
const AT_ONCE: usize = 50;
/// Most files that are not matched yet: more than this is a flood, which the agent bounds.
const ON_THE_WAY: usize = 150;
/// Far more than are dropped before a release is heard of.
const MOST: usize = 50_000;
/// The last release.
const LAST: u64 = 6;
/// A busy PC takes a while to hear of a release.
const HEARS_WITHIN: Duration = Duration::from_secs(60);

/// What the doctor says of the service on the PC.
fn doctor(agent: &Agent) -> anyhow::Result<String> {
    let output = Command::new(agent.program()).arg("doctor").arg("--config").arg(agent.config()).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// The release in force, as the doctor says.
async fn has_release(agent: &Agent, release: u64) -> anyhow::Result<()> {
    let told = format!("release {release}");
    let has = async || {
        doctor(agent).ok()?.lines().any(|line| line.contains("rule set") && line.contains(&told)).then_some(())
    };
    eventually_within(HEARS_WITHIN, &format!("the PC to have {told}"), has).await
}

/// How many signals matched since the start.
fn matched(agent: &Agent) -> Option<usize> {
    let said = doctor(agent).ok()?;
    let line = said.lines().find_map(|line| line.split_once(" signals looked at since the start, "))?;
    line.1.split(' ').next()?.parse().ok()
}

fn drop_file(folder: &Path, number: usize) -> std::io::Result<()> {
    std::fs::write(folder.join(format!("how to hack school wifi password {number}.txt")), "x")
}

fn publish(school: &School, release: u64) -> anyhow::Result<()> {
    let set = school.compile_rules(release)?;
    school.collect(&["rules", "publish"], &[&set]).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_on_a_busy_pc_while_rule_sets_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = School::open(folder.path(), &[]).await.expect("a school");
    let watched = folder.path().join("watched");
    std::fs::create_dir(&watched).expect("a folder");
    let mut agent = school.start_agent("pc", std::slice::from_ref(&watched)).expect("a PC");
    has_release(&agent, 1).await.expect("it is at work");

    let mut dropped = 0;
    for release in 2..=LAST {
        publish(&school, release).expect("it is published");
        // Files come before, while and after the release does.
        while !doctor(&agent).expect("the doctor").contains(&format!("release {release} ")) {
            assert!(dropped < MOST, "release {release} never comes");
            for _ in 0..AT_ONCE {
                dropped += 1;
                drop_file(&watched, dropped).expect("a file");
            }
            let keeps_up = async || (matched(&agent)? + ON_THE_WAY >= dropped).then_some(());
            eventually_within(HEARS_WITHIN, "the PC to keep up", keeps_up).await.expect("it does");
        }
    }
    let mut found = None;
    let all = async || {
        found = matched(&agent);
        (found >= Some(dropped)).then_some(())
    };
    let outcome = eventually_within(HEARS_WITHIN, "every file to be matched", all).await;

    println!("{dropped} files dropped while {} rule sets came, {found:?} matched", LAST - 1);
    outcome.expect("none is missed");
    assert_eq!(found, Some(dropped), "nor counted twice");
    agent.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_set_under_which_the_agent_keeps_ending_goes_back_by_itself_and_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = School::open(folder.path(), &[]).await.expect("a school");
    let mut agent = school.start_agent("pc", &[]).expect("a PC");
    has_release(&agent, 1).await.expect("it is at work");
    publish(&school, 2).expect("it is published");
    for _ in 0..3 {
        has_release(&agent, 2).await.expect("it takes the newest");
        agent.kill().expect("it ends, as an agent does that its rules break");
        agent.start().expect("the service manager starts it again");
    }

    has_release(&agent, 1).await.expect("the one before is back");
    let mut technician = school.signed_in("technician").await.expect("they sign in");
    let mut shown = String::new();
    let told = async || {
        shown = technician.get("/devices").await.ok()?.body;
        shown
            .contains("the agent ended 3 times by itself under it while it was new: publish a mended one")
            .then_some(())
    };
    let outcome = eventually_within(HEARS_WITHIN, "the technician's page to tell of it", told).await;
    outcome.unwrap_or_else(|error| panic!("{error}: {shown}"));
    publish(&school, 3).expect("a mended one is published");
    has_release(&agent, 3).await.expect("it takes that");
    agent.stop().await.expect("it stops");
}
