//! Others that look for the same phrases. None folds, knows words or gives a verdict; the texts are in small letters so
//! that they need not.

use ahash::AHashSet;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use daachorse::DoubleArrayAhoCorasick;
use regex::RegexSetBuilder;

use super::vectorscan::Vectorscan;
use crate::report::time;
use crate::sample::Subject;

/// aho-corasick's, the automaton that it takes for so many phrases by itself.
pub(crate) const CONTROL: &str = "contiguous NFA";
/// Most phrases that an automaton with a row a state is asked for.
const MOST: usize = 10_000;
/// Most phrases that a set of expressions is asked for: with 1,000 it takes most of a millisecond a text by then.
const MOST_EXPRESSIONS: usize = 100;
/// Most words of a phrase.
const WORDS: usize = 4;
/// Memory a compiled expression may take.
const REGEX_BYTES: usize = 1 << 30;

/// Looks through one text and says how often it found something.
type Scan = Box<dyn Fn(&str) -> usize>;

/// What searches.
enum Searcher {
    /// In this process.
    Here(Scan),
    /// In a program of its own, which has the texts and takes its own time.
    There(Vectorscan),
}

/// Another that looks for the phrases.
pub(super) struct Peer {
    pub(super) name: &'static str,
    searcher: Searcher,
}

impl Peer {
    /// Everyone who can search for so many; the others are named.
    #[expect(clippy::print_stderr, reason = "who reads the table must know what is not in it")]
    pub(super) fn all(phrases: &[String], subjects: &[Subject]) -> anyhow::Result<Vec<Self>> {
        let here = |name, scan| Self { name, searcher: Searcher::Here(scan) };
        let mut peers = vec![
            here(CONTROL, automaton(phrases, AhoCorasickKind::ContiguousNFA)?),
            here("daachorse", double_array(phrases)?),
            here("whole words in an AHashSet", whole_words(phrases)),
        ];
        if phrases.len() <= MOST {
            peers.push(here("aho-corasick, DFA", automaton(phrases, AhoCorasickKind::DFA)?));
        } else {
            eprintln!("aho-corasick's DFA is left out: {} phrases take it too much", phrases.len());
        }
        if phrases.len() <= MOST_EXPRESSIONS {
            peers.push(here("regex::RegexSet", regex_set(phrases)?));
        } else {
            eprintln!("regex::RegexSet is left out: {} phrases take it too much", phrases.len());
        }
        match Vectorscan::start(phrases, subjects) {
            Ok(vectorscan) => peers.push(Self { name: "vectorscan", searcher: Searcher::There(vectorscan) }),
            Err(error) => eprintln!("vectorscan is left out: {error:#} (benches/peers.sh installs it)"),
        }
        Ok(peers)
    }

    /// Nanoseconds a text.
    ///
    /// # Errors
    ///
    /// When the program of a peer ended.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub(super) fn measure(&mut self, subjects: &[Subject]) -> anyhow::Result<f64> {
        match &mut self.searcher {
            Searcher::Here(scan) => {
                let mut found = 0;
                let took = time(|| found = subjects.iter().map(|subject| scan(&subject.line)).sum::<usize>());
                std::hint::black_box(found);
                Ok(took.as_secs_f64() * 1e9 / subjects.len() as f64)
            }
            Searcher::There(program) => program.measure(),
        }
    }
}

/// The control on its own: its search, and the bytes it keeps.
pub(crate) fn contiguous(phrases: &[String]) -> anyhow::Result<AhoCorasick> {
    Ok(AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(phrases)?)
}

fn automaton(phrases: &[String], kind: AhoCorasickKind) -> anyhow::Result<Scan> {
    let automaton = AhoCorasick::builder().kind(Some(kind)).build(phrases)?;
    Ok(Box::new(move |text| automaton.find_iter(text).count()))
}

fn double_array(phrases: &[String]) -> anyhow::Result<Scan> {
    let automaton =
        DoubleArrayAhoCorasick::<u32>::new(phrases).map_err(|error| anyhow::anyhow!("daachorse: {error}"))?;
    Ok(Box::new(move |text| automaton.find_iter(text).count()))
}

fn regex_set(phrases: &[String]) -> anyhow::Result<Scan> {
    let expressions = phrases.iter().map(|phrase| format!(r"\b{phrase}\b"));
    let set = RegexSetBuilder::new(expressions).unicode(false).size_limit(REGEX_BYTES).build()?;
    Ok(Box::new(move |text| set.matches(text).iter().count()))
}

/// Every stretch of one to four words is looked up.
fn whole_words(phrases: &[String]) -> Scan {
    let phrases: AHashSet<String> = phrases.iter().cloned().collect();
    Box::new(move |text| {
        let (mut starts, mut found, mut start) = ([0; WORDS], 0, 0);
        for (number, word) in text.split(|c: char| !c.is_alphanumeric()).enumerate() {
            let end = start + word.len();
            if let Some(kept) = starts.get_mut(number % WORDS) {
                *kept = start;
            }
            let stretches = starts.iter().take(number + 1).filter_map(|start| text.get(*start..end));
            found += stretches.filter(|stretch| phrases.contains(*stretch)).count();
            start = end + 1;
        }
        found
    })
}
