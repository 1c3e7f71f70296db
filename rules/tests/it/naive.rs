//! Folding and matching against what the documentation says of them, written down naively, on texts of mixed scripts,
//! look-alike digits, letters set apart, marks and punctuation.
//!
//! `oracle.rs` asks the same of plain words, where every place can be counted by hand.

mod fold;

use std::collections::{BTreeMap, BTreeSet};

use lapwing_rules::{Band, Hit, RuleSet, Scope, Text};
use proptest::prelude::*;

use super::{compiled, pack, rule, titles};
use fold::{Folded, fold};

/// What phrases are made of: words that spellings of one another can be mistaken for.
const VOCABULARY: [&str; 12] = ["ant", "tan", "nest", "sea", "a", "i", "kiss", "killl", "t0k", "о", "нoтe", "éta"];
/// What stands between words.
const GAPS: [&str; 10] = [" ", " ", " ", ".", "-", " - ", "_", ", ", "", "\u{200b} "];
/// Letters, marks, digits, symbols and gaps, of every kind that a fold treats in a way of its own.
const SOUP: [&str; 48] = [
    "a", "n", "t", "s", "e", "k", "i", "l", "T", "A", "é", "É", "ß", "ẞ", "ﬁ", "Ｋ", "ⓚ", "🅐", "🅺", "²", "0", "1", "5",
    "7", "@", "$", "!", "|", "+", "'", "’", "\u{301}", "\u{335}", "\u{200b}", "\u{202e}", "\u{ad}", "\u{7}", "\t", " ",
    ".", "а", "о", "ж", "ο", "Ν", "ς", "字", "😀",
];

/// Letters as they are, larger, taken for others, marked, repeated.
fn spelt(word: &'static str) -> impl Strategy<Value = String> {
    let letter = |letter: char| {
        let other = match letter {
            'a' => "4@аAａ🅐",
            'e' => "3еEéｅ",
            'i' => "1!іIｉ",
            'l' => "1|L",
            'n' => "NΝｎⓝ",
            'o' => "0оο",
            's' => "5$ѕSｓ",
            't' => "7+тT",
            'k' => "кKⓚ",
            _ => "",
        };
        let mut ways = vec![letter.to_string(); 6];
        ways.extend(other.chars().map(String::from));
        ways.extend([letter.to_string().repeat(3), format!("{letter}\u{200b}"), format!("{letter}\u{301}")]);
        prop::sample::select(ways)
    };
    let between = prop::sample::select(vec!["", "", "", "", "", " ", ".", " - ", "!"]);
    let letters: Vec<_> = word.chars().map(letter).collect();
    (letters, between).prop_map(|(letters, between)| letters.join(between))
}

fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(VOCABULARY.as_slice()).prop_flat_map(spelt);
    let soup = prop::collection::vec(prop::sample::select(SOUP.as_slice()), 1..7).prop_map(|parts| parts.concat());
    let token = prop_oneof![3 => word, 1 => soup];
    let gap = prop::sample::select(GAPS.as_slice());
    prop::collection::vec((token, gap), 1..9)
        .prop_map(|tokens| tokens.into_iter().flat_map(|(token, gap)| [token, gap.to_owned()]).collect())
}

fn phrases(most: usize) -> impl Strategy<Value = Vec<String>> {
    let phrase = prop::collection::vec(prop::sample::select(VOCABULARY.as_slice()), 1..=3);
    prop::collection::vec(phrase.prop_map(|words| words.join(" ")), 1..=most)
}

/// Terms that many texts have, so that how near they stand is what decides.
fn single_words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(vocabulary()), 2..=5)
}

fn vocabulary() -> Vec<String> {
    VOCABULARY.iter().map(|word| (*word).to_owned()).collect()
}

/// Words from one on and up to another, with the bytes they were found at.
type Places = BTreeMap<(usize, usize), (usize, usize)>;

/// Where one of `phrases` stands, each word of it a word or a reading. A place that is found at several stretches of
/// the same words is told once, with the first.
fn places(folded: &Folded, phrases: &[String]) -> Vec<Places> {
    let of = |phrase: &String| {
        let words = fold::phrase(phrase);
        let mut places = Places::new();
        for first in 0..folded.words.len() {
            let mut ways = vec![(first, None::<(usize, usize)>)];
            for word in &words {
                let longer = |(next, original): (usize, Option<(usize, usize)>)| {
                    let steps = folded.steps.iter().filter(move |step| step.first == next && step.text == *word);
                    steps.map(move |step| {
                        let start = original.map_or(step.original.0, |(start, _)| start);
                        (step.next, Some((start, step.original.1)))
                    })
                };
                ways = ways.into_iter().flat_map(longer).collect();
            }
            for (next, original) in ways.into_iter().filter_map(|(next, original)| Some((next, original?))) {
                let place = places.entry((first, next)).or_insert(original);
                *place = (*place).min(original);
            }
        }
        places
    };
    phrases.iter().map(of).collect()
}

fn quoted(phrases: &[String]) -> String {
    let quoted: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
    quoted.join(", ")
}

fn hit(rules: &RuleSet, scope: Scope, text: &str) -> Option<Hit> {
    rules.evaluate(&[Text::new(scope, text)], Band::Ks3).hits.into_iter().next()
}

/// Bytes of what was found; nothing when there is more than a hit keeps.
fn spans(rules: &RuleSet, text: &str) -> Option<BTreeSet<(usize, usize)>> {
    let hit = hit(rules, Scope::Title, text);
    let spans: BTreeSet<_> = hit.iter().flat_map(|hit| &hit.spans).map(|span| (span.start, span.end)).collect();
    (spans.len() < Hit::MAX_SPANS).then_some(spans)
}

/// One place of each group, none over another, in order where asked, with at most `within` words between.
fn together(groups: &[BTreeSet<(usize, usize)>], within: usize, ordered: bool, chosen: &[(usize, usize)]) -> bool {
    let Some((group, rest)) = groups.split_first() else {
        let apart = |places: &[(usize, usize)]| places.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        let mut sorted = chosen.to_vec();
        sorted.sort_unstable();
        let between = sorted[sorted.len() - 1].0.saturating_sub(sorted[0].1);
        return apart(&sorted) && between <= within && (apart(chosen) || !ordered);
    };
    group.iter().any(|place| together(rest, within, ordered, &[chosen, &[*place]].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn phrases_are_found_where_the_documentation_says(text in text(), mut phrases in phrases(6)) {
        phrases.extend(vocabulary());
        let Some(folded) = fold(&text) else { return Ok(()) };
        let expected: BTreeSet<_> = places(&folded, &phrases).iter().flat_map(Places::values).copied().collect();
        if let Some(found) = spans(&titles(&format!("match.any = [{}]", quoted(&phrases))), &text) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn exceptions_consume_the_words_they_stand_on(text in text(), mut terms in phrases(4), exceptions in phrases(3)) {
        terms.extend(vocabulary());
        let Some(folded) = fold(&text) else { return Ok(()) };
        let within_a_sentence = |(words, bytes): ((usize, usize), (usize, usize))| {
            let stretch = &text[bytes.0..bytes.1];
            let ends = stretch.char_indices().filter(|(_, character)| ".!?".contains(*character));
            let mut after = ends.map(|(at, character)| stretch[at + character.len_utf8()..].chars().next());
            (!after.any(|next| next.is_some_and(char::is_whitespace))).then_some(words)
        };
        let over: BTreeSet<_> =
            places(&folded, &exceptions).into_iter().flatten().filter_map(within_a_sentence).collect();
        let stands = |words: &(usize, usize)| !over.iter().any(|over| over.0 <= words.0 && words.1 <= over.1);
        let terms_found = places(&folded, &terms).into_iter().flatten();
        let expected: BTreeSet<_> = terms_found.filter(|(words, _)| stands(words)).map(|(_, bytes)| bytes).collect();
        let except: Vec<String> = exceptions.iter().map(|phrase| format!("{{ phrase = \"{phrase}\" }}")).collect();
        let rules = titles(&format!("match.any = [{}]\nexcept = [{}]", quoted(&terms), except.join(", ")));
        if let Some(found) = spans(&rules, &text) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn groups_are_near_by_words_however_they_are_spelt(
        text in text(),
        groups in prop::collection::vec(single_words(), 2..=3),
        within in 0_usize..5,
        ordered in any::<bool>(),
    ) {
        let Some(folded) = fold(&text) else { return Ok(()) };
        let words = |phrases: &Vec<String>| places(&folded, phrases).into_iter().flat_map(Places::into_keys).collect();
        let places: Vec<BTreeSet<_>> = groups.iter().map(words).collect();
        let written: Vec<String> = groups.iter().map(|group| format!("{{ any = [{}] }}", quoted(group))).collect();
        let written = written.join(", ");
        let near = titles(&format!("match.near = {{ within = {within}, ordered = {ordered}, groups = [{written}] }}"));
        prop_assert_eq!(hit(&near, Scope::Title, &text).is_some(), together(&places, within, ordered, &[]));
        let all = titles(&format!("match.all = [{written}]"));
        prop_assert_eq!(hit(&all, Scope::Title, &text).is_some(), places.iter().all(|group| !group.is_empty()));
    }

    #[test]
    fn substrings_stand_inside_words_and_readings(text in text(), part in "nest|kiss|anta|seasi") {
        let Some(folded) = fold(&text) else { return Ok(()) };
        let inside = folded.steps.iter().filter(|step| step.text.contains(&part));
        let bytes = |step: &fold::Step| (folded.words[step.first].start, folded.words[step.next - 1].end);
        let expected: BTreeSet<_> = inside.map(bytes).collect();
        if let Some(found) = spans(&titles(&format!("match = {{ substring = [\"{part}\"], reason = \"r\" }}")), &text) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn hosts_are_named_with_all_below_them_or_alone(
        host in "(a\\.|b\\.|ab\\.){0,3}(a|ab|b)\\.example",
        named in prop::collection::btree_set("(a\\.|b\\.){0,2}(a|ab|b)\\.example", 1..4),
        alone in prop::collection::btree_set("(a\\.|b\\.){0,2}(a|ab|b)\\.example", 1..3),
        silent in "((a|b)\\.)?(a|b)\\.example",
    ) {
        let below = |above: &String| host == *above || host.ends_with(&format!(".{above}"));
        let listed = |host: &String| format!("\"{host}\"");
        let hosts: Vec<String> = named.iter().map(listed).chain(alone.iter().map(|host| format!("\"={host}\""))).collect();
        let rest = format!("match.domain = [{}]\nexcept = [{{ host = \"{silent}\" }}]", hosts.join(", "));
        let rules = compiled(&(pack("\"url_host\"", &rest) + &rule("t.other", "\"media\"", "match.media = \"any\""))).unwrap();
        let expected = (named.iter().any(below) || alone.contains(&host)) && !below(&silent);
        prop_assert_eq!(hit(&rules, Scope::UrlHost, &host).is_some(), expected);
    }
}

/// The texts are worth asking about: they are found through every kind of reading.
#[test]
fn the_generator_reaches_every_reading() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut found, mut read, mut covering) = (0, 0, 0);
    for _ in 0..500 {
        let text = text().new_tree(&mut runner).unwrap().current();
        let Some(folded) = fold(&text) else { continue };
        let places: Vec<(usize, usize)> =
            places(&folded, &vocabulary()).iter().flat_map(Places::keys).copied().collect();
        let plain = |words: &&(usize, usize)| {
            let range = folded.words[words.0].start..folded.words[words.1 - 1].end;
            VOCABULARY.contains(&&text[range])
        };
        found += usize::from(!places.is_empty());
        read += usize::from(places.iter().any(|words| !plain(&words)));
        covering += usize::from(places.iter().any(|words| words.1 > words.0 + 1));
    }
    assert!(found > 300 && read > 200 && covering > 50, "{found} {read} {covering}");
}
