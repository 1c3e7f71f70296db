//! What a process gives up at its start.

#![expect(unsafe_code, reason = "the C library's memory settings have no safe wrapper")]

use std::io;

use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Memory beyond this, in bytes, goes back to the system, and blocks beyond it come from it alone.
const KEPT_BYTES: libc::c_int = 64 * 1024;

/// Keeps the process's memory, which holds what did not match, out of core files and from other processes of the
/// same account. The kernel shows the files in its folder under `/proc`, not the folder itself, as root's.
///
/// # Errors
///
/// When the kernel refuses.
pub fn hide_memory() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Has the allocator keep one arena and give memory back early: less memory for a little more time. Call it before
/// the first thread starts.
pub fn keep_memory_small() {
    set_allocator(libc::M_ARENA_MAX, 1);
    set_allocator(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    set_allocator(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
}

fn set_allocator(setting: libc::c_int, value: libc::c_int) {
    // SAFETY: mallopt takes two numbers, refuses those it does not know, and locks the allocator itself.
    let _was_taken = unsafe { libc::mallopt(setting, value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_allocator_still_allocates() {
        keep_memory_small();
        assert_eq!(vec![1_u8; 1 << 20].len(), 1 << 20);
    }
}
