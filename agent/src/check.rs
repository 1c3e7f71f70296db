//! The daily check of this computer: a real file, window and page with a harmless phrase, watched on their way to the
//! collector.
//!
//! ```text
//! check (root) --starts as whoever is signed in--> act: file, window, page
//!      '------- asks the service how far it came, until every sensor's capture is acknowledged, or time is up
//! ```
//!
//! A sensor that is blind, or whose capture does not come through, fails the check; nothing passes that was not seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::config::Config;
use crate::doctor::ask_status;
use crate::frame::{HealthKind, Report};
use crate::platform::{self, Desktop};
use crate::sensor::{Reason, SensorName};

/// Sensors that the check goes through.
const SENSORS: [SensorName; 3] = [SensorName::Files, SensorName::Titles, SensorName::Urls];
const FILE_NAME: &str = "lapwing-daily-check.txt";
const FILE_TEXT: &[u8] = b"This file belongs to the daily check of this computer. You can delete it.\n";
const WINDOW_TITLE: &str = "Lapwing daily check";
const PAGE_PATH: &str = "lapwing-daily-check";
/// Its title is no check: what a browser's window is titled is seen by another sensor than what its page is.
const PAGE: &str = "<!doctype html><title>This computer</title><p>This page belongs to a check of this computer. \
     You can close it.";
/// Between questions to the service.
const EVERY: Duration = Duration::from_millis(500);
/// How long the acting program may take to tidy up.
const TIDY_WITHIN: Duration = Duration::from_secs(3);
/// Longest request of a browser that is read.
const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// How the check of one sensor went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Seen, and acknowledged by the collector.
    Delivered,
    /// Seen, and not acknowledged in time.
    Spooled,
    /// Not seen.
    Unseen(String),
}

/// What was found, by sensor.
#[derive(Debug)]
pub(crate) struct Found {
    outcomes: BTreeMap<SensorName, Outcome>,
    notes: Vec<String>,
}

/// What the acting program is to do.
#[derive(Debug)]
pub(crate) struct Act {
    /// Folders to try, in order.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether a browser is to open a page.
    pub(crate) opens_page: bool,
}

impl Found {
    /// Whether every sensor brought it to the collector.
    pub(crate) fn is_sound(&self) -> bool {
        self.outcomes.values().all(|outcome| *outcome == Outcome::Delivered)
    }

    /// A line a sensor.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "note  {note}");
        }
        for (sensor, outcome) in &self.outcomes {
            let (mark, says) = match outcome {
                Outcome::Delivered => ("ok   ", "seen, and acknowledged by the collector".to_owned()),
                Outcome::Spooled => ("WRONG", "seen, and not acknowledged by the collector in time".to_owned()),
                Outcome::Unseen(why) => ("WRONG", format!("not seen: {why}")),
            };
            let _ = writeln!(text, "{mark} {sensor}: {says}");
        }
        text
    }
}

/// Carries the check out, waiting for it at most `within`.
///
/// # Errors
///
/// When the service does not answer, tells nothing to this account, or the acting program cannot be started.
pub(crate) async fn run(config: &Config, program: &Path, within: Duration) -> io::Result<Found> {
    let before = ask_status(&config.socket).await?;
    if before == Report::default() {
        let refused = "the service tells how it is to root and its own account alone";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
    }
    let desktop = platform::desktop(program);
    let mut notes = Vec::new();
    if desktop.is_none() {
        notes.push("nobody is signed in to a desktop".to_owned());
    }
    if before.scoped_out {
        notes.push("out of hours, off site, or without a policy: nothing is looked at now".to_owned());
    }
    let mut actor = start(config, program, desktop.as_ref(), has_browser(&before))?;
    let watched = tokio::time::timeout(within, until_delivered(config, &before)).await;
    finish(&mut actor).await;
    let after = match watched {
        Ok(report) => report?,
        Err(_) => ask_status(&config.socket).await?,
    };
    let outcomes = SENSORS.into_iter().map(|sensor| (sensor, outcome(sensor, &before, &after))).collect();
    Ok(Found { outcomes, notes })
}

/// The acting program: makes file, window and page. File and window are taken away when its standard input ends, and the
/// page is served no more; the browser's tab stays until whoever is signed in closes it. What cannot be made is told on
/// standard error; the sensor that sees nothing says the rest.
pub(crate) async fn act(act: &Act) {
    let file = drop_file(&act.folders);
    let window = platform::show_window(WINDOW_TITLE);
    if let Err(error) = &window {
        tracing::warn!(error = %error, "no window can be shown");
    }
    tokio::select! {
        () = ended(tokio::io::stdin()) => {}
        () = serve_page(), if act.opens_page => {}
    }
    drop(window);
    if let Some(file) = file {
        // Whoever signed in may have deleted it.
        let _ = std::fs::remove_file(file);
    }
}

fn start(config: &Config, program: &Path, desktop: Option<&Desktop>, opens_page: bool) -> io::Result<Child> {
    let mut command = desktop.map_or_else(|| std::process::Command::new(program), |one| one.command(program));
    command.arg("check-act");
    let of_desktop = desktop.map(|one| ["Downloads", "Desktop"].map(|name| one.home().join(name)));
    for folder in of_desktop.into_iter().flatten().chain(config.folders.iter().cloned()) {
        command.arg("--folder").arg(folder);
    }
    if opens_page {
        command.arg("--page");
    }
    let mut command = Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()
}

async fn finish(actor: &mut Child) {
    drop(actor.stdin.take());
    if tokio::time::timeout(TIDY_WITHIN, actor.wait()).await.is_err() {
        tracing::warn!("the window or the page could not be taken away");
    }
}

async fn until_delivered(config: &Config, before: &Report) -> io::Result<Report> {
    loop {
        let now = ask_status(&config.socket).await?;
        if SENSORS.into_iter().all(|sensor| outcome(sensor, before, &now) == Outcome::Delivered) {
            return Ok(now);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// How far a sensor's check came between two reports.
fn outcome(sensor: SensorName, before: &Report, after: &Report) -> Outcome {
    let counts = |report: &Report| {
        let found = report.canaries.iter().find(|one| one.sensor == sensor.as_str());
        found.map_or((0, 0), |one| (one.spooled, one.delivered))
    };
    let ((spooled_before, delivered_before), (spooled, delivered)) = (counts(before), counts(after));
    // A check of another run may have been on its way: only what was spooled since counts as delivered.
    let pending = spooled_before.saturating_sub(delivered_before);
    if spooled > spooled_before && delivered.saturating_sub(delivered_before) > pending {
        return Outcome::Delivered;
    }
    if spooled > spooled_before { Outcome::Spooled } else { Outcome::Unseen(why_unseen(sensor, before, after)) }
}

/// What the service says of a sensor that saw nothing.
fn why_unseen(sensor: SensorName, before: &Report, report: &Report) -> String {
    let over = Reason::SessionEnded.as_code();
    let mut states = report.sensors.iter().map(|one| &one.health);
    let blind = states
        .find(|state| state.sensor == sensor.as_str() && state.health != HealthKind::Working && state.reason != over);
    if let Some(state) = blind {
        return state.reason.parse::<Reason>().map_or("for a reason unknown here", Reason::in_words).to_owned();
    }
    let is_reported = report.sensors.iter().any(|one| one.health.sensor == sensor.as_str());
    match (sensor, is_reported) {
        (SensorName::Urls, _) if !has_browser(before) => "no browser was connected when the check began".to_owned(),
        (SensorName::Titles, false) => "no session is connected".to_owned(),
        (SensorName::Files | SensorName::Titles | SensorName::Urls | SensorName::Media, _) => {
            "it says that it works, and nothing came".to_owned()
        }
    }
}

/// Whether a browser's extension speaks: none is started for the check.
fn has_browser(report: &Report) -> bool {
    let mut states = report.sensors.iter().map(|one| &one.health);
    states.any(|state| state.sensor == SensorName::Urls.as_str() && state.health == HealthKind::Working)
}

/// Drops the file into the first folder that takes it. What an interrupted check left there goes first.
fn drop_file(folders: &[PathBuf]) -> Option<PathBuf> {
    for folder in folders {
        let path = folder.join(FILE_NAME);
        // Where there is none, there is nothing to take away.
        let _ = std::fs::remove_file(&path);
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        match made.and_then(|mut file| io::Write::write_all(&mut file, FILE_TEXT)) {
            Ok(()) => return Some(path),
            Err(error) => tracing::debug!(error = %error, "a folder does not take the file"),
        }
    }
    tracing::warn!("no watched folder takes a file");
    None
}

async fn ended(mut input: impl tokio::io::AsyncRead + Unpin) {
    let mut nothing = [0; 64];
    while matches!(input.read(&mut nothing).await, Ok(read) if read > 0) {}
}

/// Opens a page in the browser of whoever is signed in, and answers it until it is dropped.
async fn serve_page() {
    let opened = async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}/{PAGE_PATH}", listener.local_addr()?);
        let _browser = platform::open_page(&address)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A browser that hangs up early has another try.
            let _ = answer(stream).await;
        }
    };
    let Err::<std::convert::Infallible, io::Error>(error) = opened.await;
    tracing::warn!(error = %error, "no page can be opened");
    // What else was made stays until it has been seen.
    std::future::pending().await
}

async fn answer(mut stream: tokio::net::TcpStream) -> io::Result<()> {
    let mut request = vec![0; MAX_REQUEST_BYTES];
    let read = tokio::time::timeout(TIDY_WITHIN, stream.read(&mut request)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n";
    let answer = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{PAGE}", PAGE.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{CanaryReport, Health, SensorReport};

    fn report(counts: &[(&str, u64, u64)], sensors: &[(&str, HealthKind, &str)]) -> Report {
        let canaries = counts.iter().map(|(sensor, spooled, delivered)| CanaryReport {
            sensor: (*sensor).to_owned(),
            spooled: *spooled,
            delivered: *delivered,
        });
        let sensors = sensors.iter().map(|(sensor, health, reason)| SensorReport {
            session: String::new(),
            health: Health {
                sensor: (*sensor).to_owned(),
                health: *health,
                reason: (*reason).to_owned(),
                detail: String::new(),
            },
        });
        Report { canaries: canaries.collect(), sensors: sensors.collect(), rule_set_release: 1, ..Report::default() }
    }

    fn found(before: &Report, after: &Report) -> Found {
        let outcomes = SENSORS.into_iter().map(|sensor| (sensor, outcome(sensor, before, after))).collect();
        Found { outcomes, notes: Vec::new() }
    }

    #[test]
    fn a_check_is_sound_when_every_sensor_s_capture_was_acknowledged() {
        let before = report(&[("files", 2, 2)], &[]);
        let all = report(&[("files", 3, 3), ("titles", 1, 1), ("urls", 1, 1)], &[]);
        assert!(found(&before, &all).is_sound());
        for broken in ["files", "titles", "urls"] {
            let mut rest = all.clone();
            rest.canaries.retain(|one| one.sensor != broken);
            let found = found(&before, &rest);
            assert!(!found.is_sound() && found.to_text().contains(&format!("WRONG {broken}: not seen")), "{broken}");
        }
    }

    #[test]
    fn what_waits_from_an_earlier_check_does_not_pass_this_one() {
        let before = report(&[("files", 3, 2)], &[]);
        assert_eq!(
            outcome(SensorName::Files, &before, &report(&[("files", 3, 3)], &[])),
            Outcome::Unseen("it says that it works, and nothing came".to_owned())
        );
        assert_eq!(outcome(SensorName::Files, &before, &report(&[("files", 4, 3)], &[])), Outcome::Spooled);
        assert_eq!(outcome(SensorName::Files, &before, &report(&[("files", 4, 4)], &[])), Outcome::Delivered);
    }

    #[test]
    fn a_sensor_that_saw_nothing_says_why() {
        let blind =
            report(&[], &[("titles", HealthKind::Blind, "no_window_manager"), ("files", HealthKind::Working, "")]);
        let text = found(&Report::default(), &blind).to_text();
        for told in [
            "WRONG titles: not seen: no window manager",
            "WRONG urls: not seen: no browser was connected when the check began",
            "WRONG files: not seen: it says that it works, and nothing came",
        ] {
            assert!(text.contains(told), "{told}\n{text}");
        }
    }

    #[test]
    fn the_file_lands_in_the_first_folder_that_takes_it_and_replaces_what_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("none"), folder.path().to_owned()];
        let first = drop_file(&folders).unwrap();
        assert_eq!(drop_file(&folders).as_ref(), Some(&first));
        assert!(std::fs::read_to_string(&first).unwrap().contains("daily check"));
        assert_eq!(drop_file(&folders[..1]), None);
    }

    #[tokio::test]
    async fn the_page_is_answered_and_its_title_is_no_check() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut browser = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        browser.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        answer(listener.accept().await.unwrap().0).await.unwrap();
        let mut page = String::new();
        browser.read_to_string(&mut page).await.unwrap();
        assert!(page.ends_with(PAGE) && !page.to_lowercase().contains("lapwing daily check"));
    }
}
