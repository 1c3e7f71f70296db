//! What is less in a newer rule set, of the rules that nobody weakens with one colleague alone.

use lapwing_rules::{Compiler, Release, RuleSet};

use super::{pack, rule};

/// A rule of level 4 on titles and queries.
fn urgent(rest: &str) -> String {
    pack("\"title\", \"query\"", &format!("level = 4\n{rest}"))
}

fn set(text: &str) -> RuleSet {
    match Compiler::new().pack("t.toml", text).today("2026-11-29".parse().unwrap()).rule_set(Release::new(1)) {
        Ok(rules) => rules,
        Err(found) => panic!("{}", found.iter().map(lapwing_rules::Diagnostic::render).collect::<String>()),
    }
}

/// What is told of going from one pack to another, without the rule's name.
fn told(old: &str, new: &str) -> Vec<String> {
    let weakened = set(new).weakened_from(&set(old));
    weakened.values().flatten().map(ToString::to_string).collect()
}

const MATCH: &str = "match.near = { within = 4, groups = [{ any = [\"barn owl\", \"tawny\"] }, \"nest\"] }\n\
    except = [{ phrase = \"nest box\" }]\ncooldown = \"60s\"\n";

#[test]
fn what_is_the_same_or_finds_more_is_not_told() {
    let old = urgent(MATCH);
    assert!(told(&old, &old).is_empty());
    let more = [
        old.replace("\"tawny\"", "\"tawny\", \"kestrel\""),
        old.replace("except = [{ phrase = \"nest box\" }]\n", ""),
        old.replace("\"query\"", "\"query\", \"file_name\""),
        old.replace("level = 4", "level = 5"),
        old.replace("\"60s\"", "\"30s\""),
        old.replace("title = \"A title\"", "title = \"Another\""),
    ];
    for more in more {
        assert!(told(&old, &more).is_empty(), "{more}");
        assert!(more.contains("A title") != more.contains("Another") && more != old);
    }
}

#[test]
fn each_way_of_finding_less_is_told() {
    let old = urgent(MATCH);
    let less = [
        (old.replace("t.rule", "t.other"), "is gone"),
        (old.replace("\"weapons\"", "\"drugs\""), "is of another category"),
        (old.replace("level = 4", "level = 4\nlevels = { ks3 = 3 }"), "is level 3 in band ks3, not 4"),
        (old.replace("level = 4", "level = 4\nbands = [\"ks3\", \"ks4\"]"), "is no longer for band eyfs"),
        (old.replace("\"title\", \"query\"", "\"title\""), "no longer looks at query"),
        (old.replace("level = 4", "level = 4\nshadow = true"), "is reported on other terms"),
        (old.replace("\"60s\"", "\"90s\""), "is silent for longer once it fired"),
        (old.replace(", \"tawny\"", ""), "looks for less, or asks for more"),
        (old.replace("within = 4", "within = 3"), "looks for less, or asks for more"),
        (old.replace("except = [", "except = [{ phrase = \"nest egg\" }, "), "spares more"),
        (
            old.replace("except = [", "except = [{ host = \"zoo.example\" }, "),
            "fires on fewer hosts, or is silent on more",
        ),
    ];
    for (new, expected) in less {
        let told = told(&old, &new);
        assert!(told.iter().any(|told| told == expected), "{expected}: {told:?}");
    }
}

#[test]
fn a_rule_that_is_not_urgent_is_anybodys_to_change() {
    let old = urgent(MATCH).replace("level = 4", "level = 3");
    assert!(told(&old, &old.replace(", \"tawny\"", "")).is_empty());
    assert!(!told(&old.replace("level = 3", "level = 3\nlevels = { ks1 = 4 }"), &old).is_empty(), "in one band it was");
    let trial = old.replace("level = 3", "level = 4\nshadow = true");
    assert!(told(&trial, &old).is_empty(), "it was only counted");
}

#[test]
fn what_adds_to_an_urgent_score_is_urgent() {
    let adds = |words: &str| format!("match = {{ any = [{words}] }}\nscore = 1\nreport = false\nlevel = 1");
    let old = pack("\"title\"", &adds("\"owl\", \"kea\""))
        + &rule("t.nests", "\"title\"", &adds("\"nest\""))
        + "[[score]]\nid = \"t.sum\"\ntitle = \"S\"\ncategory = \"weapons\"\nguidance = \"G\"\nthreshold = 2\nlevel = 4\n\
           examples = {}\n";
    assert_eq!(told(&old, &old.replace(", \"kea\"", "")), ["looks for less, or asks for more"]);
    assert!(
        told(&old.replace("level = 4", "level = 3"), &old.replace(", \"kea\"", "").replace("level = 4", "level = 3"))
            .is_empty()
    );
}

#[test]
fn what_is_added_may_take_away() {
    let old = pack("\"title\"", "level = 4\nmatch = { threshold = 2, any = [{ phrase = \"owl\", weight = 3 }] }");
    let added = [
        old.replace("}] }", "}, { phrase = \"zoo\", weight = -2 }] }"),
        old.replace("weight = 3", "weight = { default = 3, ks3 = 2 }"),
        old.replace("level = 4\n", "level = 4\nscore = 1\nreport = false\n")
            + &rule("t.nests", "\"title\"", "match = { phrase = \"nest\" }\nscore = 1")
            + "[[score]]\nid = \"t.sum\"\ntitle = \"S\"\ncategory = \"weapons\"\nguidance = \"G\"\nthreshold = 2\nexamples = {}\n",
    ];
    for new in added {
        assert_eq!(told(&old, &new), ["looks for less, or asks for more"], "{new}");
    }
    assert!(told(&old, &old.replace("}] }", "}, { phrase = \"kea\", weight = 2 }] }")).is_empty());
}

#[test]
fn hosts_that_are_exchanged_and_hosts_that_offer_help_are_told() {
    let on = |hosts: &str| pack("\"url_host\"", &format!("level = 4\nmatch = {{ domain = [{hosts}] }}"));
    let old = on("\"a.example\"");
    assert_eq!(told(&old, &on("\"b.example\"")), ["fires on fewer hosts, or is silent on more"]);
    assert_eq!(told(&old, &on("\"=a.example\"")), ["fires on fewer hosts, or is silent on more"]);
    assert!(told(&old, &old).is_empty());
    let help = |host: &str| format!("[[domains]]\nid = \"d\"\nclass = \"support\"\nhosts = [\"{host}\"]\n");
    let words = urgent(MATCH);
    assert_eq!(
        told(&words, &(words.clone() + &help("search.example"))),
        ["is only counted on other hosts that offer help"]
    );
    let (helped, other) = (words.clone() + &help("help.example"), words + &help("search.example"));
    assert!(told(&helped, &helped).is_empty());
    assert_eq!(told(&helped, &other), ["is only counted on other hosts that offer help"]);
}
