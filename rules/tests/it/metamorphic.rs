//! What must stay true of the starter packs when their examples are spelt otherwise, broken, lengthened or shuffled.
//!
//! A failure names the rule and the place of the example, never its words.

mod spelling;

use std::collections::BTreeMap;
use std::ops::Range;

use lapwing_rules::{Band, Compiler, Hit, Release, RuleSet, Scope, Text};

use super::packs;
use spelling::{OF_EVERY_WORD, OF_ONE_WORD, broken, plain_words, words};

/// An example of a starter pack whose scope is that of a text.
struct Example {
    rule: String,
    /// Its place among those of its rule and kind.
    place: usize,
    scope: Scope,
    text: String,
}

/// What a rule's examples of this kind are: `must_match`, `must_not_match`.
fn examples(kind: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    for (_, pack) in packs::packs() {
        let pack: toml::Table = toml::from_str(&pack).unwrap();
        for rule in pack.get("rule").and_then(toml::Value::as_array).into_iter().flatten() {
            let written = rule.get("examples").and_then(|examples| examples.get(kind)).and_then(toml::Value::as_array);
            for (place, example) in written.into_iter().flatten().enumerate() {
                let (scope, text) = (example["scope"].as_str().unwrap(), example["text"].as_str().unwrap());
                let Ok(scope) = scope.parse::<Scope>() else { continue };
                examples.push(Example { rule: rule["id"].as_str().unwrap().into(), place, scope, text: text.into() });
            }
        }
    }
    assert!(examples.len() > 100, "there are examples to ask about");
    examples
}

fn starter() -> RuleSet {
    packs::compiler().least_examples(0).rule_set(Release::new(1)).unwrap()
}

/// The starter packs without an exception, and without examples, which would then fail.
fn without_exceptions() -> RuleSet {
    let stripped = |pack: String| {
        let mut pack: toml::Table = toml::from_str(&pack).unwrap();
        for rule in pack.get_mut("rule").and_then(toml::Value::as_array_mut).into_iter().flatten() {
            let rule = rule.as_table_mut().unwrap();
            rule.remove("except");
            let any = rule.get_mut("match").and_then(|matching| matching.get_mut("any"));
            if let Some(terms) = any.and_then(toml::Value::as_array_mut) {
                let speaks_against = |term: &toml::Value| term.get("weight")?.as_integer().map(|weight| weight < 0);
                terms.retain(|term| speaks_against(term) != Some(true));
            }
            rule.insert("examples".into(), toml::Table::new().into());
        }
        toml::to_string(&pack).unwrap()
    };
    let packs = packs::packs().into_iter();
    let compiler = packs.fold(Compiler::new(), |compiler, (file, pack)| compiler.pack(file, stripped(pack)));
    compiler.rule_set(Release::new(1)).unwrap()
}

impl Example {
    fn hit(&self, rules: &RuleSet, text: &str) -> Option<Hit> {
        let texts = [Text::new(self.scope, text)];
        let facts = rules.rule(&self.rule.parse().unwrap()).unwrap();
        let mut verdicts = Band::ALL.into_iter().map(|band| rules.evaluate(&texts, band));
        verdicts.find_map(|verdict| verdict.hits.into_iter().find(|hit| hit.rule == facts.id))
    }

    /// The rule fires on `text`, and again on what its spans hold, set apart.
    fn fires(&self, rules: &RuleSet, text: &str, how: &str) {
        let Self { rule, place, .. } = self;
        let hit = self.hit(rules, text);
        let hit = hit.unwrap_or_else(|| panic!("{rule}: must_match {place}, {how}, no longer fires"));
        let stretch = |span: &lapwing_rules::Span| text.get(span.start..span.end);
        let stretches: Option<Vec<&str>> = hit.spans.iter().map(stretch).collect();
        let stretches = stretches.unwrap_or_else(|| panic!("{rule}: must_match {place}, {how}: inside a character"));
        assert!(self.hit(rules, &stretches.join("; ")).is_some(), "{rule}: must_match {place}, {how}: its spans alone");
    }
}

/// Words that a hit's spans touch.
fn touched(text: &str, hit: &Hit) -> Vec<Range<usize>> {
    let spans = |word: &Range<usize>| hit.spans.iter().any(|span| span.start < word.end && word.start < span.end);
    words(text).into_iter().filter(spans).collect()
}

#[test]
fn a_match_fires_however_its_words_are_spelt() {
    let rules = starter();
    for example in examples("must_match") {
        example.fires(&rules, &example.text, "as it stands");
        for (name, spell) in OF_EVERY_WORD {
            example.fires(&rules, &spell(&example.text), name);
        }
    }
}

/// The first and the last word of what was found: between them letters set apart count as words, and a rule may ask
/// for few of those. A letter beside them with the same gap is one of them.
#[test]
fn a_match_fires_when_a_word_is_taken_apart() {
    let rules = starter();
    let mut asked = 0;
    for example in examples("must_match") {
        let Some(hit) = example.hit(&rules, &example.text) else { continue };
        let plain = plain_words(&example.text);
        let touched = touched(&example.text, &hit);
        let long = |word: &&Range<usize>| plain.contains(word) && word.len() >= 3;
        for word in touched.first().into_iter().chain(touched.last()).filter(long) {
            let lone =
                |other: &Range<usize>| other.len() == 1 && (other.end + 1 == word.start || word.end + 1 == other.start);
            let beside = words(&example.text).iter().any(lone);
            for (name, spell) in OF_ONE_WORD.iter().filter(|(name, _)| *name == "dotted" || !beside) {
                let mut text = example.text.clone();
                text.replace_range(word.clone(), &spell(&example.text[word.clone()]));
                example.fires(&rules, &text, name);
                asked += 1;
            }
        }
    }
    assert!(asked > 1_000, "{asked}");
}

#[test]
fn a_match_fires_among_other_words() {
    let rules = starter();
    for example in examples("must_match") {
        example.fires(&rules, &format!("{} lapwing plumage", example.text), "words after it");
        example.fires(&rules, &format!("lapwing plumage: {}", example.text), "words before it");
    }
}

/// Whole words alone match: letters inside them make others of them.
#[test]
fn a_match_with_every_word_broken_is_quiet() {
    let rules = starter();
    for example in examples("must_match") {
        let mut text = example.text.clone();
        for word in words(&example.text).into_iter().rev() {
            text.replace_range(word.clone(), &broken(&example.text[word]));
        }
        let hit = example.hit(&rules, &text).filter(|hit| !hit.spans.is_empty());
        assert!(hit.is_none(), "{}: must_match {} fires on broken words", example.rule, example.place);
    }
}

/// A word more or less can only make a rule fire that has exceptions or words that speak against it, and those are left
/// out here.
#[test]
fn letters_inside_a_word_of_a_near_miss_keep_it_quiet() {
    let rules = without_exceptions();
    let mut asked = 0;
    for example in examples("must_not_match") {
        if example.hit(&rules, &example.text).is_some() {
            continue;
        }
        for word in words(&example.text) {
            let mut text = example.text.clone();
            text.replace_range(word.clone(), &broken(&example.text[word]));
            let Example { rule, place, .. } = &example;
            assert!(example.hit(&rules, &text).is_none(), "{rule}: must_not_match {place} fires with a broken word");
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}

#[test]
fn the_order_of_texts_makes_no_difference() {
    let rules = starter();
    for three in examples("must_match").chunks_exact(3) {
        let texts: Vec<Text> = three.iter().map(|example| Text::new(example.scope, &*example.text)).collect();
        let hits = |order: [usize; 3]| {
            let shuffled = order.map(|at| texts[at].clone());
            let mut hits = BTreeMap::new();
            for hit in rules.evaluate(&shuffled, Band::Ks4).hits {
                let mut spans: Vec<_> = hit.spans.iter().map(|span| (order[span.text], span.start, span.end)).collect();
                spans.sort_unstable();
                hits.insert(hit.rule, (hit.level, hit.weight, spans));
            }
            hits
        };
        let straight = hits([0, 1, 2]);
        for order in [[2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            assert_eq!(hits(order), straight, "{} and its neighbours", three[0].rule);
        }
    }
}
