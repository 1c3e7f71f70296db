//! The command line.

mod base;
mod budget;
mod categories;
mod check;
mod classify;
mod codes;
mod compile;
mod cost;
mod diff;
mod explain;
mod files;
mod format;
mod hash;
mod keys;
mod lint;
mod local;
mod mutate;
mod output;
mod policy_diff;
mod policy_sign;
mod progress;
mod question;
mod reissue;
mod rules;
mod score;
mod sign;
mod test;
mod today;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lapwing_rules::{Compiler, Diagnostic};
use serde_json::Value;

/// Rule packs of Lapwing: checked, tested, compiled, signed, explained.
#[derive(Debug, Parser)]
#[command(
    name = "lapwing-rules",
    version,
    after_help = "Ends with 0 when all is well, 1 when problems were found, 2 on failure, 64 on bad input or usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that packs follow the language, without running examples.
    Check(check::Check),
    /// Check packs and run every example in every scope, band and spelling.
    ///
    /// Examples have to hold as they are written, and in every scope of words and every band of their rule; those that
    /// must match also in other spellings, those that must not match also with a letter put into a word.
    Test(test::Test),
    /// Say what the language allows in packs and a rule had better not say.
    ///
    /// Findings are warnings, or errors where they are denied; only errors end with 1. A rule with a good reason writes
    /// `allow = [{ lint = "L002", reason = ".." }]`.
    Lint(lint::Lint),
    /// Take rules apart, one part at a time, and say what no example notices.
    ///
    /// Every phrase, group, window, order, exception, scope, weight and threshold is taken away. Each that no example
    /// notices is told in a line, and any ends with 1.
    Mutate(mutate::Mutate),
    /// Say what each rule costs: its part of the rule set, and how often titles make a device look for it.
    ///
    /// Rules that most titles make a device look for come first, then the largest. What rules share costs none of them.
    Cost(cost::Cost),
    /// Format packs: keys in order, phrases sorted, lines of at most 120 columns; comments stay.
    #[command(name = "fmt")]
    Format(format::Format),
    /// Compile packs into a signed rule set.
    ///
    /// Devices take one that stands upon an illegal base which the project signed: `--base FILE`.
    Compile(compile::Compile),
    /// Compile and sign the illegal base: the packs `illegal_base` and `hosts`, which schools carry in their rule sets.
    Base(base::Base),
    /// Say what a rule set makes of a text, a URL or a stored capture, and why.
    Explain(explain::Explain),
    /// Say what another rule set would newly flag, stop flagging, or flag at another level.
    ///
    /// Texts are named by their line, never printed. Overlays belong to what is to come: the same folder of packs twice and
    /// `--overlay` say what an overlay changes. Any difference ends with 1.
    Diff(diff::Diff),
    /// Judge texts, one JSON object a line, and answer each with a line.
    ///
    /// Lines are such as `{"kind": "title", "text": "...", "band": "ks3"}`; `kind` is a scope, or `url` for a whole URL
    /// split as on a device.
    Classify(classify::Classify),
    /// Count how much of each evaluation set is flagged, and say where that is not what is wanted.
    Score(score::Score),
    /// Make a signing key (file readable by its owner alone) and print its public half.
    Keygen(keys::Keygen),
    /// Add a signature to a rule set, a policy or an illegal base.
    Sign(sign::Sign),
    /// Sign the rules of an earlier release anew under a higher number.
    ///
    /// Devices keep what they have until a newer release comes: this takes them back.
    Reissue(reissue::Reissue),
    /// Verify a rule set, a policy or an illegal base as a device does.
    Verify(verify::Verify),
    /// Check a policy written as JSON and sign it.
    PolicySign(policy_sign::PolicySign),
    /// Say what a policy would look at that another does not.
    ///
    /// Anything ends with 1: two people sign it, and its notice is a new one.
    PolicyDiff(policy_diff::PolicyDiff),
    /// Say what a code of a diagnostic means, with an example and its mend.
    Codes(codes::Codes),
    /// List the categories rules can name.
    Categories(categories::Categories),
    /// Print the entry of a hashed list for a phrase or URL.
    Hash(hash::Hash),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Form {
    const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    Problems,
}

/// Why a command did not end.
#[derive(Debug)]
enum Failure {
    /// What was given cannot be used: exit 64.
    BadInput(anyhow::Error),
    /// Something else went wrong: exit 2.
    Failed(anyhow::Error),
    /// What was given cannot be used, and the answer says why: exit 64.
    Answered,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl Failure {
    fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    /// Packs that do not compile, each mistake with its source.
    fn diagnostics(diagnostics: &[Diagnostic]) -> Self {
        Self::BadInput(anyhow::anyhow!("{}", rendered(diagnostics)))
    }

    /// A mistyped start of an id must not look like rules that are all as they should be.
    fn no_rule(start: &str) -> Self {
        Self::BadInput(anyhow::anyhow!("no rule's id begins with `{start}`"))
    }

    /// Packs that do not compile, where a script may have asked: it is answered as by `check`.
    fn mistakes(diagnostics: &[Diagnostic], form: Form, out: &mut String) -> Self {
        match form {
            Form::Text => Self::diagnostics(diagnostics),
            Form::Json => {
                out.push_str(&format!("{:#}\n", check::problems(diagnostics)));
                Self::Answered
            }
        }
    }
}

/// Parses the command line, runs the command and tells how it ended.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_error = error.use_stderr();
            // The reader of a closed pipe does not want the text.
            let _ = error.print();
            return if is_error { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let mut out = String::new();
    let ended = arguments.command.run(&mut out);
    let written = std::io::stdout().lock().write_all(out.as_bytes());
    match (ended, written) {
        (Ok(Outcome::Fine), Ok(())) => ExitCode::SUCCESS,
        (Ok(Outcome::Problems), Ok(())) => ExitCode::from(1),
        (Ok(_), Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        (Ok(_), Err(error)) => complain(&error.into(), 2),
        (Err(Failure::BadInput(error)), _) => complain(&error, 64),
        (Err(Failure::Failed(error)), _) => complain(&error, 2),
        (Err(Failure::Answered), Ok(())) => ExitCode::from(64),
        (Err(Failure::Answered), Err(error)) => complain(&error.into(), 2),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "lapwing-rules: {error:#}");
    ExitCode::from(code)
}

impl Command {
    fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        match self {
            Self::Check(command) => command.run(out),
            Self::Test(command) => command.run(out),
            Self::Lint(command) => command.run(out),
            Self::Format(command) => command.run(out),
            Self::Mutate(command) => command.run(out),
            Self::Cost(command) => command.run(out),
            Self::Compile(command) => command.run(out),
            Self::Base(command) => command.run(out),
            Self::Explain(command) => command.run(out),
            Self::Diff(command) => command.run(out),
            Self::Classify(command) => command.run(),
            Self::Score(command) => command.run(out),
            Self::Keygen(command) => command.run(out),
            Self::Sign(command) => command.run(out),
            Self::Reissue(command) => command.run(out),
            Self::Verify(command) => command.run(out),
            Self::PolicySign(command) => command.run(out),
            Self::PolicyDiff(command) => command.run(out),
            Self::Codes(command) => command.run(out),
            Self::Categories(command) => command.run(out),
            Self::Hash(command) => command.run(out),
        }
    }
}

/// What a compiler found and compiled all the same.
fn warnings(compiler: &Compiler) -> Vec<Diagnostic> {
    let (_, found) = compiler.check();
    found.into_iter().filter(|diagnostic| diagnostic.code().is_warning()).collect()
}

/// Warnings with their sources, before whatever else is told.
fn in_words(warnings: &[Diagnostic]) -> String {
    warnings.iter().map(|warning| format!("{}\n\n", warning.render())).collect()
}

/// An answer of a few facts, as text or for scripts.
fn say(out: &mut String, json: Option<&Value>, text: &str) {
    match json {
        Some(json) => out.push_str(&format!("{json:#}\n")),
        None => out.push_str(text),
    }
}

/// JSON that says the same and does nothing to a terminal: JSON itself escapes no control character above U+001F, and
/// nothing that turns the direction of writing.
fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || (!c.is_ascii() && c.escape_debug().len() > 1) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Diagnostics with their sources, and their number.
fn rendered(diagnostics: &[Diagnostic]) -> String {
    let mut text: Vec<String> = diagnostics.iter().map(Diagnostic::render).collect();
    text.push(match diagnostics.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    });
    text.join("\n\n")
}
