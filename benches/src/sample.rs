//! What the rule benchmarks are made of: words, phrases, titles, addresses and hosts, made up, and the same in every run.
//!
//! Words are put together from syllables, so that they share beginnings as real ones do, and are drawn by a law like
//! Zipf's: the word of rank n about 1/n times as often as the first. Every fourth word is kept for phrases: a phrase holds
//! one of them among ordinary words, and a text only where a phrase was put into it. So automata get as far into phrases
//! as they do on real texts, and still exactly one text in fifty hits.

use std::collections::HashSet;
use std::fmt::Write as _;

use lapwing_rules::{Compiler, Diagnostic, Release, Scope, SigningKey, Text, TrustedKeys, Validity, sign, split_url};

const VOCABULARY: usize = 400_000;
const ONSETS: [&str; 20] =
    ["b", "br", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "w"];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ea", "ou", "ai"];
const CODAS: [&str; 12] = ["", "", "", "n", "r", "s", "t", "l", "ng", "ck", "m", "d"];
/// Words of one syllable, and of at most two.
const SHORT: usize = 300;
const MIDDLING: usize = 20_000;
/// Of a hundred texts these hold a phrase: a title and an address.
const HITS: [usize; 2] = [0, 51];
/// Phrases of one rule.
const PHRASES_A_RULE: usize = 100;
/// Hosts of one pack.
const HOSTS_A_PACK: usize = 100_000;
/// Shortest and longest title, a word more or less: the mean of titles and addresses is 76 bytes.
const TITLE_BYTES: (usize, usize) = (60, 88);

/// Knuth's MMIX generator; its upper bits are the good ones.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap_or_default() % bound.max(1)
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts.get(self.below(texts.len())).copied().unwrap_or_default()
    }
}

/// A title, or the parts of an address.
pub(crate) struct Subject {
    pub(crate) texts: Vec<Text>,
    /// The same for those that search one string.
    pub(crate) line: String,
}

/// The words of all benchmarks.
pub(crate) struct Sample {
    /// By rank.
    words: Vec<String>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let mut chance = Chance::new(1);
        let (mut words, mut known) = (Vec::with_capacity(VOCABULARY), HashSet::with_capacity(VOCABULARY));
        while words.len() < VOCABULARY {
            let syllables = 1 + usize::from(words.len() >= SHORT) + usize::from(words.len() >= MIDDLING);
            let mut word = String::new();
            for _ in 0..syllables {
                word.push_str(chance.one_of(&ONSETS));
                word.push_str(chance.one_of(&VOWELS));
            }
            word.push_str(chance.one_of(&CODAS));
            if known.insert(word.clone()) {
                words.push(word);
            }
        }
        Self { words }
    }

    /// The first phrases of an endless list, of one to four words.
    pub(crate) fn phrases(&self, count: usize) -> Vec<String> {
        let mut chance = Chance::new(2);
        (0..count).map(|number| self.phrase(number, &mut chance)).collect()
    }

    fn phrase(&self, number: usize, chance: &mut Chance) -> String {
        let kept = self.word(number * 4 + 3);
        let mut words: Vec<&str> = (0..number % 4).map(|_| self.ordinary(chance)).collect();
        words.insert(chance.below(words.len() + 1), kept);
        words.join(" ")
    }

    /// Titles and addresses in turn; one in fifty holds one of `phrases`.
    pub(crate) fn subjects(&self, count: usize, phrases: &[String]) -> Vec<Subject> {
        let mut chance = Chance::new(3);
        let subject = |number: usize| {
            let phrase = phrases.get(chance.below(phrases.len())).filter(|_| HITS.contains(&(number % 100)));
            let phrase = phrase.map(String::as_str);
            let (shortest, longest) = TITLE_BYTES;
            let bytes = shortest + chance.below(longest - shortest);
            match number % 2 {
                0 => title(self.text(phrase, bytes, &mut chance)),
                _ => self.address(phrase, bytes, &mut chance),
            }
        };
        (0..count).map(subject).collect()
    }

    /// Words of so many bytes, or a few more.
    fn text(&self, phrase: Option<&str>, bytes: usize, chance: &mut Chance) -> String {
        let (mut words, mut taken) = (Vec::new(), phrase.map_or(0, str::len));
        while taken < bytes {
            let word = self.ordinary(chance);
            taken += word.len() + 1;
            words.push(word);
        }
        if let Some(phrase) = phrase {
            words.insert(chance.below(words.len() + 1), phrase);
        }
        words.join(" ")
    }

    /// A host, and words as a search term.
    fn address(&self, phrase: Option<&str>, bytes: usize, chance: &mut Chance) -> Subject {
        let host = format!("www.{}{}.example", self.ordinary(chance), self.ordinary(chance));
        let words = self.text(phrase, bytes.saturating_sub(host.len()), chance);
        let texts = split_url(&format!("https://{host}/?q={}", words.replace(' ', "+"))).map(|parts| parts.texts());
        let texts = texts.unwrap_or_default();
        let line = texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>().join("\n");
        Subject { texts, line }
    }

    /// Hosts that packs name.
    pub(crate) fn hosts(&self, count: usize) -> Vec<String> {
        let mut chance = Chance::new(4);
        (0..count)
            .map(|number| format!("{}{number}.{}.example", self.ordinary(&mut chance), self.word(number % 40)))
            .collect()
    }

    fn word(&self, rank: usize) -> &str {
        self.words.get(rank % VOCABULARY).map_or("", String::as_str)
    }

    /// A word that is not kept for phrases, by rank.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    fn ordinary(&self, chance: &mut Chance) -> &str {
        let share = chance.below(1 << 20) as f64 / (1 << 20) as f64;
        let rank = (VOCABULARY as f64).powf(share) as usize;
        self.word(if rank % 4 == 3 { rank - 1 } else { rank })
    }
}

fn title(line: String) -> Subject {
    Subject { texts: vec![Text::new(Scope::Title, line.as_str())], line }
}

/// Compiles packs that look for `phrases` in every text of a title or address, and for `hosts`.
pub(crate) fn compiler(phrases: &[String], hosts: &[String]) -> Compiler {
    let mut pack = head("phrases");
    for (number, phrases) in phrases.chunks(PHRASES_A_RULE).enumerate() {
        let first = phrases.first().map_or("", String::as_str);
        let _ = writeln!(
            pack,
            "{}match.any = [{}]\nexamples.must_match = [{{ scope = \"title\", text = \"{first}\" }}]",
            rule(&format!("phrases.rule_{number}"), "\"title\", \"url_path\", \"query\""),
            quoted(phrases)
        );
    }
    let compiler = Compiler::new().pack("phrases.toml", pack);
    hosts.chunks(HOSTS_A_PACK).enumerate().fold(compiler, |compiler, (number, hosts)| {
        let name = format!("hosts_{number}");
        let rule = rule(&format!("{name}.rule"), "\"url_host\"");
        let list = format!("[[domains]]\nid = \"listed\"\nhosts = [{}]\n", quoted(hosts));
        let pack = format!("{}{list}{rule}match.domain = [{{ list = \"listed\" }}]\nexamples = {{}}\n", head(&name));
        compiler.pack(format!("{name}.toml"), pack)
    })
}

/// The same upon the illegal base, as devices have it: judged beside it, signal by signal.
pub(crate) fn upon_base(compiler: Compiler) -> Compiler {
    [
        ("illegal_base.toml", include_str!("../../rules/packs/illegal_base.toml")),
        ("hosts.toml", include_str!("../../rules/packs/hosts.toml")),
    ]
    .into_iter()
    .fold(compiler, |compiler, (file, text)| compiler.pack(file, text))
}

/// Mistakes of a sample pack, which has none.
pub(crate) fn mistakes(diagnostics: Vec<Diagnostic>) -> anyhow::Error {
    let lines: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("the sample pack: {}", lines.join("\n"))
}

/// The signed artefact of `compiler`.
///
/// # Errors
///
/// When the sample does not compile.
pub(crate) fn signed(compiler: &Compiler) -> anyhow::Result<Vec<u8>> {
    let artefact = compiler.compile(Release::new(1), Validity::default()).map_err(mistakes)?;
    Ok(sign(&artefact, &key()))
}

/// What trusts the artefacts of samples.
pub(crate) fn trusted() -> anyhow::Result<TrustedKeys> {
    Ok(TrustedKeys::new(vec![key().verifying_key()], 1)?)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn head(pack: &str) -> String {
    format!("[pack]\nid = \"{pack}\"\nversion = 1\ntitle = \"Made up\"\nsources = [\"chance\"]\n\n")
}

pub(crate) fn rule(id: &str, scopes: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\ntitle = \"A rule\"\ncategory = \"off_task_gaming\"\nlevel = 1\nscopes = [{scopes}]\n\
         guidance = \"None.\"\n"
    )
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use lapwing_rules::Band;

    use super::*;

    #[test]
    fn one_text_in_fifty_hits_and_their_mean_is_76_bytes() {
        let sample = Sample::new();
        let phrases = sample.phrases(1_000);
        let subjects = sample.subjects(10_000, &phrases);
        let rules = compiler(&phrases, &sample.hosts(100)).rule_set(Release::new(1)).unwrap();
        let hits = subjects.iter().filter(|subject| !rules.evaluate(&subject.texts, Band::Ks3).hits.is_empty()).count();
        assert_eq!(hits, subjects.len() / 50);
        let mean = subjects.iter().map(|subject| subject.line.len()).sum::<usize>() / subjects.len();
        assert!((74..=78).contains(&mean), "{mean}");
    }
}
