//! What the firmware says of a PC: serials and UUIDs that many share name none of them.

use lapwing_rules::Digest;

const SERIAL_CONTEXT: &str = "lapwing serial, v1\0";

/// Serials and UUIDs that boards of many PCs share, folded as [`fold`] does: what vendors of boards leave in place
/// (the SMBIOS reference's examples, and those that fleet tools list as placeholders).
const PLACEHOLDERS: [&str; 30] = [
    "",
    "0",
    "none",
    "na",
    "null",
    "notapplicable",
    "notspecified",
    "notavailable",
    "nosmbiosinfo",
    "default",
    "defaultstring",
    "invalid",
    "unknown",
    "oem",
    "oemserialnumber",
    "systemserialnumber",
    "chassisserialnumber",
    "baseboardserialnumber",
    "serialnumber",
    "serialnum",
    "systemserial",
    "tobefilledbyoem",
    "tobefilledbyoemserialnumber",
    "empty",
    "evaluation",
    "0123456789",
    "123456789",
    "1234567890",
    "12345678901234567890",
    "03000200040005000006000700080009",
];

/// A fact of the firmware as it is compared: its ASCII letters and digits in lower case; empty where it is a placeholder,
/// or one character over and over.
#[must_use]
pub fn own_fact(fact: &str) -> String {
    let folded = fold(fact);
    let is_one_character = folded.chars().all(|c| folded.starts_with(c));
    if is_one_character || PLACEHOLDERS.contains(&folded.as_str()) { String::new() } else { folded }
}

/// Names the physical PC: SHA-256 over serial number and UUID. `None` where both are placeholders.
#[must_use]
pub fn hardware_hash(serial: &str, uuid: &str) -> Option<Digest> {
    let (serial, uuid) = (own_fact(serial), own_fact(uuid));
    if serial.is_empty() && uuid.is_empty() {
        return None;
    }
    Some(Digest::of(format!("{serial}\n{uuid}").as_bytes()))
}

/// What a serial number is recognised by: the school's list holds the number, a device tells this alone. `None` for a
/// placeholder.
#[must_use]
pub fn serial_hash(serial: &str) -> Option<Digest> {
    let serial = own_fact(serial);
    (!serial.is_empty()).then(|| Digest::of(format!("{SERIAL_CONTEXT}{serial}").as_bytes()))
}

fn fold(fact: &str) -> String {
    fact.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_that_many_pcs_share_name_no_pc() {
        let shared = [
            "To Be Filled By O.E.M.",
            "Default string",
            "System Serial Number",
            "00000000",
            "xxxxxxx",
            "N/A",
            "0123456789",
            "",
        ];
        for serial in shared {
            assert_eq!(hardware_hash(serial, "03000200-0400-0500-0006-000700080009"), None);
            assert_eq!(hardware_hash(serial, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"), None);
            assert_eq!(serial_hash(serial), None);
        }
    }

    #[test]
    fn one_true_fact_is_enough_and_its_spelling_does_not_matter() {
        let hash = hardware_hash("Default string", "4C4C4544-0042-3510-8052-B4C04F4A3432");
        assert!(hash.is_some());
        assert_eq!(hash, hardware_hash("", "4c4c4544-0042-3510-8052-b4c04f4a3432"));
        assert_ne!(hash, hardware_hash("PF2ABCDE", "4c4c4544-0042-3510-8052-b4c04f4a3432"));
        assert_eq!(serial_hash("PF-2ABC DE"), serial_hash("pf2abcde"));
        assert_ne!(serial_hash("PF2ABCDE"), Some(Digest::of(b"pf2abcde")));
    }
}
