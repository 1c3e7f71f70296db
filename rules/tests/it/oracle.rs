//! The matcher against definitions written down naively.

use std::collections::BTreeSet;

use lapwing_rules::{Band, Scope, Text};
use proptest::prelude::*;

use super::titles;

/// Words that no fold changes and no reading joins.
const WORDS: [&str; 4] = ["ant", "bee", "cow", "dog"];

fn sentence(longest: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..=longest)
}

fn phrases(most: usize) -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    prop::collection::vec(sentence(3), 1..=most)
}

/// Word ranges at which one of `phrases` stands.
fn places(text: &[&str], phrases: &[Vec<&str>]) -> BTreeSet<(usize, usize)> {
    let mut places = BTreeSet::new();
    for phrase in phrases {
        for (start, window) in text.windows(phrase.len()).enumerate() {
            if window == phrase.as_slice() {
                places.insert((start, start + phrase.len()));
            }
        }
    }
    places
}

/// Every word has three letters and a space after it.
fn bytes((start, end): (usize, usize)) -> (usize, usize) {
    (start * 4, end * 4 - 1)
}

fn spans(rest: &str, text: &[&str]) -> BTreeSet<(usize, usize)> {
    let verdict = titles(rest).evaluate(&[Text::new(Scope::Title, text.join(" "))], Band::Ks3);
    verdict.hits.iter().flat_map(|hit| &hit.spans).map(|span| (span.start, span.end)).collect()
}

fn listed(phrases: &[Vec<&str>]) -> String {
    let quoted: Vec<String> = phrases.iter().map(|phrase| format!("\"{}\"", phrase.join(" "))).collect();
    quoted.join(", ")
}

/// Whether one find of each group can be chosen, none over another, with at most `within` words between.
fn near(groups: &[BTreeSet<(usize, usize)>], within: usize, ordered: bool, chosen: &mut Vec<(usize, usize)>) -> bool {
    let Some((group, rest)) = groups.split_first() else {
        let in_order = chosen.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        let apart = sorted.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        let between = sorted[sorted.len() - 1].0.saturating_sub(sorted[0].1);
        return apart && between <= within && (in_order || !ordered);
    };
    group.iter().any(|place| {
        chosen.push(*place);
        let found = near(rest, within, ordered, chosen);
        chosen.pop();
        found
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_finds_every_place_of_every_phrase(text in sentence(12), phrases in phrases(5)) {
        prop_assume!(places(&text, &phrases).len() <= 32);
        let expected: BTreeSet<_> = places(&text, &phrases).into_iter().map(bytes).collect();
        prop_assert_eq!(spans(&format!("match = {{ any = [{}] }}", listed(&phrases)), &text), expected);
    }

    #[test]
    fn exceptions_take_away_what_they_cover_and_no_more(
        text in sentence(12), terms in phrases(3), exceptions in phrases(3),
    ) {
        let covering = places(&text, &exceptions);
        let covered = |place: &(usize, usize)| covering.iter().any(|over| over.0 <= place.0 && place.1 <= over.1);
        let expected: BTreeSet<_> = places(&text, &terms).into_iter().filter(|at| !covered(at)).map(bytes).collect();
        let except: Vec<String> =
            exceptions.iter().map(|phrase| format!("{{ phrase = \"{}\" }}", phrase.join(" "))).collect();
        let rest = format!("match = {{ any = [{}] }}\nexcept = [{}]", listed(&terms), except.join(", "));
        prop_assert_eq!(spans(&rest, &text), expected);
    }

    #[test]
    fn near_fires_where_its_definition_holds(
        text in sentence(10),
        groups in prop::collection::vec(phrases(2), 2..=3),
        within in 0_usize..4,
        ordered in any::<bool>(),
    ) {
        let found: Vec<_> = groups.iter().map(|group| places(&text, group)).collect();
        let expected = near(&found, within, ordered, &mut Vec::new());
        let groups: Vec<String> = groups.iter().map(|group| format!("{{ any = [{}] }}", listed(group))).collect();
        let rest =
            format!("match.near = {{ within = {within}, ordered = {ordered}, groups = [{}] }}", groups.join(", "));
        prop_assert_eq!(!spans(&rest, &text).is_empty(), expected);
    }

    #[test]
    fn hostile_texts_are_judged_without_panic(text in "(?s).{0,200}|[ant@$1. ]{0,200}|(a1 ){0,200}") {
        spans("match = { any = [\"ant\", \"a n t\", \"at ant at\"] }", &[&text]);
    }
}
