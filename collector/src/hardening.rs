//! What the process closes of itself: it holds the keys that evidence is sealed under.

use std::io;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Closes the memory of this process to all other programs of its account, and keeps it out of core files.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn hide_memory() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_another_program_nor_a_core_file_sees_the_memory() {
        assert!(prctl::get_dumpable().unwrap(), "or the test shows nothing");
        hide_memory().unwrap();
        assert!(!prctl::get_dumpable().unwrap());
        assert_eq!(nix::sys::resource::getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
    }
}
