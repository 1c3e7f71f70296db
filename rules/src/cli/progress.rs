//! How far long work is, on a terminal alone.

use std::io::{IsTerminal as _, Write as _};

/// Writes over one line of standard error; says nothing where no person looks at it.
pub(super) struct Progress {
    what: &'static str,
    of_what: &'static str,
    is_shown: bool,
}

impl Progress {
    /// Of work such as `testing` on such as `rules`.
    pub(super) fn new(what: &'static str, of_what: &'static str) -> Self {
        Self { what, of_what, is_shown: std::io::stderr().is_terminal() }
    }

    /// Says that so many are done, of how many.
    pub(super) fn tell(&self, done: usize, of: usize) {
        self.write(&format!("{done} of {of}"));
    }

    /// Says that so many are done, where nobody knows of how many; a thousand at a time.
    pub(super) fn tell_so_far(&self, done: u64) {
        if done.is_multiple_of(1000) {
            self.write(&done.to_string());
        }
    }

    fn write(&self, done: &str) {
        if self.is_shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}: {done} {}", self.what, self.of_what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
