//! What this process uses.

#![expect(unsafe_code, reason = "the C library's trimming has no safe wrapper")]

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};

use super::facts::bounded_text;

/// Sizes of this process in pages, as `proc(5)` describes statm; the second is what is resident.
const STATM: &str = "/proc/self/statm";
const MAX_STATM_BYTES: u64 = 256;

/// Resident memory in bytes, and the processor's time since the start, of all threads.
///
/// # Errors
///
/// When the kernel does not tell.
pub(crate) fn own_usage() -> io::Result<(u64, Duration)> {
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "the kernel does not tell the resident memory");
    let statm = bounded_text(Path::new(STATM), MAX_STATM_BYTES).ok_or_else(unreadable)?;
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).ok_or_else(unreadable)?;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(unreadable)?;
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let spent = [usage.user_time(), usage.system_time()].into_iter().map(|time| {
        let (seconds, micros) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_usec()));
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
    });
    Ok((pages.saturating_mul(page), spent.sum()))
}

/// Gives memory that the allocator keeps for later back to the system.
pub(crate) fn give_back_memory() {
    // SAFETY: malloc_trim takes a number and locks the allocator itself.
    let _was_some = unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn memory_that_is_used_and_given_back_is_measured() {
        let (before, _) = own_usage().unwrap();
        let load = vec![1_u8; 64 * MIB];
        let (loaded, _) = own_usage().unwrap();
        assert!(loaded >= before + 48 * 1024 * 1024, "{before} to {loaded} with {}", load.len());
        drop(load);
        give_back_memory();
        let (after, _) = own_usage().unwrap();
        assert!(after + 48 * 1024 * 1024 <= loaded, "{loaded} to {after}");
    }

    #[test]
    fn work_is_measured() {
        let (_, before) = own_usage().unwrap();
        let mut number = 1_u64;
        // However slow the machine is: it works until the measure says so.
        while own_usage().unwrap().1 < before + Duration::from_millis(50) {
            number = (0..100_000).fold(number, |held, next| held.wrapping_mul(6_364_136_223_846_793_005) ^ next);
        }
        assert_ne!(number, 0);
    }
}
