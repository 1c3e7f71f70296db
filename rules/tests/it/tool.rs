//! The command-line tool: exit codes, and nothing overwritten on failure.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::pack;

/// A folder with one pack and a key.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(pack: &str) -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir(desk.path("packs")).unwrap();
        desk.writes(pack);
        assert_eq!(desk.runs("keygen --out key").status.code(), Some(0));
        desk
    }

    fn writes(&self, pack: &str) {
        std::fs::write(self.path("packs/t.toml"), pack).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn runs(&self, arguments: &str) -> Output {
        self.runs_all(&arguments.split(' ').collect::<Vec<_>>())
    }

    fn runs_all(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing-rules"));
        command.current_dir(self.folder.path()).args(arguments).output().unwrap()
    }

    /// What a command answers to what is typed into it, and how it ends.
    fn answers(&self, arguments: &str, input: &[u8]) -> (String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing-rules"));
        command.current_dir(self.folder.path()).args(arguments.split(' '));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }

    fn ends(&self, arguments: &str, code: i32) -> String {
        let output = self.runs(arguments);
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        told
    }
}

fn good() -> String {
    let examples =
        |text: &str| format!("[{}]", vec![format!("{{ scope = \"title\", text = \"{text}\" }}"); 3].join(", "));
    let examples = format!(
        "examples = {{ must_match = {}, must_not_match = {} }}",
        examples("barn owl"),
        examples("an owl in a barn")
    );
    pack("\"title\"", "match = { phrase = \"barn owl\" }").replace("examples = {}", &examples)
}

#[test]
fn a_good_pack_goes_all_the_way() {
    let desk = Desk::new(&good());
    assert_eq!(desk.ends("check --packs packs", 0), "1 packs, 1 rules, 1 phrases: no problems\n");
    assert_eq!(desk.ends("test --packs packs", 0), "1 packs, 1 rules, 6 examples: all as they should be\n");
    let todo = "todo_match = [{ scope = \"title\", text = \"owlet\" }], must_not_match";
    desk.writes(&good().replace("must_not_match", todo));
    let counted = "1 packs, 1 rules, 6 examples: all as they should be, 1 still to be found\n";
    assert_eq!(desk.ends("test --packs packs", 0), counted);
    let told = desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    let key = told.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    assert!(desk.ends(&format!("verify --set set --trust {key}"), 0).contains("release 4"));
    let explained = desk.runs_all(&["explain", "--set", "set", "--scope", "title", "--band", "ks3", "a barn owl"]);
    assert!(String::from_utf8(explained.stdout).unwrap().contains("a [barn owl]"));
    let json = desk.ends("explain --packs packs --url https://owl.example/ --band ks3 --json", 0);
    assert!(json.contains("\"hits\": []"), "{json}");
}

#[test]
fn a_second_signature_meets_a_threshold_of_two() {
    let desk = Desk::new(&good());
    desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    let second = desk.ends("keygen --out second", 0);
    let told = desk.ends("verify --set set --trust ed25519:00", 64);
    assert!(told.contains("key 1 is not"), "{told}");
    assert!(desk.ends(&format!("verify --set set --trust {}", second.trim()), 1).contains("refused"));
    desk.ends("sign --set set --key second", 0);
    desk.ends(&format!("verify --set set --trust {}", second.trim()), 0);
}

#[test]
fn failing_examples_end_with_1_and_name_the_line() {
    let desk = Desk::new(&good().replace("text = \"an owl in a barn\"", "text = \"barn owl\""));
    let told = desk.ends("test --packs packs", 1);
    assert!(told.contains("error[R014]") && told.contains("packs/t.toml:"), "{told}");
}

#[test]
fn a_malformed_pack_ends_with_64_and_overwrites_nothing() {
    let desk = Desk::new(&good());
    desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    let before = std::fs::read(desk.path("set")).unwrap();
    desk.writes(&good().replace("guidance", "guidence"));
    let told = desk.ends("compile --packs packs --release 5 --key key --out set", 64);
    assert!(told.contains("error[R002]: `guidence` is not a key of `[[rule]]`"), "{told}");
    assert_eq!(std::fs::read(desk.path("set")).unwrap(), before);
    assert!(desk.ends("check --packs packs --json", 1).contains("\"line\": 12"));
    let names: Vec<_> =
        std::fs::read_dir(desk.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left beside the rule set: {names:?}");
}

#[test]
fn a_key_is_its_owners_alone_and_never_replaced() {
    let desk = Desk::new(&good());
    let before = std::fs::read(desk.path("key")).unwrap();
    assert!(desk.ends("keygen --out key", 64).contains("cannot create `key`"));
    assert_eq!(std::fs::read(desk.path("key")).unwrap(), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |mode| std::fs::set_permissions(desk.path("key"), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(desk.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o644);
        let told = desk.ends("compile --packs packs --release 4 --key key --out set", 64);
        assert!(told.contains("set its mode to 0600") && !Path::new(&desk.path("set")).exists(), "{told}");
    }
}

#[test]
fn a_policy_is_checked_before_it_is_signed() {
    let desk = Desk::new(&good());
    let policy = r#"{"release": 2, "school": "sample-school", "zone": "Europe/London", "hours": "always", "sites": "any",
        "staff_watched": true, "notice_version": 1}"#;
    std::fs::write(desk.path("policy.json"), policy).unwrap();
    let told = desk.ends("policy-sign --policy policy.json --key key --out policy", 0);
    let key = told.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap();
    assert!(desk.ends(&format!("verify --set policy --trust {key}"), 0).contains("school sample-school"));
    std::fs::write(desk.path("policy.json"), policy.replace("always", "sometimes")).unwrap();
    let told = desk.ends("policy-sign --policy policy.json --key key --out policy", 64);
    assert!(told.contains("policy.json") && told.contains("line 1"), "{told}");
}

#[test]
fn usage_that_makes_no_sense_ends_with_64() {
    let desk = Desk::new(&good());
    desk.ends("explain --packs packs --band ks3", 64);
    desk.ends("explain --packs packs --band ks9 --scope title owl", 64);
    desk.ends("compile --packs packs --release 0 --key key --out set", 64);
    desk.ends("check --packs nowhere", 64);
    desk.ends("--help", 0);
    assert!(desk.ends("categories", 0).contains("self_harm"));
}

#[test]
fn an_entry_of_a_hashed_list_is_printed_for_a_phrase_or_url() {
    let desk = Desk::new(&good());
    let hash = |of: &[&str]| {
        let output = desk.runs_all(&[&["hash", "--key", "0102030405060708090a0b0c0d0e0f10"], of].concat());
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    };
    assert_eq!(hash(&["--phrase", "Tawny--OWL"]), ("2f87bc171c3d2a8a578d7e8f17871f6d  2 words\n".into(), Some(0)));
    assert_eq!(hash(&["--url", "https://owl.example/?q=1"]), ("98e686cbe7a91a716ff33735979f26ff\n".into(), Some(0)));
    assert_eq!((hash(&["--phrase", "..."]).1, hash(&["--url", "owl"]).1, hash(&[]).1), (Some(64), Some(64), Some(64)));
    assert!(!desk.ends("hash --key 00 --phrase owl", 64).contains("`00`"));
}

#[test]
fn texts_are_classified_line_by_line() {
    let desk = Desk::new(&good());
    let question = |kind: &str, text: &str| format!("{{\"kind\":\"{kind}\",\"text\":\"{text}\",\"band\":\"ks3\"}}\n");
    let input = question("title", "a barn owl") + &question("url", "https://owl.example/") + &question("title", "hen");
    let (answers, code) = desk.answers("classify --packs packs", input.as_bytes());
    let answers: Vec<serde_json::Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((answers.len(), code), (3, Some(0)));
    assert_eq!(answers[0]["rules"], serde_json::json!(["t.rule"]));
    let first = (&answers[0]["category"], &answers[0]["c"], &answers[0]["spans"][0]["start"]);
    assert_eq!(first, (&"weapons".into(), &"content".into(), &2.into()));
    assert!(answers[1]["level"].is_null() && answers[2]["level"].is_null());
}

#[test]
fn lines_that_are_no_question_are_answered_and_passed_over() {
    let desk = Desk::new(&good());
    let good = "{\"kind\":\"title\",\"text\":\"barn owl\",\"band\":\"ks3\"}\n";
    let long = "x".repeat(100_000);
    for bad in ["no json", "{\"kind\":\"smell\",\"text\":\"x\",\"band\":\"ks3\"}", "\u{fe0f}", &long] {
        let (answers, code) = desk.answers("classify --packs packs", format!("{bad}\n{good}").as_bytes());
        let answers: Vec<serde_json::Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((answers.len(), code), (2, Some(1)), "a refused line ends with 1");
        assert_eq!(answers[0]["line"], 1);
        assert_eq!(answers[1]["rules"][0], "t.rule", "the next line is answered all the same");
    }
}

#[test]
fn sets_are_scored_one_by_one_without_their_rows() {
    let desk =
        Desk::new(&good().replace("[\"title\"]", "[\"query\"]").replace("scope = \"title\"", "scope = \"query\""));
    std::fs::create_dir(desk.path("data")).unwrap();
    let heading = "id\tlabel\ttype\ttext\n";
    std::fs::write(desk.path("data/xstest.tsv"), format!("{heading}1\tsafe\tx\ta barn owl\n2\tsafe\tx\thens\n"))
        .unwrap();
    let told = desk.ends("score --packs packs --data data", 1);
    assert!(told.contains("1 of      2   50.00 % [9.45, 90.55]") && told.contains("at most 3 %: not met"), "{told}");
    assert!(told.contains("scunthorpe.txt: absent") && !told.contains("barn"), "{told}");
    std::fs::write(desk.path("data/xstest.tsv"), format!("{heading}1\tunsafe\tx\ta barn owl\n")).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&desk.ends("score --packs packs --data data --json", 0)).unwrap();
    assert_eq!(json["xstest.tsv"]["groups"]["unsafe"]["flagged"], 1);
    std::fs::write(desk.path("data/xstest.tsv"), "id\ttext\n").unwrap();
    assert!(desk.ends("score --packs packs --data data", 64).contains("no column `label`"));
}

#[test]
fn a_diff_names_rules_and_lines_and_no_text() {
    let desk = Desk::new(&good());
    desk.ends("compile --packs packs --release 4 --key key --out old", 0);
    let line = |text: &str| format!("{{\"kind\":\"title\",\"text\":\"{text}\",\"band\":\"ks3\"}}\n");
    std::fs::write(desk.path("texts"), line("a barn owl") + &line("hens") + &line("a red kite")).unwrap();
    assert!(desk.ends("diff old packs --texts texts", 0).contains("0 rules differ; of 3 texts: 0 newly"));
    let other = good().replace("barn owl", "red kite").replace("an owl in a barn", "a kite is red");
    desk.writes(&format!(
        "{}\n{}",
        good().replace("guidance =", "level = 1\nguidance ="),
        other.split_once("[[rule]]").map(|(_, rule)| format!("[[rule]]{rule}").replace("t.rule", "t.kite")).unwrap()
    ));
    let told = desk.ends("diff old packs --texts texts", 1);
    for part in [
        "new rule      t.kite",
        "rule changes  t.rule, level 4 to 1",
        "changes level line 1: t.rule, level 4 to 1",
        "newly flags   line 3: t.kite",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("barn owl") && !told.contains("red kite"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&desk.ends("diff packs old --texts texts --json", 1)).unwrap();
    assert_eq!(json["answers"][1], serde_json::json!({ "line": 3, "rule": "t.kite", "old": 4, "new": null }));
    std::fs::write(desk.path("texts"), line("hens") + "hens\n").unwrap();
    assert!(desk.ends("diff old packs --texts texts", 64).contains("`texts` line 2: not a question"));
}
