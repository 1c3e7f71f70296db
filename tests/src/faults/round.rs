//! Which faults a round tries: those that went wrong before, each place and each call once, then at random.

use std::path::Path;

use anyhow::Context as _;

use super::calls::Calls;
use super::fault::{Fault, Outcome, Program, Struck};
use super::places::places;
use crate::chaos::Draw;

/// Seeds of runs that once went wrong, each with its cause.
const KEPT: &str = "faults.seeds";
/// Most often that a place is passed before the process ends at it.
const MOST_PASSES: u64 = 8;
/// Calls that a full or broken disk can refuse. `write` goes to pipes and event counters as well, which never refuse.
const REFUSABLE: [&str; 6] = ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename"];
const JUMPS: [i64; 6] = [600, -600, 86_400, -86_400, 94_608_000, -94_608_000];

/// A fault, and the seed of everything else in its run.
pub(super) type Run = (Fault, u64);

/// The runs that went wrong once.
pub(super) fn kept() -> anyhow::Result<Vec<Run>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    text.lines().filter_map(|line| line.split('#').next()).filter(|line| !line.trim().is_empty()).map(run).collect()
}

/// `FAULT seed SEED`.
fn run(line: &str) -> anyhow::Result<Run> {
    let (fault, seed) = line.rsplit_once(" seed ").with_context(|| format!("`{line}` names no seed"))?;
    Ok((fault.parse()?, seed.trim().parse()?))
}

/// A copy of the PC, and every place and call of both programs, once.
pub(super) fn each_once(calls: &Calls, seed: u64) -> anyhow::Result<Vec<Run>> {
    let mut draw = Draw::of([seed, 1, 0]);
    let mut runs = vec![(Fault::Copied, draw.below(u64::MAX))];
    for program in [Program::Agent, Program::Collector] {
        for place in places(program)? {
            runs.push((Fault::Place(program, place, 1), draw.below(u64::MAX)));
        }
    }
    for ((program, call), most) in calls {
        // In the first quarter: threads differ from run to run in how far they get.
        let time = 1 + draw.below(u64::from(*most) / 4);
        runs.push((Fault::Call(*program, call.clone(), Outcome::Kill, small(time)), draw.below(u64::MAX)));
    }
    Ok(runs)
}

/// As many as are wanted, drawn.
pub(super) fn at_random(calls: &Calls, seed: u64, count: usize) -> anyhow::Result<Vec<Run>> {
    let mut draw = Draw::of([seed, 2, 0]);
    let all_places = [(Program::Agent, places(Program::Agent)?), (Program::Collector, places(Program::Collector)?)];
    (0..count).map(|_| Ok((drawn(&mut draw, &all_places, calls)?, draw.below(u64::MAX)))).collect()
}

fn drawn(draw: &mut Draw, all_places: &[(Program, Vec<String>); 2], calls: &Calls) -> anyhow::Result<Fault> {
    let program = if draw.below(2) == 0 { Program::Agent } else { Program::Collector };
    let fault = match draw.below(20) {
        0..=6 => {
            let of = all_places.iter().find(|(of, _)| *of == program).map(|(_, places)| places.as_slice());
            let place = one_of(draw, of.unwrap_or_default())?.clone();
            Fault::Place(program, place, small(1 + draw.below(MOST_PASSES)))
        }
        7..=12 => call(draw, calls, program, Outcome::Kill, |_| true)?,
        13 => call(draw, calls, program, Outcome::Eio, |name| REFUSABLE.contains(&name))?,
        14 => call(draw, calls, program, Outcome::Enospc, |name| REFUSABLE.contains(&name))?,
        15 | 16 => {
            let struck = [Struck::One(Program::Agent), Struck::One(Program::Collector), Struck::Both];
            Fault::Kill(*one_of(draw, &struck)?)
        }
        17 if draw.below(4) == 0 => Fault::Copied,
        17 => Fault::Suspend,
        18 => Fault::Clock(program, *one_of(draw, &JUMPS)?),
        _ => Fault::Link((*one_of(draw, &super::play::LINKS.map(|(name, _)| name))?).to_owned()),
    };
    Ok(fault)
}

fn call(
    draw: &mut Draw,
    calls: &Calls,
    program: Program,
    outcome: Outcome,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Fault> {
    let of: Vec<_> = calls.iter().filter(|((of, name), _)| *of == program && wanted(name)).collect();
    let ((_, name), most) = one_of(draw, &of)?;
    Ok(Fault::Call(program, name.clone(), outcome, small(1 + draw.below(u64::from(**most)))))
}

fn one_of<'a, T>(draw: &mut Draw, of: &'a [T]) -> anyhow::Result<&'a T> {
    let chosen = draw.below(u64::try_from(of.len()).unwrap_or(u64::MAX));
    usize::try_from(chosen).ok().and_then(|chosen| of.get(chosen)).context("nothing to draw from")
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
