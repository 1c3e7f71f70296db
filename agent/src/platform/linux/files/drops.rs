//! When a name in a folder is a drop.

use std::collections::BTreeSet;

/// Ends of the names that browsers, editors and synchronisers give to files that are not whole yet.
const PARTIAL_ENDS: [&str; 6] = [".crdownload", ".part", ".partial", ".opdownload", ".download", ".tmp"];
/// Starts of such names: office locks, and what desktops save under before they rename.
const PARTIAL_STARTS: [&str; 5] =
    ["~$", ".~lock.", ".goutputstream-", ".org.chromium.Chromium.", ".com.google.Chrome."];

/// Most names remembered of a folder. Beyond it a name that comes again counts again.
const MAX_NAMES: usize = 50_000;

/// Whether `name` is of a file that is not whole yet, or of no document at all.
pub(super) fn is_partial(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARTIAL_ENDS.iter().any(|end| lower.ends_with(end)) || PARTIAL_STARTS.iter().any(|start| name.starts_with(start))
}

/// The whole files of a folder, as far as the sensor knows. A drop is a name that was not there before: so a download
/// is one, however often its browser opens and renames, and so is a file that a person renames.
#[derive(Debug, Default)]
pub(super) struct Present(BTreeSet<String>);

impl Present {
    /// A folder that holds `names` already.
    pub(super) fn with(names: impl Iterator<Item = String>) -> Self {
        Self(names.filter(|name| !is_partial(name)).take(MAX_NAMES).collect())
    }

    /// A file of this name is whole. Whether that is a drop.
    pub(super) fn arrived(&mut self, name: &str) -> bool {
        if is_partial(name) || self.0.contains(name) {
            return false;
        }
        if self.0.len() < MAX_NAMES {
            self.0.insert(name.to_owned());
        }
        true
    }

    /// The file of this name is gone.
    pub(super) fn left(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The folder was listed anew. The names that are drops.
    pub(super) fn listed(&mut self, names: impl Iterator<Item = String>) -> Vec<String> {
        let now: BTreeSet<String> = names.filter(|name| !is_partial(name)).take(MAX_NAMES).collect();
        let new = now.difference(&self.0).cloned().collect();
        self.0 = now;
        new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(list: &[&str]) -> impl Iterator<Item = String> {
        list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn names_of_unfinished_files_are_no_drops() {
        let unfinished = ["Unconfirmed 1.crdownload", "a.PART", "~$essay.docx", ".~lock.essay.odt#", "b.tmp"];
        assert!(unfinished.iter().all(|name| is_partial(name)));
        assert!(!is_partial("part of the plan.txt"));
        assert!(!is_partial("essay.docx"));
    }

    #[test]
    fn a_download_is_one_drop_however_its_browser_writes_it() {
        let mut present = Present::default();
        let steps = ["Unconfirmed 1.crdownload", "essay.pdf", "essay.pdf"];
        let drops: Vec<_> = steps.into_iter().filter(|name| present.arrived(name)).collect();
        assert_eq!(drops, ["essay.pdf"]);
    }

    #[test]
    fn a_file_that_left_may_be_dropped_again() {
        let mut present = Present::with(names(&["essay.pdf"]));
        assert!(!present.arrived("essay.pdf"));
        present.left("essay.pdf");
        assert!(present.arrived("essay.pdf"));
    }

    #[test]
    fn a_new_listing_gives_what_was_missed() {
        let mut present = Present::with(names(&["old.txt", "gone.txt"]));
        assert_eq!(present.listed(names(&["old.txt", "new.txt", "half.part"])), ["new.txt"]);
        assert!(present.arrived("gone.txt"));
    }

    proptest! {
        #[test]
        fn events_lost_or_not_every_whole_name_is_a_drop_once(
            written in prop::collection::vec("[a-d]{1,2}(\\.part)?", 0..40),
            lost in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut present = Present::default();
            let mut drops = Vec::new();
            for (name, lost) in written.iter().zip(&lost) {
                if !lost && present.arrived(name) {
                    drops.push(name.clone());
                }
            }
            drops.extend(present.listed(written.iter().cloned()));
            drops.sort();
            let whole: BTreeSet<String> = written.into_iter().filter(|name| !is_partial(name)).collect();
            prop_assert_eq!(drops, whole.into_iter().collect::<Vec<_>>());
        }
    }
}
