//! Regular expressions on folded text.

use std::fmt::Write as _;
use std::sync::LazyLock;

use lapwing_rules::{Band, Mark, RuleSet, Scope, Text};
use proptest::prelude::*;

use super::titles;

const WORDS: [&str; 4] = ["ant", "bee", "cow", "dog"];

fn regex(expressions: &str, rest: &str) -> RuleSet {
    titles(&format!("match = {{ regex = [{expressions}], reason = \"names with numbers\" }}\n{rest}"))
}

/// The matched stretches of a title.
fn found<'a>(rules: &RuleSet, title: &'a str) -> Vec<&'a str> {
    let hits = rules.evaluate(&[Text::new(Scope::Title, title)], Band::Ks3).hits;
    let spans = hits.first().map(|hit| hit.spans.clone()).unwrap_or_default();
    spans.iter().map(|span| title.get(span.start..span.end).expect("spans stand on character boundaries")).collect()
}

#[test]
fn an_expression_matches_whole_words_of_the_folded_text() {
    let rules = regex("'owl[0-9]{2}', 'tawny [a-z]* nest'", "");
    assert_eq!(found(&rules, "my OWL42, and «Owl17»!"), ["OWL42", "Owl17"]);
    assert_eq!(found(&rules, "a Täwny/barn--NEST box"), ["Täwny/barn--NEST"]);
    for title in
        ["owl4", "owl424", "xowl42", "owl42x", "owl 42", "tawny nest", "tawny a b nest", "tawny barn nests", ""]
    {
        assert!(found(&rules, title).is_empty(), "{title}");
    }
}

#[test]
fn of_several_ends_the_last_counts() {
    let rules = regex("'owl(?: nest){0,3}(?: [0-9]{1,4})?'", "");
    assert_eq!(found(&rules, "owl nest nest 12 owl"), ["owl nest nest 12", "owl"]);
}

#[test]
fn exceptions_consume_what_an_expression_finds() {
    let rules = regex("'owl[0-9]{1,2}'", "except = [{ phrase = \"owl7 class\" }]");
    assert!(found(&rules, "owl7 class").is_empty());
    assert_eq!(found(&rules, "owl7 class, owl8"), ["owl8"]);
}

#[test]
fn what_an_expression_finds_is_a_topic_in_its_rules_bands_and_scopes() {
    let rules = regex("'owl[0-9]{1,2}'", "bands = [\"ks3\"]");
    let hits = |scope, band| rules.evaluate(&[Text::new(scope, "owl7")], band).hits;
    assert_eq!(hits(Scope::Title, Band::Ks3)[0].spans[0].mark, Mark::Topic);
    assert!(hits(Scope::Title, Band::Ks4).is_empty() && hits(Scope::Query, Band::Ks3).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn an_expression_fires_where_its_definition_holds(
        text in prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..12),
        most in 0_usize..20,
    ) {
        let rules = regex(&format!("'bee [a-z ]{{0,{most}}}dog[a-z]*'"), "");
        let at = |word: &str| text.iter().enumerate().filter(move |(_, found)| **found == word).map(|(at, _)| at).collect::<Vec<_>>();
        let (bees, dogs) = (at("bee"), at("dog"));
        // Between them stand whole words of three letters, each with its space.
        let near = |bee: usize, dog: usize| bee < dog && (dog - bee - 1) * 4 <= most;
        let expected = bees.iter().any(|bee| dogs.iter().any(|dog| near(*bee, *dog)));
        prop_assert_eq!(!found(&rules, &text.join(" ")).is_empty(), expected);
    }

    #[test]
    fn hostile_texts_are_searched_without_panic(text in "(?s).{0,200}|(owl[0-9]{0,3} ?){0,50}") {
        static RULES: LazyLock<RuleSet> = LazyLock::new(|| regex("'owl[^x]{0,64}[0-9]', '[a-z]*owl[a-z]*'", ""));
        found(&RULES, &text);
    }

    #[test]
    fn any_text_is_an_expression_or_told_to_be_none(text in "[a-z0-9 (){}\\[\\]|?*+^$.,-]{0,24}|[^']{0,24}") {
        let mut pack = super::pack("\"title\"", "");
        writeln!(pack, "match = {{ regex = [{}], reason = \"R\" }}", serde_json::json!(text)).unwrap();
        let _ = super::compiled(&pack);
    }
}
