//! The form by which an exemption is asked for: as it is shown, and as it comes back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use lapwing_proto::{Exemption, ExemptionId};
use lapwing_rules::Category;
use serde::Deserialize;

use crate::calendar::Calendar;
use crate::console::words::Present;
use crate::exemption::Plan;
use crate::store::exemptions::Places;

/// What stands before the name of a topic, group or room in the name of its box.
const TOPIC: &str = "topic:";
const GROUP: &str = "group:";
const ROOM: &str = "room:";

/// What somebody wrote.
#[derive(Clone, Default, Deserialize)]
pub(in crate::console) struct Written {
    day: String,
    from: String,
    /// Empty: the same day.
    #[serde(default)]
    last_day: String,
    to: String,
    reason: String,
    risks: String,
    /// Boxes that are ticked.
    #[serde(flatten)]
    ticked: BTreeMap<String, String>,
}

/// The form as it is shown.
#[derive(Clone, Default)]
pub(super) struct FormView {
    pub(super) day: String,
    pub(super) from: String,
    pub(super) last_day: String,
    pub(super) to: String,
    pub(super) reason: String,
    pub(super) risks: String,
    pub(super) whole_school: bool,
    pub(super) topics: Vec<TickView>,
    pub(super) groups: Vec<TickView>,
    pub(super) rooms: Vec<TickView>,
    ticked: BTreeSet<String>,
}

/// A box to tick.
#[derive(Clone)]
pub(super) struct TickView {
    pub(super) name: String,
    pub(super) words: String,
    pub(super) is_ticked: bool,
}

impl Written {
    /// Why it is asked for.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// What is asked for, in the school's time.
    ///
    /// # Errors
    ///
    /// A sentence about what cannot be read. What makes no sense is found when it is asked for.
    pub(super) fn plan(&self, calendar: &Calendar) -> Result<Plan, &'static str> {
        let first: Date = self.day.parse().map_err(|_| "Choose a day.")?;
        let last: Date = match self.last_day.as_str() {
            "" => first,
            text => text.parse().map_err(|_| "Choose a last day, or leave it empty.")?,
        };
        let time = |text: &str| text.parse::<Time>().map_err(|_| "Choose from when to when.");
        let moment = |date, time| calendar.moment(date, time).ok_or("Choose another day.");
        let ticked = |prefix| self.ticked.keys().filter_map(move |name| name.strip_prefix(prefix));
        let topics = ticked(TOPIC).map(str::parse::<Category>).collect::<Result<BTreeSet<_>, _>>();
        Ok(Plan {
            id: ExemptionId::random().map_err(|_| "Try again in a moment.")?,
            categories: topics.map_err(|_| "Choose topics of the list.")?,
            whole_school: self.ticked.contains_key("whole_school"),
            groups: ticked(GROUP).map(str::to_owned).collect(),
            rooms: ticked(ROOM).map(str::to_owned).collect(),
            from_us: moment(first, time(&self.from)?)?,
            until_us: moment(last, time(&self.to)?)?,
            lesson_minutes: calendar.lesson_minutes(),
            risks: self.risks.trim().replace("\r\n", "\n"),
        })
    }
}

impl FormView {
    /// Nothing written yet: today.
    pub(super) fn empty(present: &Present) -> Self {
        Self { day: present.date_text(), ..Self::default() }.with_topics()
    }

    /// What was written, to be mended.
    pub(super) fn of(written: &Written) -> Self {
        let Written { day, from, last_day, to, reason, risks, ticked } = written.clone();
        let whole_school = ticked.contains_key("whole_school");
        let ticked = ticked.into_keys().collect();
        Self { day, from, last_day, to, reason, risks, whole_school, ticked, ..Self::default() }.with_topics()
    }

    /// Offers the school's groups and rooms.
    pub(super) fn offer(&mut self, places: Places) {
        self.groups = places.groups.into_iter().map(|group| self.tick(GROUP, &group, &group)).collect();
        self.rooms = places.rooms.into_iter().map(|room| self.tick(ROOM, &room, &room)).collect();
    }

    fn with_topics(mut self) -> Self {
        let exempted = Category::all().filter(|category| Exemption::may_hold_for(*category));
        self.topics = exempted.map(|category| self.tick(TOPIC, category.id(), category.name())).collect();
        self
    }

    fn tick(&self, prefix: &str, id: &str, words: &str) -> TickView {
        let name = format!("{prefix}{id}");
        TickView { is_ticked: self.ticked.contains(&name), name, words: words.to_owned() }
    }
}
