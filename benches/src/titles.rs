//! `titles`: scripted switches between real windows, and who sees them.
//!
//! A screen (Xvfb), a window manager (openbox) and windows of our own. Each switch gives a window in the background a
//! title that was never there before and asks the manager to bring it to the front, as a task bar does; then 50 to
//! 900 ms pass. A latency is from asking until the watcher has told: what the manager takes is in it. Watchers are the
//! agent's session program, telling a socket; `xprop -spy`, the control, telling a pipe; and a program that looks once
//! a second.

mod screen;
mod watchers;

pub(crate) use screen::{Program, Screen};
pub(crate) use watchers::{POLLER, absent};

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use e2e::Programs;

use crate::report::{Effort, Goal, Metric, Report, now, quantile};
use watchers::{Poller, Session, Spy};

/// Windows that are switched between.
const WINDOWS: usize = 6;
const SHORTEST_MS: u64 = 50;
const LONGEST_MS: u64 = 900;
/// What a switch may take to be seen, at the 99th percentile.
const GOAL_MS: f64 = 20.0;
/// Where chance begins: the same script in every run.
const SEED: u64 = 20;

/// A switch that was asked for.
#[derive(Debug)]
struct Switch {
    title: String,
    window: u32,
    at: Instant,
}

/// Measures it.
///
/// # Errors
///
/// When Xvfb, openbox or the agent does not start.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let count = match effort {
        Effort::Quick => 30,
        Effort::Full => 1_000,
    };
    let folder = tempfile::tempdir()?;
    let screen = Screen::start(WINDOWS)?;
    let session = Session::start(&Programs::built()?.agent, screen.display(), folder.path())?;
    session.wait_until_told().context("the agent's session told no title")?;
    let spy = absent("xprop", Spy::start(screen.display()));
    let poller = absent("python3-xlib", Poller::start(screen.display()));
    let switches = play(&screen, count)?;
    let seen = session.stop();
    let ours: Vec<_> = switches
        .iter()
        .map(|switch| seen.iter().find(|(_, title)| *title == switch.title).map(|(at, _)| *at - switch.at))
        .collect();
    let control = spy.map(|spy| spied(&switches, &spy.stop()));
    let polled = poller.map(|poller| polled(&switches, &poller.stop()));
    Ok(Report::new("titles", metrics(&ours, control.as_deref(), polled)))
}

fn play(screen: &Screen, count: usize) -> anyhow::Result<Vec<Switch>> {
    let mut chance = SEED;
    let mut switches = Vec::with_capacity(count);
    for number in 0..count {
        // Knuth's MMIX generator; its upper bits are the good ones.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let title = format!("switch {number}");
        let window = screen.rename_behind(&title, usize::try_from(chance >> 40)?)?;
        let at = now();
        screen.activate(window)?;
        switches.push(Switch { title, window, at });
        std::thread::sleep(Duration::from_millis(SHORTEST_MS + (chance >> 33) % (LONGEST_MS - SHORTEST_MS)));
    }
    Ok(switches)
}

/// What xprop tells is a window's number: the first line that names it before the next switch is the switch.
fn spied(switches: &[Switch], told: &[(Instant, String)]) -> Vec<Option<Duration>> {
    let ends = switches.iter().skip(1).map(|next| Some(next.at)).chain([None]);
    let latency = |(switch, end): (&Switch, Option<Instant>)| {
        let number = format!("{:#x}", switch.window);
        let named = |line: &str| line.rsplit([' ', ',']).any(|word| word == number);
        let in_time = |at: Instant| at >= switch.at && end.is_none_or(|end| at < end);
        told.iter().find(|(at, line)| in_time(*at) && named(line)).map(|(at, _)| *at - switch.at)
    };
    switches.iter().zip(ends).map(latency).collect()
}

fn polled(switches: &[Switch], told: &[(Instant, String)]) -> usize {
    let told: BTreeSet<_> = told.iter().map(|(_, title)| title.as_str()).collect();
    switches.iter().filter(|switch| told.contains(switch.title.as_str())).count()
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn metrics(ours: &[Option<Duration>], control: Option<&[Option<Duration>]>, polled: Option<usize>) -> Vec<Metric> {
    let seen = |watched: &[Option<Duration>]| watched.iter().flatten().count() as f64;
    let latency = |watched: &[Option<Duration>], share| {
        let taken: Vec<_> = watched.iter().flatten().map(|took| took.as_secs_f64() * 1e3).collect();
        quantile(&taken, share)
    };
    let name = format!("switches seen of {}, control: xprop -spy", ours.len());
    let goal = Goal::AtLeast(ours.len() as f64);
    let mut all = Metric::of_run(name, "count", seen(ours), control.map(seen), Some(goal));
    if let Some(polled) = polled {
        all = all.beside("python-xlib, once a second", polled as f64);
    }
    let mut metrics = vec![all];
    for (name, share, goal) in [("p50", 0.5, None), ("p99", 0.99, Some(Goal::AtMost(GOAL_MS))), ("slowest", 1.0, None)]
    {
        let control = control.map(|control| latency(control, share));
        metrics.push(Metric::of_run(format!("a switch is told, {name}"), "ms", latency(ours, share), control, goal));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(number: u32, at: Instant) -> Switch {
        Switch { title: format!("switch {number}"), window: number, at }
    }

    #[test]
    fn a_line_of_xprop_belongs_to_the_switch_it_follows() {
        let begin = now();
        let after = |ms| begin + Duration::from_millis(ms);
        let switches = [switch(1, after(0)), switch(2, after(100)), switch(1, after(200))];
        let line = |ms, number: u32| (after(ms), format!("_NET_ACTIVE_WINDOW(WINDOW): window id # {number:#x}"));
        let told = [line(5, 1), line(207, 1)];
        let found = spied(&switches, &told);
        assert_eq!(found, [Some(Duration::from_millis(5)), None, Some(Duration::from_millis(7))]);
    }
}
