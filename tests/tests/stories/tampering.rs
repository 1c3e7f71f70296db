//! Somebody at the PC tries to get the agent out of the way, or takes it off by right.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::{Agent, Classroom, Privileges, Running, School, Who, eventually, eventually_within};

use crate::signals::hears_of;

const FLOOD: &str = include_str!("flood.py");
/// Technicians are told within a minute, by mail.
const TOLD_WITHIN: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "it is told how long a title took")]
fn now() -> Instant {
    Instant::now()
}

fn removal(agent: &Agent, more: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(agent.program());
    Ok(command.arg("remove").arg("--config").arg(agent.config()).args(more).output()?)
}

fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// Everything in a folder, by name.
fn listed(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A pupil with a browser, under an account that is not the agent's; nothing where there is none.
async fn pupil_at_work() -> Option<Classroom> {
    if e2e::privileges().expect("a private namespace") == Privileges::User {
        println!("left out: needs a second account");
        return None;
    }
    let mut classroom = Classroom::open(Privileges::Root).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.start_browser(Who::Pupil).await.expect("the pupil's browser");
    classroom.device_works().await.expect("all sensors at work");
    Some(classroom)
}

async fn enrolled(school: &School) -> anyhow::Result<()> {
    let mut technician = school.signed_in("technician").await?;
    eventually("the PC on the page of devices", async || {
        technician.get("/devices").await.ok()?.body.contains("class=\"device ").then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_taken_off_delivers_what_it_holds_leaves_nothing_and_is_reported() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    enrolled(&classroom.school).await.expect("it enrols");
    let early = removal(&classroom.agent, &[]).expect("it runs");
    assert!(!early.status.success() && said(&early).contains("stop it first"), "{}", said(&early));

    classroom.school.stop_collector().await.expect("the collector stops");
    let desktop = classroom.desktop(Who::Pupil).expect("a desk");
    let _window = desktop.window("how to unblock the school filter with a proxy").await.expect("a window");
    classroom.spooled(1).await.expect("a capture waits");
    classroom.agent.stop().await.expect("the service stops");
    let before = listed(&classroom.agent.state());
    let alone = removal(&classroom.agent, &["--within", "2"]).expect("it runs");
    assert_eq!(alone.status.code(), Some(2), "{}", said(&alone));
    assert!(said(&alone).contains("the spool holds 1 captures"), "{}", said(&alone));
    assert_eq!(listed(&classroom.agent.state()), before, "nothing has changed");

    classroom.school.start_collector().expect("the collector starts");
    let removed = removal(&classroom.agent, &[]).expect("it runs");
    assert!(removed.status.success() && said(&removed).contains("is removed, and denies it"), "{}", said(&removed));
    assert!(!classroom.agent.state().exists(), "left: {:?}", listed(&classroom.agent.state()));
    hears_of(&classroom, "dsl", "filter_bypass").await.expect("what waited was delivered");
    let mut technician = classroom.school.signed_in("technician").await.expect("they sign in");
    let page = technician.get("/devices").await.expect("a page").body;
    assert!(page.contains("The agent was taken off") && page.contains("class=\"device removed\""), "{page}");
    let again = removal(&classroom.agent, &[]).expect("it runs");
    assert!(again.status.success() && said(&again).contains("was not enrolled"), "{}", said(&again));
    let mailed = async || {
        let messages = classroom.school.mailbox.messages().ok()?;
        messages.iter().any(|mail| mail.contains("the agent was taken off computers")).then_some(())
    };
    eventually_within(TOLD_WITHIN, "a message to the technician", mailed).await.expect("they are told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pupil_reads_nothing_of_the_agent_and_stops_nothing() {
    let Some(classroom) = pupil_at_work().await else { return };
    let state = classroom.agent.state();
    let (config, program) = (classroom.agent.config().to_owned(), classroom.agent.program().display().to_string());
    let service = classroom.agent.id().expect("it runs").to_string();
    let pupil = classroom.desktop(Who::Pupil).expect("a desk").account().clone();
    let mut tried = 0;
    let mut refused = |what: &str, words: &[&str]| {
        let output = pupil.command(words.first().expect("a program")).args(words.get(1..).unwrap_or_default()).output();
        let output = output.expect("it runs");
        assert!(!output.status.success(), "{what}: {}", said(&output));
        tried += 1;
    };

    for file in ["identity.json", "spool.key", "incarnation", "rule_set.artefact", "policy.artefact", "spool/live/db"] {
        let path = state.join(file);
        assert!(path.exists(), "{file} is what it is called");
        refused(file, &["cat", &path.display().to_string()]);
        refused(file, &["sh", "-c", &format!("echo x >> {}", path.display())]);
        refused(file, &["rm", "-f", &path.display().to_string()]);
    }
    refused("the folder", &["ls", &state.display().to_string()]);
    for signal in ["TERM", "KILL", "STOP", "HUP"] {
        refused("a signal", &["kill", "-s", signal, &service]);
    }
    for file in ["mem", "environ", "maps"] {
        refused(file, &["head", "-c", "1", &format!("/proc/{service}/{file}")]);
    }
    for words in [&["remove", "--discard"][..], &["doctor", "--image", "--discard"], &["enrol"], &["spool", "dump"]] {
        let config = config.display().to_string();
        let words = [&[program.as_str()], words, &["--config", &config]].concat();
        refused("a command", &words);
    }
    let socket = classroom.agent.socket().display().to_string();
    refused("the socket", &["rm", "-f", &socket]);
    refused("the program", &["sh", "-c", &format!("echo x >> {program}")]);
    assert_eq!(tried, 6 * 3 + 1 + 4 + 3 + 4 + 2);

    let _window = pupil_window(&classroom, "how to unblock the school filter with a proxy").await;
    hears_of(&classroom, "dsl", "filter_bypass").await.expect("it goes on as if nothing had been tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_program_or_configuration_is_told_of_and_the_agent_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = School::open(folder.path(), &[]).await.expect("a school");
    let mut agent = school.start_agent("pc", &[]).expect("a PC");
    enrolled(&school).await.expect("it enrols");
    let mut technician = school.signed_in("technician").await.expect("they sign in");
    let shows = async |technician: &mut e2e::Console, words: &str| {
        let shown = async || technician.get("/devices").await.ok()?.body.contains(words).then_some(());
        eventually_within(TOLD_WITHIN, "the technician's page to tell of it", shown).await
    };

    let config = std::fs::read_to_string(agent.config()).expect("a configuration");
    std::fs::write(agent.config(), format!("{config}\n# changed\n")).expect("it is changed");
    shows(&mut technician, "(configuration)").await.expect("the configuration is named");
    let program = std::fs::read(agent.program()).expect("a program");
    std::fs::remove_file(agent.program()).expect("it is replaced, as whoever may write there does");
    std::fs::write(agent.program(), [program.as_slice(), b"\0"].concat()).expect("it is changed");
    shows(&mut technician, "(program, configuration)").await.expect("the program is named");
    let mailed = async || {
        let messages = school.mailbox.messages().ok()?;
        messages.iter().any(|mail| mail.contains("the agent's own files changed")).then_some(())
    };
    eventually_within(TOLD_WITHIN, "a message to the technician", mailed).await.expect("they are told");
    agent.stop().await.expect("it goes on until it is told to stop");
}

async fn pupil_window(classroom: &Classroom, title: &str) -> e2e::Window {
    classroom.desktop(Who::Pupil).expect("a desk").window(title).await.expect("a window")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_a_pupils_own_program_hides_nothing_and_is_told() {
    let Some(mut classroom) = pupil_at_work().await else { return };
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let mut flood = desk.desktop.account().command("python3");
    flood.args(["-c", FLOOD]).stdin(Stdio::null());
    let socket = classroom.agent.socket();
    flood.arg(&socket);
    let (_flood, line) = Running::start_until_line("flood", flood, classroom.school.logs()).expect("it floods");
    assert_eq!(line.trim(), "flooding");

    let shown = now();
    let _window = pupil_window(&classroom, "how to unblock the school filter with a proxy").await;
    hears_of(&classroom, "dsl", "filter_bypass").await.expect("the title is matched");
    println!("the DSL hears of a title after {} ms while flooded", shown.elapsed().as_millis());

    let shown = now();
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let browser = desk.browser.as_ref().expect("a browser");
    let page = "https://www.google.com/search?q=how+to+self+harm+without+anyone+noticing";
    browser.open(&desk.desktop, page).expect("a page");
    hears_of(&classroom, "dsl", "self_harm").await.expect("the address is matched");
    println!("the DSL hears of an address after {} ms while flooded", shown.elapsed().as_millis());

    hears_of(&classroom, "dsl", "tamper").await.expect("the DSL hears who floods");
    let mut technician = classroom.school.signed_in("technician").await.expect("they sign in");
    let told = async || {
        let page = technician.get("/devices").await.ok()?.body;
        page.contains("messages of its own sessions").then_some(())
    };
    eventually_within(TOLD_WITHIN, "the technician's page to tell of it", told).await.expect("it does");
}
