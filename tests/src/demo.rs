//! The demonstration: a school, its PC, a short day, and what the recipients' pages say of it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use e2e::{Classroom, PASSWORD, PEOPLE, Privileges, Report, School, Who};

/// How the demonstration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With a verdict.
    Check,
    /// When somebody has seen enough.
    Stay,
}

/// Plays the day.
pub(crate) async fn run(way: Way) -> anyhow::Result<ExitCode> {
    let privileges = e2e::privileges()?;
    say("making keys, compiling the rule packs, starting the collector and the agent");
    let mut classroom = Classroom::open(privileges).await?;
    say("signing people in at the PC");
    classroom.sign_in(Who::Pupil).await?;
    classroom.start_browser(Who::Pupil).await?;
    match privileges {
        Privileges::Root => {
            classroom.sign_in(Who::Staff).await?;
            classroom.sign_in(Who::Class).await?;
        }
        Privileges::User => {
            say("not root: left out are the forced extension, the memory stick, and the staff and class accounts");
        }
    }
    let outcome = day(&classroom).await;
    if way == Way::Stay {
        tell(&outcome?);
        invite(&classroom.school).await?;
        return hand_out_codes(&classroom.school).await;
    }
    let code = match outcome {
        Ok(report) => tell(&report),
        Err(error) => {
            say(&format!("PROBLEM: {error:#}"));
            ExitCode::from(1)
        }
    };
    if code != ExitCode::SUCCESS {
        show_logs(&classroom.school);
    }
    Ok(code)
}

async fn day(classroom: &Classroom) -> anyhow::Result<Report> {
    classroom.device_works().await?;
    let mut consoles = BTreeMap::new();
    for login in ["dsl", "head", "chair"] {
        consoles.insert(login, classroom.school.signed_in(login).await?);
    }
    say("the day begins");
    e2e::play(&classroom.room(), &mut consoles).await
}

fn tell(report: &Report) -> ExitCode {
    for left_out in &report.left_out {
        say(&format!("left out: {left_out}"));
    }
    for (category, latency) in &report.latencies {
        say(&format!("{category:<20} {:>8.0} ms from stimulus to the recipient's page", milliseconds(*latency)));
    }
    let mut sorted: Vec<_> = report.latencies.iter().map(|(_, latency)| *latency).collect();
    sorted.sort();
    if let (Some(median), Some(worst)) = (sorted.get(sorted.len() / 2), sorted.last()) {
        say(&format!("median {:.0} ms, worst {:.0} ms", milliseconds(*median), milliseconds(*worst)));
    }
    for problem in &report.problems {
        say(&format!("PROBLEM: {problem}"));
    }
    if report.problems.is_empty() && !report.latencies.is_empty() {
        say(&format!("{} concerns arrived, each where it should, and no others", report.latencies.len()));
        return ExitCode::SUCCESS;
    }
    ExitCode::from(1)
}

async fn invite(school: &School) -> anyhow::Result<()> {
    for person in PEOPLE {
        // Each has set a phone up, which is here.
        drop(school.signed_in(person.login).await?);
    }
    say(&format!("\nThe console: {}   (its certificate is the demonstration's own)", school.console_url()));
    for person in PEOPLE {
        say(&format!("  {:<12} {:<14} pass phrase: {PASSWORD}", person.login, person.roles));
    }
    say("After the pass phrase it asks for a code: type a sign-in name here and press Enter, and you have one.");
    say("Ctrl-C ends it and removes everything.");
    Ok(())
}

/// A code for each sign-in name that comes in.
async fn hand_out_codes(school: &School) -> anyhow::Result<ExitCode> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let login = line.trim();
        if PEOPLE.iter().any(|person| person.login == login) {
            say(&format!("  {login}: {}", school.code(login).await?));
        } else {
            say(&format!("  nobody signs in as that: {}", PEOPLE.map(|person| person.login).join(", ")));
        }
    }
    std::future::pending().await
}

fn show_logs(school: &School) {
    for name in ["collector", "agent"] {
        let text = std::fs::read_to_string(school.logs().join(format!("{name}.log"))).unwrap_or_default();
        let count = text.lines().count();
        let end: Vec<_> = text.lines().skip(count.saturating_sub(40)).collect();
        say(&format!("\n-- the end of {name}.log\n{}", end.join("\n")));
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::print_stdout, reason = "the demonstration speaks to whoever started it")]
fn say(text: &str) {
    println!("{text}");
}
