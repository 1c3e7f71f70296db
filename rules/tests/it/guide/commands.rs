//! The command lines of the guide, run at one desk in the order in which they stand.

use std::process::Command;

use tempfile::TempDir;

use super::{Block, TODAY};

/// The one command of another program: what it takes is for that program's tests.
const PUBLISH: &str = "lapwing-collector rules publish rules.lwrs --config collector.toml";

/// A command, how it ends, and lines that stand in what it prints.
pub(super) struct Told {
    line: String,
    ends: Option<i32>,
    prints: Vec<String>,
}

/// The commands of a block: `$ command  # ends with 0`, and lines that each prints.
pub(super) fn commands(block: &str) -> Vec<Told> {
    let mut commands: Vec<Told> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let (line, ends) = command.split_once(" # ends with ").unwrap_or((command, ""));
            commands.push(Told { line: line.trim().to_owned(), ends: ends.parse().ok(), prints: Vec::new() });
        } else {
            commands.last_mut().expect("a command stands first").prints.push(line.to_owned());
        }
    }
    commands
}

/// A folder with the files that the guide shows, keys of two of the school, the project's illegal base and what the school
/// published last.
pub(super) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(super) fn new(blocks: &[Block]) -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir(desk.folder.path().join("packs")).unwrap();
        for block in blocks {
            let name = match block.fence.as_str() {
                "toml pack" => "packs/birds.toml",
                "toml overlay" => "school.toml",
                "console" | "toml part" => continue,
                other => other.split_once(' ').expect("a block that is a file has its name").1,
            };
            std::fs::write(desk.folder.path().join(name), &block.body).unwrap();
        }
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/packs");
        for line in [
            "lapwing-rules keygen --out school.key",
            "lapwing-rules keygen --out second.key",
            "lapwing-rules keygen --out project.key",
            &format!("lapwing-rules base --packs {ours} --release 1 --key project.key --out illegal_base.lwib"),
            "lapwing-rules compile --packs packs --release 7 --key school.key --out in_force.lwrs",
        ] {
            desk.runs(&Told { line: line.to_owned(), ends: Some(0), prints: Vec::new() }, 0);
        }
        desk
    }

    /// Runs a command, on the guide's day where an overlay is asked about and the guide names no day itself.
    pub(super) fn runs(&self, told: &Told, at: usize) {
        if told.line == PUBLISH {
            return;
        }
        let mut words = words(&told.line);
        assert_eq!(words.remove(0), "lapwing-rules", "line {at}");
        if told.line.contains("--overlay") && !told.line.contains("--today") {
            words.extend(["--today".to_owned(), TODAY.to_owned()]);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing-rules"));
        let output = command.current_dir(self.folder.path()).args(words).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), told.ends, "line {at}: {}\n{printed}", told.line);
        for line in &told.prints {
            assert!(printed.contains(line.as_str()), "line {at}: {}\n{line}\nin\n{printed}", told.line);
        }
    }
}

/// The words of a command, those in quotation marks as one.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    quoted.collect()
}
