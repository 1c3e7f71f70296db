//! The command-line tool: exit codes, and nothing overwritten on failure.

mod base;
mod inputs;
mod local;
mod scripts;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{pack, rule};

/// A folder with one pack and a key.
pub(super) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(super) fn new(pack: &str) -> Self {
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

    pub(super) fn runs_all(&self, arguments: &[&str]) -> Output {
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
    let told = "1 rules, 6 examples, 60 verdicts by scope and band, 36 other spellings: all as they should be";
    assert_eq!(desk.ends("test --packs packs", 0), format!("{told}\n"));
    let todo = "todo_match = [{ scope = \"title\", text = \"owlet\" }], must_not_match";
    desk.writes(&good().replace("must_not_match", todo));
    assert_eq!(desk.ends("test --packs packs", 0), format!("{told}, 1 still to be found\n"));
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
fn a_policy_says_what_it_looks_at_besides_another() {
    let desk = Desk::new(&good());
    let policy = r#"{"release": 2, "school": "sample-school", "zone": "Europe/London", "hours": "always", "sites": "any",
        "staff_watched": false, "notice_version": 1}"#;
    std::fs::write(desk.path("old.json"), policy).unwrap();
    std::fs::write(desk.path("new.json"), policy.replace("false", "true")).unwrap();
    assert!(desk.ends("policy-diff old.json old.json", 0).contains("nothing more is looked at"));
    assert!(desk.ends("policy-diff new.json old.json", 0).contains("nothing more is looked at"));
    let told = desk.ends("policy-diff old.json new.json", 1);
    for words in
        ["newly looked at: staff, beyond illegal content", "two people sign it", "`notice_version` has to grow"]
    {
        assert!(told.contains(words), "{words} in {told}");
    }
    let told: serde_json::Value = serde_json::from_str(&desk.ends("policy-diff old.json new.json --json", 1)).unwrap();
    assert_eq!(told["widened"][0], "staff, beyond illegal content");
    assert_eq!(told["notice_is_newer"], false);
    std::fs::write(desk.path("new.json"), "{}").unwrap();
    assert!(desk.ends("policy-diff old.json new.json", 64).contains("new.json"));
}

#[test]
fn usage_that_makes_no_sense_ends_with_64() {
    let desk = Desk::new(&good());
    desk.ends("explain --packs packs --band ks3", 64);
    desk.ends("explain --packs packs https://", 64);
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

#[test]
fn a_code_is_looked_up_by_its_name() {
    let desk = Desk::new(&good());
    let told = desk.ends("codes r014", 0);
    assert!(told.starts_with("R014: An example that must not match and does\n\n") && told.contains("\n    except = ["));
    let all = desk.ends("codes", 0);
    assert!(all.lines().count() >= 22 && all.starts_with("R001  Not TOML\n"), "{all}");
    let json: serde_json::Value = serde_json::from_str(&desk.ends("codes R001 --json", 0)).unwrap();
    assert_eq!((&json["code"], &json["title"]), (&"R001".into(), &"Not TOML".into()));
    assert!(desk.ends("codes R999", 64).contains("R999"));
}

#[test]
fn a_text_is_a_title_and_a_url_is_known_as_one() {
    let desk = Desk::new(&good());
    let explained = desk.runs_all(&["explain", "--packs", "packs", "--json", "a barn owl"]);
    let json: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!((&json["bands"][9], &json["hits"][0]["levels"]["ks3"]), (&"shared".into(), &4.into()));
    assert_eq!(
        json["texts"][0]["words"][1],
        serde_json::json!({ "word": "barn", "start": 2, "end": 6, "is_reading": false })
    );
    let told = desk.ends("explain --packs packs HTTPS://owl.example/barn", 0);
    assert!(told.contains("url_host \"owl.example\" is read as") && told.contains("url_path \"/barn\""), "{told}");
    assert!(desk.ends("explain --packs packs --scope query https://owl.example/", 0).contains("query \"https://owl"));
}

#[test]
fn a_stored_capture_is_judged_again() {
    let desk = Desk::new(&good());
    let capture = |start: u8| {
        format!(
            "{{\"format\": 1, \"texts\": [{{\"scope\": \"title\", \"text\": \"a barn owl\"}}], \"verdict\": {{\"release\": 7, \
             \"rule_set\": \"{}\", \"band\": \"ks3\", \"hits\": [{{\"rule\": \"t.rule\", \"category\": \"weapons\", \"level\": 4, \
             \"weight\": 0, \"spans\": [{{\"text\": 0, \"start\": {start}, \"end\": 10, \"mark\": \"topic\", \"weight\": 0}}], \
             \"excepted\": []}}]}}}}",
            "0f".repeat(32)
        )
    };
    std::fs::write(desk.path("capture"), capture(2)).unwrap();
    let told = desk.ends("explain --packs packs --capture capture", 0);
    assert!(told.ends_with("judged again by another rule set, release 1\nreproduced: this rule set says the same\n"));
    std::fs::write(desk.path("capture"), capture(7)).unwrap();
    let json = desk.ends("explain --packs packs --capture capture --json", 1);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["replay"], &json["same_rule_set"]), (&"differs".into(), &false.into()));
    std::fs::write(desk.path("capture"), "{}").unwrap();
    assert!(
        desk.ends("explain --packs packs --capture capture", 64).contains("cannot use `capture`: not a stored capture")
    );
}

#[test]
fn lints_warn_and_end_with_1_only_where_they_are_denied() {
    let desk = Desk::new(&good().replace("barn owl", "owl").replace("an owl in a barn", "bowls"));
    let told = desk.ends("lint --packs packs", 0);
    assert!(
        told.contains("warning[L001]: rule `t.rule` fires on `owl` alone") && told.ends_with("1 problem\n"),
        "{told}"
    );
    assert!(desk.ends("lint --packs packs --deny L001", 1).contains("error[L001]"));
    assert_eq!(desk.ends("lint --packs packs --allow L001", 0), "no problems\n");
    std::fs::write(desk.path("levels"), "[levels]\nL001 = \"deny\"\n").unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&desk.ends("lint --packs packs --levels levels --json", 1)).unwrap();
    assert_eq!((&json["problems"][0]["code"], &json["problems"][0]["severity"]), (&"L001".into(), &"error".into()));
    assert!(desk.ends("lint --packs packs --allow R013", 64).contains("`R013` is not a lint"));
    std::fs::write(desk.path("levels"), "L001 = \"deny\"\n").unwrap();
    assert!(desk.ends("lint --packs packs --levels levels", 64).contains("cannot use `levels`"));
}

#[test]
fn a_rule_allows_a_lint_with_a_reason() {
    let short = good().replace("barn owl", "owl").replace("an owl in a barn", "bowls");
    let allow = |rest: &str| short.replace("guidance =", &format!("allow = [{{ {rest} }}]\nguidance ="));
    let desk = Desk::new(&allow("lint = \"L001\", reason = \"a word of this test\""));
    assert_eq!(desk.ends("lint --packs packs --deny L001 --deny L008", 0), "no problems\n");
    desk.ends("compile --packs packs --release 4 --key key --out set", 0);
    desk.writes(&allow("lint = \"L001\""));
    assert!(desk.ends("lint --packs packs", 64).contains("error[R003]: an allowed lint needs `reason`"));
    desk.writes(&allow("lint = \"R013\", reason = \"it does not hold\""));
    assert!(desk.ends("lint --packs packs", 64).contains("error[R005]: `R013` is not a lint"));
}

#[test]
fn packs_are_formatted_in_their_place_and_checked_without_a_change() {
    let desk = Desk::new(&good());
    let before = std::fs::read(desk.path("packs/t.toml")).unwrap();
    assert_eq!(desk.ends("fmt --packs packs --check", 1), "packs/t.toml: is written otherwise\n");
    assert_eq!(std::fs::read(desk.path("packs/t.toml")).unwrap(), before);
    assert_eq!(desk.ends("fmt --packs packs", 0), "packs/t.toml: formatted\n");
    assert_eq!(desk.ends("fmt --packs packs --check", 0), "");
    assert!(desk.ends("fmt --packs packs --check --json", 0).contains("\"to_format\": []"));
    desk.ends("test --packs packs", 0);
    desk.writes("id = ");
    assert!(desk.ends("fmt --packs packs", 64).contains("cannot format `packs/t.toml`: not TOML"));
}

#[test]
fn changes_that_no_example_notices_end_with_1() {
    let desk = Desk::new(&good());
    assert_eq!(desk.ends("mutate --packs packs", 0), "1 rules and 1 phrases changed: 0 survive\n");
    desk.writes(&good().replace("{ phrase = \"barn owl\" }", "{ any = [\"barn owl\", \"red kite\"] }"));
    let told = desk.ends("mutate --packs packs", 1);
    assert!(told.contains("packs/t.toml:14:30: R030: no example needs this phrase"), "{told}");
    assert!(told.ends_with("1 rules and 2 phrases changed: 1 survive\n"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&desk.ends("mutate --packs packs --json", 1)).unwrap();
    assert_eq!((&json["phrases"], &json["survivors"][0]["code"]), (&2.into(), &"R030".into()));
    assert!(desk.ends("mutate --packs packs --rule u.", 64).contains("no rule's id begins with `u.`"));
    desk.writes(&good().replace("text = \"an owl in a barn\"", "text = \"barn owl\""));
    assert!(desk.ends("mutate --packs packs", 64).contains("error[R014]"));
}

#[test]
fn examples_are_run_in_every_scope_band_and_spelling() {
    let desk = Desk::new(
        &good()
            .replace("[\"title\"]", "[\"title\", \"query\"]")
            .replace("must_match = [{ scope = \"title\"", "must_match = [{ scope = \"query\""),
    );
    let told = desk.ends("test --packs packs --by-rule", 0);
    assert!(told.contains("120 verdicts by scope and band"), "{told}");
    assert!(told.starts_with("rule ") && told.contains("\nt.rule  "), "{told}");
    let json: serde_json::Value = serde_json::from_str(&desk.ends("test --packs packs --json", 0)).unwrap();
    assert_eq!((&json["rules"][0]["verdicts"], &json["rules"][0]["problems"]), (&120.into(), &0.into()));
    desk.writes(&good().replace("barn owl", "brrr owl").replace("an owl in a barn", "an owl goes brrr"));
    assert!(
        desk.ends("test --packs packs", 1).contains("error[R031]: rule `t.rule` does not fire with repeated letters")
    );
    assert!(desk.ends("test --packs packs --rule u.", 64).contains("no rule's id begins with `u.`"));
}

#[test]
fn costs_are_told_the_dearest_rule_first() {
    let rules = [("kite", "red kite, tawny owl, grey heron"), ("owl", "barn owl")].map(|(name, phrases)| {
        let phrases: Vec<String> = phrases.split(", ").map(|phrase| format!("\"{phrase}\"")).collect();
        rule(&format!("t.{name}"), "\"title\"", &format!("match = {{ any = [{}] }}", phrases.join(", ")))
    });
    let desk = Desk::new(&(pack("\"title\"", "match = { phrase = \"great auk\" }") + &rules.concat()));
    std::fs::write(desk.path("titles"), "barn barn\n\nBARN door\nthe gr34t one\na kite and an owl\n").unwrap();
    let told = desk.ends("cost --packs packs --titles titles", 0);
    let lines: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((lines[1][0], lines[1][4]), ("t.owl", "50.00"), "{told}");
    assert_eq!((lines[2][0], lines[2][4], lines[3][0], lines[3][4]), ("t.rule", "25.00", "t.kite", "0.00"), "{told}");
    let json: serde_json::Value = serde_json::from_str(&desk.ends("cost --packs packs --json", 0)).unwrap();
    let rules = json["rules"].as_array().unwrap();
    assert_eq!((&rules[0]["rule"], &rules[0]["phrases"], &json["titles"]), (&"t.kite".into(), &3.into(), &0.into()));
    let bytes: Vec<u64> = rules.iter().map(|rule| rule["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.iter().all(|bytes| *bytes > 0) && bytes.iter().sum::<u64>() < json["bytes"].as_u64().unwrap());
}

#[test]
fn rules_above_their_budget_on_benign_texts_fail_with_counts_and_no_text() {
    let desk = Desk::new(&good().replace("guidance =", "budget = 50000\nguidance ="));
    let question = "{\"kind\":\"title\",\"text\":\"barn owl twins\",\"band\":\"ks3\"}";
    std::fs::write(desk.path("one"), format!("hens\n\na barn owl\n{question}\n")).unwrap();
    let told = desk.ends("test --packs packs --benign one", 1);
    assert!(
        told.contains("3 benign texts") && told.contains("t.rule  2 rows, 66666.7: above its budget of 50000"),
        "{told}"
    );
    assert!(!told.contains("a barn owl") && !told.contains("twins"), "{told}");
    let shown = desk.ends("test --packs packs --benign one --show", 1);
    assert!(shown.contains("one:3: a barn owl") && shown.contains("one:4: barn owl twins"), "{shown}");
    std::fs::write(desk.path("two"), "ducks\n").unwrap();
    assert!(desk.ends("test --packs packs --benign one two", 0).contains("within its budget"), "2 of 4 are 50000");
    let urls = "https://barn-owl.example/\nnot a url\n";
    std::fs::write(desk.path("urls"), urls).unwrap();
    assert!(desk.ends("test --packs packs --benign urls --scope url", 64).contains("urls:2: "));
    std::fs::write(desk.path("none"), "\n").unwrap();
    assert!(desk.ends("test --packs packs --benign none", 64).contains("no text"));
    desk.ends("test --packs packs --show", 64);
}
