//! What a rule says of the course of time: carried by an artefact, told, and refused where it makes no sense.

use std::time::Duration;

use lapwing_rules::{
    After, Band, Code, Compiler, Course, Date, Escalation, Hit, Level, Release, RuleSet, Scope, SigningKey, Text,
    TrustedKeys, Validity, sign,
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
    assert_eq!((without.rules().next().unwrap().course, lowest), (Course::default(), 3));
}

#[test]
fn the_phrases_of_a_hit_are_the_rule_sets_own_however_they_are_spelt() {
    let rules = titles("match = { any = [\"barn owl\", \"red kite\"] }\nexcept = [{ phrase = \"red kite festival\" }]");
    let phrases = |rules: &RuleSet, title: &str| {
        let texts = [Text::new(Scope::Title, title)];
        let verdict = rules.evaluate(&texts, Band::Ks3);
        rules.matched_phrases(&verdict.hits[0], &texts, Band::Ks3)
    };
    let (owl, kite) = (phrases(&rules, "barn owl"), phrases(&rules, "red kite"));
    assert!(owl.len() == 1 && kite.len() == 1 && owl != kite);
    assert_eq!(phrases(&rules, "B4rn-Owl, barn owl"), owl);
    assert_eq!(phrases(&rules, "r e d kite and barn owl"), owl.union(&kite).copied().collect());
    assert_eq!(phrases(&rules, "red kite festival, barn owl"), owl, "what an exception covers does not stand");
    let inside = titles("match = { substring = [\"tawny\"], reason = \"compounds\" }");
    assert_eq!(phrases(&inside, "greattawny").len(), 1);
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

const WATCH: &str =
    "watch = { from = 2026-12-01, until = \"2026-12-20\" }\nlevel = 3\nmatch = { phrase = \"owl dare\" }";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn a_watch_holds_on_its_days_alone_and_is_told() {
    let pack = pack("\"title\"", WATCH);
    let key = SigningKey::from_bytes(&[7; 32]);
    let compiler = Compiler::new().pack("t.toml", &*pack).today(day("2026-12-20"));
    let bytes = sign(&compiler.compile(Release::new(1), Validity::default()).unwrap(), &key);
    let rules = RuleSet::load(&bytes, &TrustedKeys::new(vec![key.verifying_key()], 1).unwrap()).unwrap();
    let course = rules.rules().next().unwrap().course;
    let days = ["2026-11-30", "2026-12-01", "2026-12-20", "2026-12-21"];
    assert_eq!(days.map(|text| course.applies(Some(day(text)))), [false, true, true, false]);
    assert!(!course.applies(None) && Course::default().applies(None));
    let texts = [Text::new(Scope::Title, "owl dare")];
    let told = rules.evaluate(&texts, Band::Ks3).explain(&texts, &rules);
    assert!(told.contains("watched    from 2026-12-01 until 2026-12-20 alone\n"), "{told}");
}

#[test]
fn a_watch_that_is_over_or_of_which_nobody_knows_is_not_compiled() {
    let refused = |compiler: Compiler| {
        let errors = compiler.pack("t.toml", pack("\"title\"", WATCH)).rule_set(Release::new(1)).unwrap_err();
        errors.iter().map(|error| error.code()).collect::<Vec<_>>()
    };
    assert_eq!(refused(Compiler::new().today(day("2026-12-21"))), [Code::Over]);
    assert_eq!(refused(Compiler::new()), [Code::NoToday]);
}
