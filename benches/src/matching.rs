//! `match`: the whole verdict on a title beside aho-corasick's contiguous automaton alone on the same phrases.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use lapwing_rules::{Band, Compiler, Diagnostic, Release, RuleSet, Scope, Text};

use crate::report::{Effort, Goal, Metric, Report, time};

/// Phrases in the rule set.
const PHRASES: usize = 10_000;
/// Titles a repeat, at full effort.
const TITLES: usize = 50_000;
/// No slower than the automaton alone.
const GOAL: f64 = 1.0;

/// Measures it.
///
/// # Errors
///
/// When the sample pack does not compile.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let words = Words;
    let phrases: Vec<_> = (0..effort.of(PHRASES).max(100)).map(|index| words.phrase(index)).collect();
    let titles: Vec<_> = (0..effort.of(TITLES)).map(|index| words.title(index)).collect();
    let rules = rule_set(&phrases)?;
    let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&phrases)?;
    let texts: Vec<_> = titles.iter().map(|title| [Text::new(Scope::Title, title.as_str())]).collect();
    let mut pairs = Vec::new();
    for _ in 0..effort.repeats() {
        let mut hits = 0;
        let ours = time(|| hits = texts.iter().map(|texts| rules.evaluate(texts, Band::Ks3).hits.len()).sum::<usize>());
        let mut found = 0;
        let control = time(|| found = titles.iter().map(|title| automaton.find_iter(title).count()).sum::<usize>());
        std::hint::black_box((hits, found));
        pairs.push((per_title(ours, titles.len()), per_title(control, titles.len())));
    }
    let name = format!("verdict on a title, {} phrases, control: contiguous NFA", phrases.len());
    Ok(Report::new("match", vec![Metric::of_pairs(name, "ns", &pairs, Some(Goal::Ratio(GOAL)))]))
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn per_title(took: std::time::Duration, titles: usize) -> f64 {
    took.as_secs_f64() * 1e9 / titles as f64
}

fn rule_set(phrases: &[String]) -> anyhow::Result<RuleSet> {
    let quoted: Vec<_> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
    let first = phrases.first().map_or("", String::as_str);
    let apart = first.split(' ').rev().collect::<Vec<_>>().join(" and ");
    let pack = format!(
        "[pack]\nid = \"bench\"\nversion = 1\ntitle = \"Bench\"\nsources = [\"made up\"]\n\n\
         [[rule]]\nid = \"bench.any\"\ntitle = \"Any\"\ncategory = \"off_task_gaming\"\nlevel = 1\n\
         scopes = [\"title\"]\nguidance = \"None.\"\n[rule.match]\nany = [{}]\n\n[rule.examples]\n\
         must_match = [{{ scope = \"title\", text = \"{first}\" }}]\n\
         must_not_match = [{{ scope = \"title\", text = \"{apart}\" }}]\n",
        quoted.join(", "),
    );
    Compiler::new().least_examples(1).pack("bench.toml", pack).rule_set(Release::new(1)).map_err(|diagnostics| {
        let problems: Vec<_> = diagnostics.iter().map(Diagnostic::render).collect();
        anyhow::anyhow!("the sample pack: {}", problems.join("\n"))
    })
}

/// Made-up words, the same in every run.
#[derive(Debug)]
struct Words;

impl Words {
    fn word(&self, index: usize) -> String {
        const START: [&str; 16] =
            ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va"];
        let mut word = String::new();
        let mut rest = index.wrapping_mul(2_654_435_761) % 1_048_576;
        for _ in 0..4 {
            word.push_str(START.get(rest % 16).copied().unwrap_or_default());
            rest /= 16;
        }
        word
    }

    /// Two words: a phrase of the rule set.
    fn phrase(&self, index: usize) -> String {
        format!("{} {}", self.word(index * 2), self.word(index * 2 + 1))
    }

    /// Eight words of which one in fifty titles holds a phrase.
    fn title(&self, index: usize) -> String {
        let mut words: Vec<_> = (0..8).map(|place| self.word(5_000_000 + index * 8 + place)).collect();
        if index.is_multiple_of(50) {
            words.insert(3, self.phrase(index % 100));
        }
        words.join(" ")
    }
}
