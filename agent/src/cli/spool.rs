//! `lapwing-agent spool`: what a spool holds, without what its captures say.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::{Configured, PROBLEMS, say};
use crate::config::Config;
use crate::spool::{Examination, GapFacts, LaneFacts, Record, RecordState, SpoolKey, examine};
use crate::{platform, state_folder};

/// Looks into a spool that no agent has open, and never changes it. Counts, places, times and sizes are told; what a
/// capture says is not: it is read at the collector, where every reading is in the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Says format, epoch, lanes, gaps and damage. Exits 1 where something is damaged or missing.
    Verify(Look),
    /// Lists every record: lane, sequence, time, size.
    Dump(Look),
    /// Writes what `dump` lists to a new file of JSON lines that its owner alone can read.
    Export {
        #[command(flatten)]
        place: Place,
        /// The file; it must not exist.
        #[arg(long)]
        out: PathBuf,
    },
}

/// A look that is printed.
#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    place: Place,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Which spool.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    configured: Configured,
    /// A copy of a spool's folder, instead of the configured spool.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The key of that copy; without it records are counted and not opened.
    #[arg(long, requires = "folder")]
    key: Option<PathBuf>,
}

/// A line of an export.
#[derive(Serialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line<'a> {
    Spool(&'a Examination),
    Record(&'a Record),
}

/// Everything, as `dump --json` prints it.
#[derive(Serialize)]
struct Dump<'a> {
    #[serde(flatten)]
    found: &'a Examination,
    records: &'a [Record],
}

/// Runs it and answers the exit code.
pub(super) fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Verify(look) => look.print(|found, json| if json { to_json(found) } else { Ok(summary(found)) }),
        Command::Dump(look) => look.print(|found, json| match json {
            true => to_json(&Dump { found, records: &found.records }),
            false => Ok(summary(found) + &listing(&found.records)),
        }),
        Command::Export { place, out } => {
            let found = place.examine()?;
            write_lines(&found, &out).with_context(|| format!("failed to write `{}`", out.display()))?;
            say(&format!("{} records\n", found.records.len()))?;
            Ok(verdict(&found))
        }
    }
}

impl Look {
    fn print(&self, render: impl FnOnce(&Examination, bool) -> anyhow::Result<String>) -> anyhow::Result<u8> {
        let found = self.place.examine()?;
        say(&render(&found, self.json)?)?;
        Ok(verdict(&found))
    }
}

impl Place {
    fn examine(&self) -> anyhow::Result<Examination> {
        let (folder, key) = match &self.folder {
            Some(folder) => (folder.clone(), self.key.clone()),
            None => {
                let state = Config::load(&self.configured.config)?.state_dir.to_path_buf();
                (state.join(state_folder::SPOOL), Some(state.join(state_folder::SPOOL_KEY)))
            }
        };
        let load = |path: PathBuf| SpoolKey::load(&path).with_context(|| format!("cannot read `{}`", path.display()));
        let key = key.map(load).transpose()?.flatten();
        examine(&folder, key.as_ref()).context("failed to look into the spool")
    }
}

fn verdict(found: &Examination) -> u8 {
    if found.is_whole() { 0 } else { PROBLEMS }
}

fn to_json(of: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(of)? + "\n")
}

fn summary(found: &Examination) -> String {
    let known = |what: Option<String>| what.unwrap_or_else(|| "unknown".to_owned());
    let opened = if found.opened { "opened with the key" } else { "not opened: no key" };
    let mut text = format!(
        "format {}, epoch {}, records {opened}\n",
        known(found.format.map(|format| format.to_string())),
        known(found.epoch.clone()),
    );
    // Writing to a string cannot fail.
    for LaneFacts { lane, held, bytes, first, next } in &found.lanes {
        let from = first.map_or_else(String::new, |first| format!(" from {first} on"));
        let _ = writeln!(text, "lane {lane}: {held} held{from}, {bytes} bytes, next {next}");
    }
    for GapFacts { lane, from, to, reason, epoch } in &found.gaps {
        let of = epoch.as_ref().map_or_else(String::new, |epoch| format!(" of epoch {epoch}"));
        let _ = writeln!(text, "gap in lane {lane}: {from} to {to}{of}, {reason}");
    }
    for damage in &found.damage {
        let _ = writeln!(text, "WRONG {damage}");
    }
    if found.is_whole() {
        text.push_str("ok\n");
    }
    text
}

fn listing(records: &[Record]) -> String {
    let mut text = "lane         seq  spooled                        bytes  state\n".to_owned();
    for Record { lane, seq, spooled_us, bytes, state } in records {
        let time = spooled_us.and_then(|us| Timestamp::from_microsecond(us).ok());
        let time = time.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
        let state = match state {
            RecordState::Whole => "whole",
            RecordState::Unopened => "unopened",
            RecordState::Damaged => "damaged",
        };
        let _ = writeln!(text, "{lane:>4}  {seq:>10}  {time:<28}  {bytes:>6}  {state}");
    }
    text
}

fn write_lines(found: &Examination, path: &Path) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::new(platform::create_private_file(path)?);
    for line in [Line::Spool(found)].into_iter().chain(found.records.iter().map(Line::Record)) {
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lapwing_proto::wire;
    use lapwing_rules::Level;

    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::HardwareHash;
    use crate::spool::{KeySource, Spool, SpoolLimits};

    /// A state folder with one capture in its spool, and the words that look at it.
    fn look(folder: &Path) -> Place {
        let key = KeySource::File(folder.join("spool.key"));
        let clock = Arc::new(ManualClock::at(1_800_000_000_000_000));
        let limits = SpoolLimits::default();
        let (spool, _) = Spool::open(&folder.join("spool"), key, HardwareHash::default(), limits, clock).unwrap();
        let excerpt = wire::Excerpt { scope: 1, text: "seeded-marker".into() };
        let capture = wire::Capture { excerpts: vec![excerpt], app: "seeded-app".into(), ..wire::Capture::default() };
        spool.append(Level::High, &capture).unwrap();
        Place {
            configured: Configured { config: folder.join("none.toml") },
            folder: Some(folder.join("spool")),
            key: Some(folder.join("spool.key")),
        }
    }

    #[test]
    fn no_form_of_a_look_shows_what_a_capture_says() {
        let folder = tempfile::tempdir().unwrap();
        let found = look(folder.path()).examine().unwrap();
        let json = to_json(&Dump { found: &found, records: &found.records }).unwrap();
        let text = summary(&found) + &listing(&found.records);
        assert!(text.contains("lane 4: 1 held from 1 on, 115 bytes, next 2"), "{text}");
        assert!(text.contains("2027-01-15T08:00:00Z") && text.ends_with("whole\n"), "{text}");
        assert!(json.contains("\"spooled_us\": 1800000000000000"), "{json}");
        assert!(!text.contains("seeded") && !json.contains("seeded"));
    }

    #[test]
    fn an_export_is_a_new_file_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = look(folder.path());
        let out = folder.path().join("out.jsonl");
        assert_eq!(run(Command::Export { place, out: out.clone() }).unwrap(), 0);
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("{\"line\":\"spool\"") && text.contains("{\"line\":\"record\",\"lane\":4,\"seq\":1"));
        assert!(!text.contains("seeded"));
        let place = look_again(folder.path());
        assert!(run(Command::Export { place, out }).is_err(), "nothing is overwritten");
    }

    #[test]
    fn a_damaged_spool_exits_with_problems() {
        let folder = tempfile::tempdir().unwrap();
        drop(look(folder.path()));
        std::fs::write(folder.path().join("spool/live/db"), b"nothing").unwrap();
        let look = Look { place: look_again(folder.path()), json: false };
        assert_eq!(run(Command::Verify(look)).unwrap(), PROBLEMS);
    }

    fn look_again(folder: &Path) -> Place {
        Place {
            configured: Configured { config: folder.join("none.toml") },
            folder: Some(folder.join("spool")),
            key: Some(folder.join("spool.key")),
        }
    }
}
