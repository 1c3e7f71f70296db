//! What happens at a school in a year, made up, and the same in every run: some pupils fill a file, most a line.

use lapwing_proto::{Account, BootId, Capture, Excerpt, Hit, Open, Signal, Verdict};
use lapwing_rules::{Band, Category, Digest, Level, Mark, Release, RuleId, Scope, Span};

use crate::sample::Chance;

/// Midnight of the Monday that the school year begins with, 31 August 2026.
const FIRST_MONDAY_US: i64 = 1_788_134_400_000_000;
pub(super) const MINUTE_US: i64 = 60_000_000;
pub(super) const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// Weeks of a school year, of five days.
const SCHOOL_DAYS: usize = 38 * 5;
/// Between 09:00 and 15:00, Coordinated Universal Time: open in summer and in winter.
const FROM_US: i64 = 9 * 60 * MINUTE_US;
const MINUTES: usize = 6 * 60;
/// Between two captures of one concern.
const APART_US: i64 = MINUTE_US / 4;

const CATEGORIES: [Category; 16] = [
    Category::SelfHarm,
    Category::Suicide,
    Category::EatingDisorder,
    Category::Bullying,
    Category::Drugs,
    Category::Gambling,
    Category::Hate,
    Category::Violence,
    Category::Weapons,
    Category::Misogyny,
    Category::Pornography,
    Category::StrangerContact,
    Category::Profanity,
    Category::FilterBypass,
    Category::OffTaskGaming,
    Category::Scams,
];

/// Of a hundred concerns: how many have that many captures, from and how many more.
const SIZES: [(usize, (usize, usize)); 4] = [(55, (1, 4)), (30, (5, 8)), (13, (15, 20)), (2, (70, 120))];
/// Of a hundred concerns.
const LEVELS: [(usize, Level); 4] = [(45, Level::Low), (35, Level::Moderate), (17, Level::High), (3, Level::Critical)];

/// A school's year.
#[derive(Debug)]
pub(super) struct Plan {
    chance: Chance,
    topics: Vec<Topic>,
    pupils: usize,
    devices: usize,
}

/// A category, and a rule of it.
#[derive(Clone, Debug)]
struct Topic {
    category: Category,
    rule: RuleId,
}

/// Captures of one pupil about one topic.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) level: Level,
    pub(super) device: usize,
    pub(super) captures: Vec<Capture>,
    /// When the last was seen.
    pub(super) until_us: i64,
}

impl Plan {
    pub(super) fn new(seed: u64, pupils: usize, devices: usize) -> anyhow::Result<Self> {
        let topic = |category: Category| Ok(Topic { category, rule: format!("{}.words", category.id()).parse()? });
        let topics = CATEGORIES.into_iter().map(topic).collect::<anyhow::Result<_>>()?;
        Ok(Self { chance: Chance::new(seed), topics, pupils, devices })
    }

    /// What happens next, when `done` of the year's `all` captures have been.
    pub(super) fn next(&mut self, done: usize, all: usize) -> Episode {
        let (pupil, size) = (self.pupil(), self.size());
        let (topic, level) = (self.chance.below(CATEGORIES.len()), self.level());
        let begins_us = school_day_us(SCHOOL_DAYS * done / all.max(1)) + minutes_us(self.chance.below(MINUTES));
        let at_us = |number: usize| begins_us + i64::try_from(number).unwrap_or(0) * APART_US;
        let topic = self.topics.get(topic).into_iter().cycle().take(size);
        let captures = topic.enumerate().map(|(number, topic)| capture(pupil, topic, level, at_us(number))).collect();
        Episode { level, device: pupil % self.devices, captures, until_us: at_us(size) }
    }

    /// The number `number` of many that have no topic in common, each of one capture.
    pub(super) fn lone(&self, number: usize, at_us: i64) -> Episode {
        let (pupil, level) = (number % self.pupils, Level::High);
        let topic = self.topics.iter().cycle().nth(number / self.pupils);
        let captures = topic.map(|topic| capture(pupil, topic, level, at_us)).into_iter().collect();
        Episode { level, device: number % self.devices, captures, until_us: at_us }
    }

    /// Skewed: of a thousand, the first is met thirty times as often as the mean.
    fn pupil(&mut self) -> usize {
        const FINE: usize = 1 << 16;
        let share = self.chance.below(FINE);
        share * share / FINE * self.pupils / FINE
    }

    fn size(&mut self) -> usize {
        let (least, more) = drawn(self.chance.below(100), &SIZES, (1, 1));
        least + self.chance.below(more)
    }

    fn level(&mut self) -> Level {
        drawn(self.chance.below(100), &LEVELS, Level::Low)
    }
}

/// The one of `shares` of a hundred that `place` falls into; `otherwise` where they do not add up.
fn drawn<T: Copy>(place: usize, shares: &[(usize, T)], otherwise: T) -> T {
    let mut below = 0;
    let mut falls = |share: usize| {
        below += share;
        place < below
    };
    shares.iter().find(|(share, _)| falls(*share)).map_or(otherwise, |(_, one)| *one)
}

/// The account of a pupil.
pub(super) fn account_of(pupil: usize) -> String {
    format!("pupil{pupil}")
}

/// When a school day begins.
pub(super) fn school_day_us(day: usize) -> i64 {
    let day = i64::try_from(day).unwrap_or(0);
    FIRST_MONDAY_US + (day / 5 * 7 + day % 5) * DAY_US + FROM_US
}

fn minutes_us(minutes: usize) -> i64 {
    i64::try_from(minutes).unwrap_or(0) * MINUTE_US
}

fn capture(pupil: usize, Topic { category, rule }: &Topic, level: Level, wall_us: i64) -> Capture {
    let text = format!("what somebody would look for about {} at school", category.id());
    let span = Span { text: 0, start: 0, end: text.len(), mark: Mark::Topic, weight: 0 };
    Capture {
        signal: Open::Known(Signal::Title),
        wall_us,
        boot_us: 1,
        boot_id: BootId::from_bytes([0xb1; 16]),
        account: Account { name: account_of(pupil), session: "3".to_owned(), groups: vec!["pupils".to_owned()] },
        app: "browser".to_owned(),
        private_window: false,
        excerpts: vec![Excerpt { scope: Open::Known(Scope::Title), text }],
        verdict: Verdict {
            release: Release::new(1),
            rule_set: Digest::of(b"made up"),
            band: Open::Known(Band::Ks3),
            hits: vec![Hit {
                rule: rule.clone(),
                category: lapwing_proto::Category::Known(*category),
                level,
                spans: vec![span],
                excepted: vec![],
                weight: 0,
            }],
        },
        sealed_reference: vec![],
        repeats: 0,
        media: None,
        url_blind: false,
        burst: 1,
    }
}
