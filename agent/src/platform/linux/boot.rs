//! When the kernel started, and which start it was.

use std::{fs, io};

use data_encoding::HEXLOWER_PERMISSIVE;
use lapwing_proto::BootId;
use nix::time::{ClockId, clock_gettime};

/// Where the kernel names this start of itself.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Microseconds since the kernel started, sleep included (`CLOCK_BOOTTIME`).
pub(crate) fn boot_us() -> u64 {
    // The clock exists in every kernel since 2.6.39, and the call has no other way to fail.
    let Ok(time) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let micros = u64::try_from(time.tv_nsec()).unwrap_or(0) / 1_000;
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}

/// The kernel's random id of this start.
///
/// # Errors
///
/// When the kernel does not tell it.
pub(crate) fn boot_id() -> io::Result<BootId> {
    let digits = fs::read_to_string(BOOT_ID)?.trim().replace('-', "");
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(io::Error::other)?;
    BootId::try_from(bytes.as_slice()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_since_start_goes_on_within_one_start() {
        let (id, first) = (boot_id().unwrap(), boot_us());
        assert!(first > 0);
        assert!(boot_us() >= first);
        assert_eq!(boot_id().unwrap(), id);
    }
}
