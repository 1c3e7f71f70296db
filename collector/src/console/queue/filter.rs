//! Which concerns a list is asked for: the address of the page says it whole, so that a view is kept as a bookmark.
//!
//! ```text
//! q=amelia                words: reference, person, class, account, rule, device or room; never evidence
//! level=5&level=4         any of these levels
//! category=drugs&not=category   all categories but these; not=level likewise
//! state=waiting | working | mine   acknowledged by nobody yet, by somebody, or given to whoever looks
//! since=2026-11-01&until=2026-11-30   seen on these days of the school, both included
//! show=closed | all | put-off   what is closed, everything, or what whoever looks put off
//! ```
//!
//! What is not understood is left out; nothing in an address is an error.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::Date;
use lapwing_rules::{Category, Level};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::super::words::Present;
use crate::store::queue::{Among, Sought, Standing};

/// Longest address after the `?` that is read, in bytes.
const MAX_QUERY_BYTES: usize = 4 * 1024;
/// Most parts of it.
const MAX_PARTS: usize = 64;
/// Longest words to look for, in characters.
pub(super) const MAX_WORDS: usize = 60;

/// What somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Filter {
    words: String,
    levels: BTreeSet<Level>,
    not_levels: bool,
    categories: BTreeSet<&'static str>,
    not_categories: bool,
    state: Option<Standing>,
    since: Option<Date>,
    until: Option<Date>,
    pub(in crate::console) among: Among,
}

/// The form as it stands.
#[derive(Clone, Debug)]
pub(in crate::console) struct FilterView {
    /// Whether anything but the open list is shown.
    pub(in crate::console) is_on: bool,
    pub(in crate::console) words: String,
    pub(in crate::console) max_words: usize,
    pub(in crate::console) levels: Vec<Choice>,
    pub(in crate::console) not_levels: bool,
    pub(in crate::console) categories: Vec<Choice>,
    pub(in crate::console) not_categories: bool,
    pub(in crate::console) states: [Choice; 4],
    pub(in crate::console) shows: [Choice; 4],
    pub(in crate::console) since: String,
    pub(in crate::console) until: String,
    /// What is shown, in a sentence.
    pub(in crate::console) says: String,
}

/// One box or entry of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Choice {
    pub(in crate::console) value: String,
    pub(in crate::console) words: String,
    pub(in crate::console) is_chosen: bool,
}

impl Filter {
    /// Of the part of an address after its `?`.
    pub(in crate::console) fn of(query: Option<&str>) -> Self {
        let mut filter = Self::default();
        let query = query.filter(|query| query.len() <= MAX_QUERY_BYTES).unwrap_or_default();
        for part in query.split('&').take(MAX_PARTS) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value).decode_utf8_lossy();
            filter.take(key, value.trim());
        }
        filter
    }

    fn take(&mut self, key: &str, value: &str) {
        match (key, value) {
            ("q", words) => self.words = words.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect(),
            ("level", level) => self.levels.extend(level.parse().ok().and_then(level_of)),
            ("category", id) => self.categories.extend(Category::all().map(Category::id).find(|known| *known == id)),
            ("not", "level") => self.not_levels = true,
            ("not", "category") => self.not_categories = true,
            ("state", "waiting") => self.state = Some(Standing::Waiting),
            ("state", "working") => self.state = Some(Standing::Working),
            ("state", "mine") => self.state = Some(Standing::Mine),
            ("since", day) => self.since = day.parse().ok(),
            ("until", day) => self.until = day.parse().ok(),
            ("show", "closed") => self.among = Among::Closed,
            ("show", "all") => self.among = Among::All,
            ("show", "put-off") => self.among = Among::PutOff,
            (_, _) => {}
        }
    }

    /// Whether it is the open list, whole.
    pub(in crate::console) fn is_open_list(&self) -> bool {
        *self == Self { not_levels: self.not_levels, not_categories: self.not_categories, ..Self::default() }
            && self.levels.is_empty()
            && self.categories.is_empty()
    }

    /// The same as the part of an address; empty for the open list.
    pub(in crate::console) fn to_query(&self) -> String {
        let mut query = String::new();
        let mut add = |key: &str, value: &str| {
            let between = if query.is_empty() { "" } else { "&" };
            // Writing to a string cannot fail.
            let _ = write!(query, "{between}{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        if !self.words.is_empty() {
            add("q", &self.words);
        }
        self.levels.iter().rev().for_each(|level| add("level", &level.number().to_string()));
        self.categories.iter().for_each(|category| add("category", category));
        if self.not_levels && !self.levels.is_empty() {
            add("not", "level");
        }
        if self.not_categories && !self.categories.is_empty() {
            add("not", "category");
        }
        if let Some(state) = self.state {
            add("state", state_code(state));
        }
        for (key, day) in [("since", self.since), ("until", self.until)] {
            if let Some(day) = day {
                add(key, &day.to_string());
            }
        }
        match self.among {
            Among::Open => {}
            Among::Closed => add("show", "closed"),
            Among::All => add("show", "all"),
            Among::PutOff => add("show", "put-off"),
        }
        query
    }

    /// The same as fields of a form, as they are before they are encoded.
    pub(in crate::console) fn fields(&self) -> Vec<(String, String)> {
        let query = self.to_query();
        let pairs = query.split('&').filter_map(|part| part.split_once('='));
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        pairs.map(|(key, value)| (key.to_owned(), plain(value))).collect()
    }

    /// The part of an address that says it, with its `?`; empty for the open list.
    pub(in crate::console) fn kept(&self) -> String {
        let query = self.to_query();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// `page` with this filter, and with what `also` says.
    pub(in crate::console) fn after(&self, page: &str, also: &str) -> String {
        let query = self.to_query();
        let between = if query.is_empty() { "" } else { "&" };
        format!("{page}?{query}{between}{also}")
    }

    /// The same as the store looks for it.
    pub(in crate::console) fn sought(&self, present: &Present) -> Sought {
        let levels: Vec<i64> = self.levels.iter().map(|level| i64::from(level.number())).collect();
        let categories: Vec<&str> = self.categories.iter().copied().collect();
        Sought {
            among: self.among,
            words: self.words.clone(),
            levels: (!levels.is_empty()).then_some((levels, self.not_levels)),
            categories: (!categories.is_empty())
                .then(|| (categories.into_iter().map(str::to_owned).collect(), self.not_categories)),
            standing: self.state,
            since_us: self.since.map(|day| present.midnight_us(day)),
            until_us: self.until.and_then(|day| day.tomorrow().ok()).map(|day| present.midnight_us(day)),
            only: None,
            now_us: present.now_us(),
        }
    }

    /// The form, filled in.
    pub(in crate::console) fn view(&self) -> FilterView {
        let choice = |value: &str, words: &str, is_chosen| Choice {
            value: value.to_owned(),
            words: words.to_owned(),
            is_chosen,
        };
        let level = |level: Level| {
            choice(&level.number().to_string(), &capitalised(level.word()), self.levels.contains(&level))
        };
        let mut categories: Vec<Choice> = Category::all()
            .filter(|category| category.id() != "canary")
            .map(|category| choice(category.id(), category.name(), self.categories.contains(category.id())))
            .collect();
        categories.sort_by(|one, other| one.words.cmp(&other.words));
        let state = |state: Option<Standing>, words| choice(state.map_or("", state_code), words, self.state == state);
        let show = |among: Among, value, words| choice(value, words, self.among == among);
        FilterView {
            is_on: !self.is_open_list(),
            words: self.words.clone(),
            max_words: MAX_WORDS,
            levels: Level::ALL.into_iter().rev().map(level).collect(),
            not_levels: self.not_levels,
            categories,
            not_categories: self.not_categories,
            states: [
                state(None, "Any"),
                state(Some(Standing::Waiting), "Not acknowledged"),
                state(Some(Standing::Working), "Acknowledged"),
                state(Some(Standing::Mine), "Given to me"),
            ],
            shows: [
                show(Among::Open, "", "Open"),
                show(Among::Closed, "closed", "Closed"),
                show(Among::All, "all", "Open and closed"),
                show(Among::PutOff, "put-off", "Put off by me"),
            ],
            since: self.since.map_or_else(String::new, |day| day.to_string()),
            until: self.until.map_or_else(String::new, |day| day.to_string()),
            says: self.says(),
        }
    }

    /// What is shown, in a sentence; empty for the open list.
    fn says(&self) -> String {
        if self.is_open_list() {
            return String::new();
        }
        let mut parts = vec![
            match self.among {
                Among::Open => "open",
                Among::Closed => "closed",
                Among::All => "open and closed",
                Among::PutOff => "put off by you",
            }
            .to_owned(),
        ];
        let list = |words: Vec<&str>, is_not: bool| format!("{}{}", if is_not { "not " } else { "" }, words.join(", "));
        if !self.levels.is_empty() {
            let levels = self.levels.iter().rev().map(|level| level.word()).collect();
            parts.push(list(levels, self.not_levels));
        }
        if !self.categories.is_empty() {
            let names = Category::all().filter(|known| self.categories.contains(known.id())).map(Category::name);
            parts.push(list(names.collect(), self.not_categories));
        }
        match self.state {
            Some(Standing::Waiting) => parts.push("not acknowledged".to_owned()),
            Some(Standing::Working) => parts.push("acknowledged".to_owned()),
            Some(Standing::Mine) => parts.push("given to you".to_owned()),
            None => {}
        }
        match (self.since, self.until) {
            (Some(since), Some(until)) => parts.push(format!("seen from {since} to {until}")),
            (Some(since), None) => parts.push(format!("seen since {since}")),
            (None, Some(until)) => parts.push(format!("seen until {until}")),
            (None, None) => {}
        }
        if !self.words.is_empty() {
            parts.push(format!("\u{201c}{}\u{201d}", self.words));
        }
        parts.join("; ")
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn level_of(number: u8) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.number() == number)
}

const fn state_code(state: Standing) -> &'static str {
    match state {
        Standing::Waiting => "waiting",
        Standing::Working => "working",
        Standing::Mine => "mine",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_says_the_whole_filter_and_the_filter_the_same_address() {
        let query =
            "q=Am%26%20lia&level=5&level=4&category=drugs&not=level&state=waiting&since=2026%2D11%2D01&show=all";
        let filter = Filter::of(Some(query));
        assert_eq!(filter.to_query(), query);
        let view = filter.view();
        assert_eq!((view.words.as_str(), view.not_levels, view.not_categories), ("Am& lia", true, false));
        assert_eq!(view.levels.iter().filter(|choice| choice.is_chosen).count(), 2);
        assert_eq!(
            view.says,
            "open and closed; not critical, high; Drugs; not acknowledged; seen since 2026-11-01; \u{201c}Am& lia\u{201d}"
        );
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for query in ["", "level=9&level=x&category=nothing&state=gone&since=yesterday&show=me&x=y&=&&", "not=level"] {
            let filter = Filter::of(Some(query));
            assert!(filter.is_open_list() && !filter.view().is_on, "{query}");
            assert_eq!(filter.to_query(), "", "{query}");
        }
        assert!(Filter::of(Some(&format!("show=all&{}", "x".repeat(MAX_QUERY_BYTES)))).is_open_list());
        assert_eq!(Filter::of(Some(&format!("q={}", "x".repeat(500)))).view().words.len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn every_address_leads_to_one_that_says_the_same(query in "(q|level|category|not|state|since|show|%|=|&|[a-z0-9%+-]){0,40}") {
            let filter = Filter::of(Some(&query));
            prop_assert_eq!(Filter::of(Some(&filter.to_query())).sought_words(), filter.sought_words());
        }
    }

    impl Filter {
        /// Everything that matters of it.
        fn sought_words(&self) -> (String, bool) {
            (self.says(), self.is_open_list())
        }
    }
}
