//! The guide for whoever writes rules, `packs/README.md`: what it shows is so.
//!
//! | fence | what is asked of it |
//! |---|---|
//! | `toml pack` | follows the language, with every example that `test` asks for; it is `packs/birds.toml` for the commands |
//! | `toml part` | does so with the rest of its rules filled in |
//! | `toml parts` | so does each of its stanzas, whose comment is the sentence before it |
//! | `toml overlay` | changes the first pack; it is `school.toml` |
//! | `console` | its commands run one after another, end as they say and print the lines below them |
//! | another, with a name | is that file |
//!
//! What a block of TOML does is said by the sentence before it, as [`claims`] reads it.

mod claims;
mod commands;

use std::collections::BTreeSet;
use std::path::Path;

use lapwing_rules::{Code, Compiler, Diagnostic, LintLevels, Release, RuleSet, Scope, Text, format_pack, split_url};

use claims::{Claim, Said, claims};

/// The day of the guide: its overlay is in force, its watch has not begun.
const TODAY: &str = "2026-11-30";
const PACK: &str = "[pack]\nid = \"birds\"\nversion = 1\ntitle = \"Birds\"\nsources = [\"a field guide\"]\n\n";
/// What a part leaves out of a rule.
const RULE: &str = "id = \"birds.rule\"\ntitle = \"Looked for birds\"\ncategory = \"off_task_gaming\"\nscopes = [\"title\"]\n\
    guidance = \"Ask what the birds are for.\"\nexamples = {}\n";

/// A fenced block and the paragraph before it.
struct Block {
    line: usize,
    fence: String,
    before: String,
    body: String,
}

fn blocks() -> Vec<Block> {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/README.md")).unwrap();
    let (mut blocks, mut before, mut lines) = (Vec::new(), String::new(), guide.lines().zip(1..));
    let mut has_ended = false;
    while let Some((text, line)) = lines.next() {
        if let Some(fence) = text.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().map(|(text, _)| text).take_while(|text| *text != "```").collect();
            let before = std::mem::take(&mut before);
            let block = Block { line, fence: fence.to_owned(), before, body: body.join("\n") + "\n" };
            if block.fence == "toml parts" { blocks.extend(stanzas(&block)) } else { blocks.push(block) }
        } else if text.is_empty() {
            has_ended = true;
        } else {
            if std::mem::take(&mut has_ended) {
                before.clear();
            }
            before = format!("{before} {}", text.trim()).trim_start().to_owned();
        }
    }
    blocks
}

/// The parts of a block, each under a comment, with an empty line between them.
fn stanzas(block: &Block) -> Vec<Block> {
    let stanza = |text: &str| {
        let (comment, lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("# "));
        let before: Vec<&str> = comment.iter().map(|line| line.trim_start_matches("# ")).collect();
        Block {
            line: block.line,
            fence: "toml part".to_owned(),
            before: before.join(" "),
            body: lines.join("\n") + "\n",
        }
    };
    block.body.split("\n\n").map(stanza).collect()
}

/// The text of the one block with this fence.
fn of_fence(fence: &str) -> String {
    let mut found = blocks().into_iter().filter(|block| block.fence == fence);
    let (block, other) = (found.next(), found.next());
    assert!(other.is_none(), "several blocks `{fence}`");
    block.unwrap_or_else(|| panic!("no block `{fence}`")).body
}

/// A compiler of what the block stands for.
fn compiler(block: &Block) -> Compiler {
    let compiler = Compiler::new().today(TODAY.parse().unwrap());
    match block.fence.as_str() {
        "toml pack" => compiler.least_examples(3).pack("birds.toml", block.body.as_str()),
        "toml part" => compiler.pack("birds.toml", filled_in(&block.body)),
        "toml overlay" => {
            compiler.pack("birds.toml", of_fence("toml pack")).overlay("school.toml", block.body.as_str())
        }
        other => panic!("line {}: a block of TOML is a pack, a part or an overlay, not `{other}`", block.line),
    }
}

/// A pack with the rest of every rule: a part holds tables of a pack, or keys of its one rule.
fn filled_in(part: &str) -> String {
    let mut tables: toml::Table = part.parse().unwrap();
    if !part.contains("[[") {
        let rule = toml::Value::Array(vec![toml::Value::Table(tables)]);
        tables = toml::Table::from_iter([("rule".to_owned(), rule)]);
    }
    for (kind, entries) in &mut tables {
        for entry in entries.as_array_mut().unwrap().iter_mut().filter(|_| ["rule", "score"].contains(&kind.as_str())) {
            let mut whole: toml::Table = RULE.parse().unwrap();
            whole.retain(|key, _| kind == "rule" || key != "scopes");
            whole.extend(std::mem::take(entry.as_table_mut().unwrap()));
            *entry = toml::Value::Table(whole);
        }
    }
    format!("{PACK}{tables}\n")
}

/// The texts of a claim: an address is split as on a device, anything else stands where the first rule looks.
fn texts(block: &Block, text: &str) -> Vec<Text> {
    if text.starts_with("https://") {
        return split_url(text).unwrap().texts();
    }
    let scope = if block.body.contains("scopes = [\"media\"]") { Scope::Media } else { Scope::Title };
    vec![Text::new(scope, text)]
}

fn codes<'a>(found: impl IntoIterator<Item = &'a Diagnostic>) -> BTreeSet<Code> {
    found.into_iter().map(Diagnostic::code).collect()
}

/// Lints of a block; a part need not show what it leaves alone.
fn lints(block: &Block) -> BTreeSet<Code> {
    let mut lints = codes(&compiler(block).lint(&LintLevels::default()).unwrap());
    if block.fence == "toml part" {
        lints.remove(&Code::NoNegatives);
    }
    lints
}

fn holds(claim: &Claim, block: &Block, rules: &RuleSet) -> bool {
    let of = |text: &str| texts(block, text);
    let is_meant = |rule: &str| claim.rule.as_deref().is_none_or(|meant| meant == rule);
    match &claim.said {
        Said::Fires { text, level, reads } => {
            let (texts, explained) = (of(text), rules.evaluate(&of(text), claim.band).explain(&of(text), rules));
            let hits = rules.evaluate(&texts, claim.band).hits;
            let mut meant = hits.iter().filter(|hit| is_meant(hit.rule.as_str()));
            meant.any(|hit| level.is_none_or(|level| hit.level == level)) && explained.contains(reads.as_str())
        }
        Said::Quiet(text) => {
            let (verdict, shadows) = rules.evaluate_all(&of(text), claim.band);
            !verdict.hits.iter().chain(&shadows).any(|hit| is_meant(hit.rule.as_str()))
        }
        Said::Counts(text) => {
            let (verdict, shadows) = rules.evaluate_all(&of(text), claim.band);
            verdict.hits.is_empty() && !shadows.is_empty()
        }
        Said::Class(url, class) => rules.host_class(&split_url(url).unwrap().host).as_str() == class,
        Said::Refused(_) | Said::Lint(_) => false,
    }
}

/// Whether the block is as the sentences before it say.
fn check(block: &Block) -> Result<(), String> {
    let claims = claims(&block.before);
    let is = |found: BTreeSet<Code>, wanted: BTreeSet<Code>| {
        if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}")) }
    };
    let compiled = compiler(block).rule_set(Release::new(1));
    match (claims.as_slice(), compiled) {
        ([], _) => Err(format!("nothing is said of it in `{}`", block.before)),
        ([Claim { said: Said::Refused(code), .. }], Err(found)) => is(codes(&found), BTreeSet::from([*code])),
        ([Claim { said: Said::Lint(code), .. }], Ok(_)) => is(lints(block), BTreeSet::from([*code])),
        (claims, Ok(rules)) => {
            if block.fence == "toml pack" && format_pack(&block.body).unwrap() != block.body {
                return Err("`fmt` would write it otherwise".to_owned());
            }
            is(lints(block), BTreeSet::new())?;
            let broken: Vec<&Claim> = claims.iter().filter(|claim| !holds(claim, block, &rules)).collect();
            if broken.is_empty() { Ok(()) } else { Err(format!("not so: {broken:?}")) }
        }
        (_, Err(found)) => Err(found.iter().map(Diagnostic::render).collect()),
    }
}

#[test]
fn blocks_of_the_guide_do_what_the_sentences_before_them_say() {
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.fence.starts_with("toml")).collect();
    assert!(blocks.len() >= 25, "{}", blocks.len());
    let broken: Vec<String> = blocks
        .iter()
        .filter_map(|block| check(block).err().map(|error| format!("line {}: {error}", block.line)))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn commands_of_the_guide_end_and_print_as_it_says() {
    let desk = commands::Desk::new(&blocks());
    let mut run = 0;
    for block in blocks().iter().filter(|block| block.fence == "console") {
        for command in commands::commands(&block.body) {
            run += 1;
            desk.runs(&command, block.line);
        }
    }
    assert!(run >= 15, "{run} commands");
}
