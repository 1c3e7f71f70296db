//! The governor's page: counts by C, level and band. Small numbers are suppressed, and nobody can be picked out.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lapwing_rules::{Band, Category, FourC, Level};

use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::role::Governor;
use super::suppression::{self, Shown};
use super::{ConsoleState, words};
use crate::store::coverage::{self, Tally};

#[derive(Template)]
#[template(path = "counts.html")]
struct CountsPage {
    frame: Frame,
    view: CountsView,
}

struct CountsView {
    period: String,
    total: String,
    tables: Vec<CountTable>,
}

struct CountTable {
    caption: &'static str,
    heading: &'static str,
    rows: Vec<CountRow>,
}

struct CountRow {
    name: String,
    count: String,
    /// Of the bar, in hundredths; none where the count is not told.
    width: Option<u64>,
}

const BRANCHES: [(FourC, &str); 6] = [
    (FourC::Content, "Content: what is seen"),
    (FourC::Contact, "Contact: who is met"),
    (FourC::Conduct, "Conduct: what is done"),
    (FourC::Commerce, "Commerce: what is bought or lost"),
    (FourC::Support, "Support: help sought or needed"),
    (FourC::System, "System: Lapwing itself"),
];

/// `GET /counts`.
pub(super) async fn page(State(state): State<ConsoleState>, governor: Governor) -> Result<Response, Refusal> {
    let present = governor.present();
    let since_us = present.school_year_us();
    let tallies = coverage::tallies(&state.store, &state.school, since_us).await;
    let tallies = tallies.map_err(|error| Refusal::failed(&error))?;
    let bands = coverage::bands(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let period = format!("Concerns about pupils, opened since {}. Measured by Lapwing.", present.day(since_us));
    frame::shown(&CountsPage { frame: Frame::of(&governor, "/counts"), view: view(period, &tallies, &bands) })
}

fn view(period: String, tallies: &[Tally], bands: &[String]) -> CountsView {
    let tables = vec![
        table("What was it about?", "Topic", by_branch(tallies)),
        table("How urgent was it?", "Level", by_level(tallies)),
        table("How old were the pupils?", "Age band", by_band(tallies, bands)),
    ];
    CountsView { period, total: total(sum(tallies, |_| true)), tables }
}

fn by_branch(tallies: &[Tally]) -> Vec<(String, u64)> {
    let branch = |tally: &Tally| tally.category.parse::<Category>().ok().map(Category::branch);
    let known =
        BRANCHES.iter().map(|(of, name)| ((*name).to_owned(), sum(tallies, |tally| branch(tally) == Some(*of))));
    let unknown = sum(tallies, |tally| branch(tally).is_none());
    known.chain((unknown > 0).then(|| ("Not known to this version".to_owned(), unknown))).collect()
}

fn by_level(tallies: &[Tally]) -> Vec<(String, u64)> {
    let levels = Level::ALL.into_iter().rev();
    levels.map(|level| (words::level(level), sum(tallies, |tally| tally.level == level))).collect()
}

fn by_band(tallies: &[Tally], on_roll: &[String]) -> Vec<(String, u64)> {
    let counted = tallies.iter().map(|tally| tally.band.as_str());
    let present: BTreeSet<&str> = on_roll.iter().map(String::as_str).chain(counted).collect();
    let known = Band::ALL.into_iter().filter(|band| present.contains(band.as_str()));
    let is_known = |id: &str| id.parse::<Band>().is_ok();
    let unknown = sum(tallies, |tally| !is_known(&tally.band));
    known
        .map(|band| (words::band(band).to_owned(), sum(tallies, |tally| tally.band == band.as_str())))
        .chain((unknown > 0).then(|| ("Not known".to_owned(), unknown)))
        .collect()
}

fn sum(tallies: &[Tally], is_meant: impl Fn(&Tally) -> bool) -> u64 {
    tallies.iter().filter(|tally| is_meant(tally)).map(|tally| tally.concerns).sum()
}

fn table(caption: &'static str, heading: &'static str, counted: Vec<(String, u64)>) -> CountTable {
    let counts: Vec<u64> = counted.iter().map(|(_, count)| *count).collect();
    let shown = suppression::table(&counts);
    let told = |cell: &Shown| match cell {
        Shown::Number(count) => Some(*count),
        Shown::FewerThan5 | Shown::Withheld => None,
    };
    let most = shown.iter().filter_map(told).max().unwrap_or(0).max(1);
    let rows = counted.into_iter().zip(shown).map(|((name, _), cell)| CountRow {
        name,
        count: cell.to_string(),
        width: told(&cell).map(|count| count * 100 / most),
    });
    CountTable { caption, heading, rows: rows.collect() }
}

fn total(concerns: u64) -> String {
    match suppression::lone(concerns) {
        Shown::Number(0) => "No concerns.".to_owned(),
        Shown::Number(count) => format!("{count} concerns in all."),
        Shown::FewerThan5 | Shown::Withheld => "Fewer than 5 concerns in all.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seeded::Seeded;
    use super::*;

    #[tokio::test]
    async fn small_counts_are_fewer_than_5_and_staff_are_not_counted() {
        let seeded = Seeded::open().await;
        let mut governor = seeded.visitor("governor").await;
        assert!(governor.get("/counts").await.body.contains("No concerns."));
        let without = governor.get("/counts").await.body;
        seeded.concern("teacher", Category::Gambling, Level::High, "words").await;
        assert_eq!(governor.get("/counts").await.body, without);
        seeded.concern("amelia", Category::SelfHarm, Level::High, "words").await;
        let page = governor.get("/counts").await.body;
        assert!(page.contains("Fewer than 5 concerns in all."));
        assert!(!page.contains("<td class=\"count\">1<"));
    }

    #[test]
    fn a_bar_is_drawn_for_told_counts_alone() {
        let counted = vec![("a".to_owned(), 20), ("b".to_owned(), 3), ("c".to_owned(), 9), ("d".to_owned(), 10)];
        let table = table("", "", counted);
        let drawn: Vec<_> = table.rows.iter().map(|row| (row.count.as_str(), row.width)).collect();
        assert_eq!(drawn, [("20", Some(100)), ("Fewer than 5", None), ("Not shown", None), ("10", Some(50))]);
    }
}
