//! Phrases that only the harness's own rules know, each issued once in a run: a capture names its phrase, so that each
//! can be told from every other.

use lapwing_rules::Level;

/// Phrases of a rule.
const PHRASES: usize = 60;
const CONSONANTS: [char; 12] = ['b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't'];
const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];
/// Two categories, so that a run has concerns of two kinds.
const CATEGORIES: [&str; 2] = ["bullying", "self_harm"];
/// The pack's name.
pub(super) const PACK: &str = "faults";

/// A phrase of the harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phrase {
    category: usize,
    pub(super) level: Level,
    number: usize,
}

impl Phrase {
    /// The phrase with this number, whatever it is; the first few hundred differ.
    pub(super) fn nth(number: u64, level: Level) -> Self {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        Self { category: number % CATEGORIES.len(), level, number: (number / CATEGORIES.len()) % PHRASES }
    }

    /// The words that match, and nothing else does.
    pub(super) fn text(self) -> String {
        let place = (self.category * Level::ALL.len() + usize::from(self.level.number())) * PHRASES + self.number;
        let syllable = |number: usize| {
            let consonant = CONSONANTS.get(number / VOWELS.len() % CONSONANTS.len()).copied().unwrap_or('b');
            let vowel = VOWELS.get(number % VOWELS.len()).copied().unwrap_or('a');
            [consonant, vowel]
        };
        let syllables = CONSONANTS.len() * VOWELS.len();
        let word = [place / syllables, place % syllables].into_iter().flat_map(syllable);
        // Two words: level 5 takes no single one.
        format!("qua{}zem tonight", word.collect::<String>())
    }

    /// The rule that knows it.
    pub(super) fn rule(self) -> String {
        let category = CATEGORIES.get(self.category).copied().unwrap_or_default();
        format!("{PACK}.{category}_{}", self.level)
    }
}

/// The pack, TOML.
pub(super) fn pack() -> String {
    let mut toml = format!(
        "[pack]\nid = \"{PACK}\"\nversion = 1\ntitle = \"Phrases of the fault harness\"\nsources = [\"none\"]\n"
    );
    for (category, name) in CATEGORIES.iter().enumerate() {
        for level in Level::ALL {
            let phrases = (0..PHRASES).map(|number| Phrase { category, level, number });
            let quoted: Vec<_> = phrases.map(|phrase| format!("{:?}", phrase.text())).collect();
            let example = quoted.first().cloned().unwrap_or_default();
            toml.push_str(&format!(
                "\n[[rule]]\nid = \"{PACK}.{name}_{level}\"\ntitle = \"A phrase of the fault harness\"\n\
                 category = \"{name}\"\nlevel = {level}\nscopes = [\"title\"]\ncooldown = \"0s\"\n\
                 guidance = \"None.\"\n[rule.match]\nany = [{}]\n[rule.examples]\n\
                 must_match = [{{ scope = \"title\", text = {example} }}]\n\
                 must_not_match = [{{ scope = \"title\", text = \"Maths\" }}]\n",
                quoted.iter().map(|text| format!("{{ phrase = {text} }}")).collect::<Vec<_>>().join(", "),
            ));
        }
    }
    toml
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lapwing_rules::{Compiler, Release};

    use super::*;

    #[test]
    fn the_pack_compiles_and_each_phrase_is_its_own() {
        let compiled = Compiler::new().pack("faults.toml", pack()).rule_set(Release::new(1));
        assert!(compiled.is_ok(), "{compiled:?}");
        let all = Level::ALL.into_iter().flat_map(|level| (0..120).map(move |number| Phrase::nth(number, level)));
        let texts: BTreeSet<_> = all.clone().map(Phrase::text).collect();
        assert_eq!(texts.len(), all.count());
    }
}
