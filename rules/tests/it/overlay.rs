//! A school's overlay: what it changes, how it is told, and who has to agree.

use std::path::PathBuf;

use lapwing_rules::{
    Band, Code, Compiler, Diagnostic, Level, LintLevels, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys,
    Validity, sign,
};

const TODAY: &str = "2026-11-28";

fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/overlay");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn compiler() -> Compiler {
    Compiler::new().pack("birds.toml", file("birds.toml")).today(TODAY.parse().unwrap())
}

/// A tune of `rule` that one person approves, until the year after next begins.
fn tune(rule: &str, changes: &str) -> String {
    signed_off(rule, "\"S. Okafor\"", changes)
}

fn signed_off(rule: &str, approver: &str, changes: &str) -> String {
    format!(
        "[[tune]]\nrule = \"{rule}\"\nrequester = \"J. Marsh\"\napprover = {approver}\nreason = \"Biology\"\n\
         expires = 2026-12-20\n{changes}\n"
    )
}

/// The rule set with an overlay, as a device loads it.
fn loaded(overlay: &str) -> RuleSet {
    let key = SigningKey::from_bytes(&[7; 32]);
    let compiled = compiler().overlay("local.toml", overlay).compile(Release::new(1), Validity::default());
    let artefact =
        compiled.unwrap_or_else(|errors| panic!("{}", errors.iter().map(Diagnostic::render).collect::<String>()));
    RuleSet::load(&sign(&artefact, &key), &TrustedKeys::new(vec![key.verifying_key()], 1).unwrap()).unwrap()
}

fn codes(overlay: &str) -> Vec<Code> {
    let errors = compiler().overlay("local.toml", overlay).rule_set(Release::new(1)).unwrap_err();
    errors.iter().map(Diagnostic::code).collect()
}

/// Rules that fire on a title, and the level of each.
fn fired(rules: &RuleSet, title: &str, band: Band) -> Vec<(String, u8)> {
    let verdict = rules.evaluate(&[Text::new(Scope::Title, title)], band);
    verdict.hits.iter().map(|hit| (hit.rule.to_string(), hit.level.number())).collect()
}

/// What is found in the overlay that is wrong everywhere.
pub(super) fn diagnostics() -> Vec<Diagnostic> {
    compiler().overlay("local.toml", file("local.toml")).check().1
}

#[test]
fn every_mistake_of_an_overlay_reads_as_it_is_written_down() {
    let rendered = diagnostics().iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n\n") + "\n";
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/overlay/local.txt");
        std::fs::write(golden, &rendered).unwrap();
    }
    assert_eq!(rendered, file("local.txt"));
}

#[test]
fn a_rule_that_is_off_fires_for_nobody_and_its_artefact_loads() {
    let rules = loaded(&tune("birds.lone", "off = true"));
    assert!(Band::ALL.iter().all(|band| fired(&rules, "a heron", *band).is_empty()));
    assert_eq!(fired(&loaded(""), "a heron", Band::Ks3).len(), 1, "without the overlay it does");
    let id = "birds.lone".parse().unwrap();
    assert_eq!(rules.rule(&id).unwrap().tuned.as_ref().unwrap().changes, ["off"]);
}

#[test]
fn levels_scopes_and_bands_are_those_of_the_tune() {
    let rules = loaded(&tune("birds.lone", "level = 1\nlevels = { ks2 = 3 }\noff_bands = [\"staff\"]"));
    let levels =
        [Band::Ks2, Band::Ks3, Band::Staff].map(|band| fired(&rules, "a heron", band).first().map(|hit| hit.1));
    assert_eq!(levels, [Some(3), Some(1), None]);
    let rules = loaded(&tune("birds.sum", "off_scopes = [\"title\"]"));
    let texts = |scope| [Text::new(scope, "barn owl, red kite")];
    assert!(rules.evaluate(&texts(Scope::Title), Band::Ks3).hits.is_empty());
    assert_eq!(rules.evaluate(&texts(Scope::Query), Band::Ks3).hits.len(), 1);
}

#[test]
fn exceptions_and_weights_of_the_tune_count() {
    let rules =
        loaded(&tune("birds.lone", "except_phrases = [\"heron sanctuary\"]\nexcept_hosts = [\"rspb.example\"]"));
    assert!(fired(&rules, "a heron sanctuary", Band::Ks3).is_empty());
    assert_eq!(fired(&rules, "a heron", Band::Ks3).len(), 1);
    let page = [Text::new(Scope::Title, "a heron"), Text::new(Scope::UrlHost, "www.rspb.example")];
    assert!(rules.evaluate(&page, Band::Ks3).hits.is_empty());
    let rules = loaded(&tune("birds.sum", "weights = { \"Red-Kite\" = 3 }"));
    assert_eq!(fired(&rules, "a red kite", Band::Ks3).len(), 1);
}

#[test]
fn an_explanation_says_who_tuned_a_rule_until_when_and_why() {
    let rules = loaded(&tune("birds.lone", "level = 1\nexcept_phrases = [\"heron sanctuary\"]"));
    let texts = [Text::new(Scope::Title, "a heron")];
    let told = rules.evaluate(&texts, Band::Ks3).explain(&texts, &rules);
    let expected = "  tuned      level 1; 1 phrases excepted; by J. Marsh with S. Okafor, until 2026-12-20: Biology\n";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_tune_of_a_rule_that_is_gone_is_told_and_keeps_nothing_else_from_its_effect() {
    let overlay = tune("birds.gone", "off = true") + &tune("birds.lone", "off = true");
    assert!(fired(&loaded(&overlay), "a heron", Band::Ks3).is_empty());
    let (_, found) = compiler().overlay("local.toml", overlay.replace("2026-12-20", "2027-06-30")).check();
    assert_eq!(found.iter().map(Diagnostic::code).collect::<Vec<_>>(), [Code::TuneOfNothing]);
    assert!(found[0].render().starts_with("warning[R066]"), "{}", found[0].render());
}

#[test]
fn weakening_what_is_urgent_takes_two_approvers_and_strengthening_one() {
    for weaker in [
        "off = true",
        "level = 3",
        "levels = { ks1 = 3 }",
        "off_bands = [\"ks5\"]",
        "except_phrases = [\"owl nest box\"]",
    ] {
        assert_eq!(codes(&tune("birds.nest", weaker)), [Code::Unapproved], "{weaker}");
        loaded(&signed_off("birds.nest", "[\"S. Okafor\", \"R. Bell\"]", weaker));
    }
    let rules = loaded(&tune("birds.nest", "level = 4"));
    assert_eq!(fired(&rules, "an owl nest", Band::Ks3), [("birds.nest".to_owned(), 4)]);
}

#[test]
fn no_change_of_any_kind_reaches_an_illegal_rule_or_the_one_that_stands_in_for_it() {
    let changes = [
        "off = true",
        "level = 1",
        "level = 5",
        "levels = { staff = 4 }",
        "off_scopes = [\"title\"]",
        "off_bands = [\"staff\"]",
        "except_phrases = [\"wren front\"]",
        "except_hosts = [\"wren.example\"]",
        "weights = { \"wren front\" = 0 }",
    ];
    let two = "[\"S. Okafor\", \"R. Bell\"]";
    for (rule, change) in
        ["birds.illegal", "birds.help"].into_iter().flat_map(|rule| changes.map(|change| (rule, change)))
    {
        assert_eq!(codes(&signed_off(rule, two, change)), [Code::TuneIllegal], "{rule} {change}");
    }
    let around =
        tune("birds.lone", "except_phrases = [\"heron of the wren front\"]\nexcept_hosts = [\"wren.example\"]");
    let rules = loaded(&around);
    let texts = [Text::new(Scope::Title, "heron of the wren front"), Text::new(Scope::UrlHost, "wren.example")];
    let hits = rules.evaluate(&texts, Band::Ks3).hits;
    assert_eq!(
        hits.iter().map(|hit| (hit.rule.as_str(), hit.level)).collect::<Vec<_>>(),
        [("birds.illegal", Level::Critical)]
    );
}

#[test]
fn a_lone_word_is_not_raised_to_level_5() {
    assert_eq!(codes(&tune("birds.lone", "level = 5")), [Code::LoneWordCritical]);
}

#[test]
fn weights_that_leave_a_rule_no_way_to_fire_are_refused() {
    assert_eq!(codes(&tune("birds.sum", "weights = { \"red kite\" = 1 }")), [Code::NoEffect]);
}

#[test]
fn the_day_decides_and_nobody_compiles_an_overlay_without_one() {
    let overlay = tune("birds.lone", "off = true");
    let on = |day: &str| {
        let compiler = Compiler::new().pack("birds.toml", file("birds.toml").replace("watch = ", "# watch = "));
        let compiler = if day.is_empty() { compiler } else { compiler.today(day.parse().unwrap()) };
        let compiled = compiler.overlay("local.toml", &*overlay).rule_set(Release::new(1));
        compiled.err().map(|errors| errors[0].code())
    };
    assert_eq!((on("2026-12-20"), on("2026-12-21")), (None, Some(Code::Over)));
    assert_eq!((on("2025-12-20"), on("2025-12-19")), (None, Some(Code::TuneTooLong)));
    assert_eq!(on(""), Some(Code::NoToday));
}

#[test]
fn the_same_overlays_give_the_same_bytes_in_any_order() {
    let [one, two] = ["birds.lone", "birds.sum"].map(|rule| tune(rule, "level = 1"));
    let bytes = |compiler: Compiler| compiler.compile(Release::new(1), Validity::default()).unwrap().to_bytes();
    let forth = bytes(compiler().overlay("a.toml", &*one).overlay("b.toml", &*two));
    assert_eq!(forth, bytes(compiler().overlay("b.toml", &*two).overlay("a.toml", &*one)));
    assert_ne!(forth, bytes(compiler()));
}

/// What becomes of one approver's tune of a rule that is of level 2 itself.
fn alone(more: &str, other: &str) -> Vec<Code> {
    let rule = |id: &str, rest: &str| {
        format!(
            "[[rule]]\nid = \"t.{id}\"\ntitle = \"A\"\ncategory = \"weapons\"\nlevel = 2\nscopes = [\"title\"]\n\
             guidance = \"G\"\nexamples = {{}}\n{rest}\n"
        )
    };
    let pack = "[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n".to_owned()
        + &rule("low", &format!("match = {{ any = [\"barn owl\", \"red kite\"] }}\n{more}"))
        + other;
    let overlay = tune("t.low", "off = true");
    let compiler = Compiler::new().pack("t.toml", pack).overlay("local.toml", overlay).today(TODAY.parse().unwrap());
    compiler.check().1.iter().filter(|found| found.is_error()).map(Diagnostic::code).collect()
}

#[test]
fn one_approver_disarms_nothing_urgent_by_a_rule_that_leads_to_it() {
    assert_eq!(alone("", ""), []);
    assert_eq!(alone("escalate = { spans = 2, within = \"1h\", level = 5 }", ""), [Code::Unapproved]);
    let score = |level| {
        format!(
            "[[rule]]\nid = \"t.part\"\ntitle = \"P\"\ncategory = \"weapons\"\nlevel = 2\nscopes = [\"title\"]\n\
             guidance = \"G\"\nmatch = {{ phrase = \"black crow\" }}\nscore = 1\nexamples = {{}}\n\
             [[score]]\nid = \"t.sum\"\ntitle = \"S\"\ncategory = \"weapons\"\nlevel = {level}\nguidance = \"G\"\n\
             threshold = 2\nexamples = {{}}\n"
        )
    };
    assert_eq!(alone("score = 1", &score(5)), [Code::Unapproved]);
    assert_eq!(alone("score = 1", &score(3)), []);
}

#[test]
fn a_tune_or_watch_that_is_about_to_end_is_told_and_compiled() {
    let on = |day: &str| {
        let compiler = compiler().today(day.parse().unwrap()).overlay("local.toml", tune("birds.lone", "level = 1"));
        let told = compiler.check().1.iter().map(|found| found.message().to_owned()).collect::<Vec<_>>();
        assert!(compiler.rule_set(Release::new(1)).is_ok() && compiler.lint(&LintLevels::default()).is_ok(), "{day}");
        told
    };
    assert!(on("2026-11-19").is_empty());
    assert_eq!(on("2026-11-20"), ["this tune of rule `birds.lone` ends in 30 days, on 2026-12-20"]);
    assert_eq!(on("2026-12-02").len(), 1, "a watch is not told from its first day on");
    let watch = "the watch of rule `birds.dare` ends in 7 days, on 2026-12-10";
    assert_eq!(on("2026-12-03"), [watch, "this tune of rule `birds.lone` ends in 17 days, on 2026-12-20"]);
    assert_eq!(on("2026-12-09")[0], "the watch of rule `birds.dare` ends tomorrow, on 2026-12-10");
}
