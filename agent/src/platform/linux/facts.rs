//! What the machine says about itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lapwing_proto::bounds;
use lapwing_rules::Digest;

use crate::observation::cut;

/// Where the kernel shows what the firmware says.
const DMI: &str = "/sys/class/dmi/id";
/// No fact of the firmware is longer, in bytes.
const MAX_FACT_BYTES: u64 = 256;

/// Serials and UUIDs that boards of many PCs share, folded as [`fold`] does.
const PLACEHOLDERS: [&str; 17] = [
    "",
    "0",
    "none",
    "na",
    "notapplicable",
    "notspecified",
    "notavailable",
    "default",
    "defaultstring",
    "invalid",
    "unknown",
    "oem",
    "systemserialnumber",
    "serialnumber",
    "tobefilledbyoem",
    "123456789",
    "03000200040005000006000700080009",
];

/// SHA-256 over the firmware's serial number and UUID, which name the physical PC. `None` where both are
/// placeholders, or the firmware does not tell.
#[must_use]
pub fn hardware_hash() -> Option<Digest> {
    let fact = |name: &str| bounded_text(&Path::new(DMI).join(name), MAX_FACT_BYTES).unwrap_or_default();
    hash_of(&fact("product_serial"), &fact("product_uuid"))
}

/// The machine's name on the network; empty where it has none.
#[must_use]
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    cut(name.to_string_lossy().into_owned(), bounds::MAX_NAME_BYTES)
}

/// The first `max_bytes` of a file of the kernel's, without the space around them.
pub(super) fn bounded_text(path: &Path, max_bytes: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn hash_of(serial: &str, uuid: &str) -> Option<Digest> {
    let (serial, uuid) = (own_fact(serial), own_fact(uuid));
    if serial.is_empty() && uuid.is_empty() {
        return None;
    }
    Some(Digest::of(format!("{serial}\n{uuid}").as_bytes()))
}

/// The folded fact, or nothing where it is a placeholder or one character over and over.
fn own_fact(fact: &str) -> String {
    let folded = fold(fact);
    let is_one_character = folded.chars().all(|c| folded.starts_with(c));
    if is_one_character || PLACEHOLDERS.contains(&folded.as_str()) { String::new() } else { folded }
}

fn fold(fact: &str) -> String {
    fact.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_that_many_pcs_share_name_no_pc() {
        let shared = ["To Be Filled By O.E.M.", "Default string", "00000000", "xxxxxxx", "N/A", ""];
        for serial in shared {
            assert_eq!(hash_of(serial, "03000200-0400-0500-0006-000700080009"), None);
            assert_eq!(hash_of(serial, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"), None);
        }
    }

    #[test]
    fn one_true_fact_is_enough_and_its_spelling_does_not_matter() {
        let hash = hash_of("Default string", "4C4C4544-0042-3510-8052-B4C04F4A3432");
        assert!(hash.is_some());
        assert_eq!(hash, hash_of("", "4c4c4544-0042-3510-8052-b4c04f4a3432"));
        assert_ne!(hash, hash_of("PF2ABCDE", "4c4c4544-0042-3510-8052-b4c04f4a3432"));
    }

    #[test]
    fn the_host_name_is_bounded() {
        assert!(host_name().len() <= bounds::MAX_NAME_BYTES);
    }
}
