//! Places at which the fault harness ends a program, before and after each call that reaches disk, store or link.
//!
//! They exist under the feature `failpoints` alone, which only the profile `fault` is built with. There
//! `LAPWING_FAILPOINT=NAME:N` ends the process by SIGKILL when it passes the place NAME for the Nth time.

/// `failpoint!("name")` is a place; `failpoint!("name", call)` is the call between the places `name.before` and
/// `name.after`.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::pass($name)
    };
    ($name:literal, $call:expr) => {{
        $crate::failpoint::pass(concat!($name, ".before"));
        let done = $call;
        $crate::failpoint::pass(concat!($name, ".after"));
        done
    }};
}

/// Without the feature `failpoints` a place is nothing, and a call the call alone.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {};
    ($name:literal, $call:expr) => {
        $call
    };
}

/// Ends the process where this is the place, and the time, it was told to end at.
#[cfg(feature = "failpoints")]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::sys::signal::{Signal, kill};

    static END: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let end = END.get_or_init(|| {
        let written = std::env::var("LAPWING_FAILPOINT").ok()?;
        let (name, time) = written.rsplit_once(':')?;
        Some((name.to_owned(), time.parse().ok()?))
    });
    let Some((_, time)) = end.as_ref().filter(|(place, _)| place == name) else { return };
    if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *time && kill(nix::unistd::Pid::this(), Signal::SIGKILL).is_err() {
        std::process::abort();
    }
}
