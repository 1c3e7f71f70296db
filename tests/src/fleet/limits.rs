//! Open files: a connection needs one here and one in the collector, which inherits this process's limit.

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files a process has open besides its connections.
const OTHERS: u64 = 512;

/// The limit of open files that holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles(pub u64);

/// Makes room for `connections`, raising the hard limit too where this user may.
///
/// # Errors
///
/// When the limit is too low and cannot be raised; the error says by which command it can.
pub fn raise_open_files(connections: usize) -> anyhow::Result<OpenFiles> {
    let wanted = u64::try_from(connections)?.saturating_add(OTHERS);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("failed to read the limit of open files")?;
    if soft >= wanted {
        return Ok(OpenFiles(soft));
    }
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted));
    ensure!(
        raised.is_ok(),
        "{connections} connections need {wanted} open files, at most {hard} are allowed here: \
         run `ulimit -n {wanted}` as root first"
    );
    Ok(OpenFiles(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enough_stays_and_what_is_not_is_raised_or_explained() {
        let before = raise_open_files(0).unwrap();
        let more = usize::try_from(before.0).unwrap();
        match raise_open_files(more) {
            Ok(raised) => assert_eq!(raised, OpenFiles(before.0 + OTHERS)),
            Err(error) => assert!(error.to_string().contains("ulimit -n"), "{error}"),
        }
    }
}
