//! What the tool prints, as a technician reads it: `golden/transcript.txt` and `golden/help.txt`.
//!
//! With `LAPWING_REGENERATE` set they are written instead; read the difference before committing it.

use std::path::PathBuf;

use super::tool::Desk;
use super::{pack, rule};

/// Two rules: one as it should be, one with much to say of it.
fn packs() -> String {
    let good = "match = { phrase = \"barn owl\" }\nexcept = [{ phrase = \"barn owl class\" }]\nlevels = { ks1 = 5 }";
    let poor = "match = { any = [\"kea\", \"kea egg\"] }\nlevel = 2\nbands = [\"ks3\", \"ks4\"]";
    let example = |text: &str| format!("[{{ scope = \"title\", text = \"{text}\" }}]");
    let three = |texts: [&str; 3]| texts.map(example).join(", ").replace("], [", ", ");
    let examples =
        |loud, silent| format!("examples = {{ must_match = {}, must_not_match = {} }}", three(loud), three(silent));
    let good_examples = examples(
        ["a barn owl", "Barn Owl", "barn owls and a barn owl"],
        ["barn owl class", "an owl in a barn", "Barn owl class trip"],
    );
    let poor_examples = examples(["a kea", "kea egg", "KEA"], ["keas", "a keala", "okea"]);
    pack("\"title\", \"query\"", good).replace("examples = {}", &good_examples.replacen("title", "query", 1))
        + &rule("t.poor", "\"title\"", poor).replace("examples = {}", &poor_examples)
}

fn told(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.runs_all(arguments);
    let quoted =
        |argument: &&str| if argument.contains(' ') { format!("\"{argument}\"") } else { (*argument).to_owned() };
    let line: Vec<String> = arguments.iter().map(quoted).collect();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    format!("$ lapwing-rules {}\n{text}[ends with {}]\n", line.join(" "), output.status.code().unwrap())
}

fn reads_as_written_down(name: &str, told: &str) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        std::fs::write(&golden, told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
}

#[test]
fn commands_tell_what_is_written_down() {
    let desk = Desk::new(&packs());
    let commands: [&[&str]; 9] = [
        &["check", "--packs", "packs"],
        &["test", "--packs", "packs", "--by-rule"],
        &["lint", "--packs", "packs"],
        &["lint", "--packs", "packs", "--deny", "L001", "--allow", "L004"],
        &["mutate", "--packs", "packs"],
        &["fmt", "--packs", "packs", "--check"],
        &["explain", "--packs", "packs", "Barn owl class: a b4rn owl"],
        &["explain", "--packs", "packs", "--band", "ks4", "https://www.birds.example/search?q=k.e.a"],
        &["codes", "R014"],
    ];
    let told: Vec<String> = commands.iter().map(|arguments| told(&desk, arguments)).collect();
    reads_as_written_down("transcript.txt", &told.join("\n"));
}

#[test]
fn help_reads_as_it_is_written_down() {
    let desk = Desk::new(&packs());
    let help = told(&desk, &["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = listed.take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let commands: Vec<String> =
        commands.filter(|command| *command != "help").map(|command| told(&desk, &[command, "--help"])).collect();
    assert!(commands.len() >= 15, "{help}");
    reads_as_written_down("help.txt", &format!("{help}\n{}", commands.join("\n")));
}
