//! Windows: not served yet; what needs the system answers with an error.

use std::io;

use lapwing_proto::BootId;

/// Microseconds since the system started, to the second.
pub(crate) fn boot_us() -> u64 {
    sysinfo::System::uptime().saturating_mul(1_000_000)
}

/// Which start of the system this is.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn boot_id() -> io::Result<BootId> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "windows is not served yet"))
}
