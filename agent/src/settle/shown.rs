//! What one window or tab shows, one value after the other, and when the present one is to be looked at.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{STILL, after};
use crate::signal::Moment;

/// How often a value comes back before the times that it stood count together. Who types and takes back passes a
/// beginning a few times; more often than this only what changes by itself does.
pub(super) const RETURNS: u32 = 12;
/// A value that stays away for longer is new when it comes back.
const AWAY: Duration = Duration::from_secs(10);
/// How long nothing stands still before what is shown is looked at as it is. Nobody types for so long without a pause.
pub(super) const MOVING: Duration = Duration::from_mins(1);
/// Values remembered, by their hashes alone; the one that was away longest makes room.
const MAX_PAST: usize = 16;

/// The value that is shown, and how those before it came and went.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    value: String,
    since: Moment,
    /// How long it has to stand.
    still: Duration,
    is_looked_at: bool,
    /// It stood without a break.
    has_stood: bool,
    /// When it is looked at without having stood so long.
    early_us: Option<u64>,
    /// When nothing will have stood still for [`MOVING`], or for as long once more.
    moving_due_us: u64,
    is_moving: bool,
    past: Vec<Past>,
}

/// A value that was shown and replaced.
#[derive(Clone, Copy, Debug)]
struct Past {
    hash: u64,
    times: u32,
    stood_us: u64,
    left_us: u64,
    is_looked_at: bool,
}

impl Shown {
    pub(super) fn new(value: String, since: Moment, still: Duration) -> Self {
        let moving_due_us = after(since, MOVING);
        let (is_looked_at, has_stood, is_moving) = (false, false, false);
        let early_us = Some(moving_due_us);
        Self { value, since, still, is_looked_at, has_stood, early_us, moving_due_us, is_moving, past: Vec::new() }
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) const fn since(&self) -> Moment {
        self.since
    }

    pub(super) const fn is_looked_at(&self) -> bool {
        self.is_looked_at
    }

    /// Whether nothing has stood still for [`MOVING`] up to now.
    pub(super) const fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Another value takes the place of this one, which is not looked at any more. Answers whether it would have been
    /// at [`STILL`].
    pub(super) fn give_way(&mut self, next: Self) -> bool {
        self.remember(next.since.boot_us);
        let before = std::mem::replace(self, next);
        let is_skipped = !before.is_looked_at && after(before.since, STILL) <= self.since.boot_us;
        (self.past, self.is_moving) = (before.past, before.is_moving);
        if !before.has_stood {
            self.moving_due_us = before.moving_due_us;
        }
        self.early_us = self.summed_us().into_iter().chain([self.moving_due_us]).min();
        is_skipped
    }

    /// When the value, which came back often, will have stood long enough in all.
    fn summed_us(&self) -> Option<u64> {
        let hash = hash(&self.value);
        let past = self.past.iter().find(|past| past.hash == hash && !past.is_looked_at)?;
        let missing = micros(self.still).saturating_sub(past.stood_us);
        (past.times >= RETURNS).then(|| self.since.boot_us.saturating_add(missing))
    }

    /// Marks it as looked at, and answers since when it is shown; `None` when it already was.
    pub(super) fn look(&mut self) -> Option<Moment> {
        if self.is_looked_at {
            return None;
        }
        self.is_looked_at = true;
        self.early_us = None;
        Some(self.since)
    }

    /// Marks it as looked at where that is due at `now`.
    pub(super) fn look_if_due(&mut self, now: Moment) -> Option<Moment> {
        self.has_stood |= after(self.since, self.still) <= now.boot_us;
        let is_early = self.early_us.is_some_and(|due| due <= now.boot_us);
        if self.has_stood {
            self.is_moving = false;
        } else if self.moving_due_us <= now.boot_us {
            self.is_moving = true;
            self.moving_due_us = after(now, MOVING);
        }
        if self.has_stood || is_early { self.look() } else { None }
    }

    /// When [`Shown::look_if_due`] next has something to do.
    pub(super) fn deadline(&self) -> Option<u64> {
        let stands = (!self.has_stood).then(|| after(self.since, self.still));
        let early = self.early_us.filter(|_| !self.is_looked_at && !self.has_stood);
        stands.into_iter().chain(early).min()
    }

    fn remember(&mut self, now_us: u64) {
        let hash = hash(&self.value);
        self.past.retain(|past| now_us.saturating_sub(past.left_us) <= micros(AWAY) || past.hash == hash);
        let stood_us = now_us.saturating_sub(self.since.boot_us);
        let shown = Past { hash, times: 1, stood_us, left_us: now_us, is_looked_at: self.is_looked_at };
        if let Some(past) = self.past.iter_mut().find(|past| past.hash == hash) {
            if self.since.boot_us.saturating_sub(past.left_us) > micros(AWAY) {
                *past = shown;
                return;
            }
            past.times = past.times.saturating_add(1);
            past.stood_us = past.stood_us.saturating_add(stood_us);
            past.left_us = now_us;
            past.is_looked_at |= self.is_looked_at;
            return;
        }
        if self.past.len() >= MAX_PAST {
            let longest = self.past.iter().enumerate().min_by_key(|(_, past)| past.left_us).map(|(index, _)| index);
            longest.map(|index| self.past.swap_remove(index));
        }
        self.past.push(shown);
    }
}

/// A value that did not match is not kept: its hash tells whether it came back.
fn hash(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_values_stays_within_its_bound() {
        let at = |number: u64| Moment { boot_us: number * 1_000, wall_us: 0 };
        let mut shown = Shown::new(String::new(), at(0), STILL);
        for number in 1..10_000 {
            shown.give_way(Shown::new(number.to_string(), at(number), STILL));
        }
        assert_eq!(shown.past.len(), MAX_PAST);
    }
}
