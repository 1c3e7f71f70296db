//! The structure that ARCHITECTURE in README.md promises, held against the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

/// What may stand at the top of the checkout besides dot-files.
const TOP: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "agent",
    "benches",
    "collector",
    "deploy",
    "proto",
    "rules",
];

/// Who may depend on whom inside the workspace, tests and benches excepted: they see all.
const EDGES: [(&str, &[&str]); 4] = [
    ("lapwing-rules", &[]),
    ("lapwing-proto", &["lapwing-rules"]),
    ("lapwing-agent", &["lapwing-proto", "lapwing-rules"]),
    ("lapwing-collector", &["lapwing-proto", "lapwing-rules"]),
];

/// A word that stands in some rooms of the code only.
struct Confined {
    words: &'static [&'static str],
    /// Crates searched.
    crates: &'static [&'static str],
    /// Paths, without `.rs`, where the words may stand.
    rooms: &'static [&'static str],
}

const CONFINED: &[Confined] = &[
    Confined { words: &["sled::"], crates: &["rules", "proto", "agent", "collector"], rooms: &["agent/src/spool"] },
    Confined {
        words: &["tonic::"],
        crates: &["rules", "agent", "collector"],
        rooms: &["agent/src/uplink", "collector/src/ingest"],
    },
    Confined {
        words: &["sqlx::", "SELECT ", "INSERT INTO"],
        crates: &["rules", "proto", "agent", "collector"],
        rooms: &["collector/src/store", "collector/src/seal/nowhere"],
    },
    // What SQLite says otherwise than PostgreSQL goes through the dialect, or stands where the database is opened.
    Confined {
        words: &["json_each", "unhex(", "->>", "INSERT OR ", "IFNULL(", "GLOB ", "PRAGMA ", "pragma_", "rowid"],
        crates: &["collector"],
        rooms: &[
            "collector/src/store/dialect",
            "collector/src/store/keys",
            "collector/src/store/fixture",
            "collector/src/store/seeded",
            "collector/src/store/upgrade",
        ],
    },
    Confined {
        words: &["cfg(target_os"],
        crates: &["rules", "proto", "agent", "collector"],
        rooms: &["agent/src/platform"],
    },
    Confined {
        words: &["cfg(unix", "cfg(windows", "cfg(not(unix", "cfg(not(windows"],
        crates: &["agent"],
        rooms: &["agent/src/platform"],
    },
    Confined {
        words: &["tokio::spawn(", "thread::spawn(", "thread::Builder"],
        crates: &["rules", "proto", "agent", "collector"],
        rooms: &["agent/src/pipeline", "collector/src/lifecycle"],
    },
    Confined {
        words: &["SystemTime::now", "Instant::now", "Zoned::now", "Timestamp::now", "OffsetDateTime::now"],
        crates: &["rules", "proto", "agent", "collector"],
        rooms: &["agent/src/clock", "agent/src/platform", "collector/src/clock", "rules/src/cli/today"],
    },
];

/// Crates that must not come in: a second TLS stack or cryptography, a second HTTP client.
const BANNED: [&str; 12] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
    "boring",
    "reqwest",
    "ureq",
    "isahc",
    "curl",
    "attohttpc",
    "surf",
];

/// Functions of the store that read concerns for the product itself, or for everybody, and why they may.
const READS_FOR_NOBODY: [(&str, &str, &str); 18] = [
    ("concerns", "joinable_statement", "triage looks for a concern to add to"),
    ("concerns", "reference_exists", "references are not given out twice"),
    ("concerns", "undecided", "people changed: who may see a concern is decided anew"),
    ("concerns", "routed", "who may see one concern is decided anew"),
    ("concerns", "state", "a step of the product names where the concern stands"),
    ("concerns", "lately", "triage weighs what else was seen of the same person"),
    ("escalations", "bring_forward", "the clock: no concern is named to anybody"),
    ("reviews", "due", "the clock: what comes back is told to its readers alone"),
    ("merges", "has_any", "whether anything counts towards a concern that was looked up for the person"),
    ("merges", "link", "what a concern counted towards changes with it: nothing is read"),
    ("snoozes", "put_off", "the time of change of a concern that was looked up for the person"),
    ("undoable", "before", "how a concern that was looked up for the person stands"),
    ("undoable", "remember", "the time of change of a concern that was looked up for the person"),
    ("verdicts", "rules_statement", "a judgement of a concern that was looked up for the person"),
    ("names", "read", "references of concerns that a request would close, shown to whoever may answer it"),
    ("recipients", "remove_of_other_classes", "who teaches a class no longer sees it: nothing is read"),
    ("coverage", "tallies", "the governors' counts, suppressed before they are shown"),
    ("queue", "", "the columns of a row; each query adds its condition"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// Source files below `folder`, generated code excepted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![folder.to_path_buf()];
    while let Some(next) = queue.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("generated") {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file up to its tests, without comment lines.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file");
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_unknown_stands_at_the_top() {
    // A plain `cargo build` puts `target` here; it is never committed.
    let allowed: BTreeSet<&str> = TOP.into_iter().chain(["tests", "target"]).collect();
    for entry in std::fs::read_dir(root()).expect("the workspace") {
        let name = entry.expect("an entry").file_name().into_string().expect("a UTF-8 name");
        assert!(name.starts_with('.') || allowed.contains(name.as_str()), "`{name}` stands at the top");
    }
}

#[test]
fn crates_depend_one_way() {
    let metadata = MetadataCommand::new().no_deps().current_dir(root()).exec().expect("cargo metadata");
    let ours: BTreeSet<_> = EDGES.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in EDGES {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).expect(name);
        let found: Vec<_> =
            package.dependencies.iter().map(|edge| edge.name.as_str()).filter(|edge| ours.contains(edge)).collect();
        assert_eq!(found, allowed, "what {name} depends on");
    }
}

#[test]
fn words_stay_in_their_rooms() {
    let mut strays = Vec::new();
    for confined in CONFINED {
        for path in confined.crates.iter().flat_map(|name| sources(&root().join(name).join("src"))) {
            let place = path.strip_prefix(root()).expect("inside").with_extension("");
            let place = place.to_str().expect("a UTF-8 path");
            // Files of tests may look behind the walls.
            if place.ends_with("/tests")
                || place.contains("/tests/")
                || confined.rooms.iter().any(|room| place == *room || place.starts_with(&format!("{room}/")))
            {
                continue;
            }
            let code = code(&path);
            strays.extend(
                confined.words.iter().filter(|word| code.contains(*word)).map(|word| format!("{place}: {word}")),
            );
        }
    }
    assert!(strays.is_empty(), "words outside their rooms:\n{}", strays.join("\n"));
}

#[test]
fn only_the_platform_of_the_agent_may_be_unsafe() {
    for name in ["rules", "proto", "collector", "tests", "benches"] {
        let lib = std::fs::read_to_string(root().join(name).join("src/lib.rs")).expect("a library");
        assert!(lib.contains("#![forbid(unsafe_code)]"), "{name} does not forbid unsafe code");
    }
    for path in sources(&root().join("agent/src")) {
        let inside = path.strip_prefix(root().join("agent/src")).expect("inside");
        assert!(
            inside.starts_with("platform") || inside == Path::new("platform.rs") || !code(&path).contains("unsafe {"),
            "{} is unsafe outside the platform",
            path.display()
        );
    }
}

#[test]
fn one_tls_stack_and_one_http_client() {
    let metadata = MetadataCommand::new().current_dir(root()).exec().expect("cargo metadata");
    let names: Vec<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let banned: Vec<_> = BANNED.into_iter().filter(|name| names.contains(name)).collect();
    assert!(banned.is_empty(), "banned crates came in: {banned:?}");
    for single in ["rustls", "ring", "hyper"] {
        let versions = names.iter().filter(|name| **name == single).count();
        assert_eq!(versions, 1, "versions of {single}");
    }
}

#[test]
fn files_are_split_before_they_hurt() {
    let long: Vec<_> = ["rules", "proto", "agent", "collector", "tests", "benches"]
        .iter()
        .flat_map(|name| sources(&root().join(name).join("src")))
        .filter(|path| std::fs::read_to_string(path).expect("a source file").lines().count() > 600)
        .collect();
    assert!(long.is_empty(), "files over 600 lines: {long:?}");
}

#[test]
fn concerns_are_read_for_a_person_through_visible_to_only() {
    let mut strays = Vec::new();
    for path in sources(&root().join("collector/src/store")) {
        let file = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        if ["tests", "fixture", "seeded"].contains(&file) {
            continue;
        }
        for part in code(&path).split("fn ") {
            // `{}` is where the condition goes; a query that kept it would be no SQL.
            let reads = part.contains("FROM concerns") || part.contains("CROSS JOIN concerns");
            if !reads || part.contains("visible") || part.contains("WHERE {} AND") {
                continue;
            }
            let name = part.split(['(', '<']).next().unwrap_or_default();
            let is_known = READS_FOR_NOBODY.iter().any(|(known, function, _)| *known == file && *function == name);
            if !is_known {
                strays.push(format!("{file}::{name}"));
            }
        }
    }
    assert!(strays.is_empty(), "concerns read without visible_to: {strays:?}");
}
