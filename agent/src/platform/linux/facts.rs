//! What the machine says about itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lapwing_proto::{bounds, firmware};
use lapwing_rules::Digest;

use crate::observation::cut;

/// Where the kernel shows what the firmware says.
const DMI: &str = "/sys/class/dmi/id";
/// No fact of the firmware is longer, in bytes.
const MAX_FACT_BYTES: u64 = 256;

/// SHA-256 over the firmware's serial number and UUID, which name the physical PC. `None` where both are
/// placeholders, or the firmware does not tell.
#[must_use]
pub fn hardware_hash() -> Option<Digest> {
    firmware::hardware_hash(&fact("product_serial"), &fact("product_uuid"))
}

/// What the firmware's serial number is recognised by, where it is none that many PCs share.
#[must_use]
pub fn serial_hash() -> Option<Digest> {
    firmware::serial_hash(&fact("product_serial"))
}

/// The machine's name on the network; empty where it has none.
#[must_use]
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    cut(name.to_string_lossy().into_owned(), bounds::MAX_NAME_BYTES)
}

fn fact(name: &str) -> String {
    bounded_text(&Path::new(DMI).join(name), MAX_FACT_BYTES).unwrap_or_default()
}

/// The first `max_bytes` of a file of the kernel's, without the space around them.
pub(super) fn bounded_text(path: &Path, max_bytes: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_is_bounded() {
        assert!(host_name().len() <= bounds::MAX_NAME_BYTES);
    }
}
