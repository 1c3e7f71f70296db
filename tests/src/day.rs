//! A short school day: what people do at the PC, and who should hear of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::{Browser, Console, Desktop, Row, Stick, Window, eventually};

/// Something somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stimulus {
    /// Works in a window with this title.
    Window(&'static str),
    /// Opens this address in the browser.
    Visit(&'static str),
    /// Saves a file of this name to Downloads.
    Save(&'static str),
    /// Inserts a memory stick with this label.
    Insert(&'static str),
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A pupil in Year 8.
    Pupil,
    /// A teacher.
    Staff,
    /// A class log-on: nobody knows who.
    Class,
}

/// A concern that must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Sign-in name of the person whose queue shows it.
    pub recipient: &'static str,
    /// Category id.
    pub category: &'static str,
    /// Level.
    pub level: u8,
    /// What the concern's page calls the subject.
    pub subject: &'static str,
}

/// One line of the timetable.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    who: Who,
    stimulus: Stimulus,
    expected: Option<Expected>,
}

/// What came of the day.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// From stimulus to the row on the recipient's page, in the order of the day.
    pub latencies: Vec<(&'static str, Duration)>,
    /// What should not have been, or was not as it should be.
    pub problems: Vec<String>,
    /// Lessons that could not be given here, and why.
    pub left_out: Vec<String>,
}

/// What the day happens on. Where something is `None`, its lessons are left out by name.
#[derive(Debug, Default)]
pub struct Room<'a> {
    /// A screen for each person.
    pub desktops: BTreeMap<Who, &'a Desktop>,
    /// A browser for each person.
    pub browsers: BTreeMap<Who, &'a Browser>,
    /// Where sticks can be mounted, if they can.
    pub sticks: Option<&'a std::path::Path>,
}

const fn lesson(who: Who, stimulus: Stimulus) -> Lesson {
    Lesson { who, stimulus, expected: None }
}

const fn concern(who: Who, stimulus: Stimulus, recipient: &'static str, category: &'static str, level: u8) -> Lesson {
    let subject = match who {
        Who::Pupil => "Sam Pupil",
        Who::Staff => "Sacha Staff",
        Who::Class => "A class log-on",
    };
    Lesson { who, stimulus, expected: Some(Expected { recipient, category, level, subject }) }
}

/// The day. Benign lessons stand before ones that must be heard of, so that what is heard of says they were looked at.
pub const TIMETABLE: &[Lesson] = &[
    lesson(Who::Pupil, Stimulus::Window("The Holocaust - KS3 History revision")),
    lesson(Who::Pupil, Stimulus::Window("Scunthorpe United fixtures")),
    concern(Who::Pupil, Stimulus::Window("kys nobody likes you"), "dsl", "bullying", 3),
    lesson(Who::Pupil, Stimulus::Visit("https://www.childline.org.uk/info-advice/")),
    lesson(Who::Pupil, Stimulus::Visit("https://www.google.com/search?q=breast+cancer+symptoms")),
    lesson(Who::Pupil, Stimulus::Visit("https://www.google.com/search?q=i+want+to+cut+my+hair")),
    concern(
        Who::Pupil,
        Stimulus::Visit("https://www.google.com/search?q=how+to+self+harm+without+anyone+noticing"),
        "dsl",
        "self_harm",
        4,
    ),
    lesson(Who::Pupil, Stimulus::Save("The causes of the First World War.docx")),
    concern(Who::Pupil, Stimulus::Save("how to hack school wifi password.txt"), "dsl", "malware_hacking", 3),
    concern(Who::Pupil, Stimulus::Insert("HOMEWORK"), "dsl", "removable_media", 2),
    concern(Who::Class, Stimulus::Window("how to unblock the school filter with a proxy"), "dsl", "filter_bypass", 3),
    lesson(Who::Staff, Stimulus::Window("Year 9 marking - spreadsheet")),
    concern(Who::Staff, Stimulus::Window("how to hack school wifi"), "head", "malware_hacking", 3),
];

/// Plays the timetable and holds the recipients' own pages against it.
///
/// # Errors
///
/// When a window, browser, file or page fails; what merely differs from the timetable is in the report.
pub async fn play(room: &Room<'_>, consoles: &mut BTreeMap<&'static str, Console>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut open: Vec<Held> = Vec::new();
    let mut told: BTreeMap<&'static str, Vec<Expected>> = BTreeMap::new();
    for lesson in TIMETABLE {
        let started = now();
        match act(room, lesson).await? {
            Some(held) => open.push(held),
            None => {
                report.left_out.push(format!("{:?} of {:?}", lesson.stimulus, lesson.who));
                continue;
            }
        }
        let Some(expected) = lesson.expected else {
            continue;
        };
        let console = consoles.get_mut(expected.recipient).context("the recipient is signed in")?;
        match arrives(console, &expected).await {
            Ok(row) => {
                report.latencies.push((expected.category, started.elapsed()));
                report.problems.extend(check_page(console, &row, &expected).await?);
            }
            Err(error) => report.problems.push(format!("{}: {error}", expected.category)),
        }
        told.entry(expected.recipient).or_default().push(expected);
    }
    drop(open);
    for (login, console) in consoles {
        let expected = told.remove(login).unwrap_or_default();
        report.problems.extend(compare(login, &all_rows(console).await?, &expected));
    }
    Ok(report)
}

/// What an act leaves open until the day's end.
#[derive(Debug)]
enum Held {
    Window { _window: Window },
    Stick { _stick: Stick },
    Nothing,
}

async fn act(room: &Room<'_>, lesson: &Lesson) -> anyhow::Result<Option<Held>> {
    let Some(desktop) = room.desktops.get(&lesson.who) else {
        return Ok(None);
    };
    match lesson.stimulus {
        Stimulus::Window(title) => Ok(Some(Held::Window { _window: desktop.window(title).await? })),
        Stimulus::Visit(url) => {
            let Some(browser) = room.browsers.get(&lesson.who) else {
                return Ok(None);
            };
            browser.open(desktop, url)?;
            Ok(Some(Held::Nothing))
        }
        Stimulus::Save(name) => {
            let path = desktop.account().home().join("Downloads").join(name);
            let status = desktop.command("sh").args(["-c", "printf sample >\"$0\""]).arg(path).status()?;
            anyhow::ensure!(status.success(), "a file could not be saved");
            Ok(Some(Held::Nothing))
        }
        Stimulus::Insert(label) => {
            let Some(folder) = room.sticks else {
                return Ok(None);
            };
            Ok(Some(Held::Stick { _stick: Stick::insert(folder, label, desktop.account().name())? }))
        }
    }
}

async fn arrives(console: &mut Console, expected: &Expected) -> anyhow::Result<Row> {
    eventually(
        &format!("a concern of {} level {} at {}", expected.category, expected.level, expected.recipient),
        async || {
            let rows = all_rows(console).await.ok()?;
            rows.into_iter().find(|row| row.category == expected.category && row.level == expected.level)
        },
    )
    .await
}

/// The rows of the queue and of the low list.
///
/// # Errors
///
/// When the console cannot be reached or refuses a page.
pub async fn all_rows(console: &mut Console) -> anyhow::Result<Vec<Row>> {
    let mut rows = console.rows("/queue").await?;
    rows.sort();
    Ok(rows)
}

/// Opens the concern and looks for whom it names.
async fn check_page(console: &mut Console, row: &Row, expected: &Expected) -> anyhow::Result<Option<String>> {
    let page = console.get(&row.path).await?;
    let named = page.body.contains(expected.subject);
    Ok((!named).then(|| format!("{}: the page does not name {}", expected.category, expected.subject)))
}

fn compare(login: &str, rows: &[Row], expected: &[Expected]) -> Vec<String> {
    let mut wanted: Vec<_> = expected.iter().map(|expected| (expected.category.to_owned(), expected.level)).collect();
    let mut problems = Vec::new();
    for row in rows {
        if !row.how_often.starts_with("Once") {
            problems.push(format!("{login} was told of {} more than once: {}", row.category, row.how_often));
        }
        let found = (row.category.clone(), row.level);
        match wanted.iter().position(|wanted| *wanted == found) {
            Some(index) => drop(wanted.swap_remove(index)),
            None => problems.push(format!("{login} was told of {} level {}, which nobody caused", found.0, found.1)),
        }
    }
    problems
        .extend(wanted.into_iter().map(|(category, level)| format!("{login} never heard of {category} level {level}")));
    problems
}

#[expect(clippy::disallowed_methods, reason = "the demonstration measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { recipient: "dsl", category: "bullying", level: 3, subject: "Sam Pupil" };

    fn row(category: &str, how_often: &str) -> Row {
        Row { path: String::new(), level: 3, category: category.to_owned(), how_often: how_often.to_owned() }
    }

    #[test]
    fn only_what_is_expected_and_once_is_no_problem() {
        assert!(compare("dsl", &[row("bullying", "Once, 10:00")], &[EXPECTED]).is_empty());
        assert_eq!(compare("dsl", &[row("bullying", "2 times in 1 minute")], &[EXPECTED]).len(), 1);
        assert_eq!(compare("dsl", &[row("drugs", "Once, 10:00")], &[EXPECTED]).len(), 2);
        assert_eq!(compare("dsl", &[], &[EXPECTED]).len(), 1);
    }
}
