//! The places at which the programs can be ended, read from their sources, so that the list is never behind.

use std::path::Path;

use anyhow::Context as _;

use super::fault::Program;

/// Every place of a program, in order of its name.
///
/// # Errors
///
/// When the sources cannot be read.
pub fn places(program: Program) -> anyhow::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(program.to_string()).join("src");
    let mut found = Vec::new();
    let mut queue = vec![root];
    while let Some(folder) = queue.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(places_in(&std::fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// `failpoint!("name")` is one place, `failpoint!("name", call)` two.
fn places_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in source.split("failpoint!(").skip(1) {
        let mut quoted = rest.trim_start().strip_prefix('"').unwrap_or_default().splitn(2, '"');
        let (Some(name), Some(after)) = (quoted.next(), quoted.next()) else { continue };
        if after.trim_start().starts_with(',') {
            found.push(format!("{name}.before"));
            found.push(format!("{name}.after"));
        } else {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_place_on_either_side() {
        let source = "failpoint!(\"a\");\nlet x = failpoint!(\n    \"b\",\n    call()?\n);";
        assert_eq!(places_in(source), ["a", "b.before", "b.after"]);
    }

    #[test]
    fn both_programs_have_places() {
        for program in [Program::Agent, Program::Collector] {
            assert!(places(program).unwrap().len() > 40, "{program}");
        }
    }
}
