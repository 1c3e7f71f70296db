//! Overlays, and rules that hold for some days.

use super::{Desk, good};

#[test]
fn a_watch_is_judged_by_the_day_given_or_the_machines_own() {
    let desk = Desk::new(
        &good().replace("guidance =", "level = 3\nwatch = { from = 2020-03-01, until = 2020-03-28 }\nguidance ="),
    );
    desk.ends("compile --packs packs --today 2020-03-28 --release 4 --key key --out set", 0);
    desk.ends("test --packs packs --today 2020-03-02", 0);
    for command in ["check --packs packs --today 2020-03-29", "check --packs packs"] {
        let told = desk.ends(command, 1);
        assert!(told.contains("error[R063]: the watch of rule `t.rule` was over on 2020-03-28"), "{told}");
    }
    assert!(desk.ends("check --packs packs --today 2020-02-30", 64).contains("is not a date"));
}

#[test]
fn an_overlay_is_compiled_in_and_what_it_tunes_in_vain_is_told() {
    let desk = Desk::new(&good());
    let tune = |rule: &str| {
        format!(
            "[[tune]]\nrule = \"{rule}\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
             reason = \"Biology\"\nexpires = 2026-12-20\noff = true\n"
        )
    };
    std::fs::write(desk.path("local.toml"), tune("t.rule") + &tune("t.gone")).unwrap();
    let given = "--packs packs --overlay local.toml --today 2026-11-28";
    assert!(desk.ends(&format!("check {given}"), 0).contains("warning[R066]: rule `t.gone`"));
    assert!(desk.ends(&format!("test {given}"), 0).contains("all as they should be"));
    let told = desk.ends(&format!("compile {given} --release 4 --key key --out set"), 0);
    assert!(told.contains("warning[R066]") && told.contains("release 4"), "{told}");
    let explained = desk.runs_all(&["explain", "--set", "set", "--scope", "title", "--band", "ks3", "a barn owl"]);
    assert!(String::from_utf8(explained.stdout).unwrap().contains("release 4: 0 found"));
    let told = desk.ends("check --packs packs --overlay local.toml --today 2026-12-21", 1);
    assert!(told.contains("local.toml:5") || told.contains("local.toml:6"), "{told}");
}

#[test]
fn what_an_overlay_changes_is_seen_before_it_is_signed() {
    let desk = Desk::new(&good());
    let tune = "[[tune]]\nrule = \"t.rule\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
        reason = \"Biology\"\nexpires = 2026-12-20\nlevel = 1\n";
    std::fs::write(desk.path("local.toml"), tune).unwrap();
    let given = "--overlay local.toml --today 2026-11-28";
    let explained = desk.runs_all(
        &[
            &["explain", "--packs", "packs", "--band", "ks3", "a barn owl"],
            given.split(' ').collect::<Vec<_>>().as_slice(),
        ]
        .concat(),
    );
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("level 1 info  t.rule") && explained.contains("tuned      level 1; by"), "{explained}");
    let question = "{\"kind\":\"title\",\"text\":\"a barn owl\",\"band\":\"ks3\"}\n";
    let (answer, _) = desk.answers(&format!("classify --packs packs {given}"), question.as_bytes());
    assert!(answer.contains("\"level\":1"), "{answer}");
    std::fs::write(desk.path("texts"), question).unwrap();
    let told = desk.ends(&format!("diff packs packs --texts texts {given}"), 1);
    assert!(told.contains("changes level line 1: t.rule, level 4 to 1"), "{told}");
    std::fs::create_dir(desk.path("data")).unwrap();
    std::fs::write(desk.path("data/scunthorpe.txt"), "a barn owl\n").unwrap();
    let told = desk.ends(&format!("score --packs packs --data data {given}"), 1);
    assert!(told.contains("levels 1 to 5: 1 0 0 0 0"), "{told}");
}

#[test]
fn an_overlay_that_is_over_or_stands_beside_a_compiled_rule_set_is_refused() {
    let desk = Desk::new(&good());
    desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    std::fs::write(desk.path("local.toml"), "").unwrap();
    for command in ["explain --set set --scope title owl", "classify --set set", "diff packs set"] {
        let told = desk.ends(&format!("{command} --overlay local.toml"), 64);
        assert!(told.contains("`--overlay local.toml` needs a folder of packs"), "{told}");
    }
    let tune = "[[tune]]\nrule = \"t.rule\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
        reason = \"Biology\"\nexpires = 2026-12-20\nlevel = 1\n";
    std::fs::write(desk.path("local.toml"), tune).unwrap();
    let told = desk.ends("diff packs packs --overlay local.toml --today 2026-12-21", 64);
    assert!(told.contains("error[R063]"), "{told}");
}

#[test]
fn verifying_a_rule_set_lists_its_validity_and_its_tunes() {
    let desk = Desk::new(&good());
    let tune = "[[tune]]\nrule = \"t.rule\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
        reason = \"Biology\"\nexpires = 2026-12-20\nlevel = 1\n";
    std::fs::write(desk.path("local.toml"), tune).unwrap();
    let given = "--overlay local.toml --today 2026-11-28 --release 4 --key key --out set --expires 1790000000";
    let told = desk.ends(&format!("compile --packs packs {given}"), 0);
    assert!(told.contains("warning[R069]: this tune of rule `t.rule` ends in 22 days, on 2026-12-20"), "{told}");
    let key = told.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    let told = desk.ends(&format!("verify --set set --trust {key}"), 0);
    assert!(
        told.contains("in force from the day it arrives\nto be replaced by 2026-09-21, second 1790000000\n"),
        "{told}"
    );
    let tuned = "tuned t.rule: level 1; by J. Marsh with S. Okafor and R. Bell, until 2026-12-20: Biology\n";
    assert!(told.contains(tuned), "{told}");
    let json: serde_json::Value =
        serde_json::from_str(&desk.ends(&format!("verify --set set --trust {key} --json"), 0)).unwrap();
    assert_eq!((&json["not_before"], &json["expires"]), (&0.into(), &1_790_000_000.into()));
    assert_eq!(
        (&json["tuned"][0]["rule"], &json["tuned"][0]["tune"]["until"]),
        (&"t.rule".into(), &"2026-12-20".into())
    );
}

#[test]
fn a_diff_tells_whatever_a_device_would_notice() {
    let hosts = |class: &str| format!("\n[[domains]]\nid = \"d\"\nclass = \"{class}\"\nhosts = [\"owls.example\"]\n");
    let desk = Desk::new(&(good() + &hosts("support")));
    let question = "{\"kind\":\"url\",\"text\":\"https://owls.example/\",\"band\":\"ks3\"}\n";
    std::fs::write(desk.path("texts"), question).unwrap();
    desk.ends("compile --packs packs --release 4 --key key --out old", 0);
    assert!(desk.ends("diff old packs --texts texts", 0).starts_with("0 rules differ"));
    let changed = |from: &str, to: &str| {
        assert!(good().contains(from), "{from}");
        desk.writes(&((good().replace(from, to)) + &hosts("support")));
        desk.ends("diff old packs --texts texts", 1)
    };
    let keys = |keys: &str| changed("guidance =", &format!("{keys}\nguidance ="));
    for (told, expected) in [
        (keys("levels = { ks1 = 5 }"), "rule changes  t.rule, levels of bands: none -> ks1 5\n"),
        (keys("bands = [\"ks1\", \"ks3\"]"), "ks4, ks5, post19, staff, guest, shared -> ks1, ks3\n"),
        (keys("shadow = true"), "rule changes  t.rule, shadow: none -> yes\n"),
        (keys("cooldown = \"7m\""), " s -> 420 s\n"),
        (keys("after = { times = 2, within = \"1h\" }"), "t.rule, after: none -> 2 times within 3600 s\n"),
        (changed("[\"title\"]", "[\"title\", \"query\"]"), "t.rule, scopes: title -> title, query\n"),
        (changed("version = 1", "version = 2"), "pack changes  t, version: 1 -> 2\n"),
        (changed("{ phrase = \"barn owl\" }", "{ any = [\"barn owl\", \"kite\"] }"), "t.rule, phrases: 1 -> 2\n"),
        (changed("barn owl", "barn kite"), "rule changes  t.rule, words: "),
    ] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    desk.writes(&(good() + &hosts("support").replace("\"owls", "\"kites.example\", \"owls")));
    assert!(desk.ends("diff old packs", 1).contains("hosts change  other hosts are named"));
    desk.writes(&(good() + &hosts("confidential")));
    assert!(desk.ends("diff old packs", 1).contains("hosts change"), "the same host, for something else");
    desk.writes(&(good() + &hosts("confidential")));
    assert!(desk.ends("diff old packs --texts texts", 1).contains("host class    line 1: "));
    let tune = "[[tune]]\nrule = \"t.rule\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
        reason = \"Biology\"\nexpires = 2026-12-20\noff = true\n";
    std::fs::write(desk.path("local.toml"), tune).unwrap();
    let told = desk.ends("diff packs packs --overlay local.toml --today 2026-11-28 --json", 1);
    assert!(told.contains("\"what\": \"tune\"") && told.contains("off; by J. Marsh"), "{told}");
}
