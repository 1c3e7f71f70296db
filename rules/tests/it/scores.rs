//! Weak signals that are nothing each and something together.

use std::collections::BTreeSet;

use lapwing_rules::{
    Band, Category, Compiler, Hit, Level, Mark, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys, Validity, sign,
};
use proptest::prelude::*;

use super::{compiled, pack, rule};

const WORDS: [&str; 4] = ["ant", "bee", "cow", "dog"];

fn score(rest: &str) -> String {
    format!(
        "[[score]]\nid = \"t.score\"\ntitle = \"Several at once\"\ncategory = \"weapons\"\nlevel = 3\n\
         guidance = \"Ask.\"\nexamples = {{}}\n{rest}\n"
    )
}

/// A rule `t.WORD` for each word, which adds to the score and is reported or not.
fn adding(word: &str, rest: &str) -> String {
    rule(&format!("t.{word}"), "\"title\", \"query\"", &format!("match = {{ phrase = \"{word}\" }}\n{rest}"))
}

fn sample() -> String {
    pack("\"title\"", "match = { phrase = \"zebra\" }")
        + &adding("ant", "score = 2\nreport = false")
        + &adding("bee", "score = { default = 1, ks1 = 2 }\nreport = false")
        + &adding("cow", "score = 1\nlevel = 2")
        + &score("threshold = 3")
}

fn hits(rules: &RuleSet, texts: &[Text], band: Band) -> Vec<Hit> {
    rules.evaluate(texts, band).hits
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.rule.as_str()).collect()
}

fn title(text: &str) -> [Text; 1] {
    [Text::new(Scope::Title, text)]
}

#[test]
fn a_score_fires_where_its_rules_reach_the_threshold_together() {
    let rules = compiled(&sample()).unwrap();
    let found = |text: &str, band| ids(&hits(&rules, &title(text), band)).join(" ");
    assert_eq!(found("ant and bee", Band::Ks3), "t.score");
    assert_eq!((found("ant", Band::Ks3), found("bee", Band::Ks3), found("ant ant", Band::Ks3)), Default::default());
    assert_eq!(found("ant cow", Band::Ks3), "t.score t.cow", "a rule that is reported is a hit of its own besides");
    assert_eq!((found("bee cow", Band::Ks3), found("bee cow", Band::Ks1)), ("t.cow".into(), "t.score t.cow".into()));
}

#[test]
fn rules_add_up_over_the_texts_of_one_signal_and_once_each() {
    let rules = compiled(&sample()).unwrap();
    let apart = [Text::new(Scope::Title, "an ant"), Text::new(Scope::Query, "bee bee")];
    let found = hits(&rules, &apart, Band::Ks3);
    assert_eq!((ids(&found), found[0].weight), (vec!["t.score"], 3));
}

#[test]
fn a_score_is_a_rule_to_everybody_else() {
    let rules = compiled(&sample()).unwrap();
    let facts = rules.rule(&"t.score".parse().unwrap()).unwrap();
    assert_eq!((facts.category, facts.level, facts.guidance.as_str()), (Category::Weapons, Level::Moderate, "Ask."));
    assert_eq!(rules.rules().count(), 5);
}

#[test]
fn the_spans_of_its_rules_explain_a_score_and_bring_it_about_again() {
    let rules = compiled(&sample()).unwrap();
    let texts = title("my ant has a bee and a cow");
    let verdict = rules.evaluate(&texts, Band::Ks3);
    let hit = &verdict.hits[0];
    let spans: Vec<_> = hit.spans.iter().map(|span| (span.start, span.end, span.mark, span.weight)).collect();
    let topic = Mark::Topic;
    assert_eq!((hit.weight, spans), (4, vec![(3, 6, topic, 2), (13, 16, topic, 1), (23, 26, topic, 1)]));
    let told = verdict.explain(&texts, &rules);
    assert!(told.contains("my [ant] has a [bee] and a [cow]") && told.contains("(+2)"), "{told}");
    let kept: Vec<&str> = hit.spans.iter().map(|span| texts[0].text.get(span.start..span.end).unwrap()).collect();
    assert_eq!(hits(&rules, &title(&kept.join(" ")), Band::Ks3), {
        let mut again = hits(&rules, &texts, Band::Ks3);
        for (hit, places) in again.iter_mut().zip([vec![(0, 3), (4, 7), (8, 11)], vec![(8, 11)]]) {
            hit.spans.iter_mut().zip(places).for_each(|(span, place)| (span.start, span.end) = place);
        }
        again
    });
}

#[test]
fn a_score_is_silent_in_bands_it_is_not_for_and_where_its_rules_are() {
    let text = sample().replace("threshold = 3", "threshold = 3\nbands = [\"ks3\"]");
    let text = text.replace("score = 2\n", "score = 2\nexcept = [{ host = \"bbc.co.uk\" }]\n");
    let rules = compiled(&text).unwrap();
    let on = |host: &str, band| {
        ids(&hits(&rules, &[title("ant bee"), [Text::new(Scope::UrlHost, host)]].concat(), band)).len()
    };
    assert_eq!((on("owl.example", Band::Ks3), on("owl.example", Band::Ks4), on("bbc.co.uk", Band::Ks3)), (1, 0, 0));
}

#[test]
fn an_artefact_with_scores_judges_alike_and_asks_for_the_engine_that_knows_them() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let artefact = Compiler::new().pack("t.toml", sample()).compile(Release::new(1), Validity::default()).unwrap();
    let bytes = sign(&artefact, &key);
    assert_eq!(u16::from_le_bytes([bytes[6], bytes[7]]), 3);
    let loaded = RuleSet::load(&bytes, &TrustedKeys::new(vec![key.verifying_key()], 1).unwrap()).unwrap();
    for (text, band) in [("ant bee", Band::Ks3), ("bee cow", Band::Ks1), ("bee cow", Band::Ks3), ("ant cow", Band::Ks3)]
    {
        assert_eq!(
            hits(&loaded, &title(text), band),
            hits(&compiled(&sample()).unwrap(), &title(text), band),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_score_is_the_sum_of_the_points_of_the_rules_that_fire(
        text in prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..6),
        points in prop::collection::vec((1_i32..4, 0_i32..4), 4),
        reported in prop::collection::vec(any::<bool>(), 4),
    ) {
        let rules: String = WORDS.iter().zip(&points).zip(&reported).map(|((word, (usual, own)), reported)| {
            adding(word, &format!("score = {{ default = {usual}, ks2 = {own} }}\nreport = {reported}"))
        }).collect();
        // So that every band reaches the threshold.
        let rules = rules + &adding("eel", "score = 3") + &adding("fox", "score = 1") + &score("threshold = 4");
        let rules = compiled(&(pack("\"title\"", "match = { phrase = \"zebra\" }") + &rules)).unwrap();
        for (band, own) in [(Band::Ks2, true), (Band::Ks3, false)] {
            let standing = || WORDS.iter().zip(&points).zip(&reported).filter(|((word, _), _)| text.contains(word));
            let sum: i32 = standing().map(|((_, (usual, of_band)), _)| if own { of_band } else { usual }).sum();
            let mut expected: BTreeSet<String> =
                standing().filter(|(_, reported)| **reported).map(|((word, _), _)| format!("t.{word}")).collect();
            expected.extend((sum >= 4).then(|| "t.score".to_owned()));
            let found = hits(&rules, &title(&text.join(" ")), band);
            prop_assert_eq!(ids(&found).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
        }
    }
}
