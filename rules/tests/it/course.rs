//! What a rule says of the course of time: carried by an artefact, told, and refused where it makes no sense.

use std::time::Duration;

use lapwing_rules::{
    After, Band, Compiler, Course, Escalation, Hit, Level, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys,
    Validity, sign,
};

use super::{pack, rule, titles};

const HOUR: Duration = Duration::from_secs(3600);

const TERMS: &str = "after = { times = 3, within = \"1h\" }\n\
    escalate = { spans = 2, within = \"90s\", level = 5 }\n\
    match = { any = [\"barn owl\", \"red kite\"] }";

fn loaded(pack: &str) -> (RuleSet, u16) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let artefact = Compiler::new().pack("t.toml", pack).compile(Release::new(1), Validity::default()).unwrap();
    let bytes = sign(&artefact, &key);
    let keys = TrustedKeys::new(vec![key.verifying_key()], 1).unwrap();
    (RuleSet::load(&bytes, &keys).unwrap(), u16::from_le_bytes([bytes[6], bytes[7]]))
}

#[test]
fn an_artefact_carries_the_terms_of_its_rules_and_asks_for_the_engine_that_knows_them() {
    let (rules, lowest) = loaded(&pack("\"title\"", TERMS));
    let course = rules.rules().next().unwrap().course;
    let escalation = Escalation { spans: 2, within: Duration::from_secs(90), level: Level::Critical };
    let expected =
        Course { after: Some(After { times: 3, within: HOUR }), escalation: Some(escalation), ..Course::default() };
    assert_eq!((course, lowest), (expected, 3));
    let (without, lowest) = loaded(&pack("\"title\"", "match = { phrase = \"barn owl\" }"));
    assert_eq!((without.rules().next().unwrap().course, lowest), (Course::default(), 1));
}

#[test]
fn the_phrases_of_a_hit_are_the_rule_sets_own_however_they_are_spelt() {
    let rules = titles("match = { any = [\"barn owl\", \"red kite\"] }\nexcept = [{ phrase = \"red kite festival\" }]");
    let phrases = |title: &str| {
        let texts = [Text::new(Scope::Title, title)];
        let verdict = rules.evaluate(&texts, Band::Ks3);
        rules.matched_phrases(&verdict.hits[0], &texts, Band::Ks3).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(phrases("B4rn-Owl, barn owl"), ["barn owl"]);
    assert_eq!(phrases("r e d kite and barn owl"), ["barn owl", "red kite"]);
    assert_eq!(phrases("red kite festival, barn owl"), ["barn owl"], "what an exception covers does not stand");
    let inside = titles("match = { substring = [\"tawny\"], reason = \"compounds\" }");
    let texts = [Text::new(Scope::Title, "greattawny")];
    let verdict = inside.evaluate(&texts, Band::Ks3);
    assert_eq!(inside.matched_phrases(&verdict.hits[0], &texts, Band::Ks3).into_iter().next().unwrap(), "tawny");
}

#[test]
fn an_explanation_tells_the_terms_and_why_a_hit_was_raised() {
    let (rules, _) = loaded(&pack("\"title\"", TERMS));
    let texts = [Text::new(Scope::Title, "barn owl")];
    let mut verdict = rules.evaluate(&texts, Band::Ks3);
    let told = verdict.explain(&texts, &rules);
    assert!(told.contains("counted    alone until the time that is number 3 within 1 h\n"), "{told}");
    assert!(told.contains("escalates  to level 5 with 2 different phrases within 90 s\n"), "{told}");
    assert!(!told.contains("raised"), "{told}");
    verdict.hits[0].level = Level::Critical;
    let told = verdict.explain(&texts, &rules);
    assert!(told.contains("why level  raised from 4: at least 2 different phrases"), "{told}");
}

#[test]
fn a_rule_on_trial_is_evaluated_and_in_no_verdict() {
    let shadow = "shadow = true\nmatch = { any = [\"barn owl\", \"red kite\"] }";
    let live = rule("t.live", "\"title\"", "match = { phrase = \"red kite\" }");
    let (rules, lowest) = loaded(&(pack("\"title\"", shadow) + &live));
    let fired = |title: &str| {
        let (verdict, shadows) = rules.evaluate_all(&[Text::new(Scope::Title, title)], Band::Ks3);
        let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.rule.to_string()).collect::<Vec<_>>();
        (ids(&verdict.hits), ids(&shadows))
    };
    let (live, shadow) = (vec!["t.live".to_owned()], vec!["t.rule".to_owned()]);
    assert_eq!(lowest, 3, "a device that would report it does not take it");
    assert_eq!(fired("a barn owl"), (Vec::new(), shadow.clone()));
    assert_eq!(fired("a red kite"), (live, shadow));
    assert!(rules.evaluate(&[Text::new(Scope::Title, "a barn owl")], Band::Ks3).hits.is_empty());
}
