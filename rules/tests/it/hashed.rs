//! Lists whose entries stand hashed.

use std::collections::BTreeSet;

use lapwing_rules::{
    Band, Compiler, EntryHash, HashKey, Mark, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys, Validity, sign,
    split_url,
};
use proptest::prelude::*;

use super::{compiled, pack};

const WORDS: [&str; 4] = ["ant", "bee", "cow", "dog"];
const KEY: &str = "0102030405060708090a0b0c0d0e0f10";

fn key() -> HashKey {
    KEY.parse().unwrap()
}

fn phrase(phrase: &str) -> EntryHash {
    key().phrase(phrase).unwrap().0
}

fn list(kind: &str, words: &str, entries: &[EntryHash]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("\"{entry}\"")).collect();
    format!(
        "\n[[hashed]]\nid = \"licensed\"\nkind = \"{kind}\"\nkey = \"{KEY}\"\n{words}\nentries = [{}]\n",
        entries.join(", ")
    )
}

fn phrases(rest: &str, words: &str, of: &[&str]) -> String {
    let entries: Vec<EntryHash> = of.iter().map(|text| phrase(text)).collect();
    pack("\"title\", \"query\"", &format!("match = {{ hashed = \"licensed\" }}\n{rest}"))
        + &list("phrase", words, &entries)
}

fn addresses(of: &[&str]) -> RuleSet {
    let entries: Vec<EntryHash> = of.iter().map(|url| key().url(url).unwrap()).collect();
    let rule = pack("\"url_host\", \"url_path\"", "match = { hashed = \"licensed\" }");
    compiled(&(rule + &list("url", "", &entries))).unwrap()
}

/// The matched stretches of a title.
fn found<'a>(rules: &RuleSet, title: &'a str) -> Vec<&'a str> {
    let hits = rules.evaluate(&[Text::new(Scope::Title, title)], Band::Ks3).hits;
    let spans = hits.first().map(|hit| hit.spans.clone()).unwrap_or_default();
    spans.iter().map(|span| title.get(span.start..span.end).expect("spans stand on character boundaries")).collect()
}

#[test]
fn a_phrase_on_a_list_is_found_as_whole_words_of_the_lengths_named() {
    let rules = compiled(&phrases("", "words = [3, 1]", &["plover", "tawny owl nest", "red kite"])).unwrap();
    assert_eq!(found(&rules, "Plôver and the TAWNY-owl  nest."), ["Plôver", "TAWNY-owl  nest"]);
    assert!(
        found(&rules, "plovers, tawny owl, a red kite").is_empty(),
        "of two words the list has none by its own word"
    );
    let hit = &rules.evaluate(&[Text::new(Scope::Query, "plover")], Band::Ks3).hits[0];
    assert_eq!((hit.spans[0].mark, hit.spans[0].weight), (Mark::Topic, 0));
    assert!(rules.evaluate(&[Text::new(Scope::FileName, "plover")], Band::Ks3).hits.is_empty());
}

#[test]
fn an_exception_consumes_what_a_list_finds() {
    let rules = compiled(&phrases("except = [{ phrase = \"plover class\" }]", "words = [1]", &["plover"])).unwrap();
    assert!(found(&rules, "plover class").is_empty());
    assert_eq!(found(&rules, "plover class plover"), ["plover"]);
}

#[test]
fn an_address_on_a_list_is_found_by_its_path_or_by_its_host_alone() {
    let rules = addresses(&["https://plover.example/a%20b/c", "https://owl.example/"]);
    let spans = |url: &str| {
        let texts = split_url(url).unwrap().texts();
        let hits = rules.evaluate(&texts, Band::Ks3).hits;
        let spans = hits.iter().flat_map(|hit| &hit.spans);
        spans.map(|span| texts[span.text].text.get(span.start..span.end).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(spans("http://PLOVER.example:8080/a b/c?q=1#x"), ["/a b/c"]);
    assert_eq!(
        (spans("https://owl.example/any/page"), spans("https://owl.example")),
        (vec!["owl.example".into()], vec!["owl.example".into()])
    );
    for url in [
        "https://plover.example/",
        "https://plover.example/a%20b/c/",
        "https://www.owl.example/",
        "https://hen.example/a%20b/c",
    ] {
        assert!(spans(url).is_empty(), "{url}");
    }
}

#[test]
fn the_path_of_one_host_is_no_address_of_another() {
    let rules = addresses(&["https://plover.example/a"]);
    let texts = [Text::new(Scope::UrlPath, "/a")];
    assert!(rules.evaluate(&texts, Band::Ks3).hits.is_empty());
}

#[test]
fn an_artefact_with_a_list_judges_alike_and_shows_no_entry() {
    let text = phrases("", "words = [1]", &["plover"]);
    let signer = SigningKey::from_bytes(&[7; 32]);
    let artefact = Compiler::new().pack("t.toml", &*text).compile(Release::new(1), Validity::default()).unwrap();
    let bytes = sign(&artefact, &signer);
    assert_eq!(u16::from_le_bytes([bytes[6], bytes[7]]), 3);
    let rules = RuleSet::load(&bytes, &TrustedKeys::new(vec![signer.verifying_key()], 1).unwrap()).unwrap();
    assert_eq!(found(&rules, "a plover"), ["plover"]);
    let entry = u128::from_str_radix(&phrase("plover").to_string(), 16).unwrap().to_be_bytes();
    assert!(!bytes.windows(16).any(|window| window == entry));
}

#[test]
fn examples_of_a_list_are_hashes_and_are_looked_up() {
    let with = |must_match: &str, silent: &str| {
        let examples = format!(
            "examples = {{ must_match = [{{ scope = \"title\", hash = \"{}\" }}], must_not_match = [{{ scope = \"title\", hash = \"{}\" }}] }}",
            phrase(must_match),
            phrase(silent)
        );
        let text = phrases("", "words = [1]", &["plover"]).replace("examples = {}", &examples);
        Compiler::new()
            .pack("t.toml", text)
            .least_examples(1)
            .rule_set(Release::new(1))
            .map_err(|found| found.iter().map(|diagnostic| diagnostic.code().to_string()).collect::<Vec<_>>())
    };
    assert!(with("plover", "lapwing").is_ok());
    assert_eq!(with("lapwing", "heron").unwrap_err(), ["R013"]);
    assert_eq!(with("plover", "Plover!").unwrap_err(), ["R014"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_list_finds_what_the_same_phrases_in_clear_would(
        text in prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..10),
        listed in prop::collection::vec(prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..4), 1..5),
    ) {
        let joined: Vec<String> = listed.iter().map(|phrase| phrase.join(" ")).collect();
        let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
        let rules = compiled(&phrases("", "words = [1, 2, 3]", &joined)).unwrap();
        let title = text.join(" ");
        let places = listed.iter().flat_map(|phrase| text.windows(phrase.len()).filter(move |window| window == phrase));
        let expected: BTreeSet<String> = places.map(|window| window.join(" ")).collect();
        let found: BTreeSet<String> = found(&rules, &title).into_iter().map(str::to_owned).collect();
        prop_assert_eq!(found, expected);
    }
}
