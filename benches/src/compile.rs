//! `compile`: packs of thousands of rules, each with three examples of either kind, which are run and asked what they
//! show.

use std::fmt::Write as _;

use anyhow::ensure;
use lapwing_rules::{Compiler, Release, Validity};

use crate::matching::peers;
use crate::report::{Effort, Goal, Metric, Report, time};
use crate::sample::{self, Sample};

/// Rules, at full effort; the goal is for the last.
const RULES: [usize; 3] = [1_000, 3_000, 10_000];
const RULES_A_PACK: usize = 1_000;
const PHRASES_A_RULE: usize = 3;
const GOAL_S: f64 = 10.0;

/// Measures it.
///
/// # Errors
///
/// When the sample does not compile.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let sample = Sample::new();
    let (mut metrics, mut sizes, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for (number, rules) in RULES.into_iter().enumerate() {
        let count = effort.of(rules);
        // One phrase in four is a single word, and shows less when its words are taken apart.
        let phrases = sample.phrases((count + 1) * 4);
        let phrases: Vec<_> = phrases.into_iter().filter(|phrase| phrase.contains(' ')).collect();
        let compiler = compiler(&phrases, count);
        let mut artefact = Ok(None);
        let took = time(|| artefact = compiler.compile(Release::new(1), Validity::default()).map(Some)).as_secs_f64();
        ensure!(artefact.map_err(sample::mistakes)?.is_some(), "nothing was compiled");
        let control = time(|| drop(std::hint::black_box(peers::contiguous(&phrases)))).as_secs_f64();
        let goal = (number + 1 == RULES.len()).then_some(Goal::AtMost(GOAL_S));
        let name = format!("{count} rules, 3 + 3 examples, control: {}", peers::CONTROL);
        metrics.push(Metric::of_run(name, "s", took, Some(control), goal));
        sizes.push(count);
        times.push(took);
    }
    let exponent = crate::matching::exponent(&sizes, &times);
    metrics.push(Metric::of_run(format!("compiling by rules, {sizes:?}"), "exponent", exponent, None, None));
    Ok(Report::new("compile", metrics))
}

/// Packs of `count` rules that ask for three examples of either kind.
fn compiler(phrases: &[String], count: usize) -> Compiler {
    let rules: Vec<_> = phrases.chunks_exact(PHRASES_A_RULE).take(count).collect();
    rules.chunks(RULES_A_PACK).enumerate().fold(Compiler::new().least_examples(3), |compiler, (number, rules)| {
        let name = format!("rules_{number}");
        let mut pack = sample::head(&name);
        for (number, phrases) in rules.iter().enumerate() {
            rule(&mut pack, &format!("{name}.rule_{number}"), phrases);
        }
        compiler.pack(format!("{name}.toml"), pack)
    })
}

/// Any of the phrases; the last is spared with a word after it, the others are told from their words in another order.
fn rule(pack: &mut String, id: &str, phrases: &[String]) {
    let example = |text: &str| format!("{{ scope = \"title\", text = \"{text}\" }}");
    let quoted: Vec<_> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
    let fires: Vec<_> = phrases.iter().map(|phrase| example(&format!("a page of {phrase} today"))).collect();
    let (last, others) = phrases.split_last().map_or(("", phrases), |(last, others)| (last.as_str(), others));
    let apart = |phrase: &String| example(&phrase.split(' ').rev().collect::<Vec<_>>().join(" and "));
    let mut silent: Vec<_> = others.iter().map(apart).collect();
    silent.push(example(&format!("the {last} club")));
    // A string takes any line.
    let _ = writeln!(
        pack,
        "{}match.any = [{}]\nexcept = [{{ phrase = \"{last} club\" }}]\nexamples.must_match = [{}]\n\
         examples.must_not_match = [{}]",
        sample::rule(id, "\"title\""),
        quoted.join(", "),
        fires.join(", "),
        silent.join(", ")
    );
}
