//! What this process may do.

use std::process::Command;

/// What a story may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privileges {
    /// Root in a mount namespace that `tests/private.sh` made: accounts, browser policy, mounts.
    Root,
    /// An ordinary user: own files, an unpacked extension, no stick.
    User,
}

/// Which of the two this process has.
///
/// # Errors
///
/// When it is root outside such a namespace: that would change the machine.
pub fn privileges() -> anyhow::Result<Privileges> {
    let id = Command::new("id").arg("-u").output()?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(Privileges::User);
    }
    anyhow::ensure!(
        std::env::var_os("LAPWING_PRIVATE").is_some(),
        "as root, run this through tests/private.sh (deploy/test.sh and deploy/demo.sh do)"
    );
    Ok(Privileges::Root)
}
