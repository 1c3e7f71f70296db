//! What differs from band to band.

use std::collections::BTreeMap;

use lapwing_rules::{Band, Scope, Text};
use proptest::prelude::*;

use super::{compiled, pack, titles};

const WORDS: [&str; 4] = ["ant", "bee", "cow", "dog"];

#[test]
fn a_band_with_weights_of_its_own_is_judged_and_told_by_them() {
    let rules = titles(
        "match = { threshold = 3, any = [\"owl\", { phrase = \"barn eggs\", weight = { default = 2, ks1 = 3 } }] }",
    );
    let texts = |text: &str| [Text::new(Scope::Title, text)];
    let fires = |text: &str, band| !rules.evaluate(&texts(text), band).hits.is_empty();
    assert!(fires("barn eggs", Band::Ks1) && !fires("barn eggs", Band::Ks3) && !fires("owl", Band::Ks1));
    assert!(fires("owl barn eggs", Band::Ks3));
    let verdict = rules.evaluate(&texts("owl barn eggs"), Band::Ks1);
    let weights: Vec<i32> = verdict.hits[0].spans.iter().map(|span| span.weight).collect();
    assert_eq!((verdict.hits[0].weight, weights), (4, vec![1, 3]));
    let told = |band| rules.evaluate(&texts("owl barn eggs"), band).explain(&texts("owl barn eggs"), &rules);
    assert!(told(Band::Ks1).contains("(+3)") && told(Band::Ks1).contains("weight     4 by weights of the band's own"));
    assert!(told(Band::Ks3).contains("(+2)") && told(Band::Ks3).contains("weight     3\n"), "{}", told(Band::Ks3));
}

#[test]
fn a_list_has_one_weight_for_all_its_phrases_in_a_band() {
    let list = "[[list]]\nid = \"birds\"\nphrases = [\"owl\", \"red kite\"]\n";
    let text = "match = { threshold = 2, any = [{ list = \"birds\", weight = { default = 1, eyfs = 2 } }] }\n";
    let rules = compiled(&(pack("\"title\"", text) + list)).unwrap();
    let fires = |text: &str, band| !rules.evaluate(&[Text::new(Scope::Title, text)], band).hits.is_empty();
    for bird in ["owl", "red kite"] {
        assert!(fires(bird, Band::Eyfs) && !fires(bird, Band::Ks1), "{bird}");
    }
}

#[test]
fn an_example_speaks_of_the_bands_it_names() {
    let text = |bands: &str| {
        let examples = format!("must_match = [{{ scope = \"title\", text = \"owl\", bands = [{bands}] }}]");
        let matching =
            "match = { threshold = 2, any = [\"egg\", { phrase = \"owl\", weight = { default = 1, ks3 = 2 } }] }";
        pack("\"title\"", matching).replace("examples = {}", &format!("examples = {{ {examples} }}"))
    };
    assert!(compiled(&text("\"ks3\"")).is_ok());
    assert!(compiled(&text("\"ks3\", \"ks4\"")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_threshold_is_the_sum_of_the_weights_of_the_band(
        text in prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..6),
        weights in prop::collection::vec((-3_i32..4, -3_i32..4), 4),
    ) {
        let terms: Vec<String> = WORDS.iter().zip(&weights).map(|(word, (usual, own))| {
            format!("{{ phrase = \"{word}\", weight = {{ default = {usual}, ks2 = {own} }} }}")
        }).collect();
        // So that every band reaches the threshold.
        let any = format!("{}, {{ phrase = \"eel\", weight = 4 }}", terms.join(", "));
        let rules = titles(&format!("match = {{ threshold = 4, any = [{any}] }}"));
        let weights: BTreeMap<&str, (i32, i32)> = WORDS.into_iter().zip(weights).collect();
        for (band, own) in [(Band::Ks2, true), (Band::Ks3, false)] {
            let sum: i32 = weights.iter().filter(|(word, _)| text.contains(word))
                .map(|(_, (usual, of_band))| if own { of_band } else { usual }).sum();
            let hits = rules.evaluate(&[Text::new(Scope::Title, text.join(" "))], band).hits;
            prop_assert_eq!(hits.first().map(|hit| hit.weight), (sum >= 4).then_some(sum));
        }
    }
}
