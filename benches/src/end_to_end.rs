//! `end-to-end`: from a title that has settled on a pupil's screen to the row that the DSL sees.
//!
//! All of it is real: a window under Xvfb and openbox, the agent's session and service, mutual TLS, the collector with its
//! triage, and the console in Chromium, while as many further consoles listen. A title settles once it stood for
//! [`STILL`]; what comes after that is measured, to the moment at which the list in the browser changes. Both clocks are the
//! machine's own. Titles are the examples of the rule packs, one a rule, so that no cooldown holds one back; those that
//! are no concern for the pupil's band leave no trace and are not counted.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use e2e::{AtConsole, Classroom, Who};
use lapwing_agent::settle::STILL;
use serde_json::Value;
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, PropMode, WindowClass};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::report::{Effort, Goal, Metric, Report, quantile};

/// Consoles that listen besides the one that is looked at.
const LISTENERS: usize = 49;
/// Aimed at, milliseconds.
const MEDIAN_MS: f64 = 100.0;
const P99_MS: f64 = 500.0;
/// Titles of a run at full effort: there are about as many rules.
const TITLES: usize = 150;
/// Of the window before the first example.
const FIRST_TITLE: &str = "a window";

/// A window of the pupil's, of which the title changes.
struct Screen {
    connection: RustConnection,
    window: u32,
}

/// Measures it.
///
/// # Errors
///
/// When a program does not start, or nothing is ever seen.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(effort))
}

async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let (titles, listeners) = match effort {
        Effort::Quick => (8, 3),
        Effort::Full => (TITLES, LISTENERS),
    };
    let mut classroom = Classroom::open(e2e::privileges()?).await?;
    classroom.sign_in(Who::Pupil).await?;
    let pictures = classroom.school.folder().join("pictures");
    let mut dsl = AtConsole::start(&classroom.school.console_url(), &pictures, "dsl")?;
    let code = classroom.school.code("dsl").await?;
    dsl.does(&format!("sign-in {code}"))?;
    dsl.does("go /queue")?;
    dsl.does("watch")?;
    let opened = dsl.does(&format!("listeners {listeners}"))?;
    ensure!(opened.get("statuses") == Some(&serde_json::json!([200])), "the further consoles listen: {opened}");
    let desktop = classroom.desktop(Who::Pupil)?;
    let screen = Screen::open(desktop.display())?;
    let is_in_front = async || (desktop.focused_title() == FIRST_TITLE).then_some(());
    e2e::eventually("the window to come to the front", is_in_front).await?;
    let examples = examples(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/packs")), titles)?;
    let tried = examples.len();
    let mut latencies = Vec::new();
    for title in examples {
        let before_ms = now_ms()?;
        screen.entitle(&title)?;
        let settled_ms = before_ms + STILL.as_secs_f64() * 1e3;
        let change = dsl.does(&format!("change {settled_ms:.0}"))?;
        latencies.extend(change.get("at").and_then(Value::as_f64).map(|at_ms| at_ms - settled_ms));
    }
    ensure!(latencies.len() * 4 >= tried, "of {tried} titles {} were seen", latencies.len());
    let (rows, consoles) = (latencies.len(), listeners + 1);
    let name = |what: &str| format!("settled title to visible row, {rows} rows, {consoles} consoles, {what}");
    Ok(Report::new(
        "end-to-end",
        vec![
            Metric::of_run(name("median"), "ms", quantile(&latencies, 0.5), None, Some(Goal::AtMost(MEDIAN_MS))),
            Metric::of_run(name("p99"), "ms", quantile(&latencies, 0.99), None, Some(Goal::AtMost(P99_MS))),
        ],
    ))
}

/// The first example of each rule that is one line of text: at most `count`, in the order of the packs.
fn examples(packs: &Path, count: usize) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut files: Vec<_> = std::fs::read_dir(packs)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files.iter().filter(|file| file.path().extension().is_some_and(|ending| ending == "toml")) {
        let pack: toml::Table = std::fs::read_to_string(file.path())?.parse().context("a pack is TOML")?;
        let rules = pack.get("rule").and_then(toml::Value::as_array).into_iter().flatten();
        found.extend(rules.filter_map(example));
    }
    Ok(found.into_iter().take(count).collect())
}

/// The first example of a rule that looks at titles, of those that are words.
fn example(rule: &toml::Value) -> Option<String> {
    let scopes = rule.get("scopes")?.as_array()?;
    let looks_at_titles = scopes.iter().any(|scope| scope.as_str() == Some("title"));
    let examples = rule.get("examples")?.get("must_match")?.as_array()?;
    let is_words =
        |example: &&toml::Value| matches!(example.get("scope").and_then(toml::Value::as_str), Some("title" | "query"));
    let text = examples.iter().find(is_words).filter(|_| looks_at_titles)?.get("text")?;
    text.as_str().map(str::to_owned)
}

/// Milliseconds of the machine's clock, which the browser's tells too.
#[expect(clippy::disallowed_methods, reason = "the one clock that two programs share")]
fn now_ms() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3)
}

impl Screen {
    /// A window of its own on `display`; the manager brings what is new to the front.
    fn open(display: &str) -> anyhow::Result<Self> {
        let (connection, number) = RustConnection::connect(Some(display))?;
        let root = connection.setup().roots.get(number).context("a screen")?.root;
        let window = connection.generate_id()?;
        let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        connection.create_window(depth, window, root, 0, 0, 400, 300, 0, class, 0, &CreateWindowAux::new())?;
        let screen = Self { connection, window };
        screen.entitle(FIRST_TITLE)?;
        screen.connection.map_window(window)?;
        screen.connection.sync()?;
        Ok(screen)
    }

    fn entitle(&self, title: &str) -> anyhow::Result<()> {
        let atom = |name: &str| anyhow::Ok(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom);
        let (name, text) = (atom("_NET_WM_NAME")?, atom("UTF8_STRING")?);
        self.connection.change_property8(PropMode::REPLACE, self.window, name, text, title.as_bytes())?;
        self.connection.sync()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_to_end_runs_quickly() {
        let report = run(Effort::Quick).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(report.metrics.iter().all(|metric| metric.value.is_finite()), "{report}");
    }
}
