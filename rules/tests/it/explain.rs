//! What is said of a text, a URL and a stored capture.

use lapwing_rules::{Band, Compiler, Date, Difference, Release, Replay, RuleSet, Scope, StoredCapture, Text};

use super::{compiled, pack, rule, titles};

const RULE: &str = "match = { phrase = \"barn owl\" }\nlevel = 3\nlevels = { ks1 = 4 }\n\
    bands = [\"ks1\", \"ks3\"]\nexcept = [{ phrase = \"barn owl class\" }, { host = \"owls.example\" }]";

fn title(text: &str) -> [Text; 1] {
    [Text::new(Scope::Title, text)]
}

/// A capture of `text` as `rules` judged it.
fn stored(rules: &RuleSet, text: &str) -> StoredCapture {
    let texts = title(text);
    StoredCapture::new(Some(&texts), &rules.evaluate(&texts, Band::Ks1))
}

#[test]
fn every_band_is_told_with_its_level() {
    let rules = titles(RULE);
    let told = rules.explain(&title("a B4rn owl"), &Band::ALL).render(&rules);
    let expected = "rule set release 1: 1 found, 0 kept silent by exceptions\n\n\
        title \"a B4rn owl\" is read as\n  0..1       a\n  2..6       b4rn\n  2..6       or barn\n  7..10      owl\n\n\
        level 4 high  t.rule  A title\n  category   Weapons (weapons)\n  \
        levels     ks1 4, ks3 3; silent for eyfs, ks2, ks4, ks5, post19, staff, guest, shared\n  \
        title      a [B4rn owl]\n             topic \"B4rn owl\"\n  next       Talk.\n";
    assert_eq!(told, expected);
}

#[test]
fn exceptions_that_won_are_told_with_what_they_cover() {
    let rules = titles(RULE);
    let told = rules.explain(&title("Barn owl class"), &[Band::Ks3]).render(&rules);
    assert!(
        told.ends_with("kept silent  t.rule  A title\n  exception  \"barn owl class\" covers \"Barn owl class\"\n")
    );
    let host = [Text::new(Scope::UrlHost, "www.owls.example"), Text::new(Scope::Title, "barn owl")];
    let told = rules.explain(&host, &[Band::Ks3]).render(&rules);
    assert!(told.ends_with("  exception  the rule is silent on this host\n"), "{told}");
    assert!(rules.explain(&title("owl class"), &Band::ALL).spared.is_empty(), "nothing there to be kept silent");
}

#[test]
fn a_stored_capture_is_reproduced_by_the_rules_that_judged_it() {
    let rules = titles(RULE);
    let stored = stored(&rules, "a barn owl");
    let bytes = serde_json::to_vec(&stored).unwrap();
    let read = StoredCapture::parse(&bytes).unwrap();
    assert_eq!(read, stored);
    assert!(read.is_by(&rules));
    assert_eq!(read.replay(&rules), Replay::Reproduced);
    assert!(read.render().contains("title      topic \"barn owl\""), "{}", read.render());
}

#[test]
fn what_other_rules_make_of_a_stored_capture_is_named() {
    let then = stored(&titles(RULE), "a barn owl");
    let rule: lapwing_rules::RuleId = "t.rule".parse().unwrap();
    let replay = |rest: &str| then.replay(&titles(rest));
    assert_eq!(replay("match = { phrase = \"kite\" }"), Replay::Differs(vec![Difference::Silent(rule.clone())]));
    assert_eq!(replay("match = { phrase = \"owl\" }"), Replay::Differs(vec![Difference::Otherwise(rule.clone())]));
    let lower = replay("match = { phrase = \"barn owl\" }\nlevel = 2").to_string();
    assert_eq!(lower, "differs:\n  `t.rule` fires at level 2, not 4");
    let nothing = stored(&titles("match = { phrase = \"kite\" }"), "a barn owl");
    assert_eq!(nothing.replay(&titles(RULE)), Replay::Differs(vec![Difference::New(rule)]));
}

#[test]
fn a_capture_whose_text_was_not_kept_is_not_replayable() {
    let rules = titles("match.near = { within = 1, groups = [\"barn\", \"owl\"] }");
    let verdict = rules.evaluate(&title("a barn owl"), Band::Ks1);
    let stored = StoredCapture::new(None, &verdict);
    assert_eq!(stored.replay(&rules), Replay::NoEvidence);
    let json = serde_json::to_string(&stored).unwrap();
    let strange = StoredCapture::parse(json.replace("null", "[]").replace("ks1", "year_9").as_bytes()).unwrap();
    assert_eq!(strange.replay(&rules), Replay::UnknownBand("year_9".into()));
}

#[test]
fn stored_captures_out_of_their_bounds_are_refused_by_name() {
    let json = serde_json::to_string(&stored(&titles(RULE), "a barn owl")).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(json.contains(from), "{from} is not in {json}");
        StoredCapture::parse(json.replace(from, to).as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(refused("\"format\":1", "\"format\":2"), "of format 2, this build reads format 1");
    assert_eq!(refused("\"end\":10", "\"end\":11"), "`hits.spans` is not a stretch of one of the texts");
    assert_eq!(refused("\"text\":0", "\"text\":1"), "`hits.spans` is not a stretch of one of the texts");
    assert!(refused("\"level\":4", "\"level\":6").starts_with("not a stored capture: "));
    assert!(refused("\"weight\":0", "\"wait\":0").contains("unknown field `wait`"));
    assert_eq!(
        refused("\"band\":\"ks1\"", &format!("\"band\":\"{}\"", "k".repeat(33))),
        "`verdict.band` is not at most 32 bytes"
    );
    let long = format!("\"text\":\"{}\"", "barn owl ".repeat(600));
    assert_eq!(refused("\"text\":\"a barn owl\"", &long), "`texts.text` is not at most 4096 bytes");
    assert!(StoredCapture::parse(&vec![b' '; StoredCapture::MAX_BYTES + 1]).is_err());
}

#[test]
fn nothing_is_kept_of_a_category_without_evidence() {
    let text = pack("\"title\"", "match = { phrase = \"barn owl\" }\nexcept = [{ phrase = \"barn owl class\" }]");
    let rules = compiled(&text.replace("\"weapons\"", "\"nudes\"")).unwrap();
    let texts = title("a barn owl, not a barn owl class");
    let stored = StoredCapture::new(Some(&texts), &rules.evaluate(&texts, Band::Ks1));
    let json = serde_json::to_string(&stored).unwrap();
    assert!(!json.contains("owl") && json.contains("\"spans\":[],\"excepted\":[]"), "{json}");
    assert_eq!(StoredCapture::parse(json.as_bytes()).unwrap().replay(&rules), Replay::NoEvidence);
    let kept = StoredCapture::parse(json.replace("\"texts\":null", "\"texts\":[]").as_bytes()).unwrap_err().to_string();
    assert_eq!(kept, "`texts` is not null, though a category without evidence is among the hits");
}

#[test]
fn a_text_can_draw_no_line_and_move_no_cursor() {
    let rules = titles(RULE);
    let hostile = title("barn owl class, a \u{1b}[1A barn\u{202e} owl\r\nlevel 1 info  t.rule");
    let told = rules.explain(&hostile, &[Band::Ks1]).render(&rules)
        + &rules.evaluate(&hostile, Band::Ks1).explain(&hostile, &rules)
        + &StoredCapture::new(Some(&hostile), &rules.evaluate(&hostile, Band::Ks1)).render()
        + &rules.explain(&title("barn\nowl\u{9b} class"), &[Band::Ks1]).render(&rules);
    assert!(told.contains(r"[barn\u{202e} owl]\r\nlevel 1") && told.contains(r"\u{1b}[1A"), "{told}");
    assert!(!told.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{told:?}");
    assert!(!told.lines().any(|line| line.starts_with("level 1")), "{told}");
}

#[test]
fn names_in_a_stored_capture_are_written_out_too() {
    let json = serde_json::to_string(&stored(&titles(RULE), "a barn owl")).unwrap();
    let strange = json.replace("\"weapons\"", "\"\\u001b[2J\"").replace("\"ks1\"", "\"\\nband\"");
    let capture = StoredCapture::parse(strange.as_bytes()).unwrap();
    let told = capture.render() + &capture.replay(&titles(RULE)).to_string();
    assert!(told.contains(r"category   \u{1b}[2J") && told.contains(r"`\nband`"), "{told}");
}

#[test]
fn rules_of_which_nobody_is_told_are_marked_as_such() {
    let watch = "watch = { from = 2026-12-01, until = 2026-12-20 }\nlevel = 3\nmatch = { phrase = \"owl dare\" }";
    let shadow = rule("t.trial", "\"title\"", "shadow = true\nmatch = { phrase = \"owl dare\" }");
    let day = |text: &str| text.parse::<Date>().unwrap();
    let compiler = Compiler::new().pack("t.toml", pack("\"title\"", watch) + &shadow).today(day("2026-12-01"));
    let rules = compiler.rule_set(Release::new(1)).unwrap();
    let told = |on: Option<&str>| {
        let explanation = rules.explain(&title("owl dare"), &[Band::Ks3]);
        on.map_or(explanation.clone(), |on| explanation.on(day(on))).render(&rules)
    };
    let trial = "level 4 high  t.trial  A title\n  told       nobody: in shadow, counted by day\n";
    let over = "level 3 moderate  t.rule  A title\n  told       nobody: not applied outside the days of its watch, today being 2026-12-21\n";
    for on in [None, Some("2026-12-20")] {
        let told = told(on);
        assert!(told.contains("2 found, of 1 nobody is told, 0 kept") && told.contains(trial), "{told}");
        assert!(!told.contains("outside the days"), "{told}");
    }
    let told = told(Some("2026-12-21"));
    assert!(told.contains("of 2 nobody is told") && told.contains(over) && told.contains(trial), "{told}");
}

#[test]
fn a_score_is_told_with_the_rules_that_added_to_it() {
    let part = |id: &str, phrase: &str, points: &str| {
        rule(id, "\"title\"", &format!("match = {{ phrase = \"{phrase}\" }}\nscore = {points}\nreport = false"))
    };
    let score = "[[score]]\nid = \"t.score\"\ntitle = \"Several\"\ncategory = \"weapons\"\nguidance = \"Talk.\"\n\
        threshold = 5\nexamples = {}\n";
    let pack = pack("\"title\"", "match = { phrase = \"heron\" }")
        + &part("t.egg", "egg", "{ default = 2, ks1 = 4 }")
        + &part("t.nest", "nest", "3")
        + &part("t.wing", "wing", "3")
        + score;
    let rules = compiled(&pack).unwrap();
    let told = |text: &str, band| rules.explain(&title(text), &[band]).render(&rules);
    let in_ks3 = told("an egg in a nest", Band::Ks3);
    assert!(in_ks3.contains("  score      5 of 5: t.egg +2, t.nest +3\n"), "{in_ks3}");
    let in_ks1 = told("an egg in a nest", Band::Ks1);
    assert!(in_ks1.contains("  score      7 of 5: t.egg +4, t.nest +3\n"), "{in_ks1}");
    assert!(!told("a heron", Band::Ks3).contains("  score "));
    let id = "t.score".parse().unwrap();
    assert_eq!(rules.scored(&id, &title("an egg"), Band::Ks3).unwrap().points(), 2, "told below the threshold too");
    assert_eq!(rules.scored(&"t.egg".parse().unwrap(), &title("an egg"), Band::Ks3), None);
}
