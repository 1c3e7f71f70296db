//! Where the people of a machine keep their files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::platform::linux::facts::bounded_text;

/// The machine's own accounts. Those of a directory service are found by their homes.
const ACCOUNTS: &str = "/etc/passwd";
const MAX_ACCOUNTS_BYTES: u64 = 4 * 1024 * 1024;
/// Where homes are made.
pub(super) const HOMES: &str = "/home";
/// Most homes that are looked for in one folder.
const MAX_HOMES: usize = 4096;

/// Owners that are no person: what services are given for a while, and nobody.
const TRANSIENT: std::ops::RangeInclusive<u32> = 61_184..=65_519;
const NOBODY: u32 = 65_534;

/// The homes of accounts from `least_uid` up, with their owners.
pub(super) fn of_people(least_uid: u32) -> BTreeMap<PathBuf, u32> {
    let is_person = |uid: u32| uid >= least_uid && uid != NOBODY && !TRANSIENT.contains(&uid);
    let listed = bounded_text(Path::new(ACCOUNTS), MAX_ACCOUNTS_BYTES).unwrap_or_default();
    let mut homes: BTreeMap<PathBuf, u32> = listed.lines().filter_map(home_in).collect();
    for (path, owner) in folders_in(Path::new(HOMES)) {
        // A folder that is nobody's own holds the homes of a domain.
        if is_person(owner) {
            homes.insert(path, owner);
        } else {
            homes.extend(folders_in(&path));
        }
    }
    homes.retain(|path, owner| is_person(*owner) && path.parent().is_some());
    homes
}

/// `name:password:uid:gid:comment:home:shell`
fn home_in(line: &str) -> Option<(PathBuf, u32)> {
    let mut fields = line.split(':');
    let uid = fields.nth(2)?.parse().ok()?;
    let home = PathBuf::from(fields.nth(2)?);
    home.is_absolute().then_some((home, uid))
}

fn folders_in(folder: &Path) -> Vec<(PathBuf, u32)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.take(MAX_HOMES).filter_map(Result::ok);
    let found = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    found.filter(|(_, facts)| facts.is_dir()).map(|(path, facts)| (path, facts.uid())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_stands_in_the_sixth_field() {
        let line = "kim:x:1001:1001:Kim,,,:/home/kim:/bin/bash";
        assert_eq!(home_in(line), Some((PathBuf::from("/home/kim"), 1001)));
        assert_eq!(home_in("kim:x:1001:1001::nowhere:/bin/sh"), None);
        assert_eq!(home_in("+::::::"), None);
    }

    #[test]
    fn services_have_no_home_here() {
        assert!(of_people(1000).values().all(|&uid| uid >= 1000 && uid != NOBODY));
        assert!(of_people(u32::MAX).is_empty());
    }
}
