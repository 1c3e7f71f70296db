//! What a command refuses to read, or to write over.

use std::process::Output;

use super::{Desk, good};

#[test]
fn what_comes_from_a_file_draws_no_line_in_an_error_or_in_json() {
    let desk = Desk::new(&good());
    let told = |output: Output| String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let json = told(desk.runs_all(&["explain", "--packs", "packs", "--json", "barn\u{9b}1A owl\u{202e}\u{7f}"]));
    assert!(json.contains(r"barn\u009b1A owl\u202e\u007f") && !json.contains('\u{9b}'), "{json}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["texts"][0]["text"],
        "barn\u{9b}1A owl\u{202e}\u{7f}"
    );
    std::fs::write(desk.path("capture"), "{\"a\\u001b\\nb\": 1}").unwrap();
    assert!(desk.ends("explain --packs packs --capture capture", 64).contains(r"unknown field `a\u{1b}\nb`"));
    std::fs::write(desk.path("texts"), "{\"a\\u001b\\nb\": 1}\n").unwrap();
    assert!(desk.ends("diff packs packs --texts texts", 64).contains(r"unknown field `a\u{1b}\nb`"));
    assert!(desk.ends("test --packs packs --benign texts", 64).contains(r"unknown field `a\u{1b}\nb`"));
    std::fs::write(desk.path("texts"), "a barn owl\u{1b}[1A\n").unwrap();
    desk.writes(&good().replace("guidance =", "budget = 1\nguidance ="));
    assert!(desk.ends("test --packs packs --benign texts --show", 1).contains(r"texts:1: a barn owl\u{1b}[1A"));
}

#[test]
fn an_output_that_is_an_input_is_refused_and_nothing_is_lost() {
    let desk = Desk::new(&good());
    std::fs::write(desk.path("local.toml"), "").unwrap();
    std::fs::write(desk.path("policy.json"), "{}").unwrap();
    desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    for (command, input) in [
        ("compile --packs packs --release 4 --key key --out packs/../key", "key"),
        ("compile --packs packs --release 4 --key key --out packs/t.toml", "packs/t.toml"),
        ("compile --packs packs --release 4 --key key --overlay local.toml --out local.toml", "local.toml"),
        ("sign --set set --key key --out key", "key"),
        ("policy-sign --policy policy.json --key key --out policy.json", "policy.json"),
    ] {
        let before = std::fs::read(desk.path(input)).unwrap();
        let told = desk.ends(command, 64);
        assert!(told.contains(&format!("`--out` names `{input}`, which is read")), "{told}");
        assert_eq!(std::fs::read(desk.path(input)).unwrap(), before);
    }
}

#[test]
fn a_validity_that_ends_before_it_begins_is_refused() {
    let desk = Desk::new(&good());
    let compile = "compile --packs packs --release 4 --key key --out set --not-before 100";
    for expires in [99, 100] {
        let told = desk.ends(&format!("{compile} --expires {expires}"), 64);
        assert!(told.contains(&format!("`--expires {expires}` is not after `--not-before 100`")), "{told}");
    }
    desk.ends(&format!("{compile} --expires 101"), 0);
}

#[test]
fn a_folder_without_any_evaluation_set_is_not_scored() {
    let desk = Desk::new(&good());
    let told = desk.ends("score --packs packs --data packs", 64);
    assert!(told.contains("`--data packs` holds none of the"), "{told}");
    desk.ends("score --packs packs --data nowhere --json", 64);
}

#[test]
fn a_byte_order_mark_before_an_input_is_no_part_of_it() {
    let desk = Desk::new(&good().replace("guidance =", "budget = 1\nguidance ="));
    let question = "\u{feff}{\"kind\":\"title\",\"text\":\"a barn owl\",\"band\":\"ks3\"}\n";
    let (answer, code) = desk.answers("classify --packs packs", question.as_bytes());
    assert!(answer.contains("t.rule") && code == Some(0), "{answer}");
    std::fs::write(desk.path("texts"), question).unwrap();
    assert!(desk.ends("diff packs packs --texts texts", 0).contains("of 1 texts"));
    assert!(desk.ends("test --packs packs --benign texts", 1).contains("t.rule  1 rows"));
    let capture = "\u{feff}{\"format\": 1, \"texts\": [], \"verdict\": {\"release\": 1, \"rule_set\": \"DIGEST\", \
        \"band\": \"ks3\", \"hits\": []}}";
    std::fs::write(desk.path("capture"), capture.replace("DIGEST", &"0".repeat(64))).unwrap();
    assert!(desk.ends("explain --packs packs --capture capture", 0).contains("reproduced"));
    let policy = "\u{feff}{\"release\": 2, \"school\": \"s\", \"zone\": \"Europe/London\", \"hours\": \"always\", \
        \"sites\": \"any\", \"staff_watched\": true, \"notice_version\": 1}";
    std::fs::write(desk.path("policy.json"), policy).unwrap();
    desk.ends("policy-sign --policy policy.json --key key --out policy", 0);
}
