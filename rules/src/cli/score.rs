//! `score`: how much of each evaluation set is flagged.
//!
//! Sets are counted one by one and never pooled. No row is printed: a set says how many were flagged, and no more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use lapwing_rules::{Band, Level, RuleSet, Scope, Text};
use serde_json::{Value, json};

use super::progress::Progress;
use super::rules::Rules;
use super::{Failure, Outcome, files};

/// Largest evaluation set read, in bytes.
const MAX_SET_BYTES: u64 = 256 * 1024 * 1024;
/// Two-sided 95 %.
const Z: f64 = 1.959_963_985;

#[derive(Debug, Args)]
pub(super) struct Score {
    #[command(flatten)]
    rules: Rules,
    /// Folder of evaluation sets: one row a line, or a table with tabs and a heading.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The band of the account.
    #[arg(long, default_value = "ks3")]
    band: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An evaluation set.
struct Set {
    file: &'static str,
    scope: Scope,
    form: Form,
    /// What is wanted of a group, or of the whole.
    goals: &'static [(&'static str, Goal)],
}

/// How a set's rows are written.
enum Form {
    /// The row is the text.
    Lines,
    /// A heading, then columns between tabs.
    Table { text: &'static str, groups: &'static [&'static str] },
}

/// Percent of rows flagged at a level or above.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(Level, f64),
    AtLeast(f64),
}

const ALL: &str = "all";

const SETS: &[Set] = &[
    Set {
        file: "ordinary_queries.txt",
        scope: Scope::Query,
        form: Form::Lines,
        goals: &[
            (ALL, Goal::AtMost(Level::High, 0.0)),
            (ALL, Goal::AtMost(Level::Moderate, 0.01)),
            (ALL, Goal::AtMost(Level::Info, 0.06)),
        ],
    },
    Set {
        file: "english_words.txt",
        scope: Scope::Query,
        form: Form::Lines,
        goals: &[(ALL, Goal::AtMost(Level::Moderate, 0.0)), (ALL, Goal::AtMost(Level::Info, 0.05))],
    },
    Set {
        file: "scunthorpe.txt",
        scope: Scope::Title,
        form: Form::Lines,
        goals: &[(ALL, Goal::AtMost(Level::Info, 0.0))],
    },
    Set {
        file: "xstest.tsv",
        scope: Scope::Query,
        form: Form::Table { text: "text", groups: &["label"] },
        goals: &[("safe", Goal::AtMost(Level::Info, 3.0))],
    },
    Set {
        file: "simplesafetytests.tsv",
        scope: Scope::Query,
        form: Form::Table { text: "text", groups: &["harm_area"] },
        goals: &[("Suicide, Self-Harm, and Eating Disorders", Goal::AtLeast(80.0))],
    },
    Set {
        file: "ailuminate_en.tsv",
        scope: Scope::Query,
        form: Form::Table { text: "text", groups: &["hazard"] },
        goals: &[
            ("ssh", Goal::AtLeast(60.0)),
            ("iwp", Goal::AtLeast(50.0)),
            ("hte", Goal::AtLeast(40.0)),
            ("sxc_prn", Goal::AtLeast(70.0)),
        ],
    },
    Set {
        file: "ailuminate_fr.tsv",
        scope: Scope::Query,
        form: Form::Table { text: "text", groups: &["hazard"] },
        goals: &[],
    },
    Set {
        file: "hatecheck.tsv",
        scope: Scope::Query,
        form: Form::Table { text: "text", groups: &["label", "functionality"] },
        goals: &[],
    },
    Set { file: "opendns_top10k.txt", scope: Scope::UrlHost, form: Form::Lines, goals: &[] },
    Set { file: "opendns_random10k.txt", scope: Scope::UrlHost, form: Form::Lines, goals: &[] },
    Set {
        file: "domain_categories.tsv",
        scope: Scope::UrlHost,
        form: Form::Table { text: "domain", groups: &["category"] },
        goals: &[],
    },
];

/// How many rows of a group were judged, and how many fired at each level as their highest.
#[derive(Clone, Copy, Default)]
struct Tally {
    rows: u64,
    by_level: [u64; 5],
}

impl Score {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let band: Band = self.band.parse().map_err(Failure::bad_input)?;
        let rules = self.rules.load()?;
        let mut tallies = Vec::new();
        let progress = Progress::new("scoring", "sets");
        for (done, set) in SETS.iter().enumerate() {
            progress.tell(done, SETS.len());
            let path = self.data.join(set.file);
            tallies.push((set, if path.exists() { Some(tally(set, &path, &rules, band)?) } else { None }));
        }
        drop(progress);
        if tallies.iter().all(|(_, groups)| groups.is_none()) {
            let (folder, first) = (self.data.display(), SETS.first().map_or("", |set| set.file));
            let message = anyhow::anyhow!("`--data {folder}` holds none of the {} sets, such as `{first}`", SETS.len());
            return Err(Failure::BadInput(message));
        }
        if self.json {
            out.push_str(&format!("{:#}\n", as_json(&tallies)));
        } else {
            as_text(&tallies, out);
        }
        let met = tallies.iter().all(|(set, groups)| groups.as_ref().is_none_or(|groups| set.is_met(groups)));
        Ok(if met { Outcome::Fine } else { Outcome::Problems })
    }
}

/// Judges every row, by group.
fn tally(set: &Set, path: &Path, rules: &RuleSet, band: Band) -> Result<BTreeMap<String, Tally>, Failure> {
    let bytes = files::read(path, MAX_SET_BYTES)?;
    let text = String::from_utf8_lossy(files::without_mark(&bytes));
    let mut lines = text.lines();
    let columns = match set.form {
        Form::Lines => None,
        Form::Table { text, groups } => {
            let heading: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
            let column = |name: &str| {
                heading
                    .iter()
                    .position(|column| *column == name)
                    .ok_or_else(|| Failure::BadInput(anyhow::anyhow!("`{}` has no column `{name}`", path.display())))
            };
            Some((column(text)?, groups.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?))
        }
    };
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (text, groups) = match &columns {
            None => (Some(line), vec![ALL]),
            Some((text, groups)) => {
                let groups = groups.iter().filter_map(|group| cells.get(*group).copied());
                (cells.get(*text).copied(), groups.chain([ALL]).collect())
            }
        };
        let Some(text) = text else { continue };
        let level = rules.evaluate(&[Text::new(set.scope, text)], band).level();
        for group in groups {
            tallies.entry(group.to_owned()).or_default().add(level);
        }
    }
    Ok(tallies)
}

impl Tally {
    fn add(&mut self, level: Option<Level>) {
        self.rows += 1;
        let at = level.and_then(|level| usize::from(level.number()).checked_sub(1));
        if let Some(count) = at.and_then(|at| self.by_level.get_mut(at)) {
            *count += 1;
        }
    }

    /// Rows that fired at `level` or above.
    fn flagged(&self, level: Level) -> u64 {
        self.by_level.iter().skip(usize::from(level.number()).saturating_sub(1)).sum()
    }

    fn percent(&self, level: Level) -> f64 {
        if self.rows == 0 { 0.0 } else { 100.0 * self.flagged(level) as f64 / self.rows as f64 }
    }

    fn wilson(&self) -> (f64, f64) {
        wilson(self.flagged(Level::Info), self.rows)
    }
}

impl Set {
    fn is_met(&self, groups: &BTreeMap<String, Tally>) -> bool {
        self.goals.iter().all(|(group, goal)| groups.get(*group).is_none_or(|tally| goal.is_met(tally)))
    }
}

impl Goal {
    fn is_met(self, tally: &Tally) -> bool {
        match self {
            Self::AtMost(level, percent) => tally.percent(level) <= percent,
            Self::AtLeast(percent) => tally.percent(Level::Info) >= percent,
        }
    }

    fn in_words(self, tally: &Tally) -> String {
        let verdict = if self.is_met(tally) { "met" } else { "not met" };
        match self {
            Self::AtMost(Level::Info, percent) => format!("at most {percent} %: {verdict}"),
            Self::AtMost(level, percent) => format!("at level {level} or above at most {percent} %: {verdict}"),
            Self::AtLeast(percent) => format!("at least {percent} %: {verdict}"),
        }
    }
}

/// The Wilson score interval of a share, in percent (E. B. Wilson, 1927): honest for small counts and for none at all.
fn wilson(flagged: u64, rows: u64) -> (f64, f64) {
    if rows == 0 {
        return (0.0, 100.0);
    }
    let (n, share) = (rows as f64, flagged as f64 / rows as f64);
    let squared = Z * Z / n;
    let middle = share + squared / 2.0;
    let reach = Z * (share * (1.0 - share) / n + squared / (4.0 * n)).sqrt();
    let bound = |value: f64| 100.0 * (value / (1.0 + squared)).clamp(0.0, 1.0);
    (bound(middle - reach), bound(middle + reach))
}

fn as_text(tallies: &[(&Set, Option<BTreeMap<String, Tally>>)], out: &mut String) {
    out.push_str("rows flagged, with the 95 % Wilson interval; no set here holds what pupils of a school write\n");
    for (set, groups) in tallies {
        let Some(groups) = groups else {
            out.push_str(&format!("\n{}: absent\n", set.file));
            continue;
        };
        out.push_str(&format!("\n{}\n", set.file));
        for (group, tally) in groups {
            let (low, high) = tally.wilson();
            let [info, minor, moderate, high_level, critical] = tally.by_level;
            out.push_str(&format!(
                "  {group:<42} {:>6} of {:>6}  {:>6.2} % [{low:.2}, {high:.2}]  levels 1 to 5: {info} {minor} {moderate} \
                 {high_level} {critical}\n",
                tally.flagged(Level::Info),
                tally.rows,
                tally.percent(Level::Info),
            ));
            for (_, goal) in set.goals.iter().filter(|(name, _)| name == group) {
                out.push_str(&format!("  {:<42} wanted {}\n", "", goal.in_words(tally)));
            }
        }
    }
}

fn as_json(tallies: &[(&Set, Option<BTreeMap<String, Tally>>)]) -> Value {
    let group = |(name, tally): (&String, &Tally)| {
        let (low, high) = tally.wilson();
        let value = json!({
            "rows": tally.rows,
            "flagged": tally.flagged(Level::Info),
            "percent": tally.percent(Level::Info),
            "wilson": [low, high],
            "by_level": tally.by_level,
        });
        (name.clone(), value)
    };
    let set = |(set, groups): &(&Set, Option<BTreeMap<String, Tally>>)| {
        let met = groups.as_ref().map(|groups| set.is_met(groups));
        let groups = groups.as_ref().map(|groups| groups.iter().map(group).collect::<serde_json::Map<_, _>>());
        (set.file.to_owned(), json!({ "groups": groups, "met": met }))
    };
    Value::Object(tallies.iter().map(set).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_are_those_of_the_literature() {
        let (low, high) = wilson(0, 10);
        assert!(low.abs() < 0.01 && (high - 27.75).abs() < 0.01, "{low} {high}");
        let (low, high) = wilson(8, 10);
        assert!((low - 49.02).abs() < 0.01 && (high - 94.33).abs() < 0.01, "{low} {high}");
    }
}
