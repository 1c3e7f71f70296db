//! Accounts and log-on sessions, as the user database and the kernel name them.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use lapwing_proto::bounds;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixStream;

use super::facts::bounded_text;
use crate::observation::{FileOwner, SessionFacts, cut};

/// What the kernel prints where a process belongs to no log-on session.
const NO_SESSION: &str = "4294967295";

/// Longest status of a process that is read, in bytes; its owner stands in its first lines.
const MAX_STATUS_BYTES: u64 = 4096;

/// The account behind a number; its number as its name where the user database does not know it. Groups beyond
/// the wire's bound are left out. May wait for a directory service.
pub(crate) fn account(uid: u32) -> FileOwner {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else {
        return FileOwner { uid, name: uid.to_string(), groups: Vec::new() };
    };
    let groups = group_names(&user);
    FileOwner { uid, name: cut(user.name, bounds::MAX_ACCOUNT_BYTES), groups }
}

/// The account this process runs under.
pub(crate) fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The numbers of account and process at the other end of `stream`, from its credentials. Never waits.
///
/// # Errors
///
/// When the kernel does not tell.
pub(crate) fn peer_ids(stream: &UnixStream) -> io::Result<(u32, Option<i32>)> {
    let credentials = stream.peer_cred()?;
    Ok((credentials.uid(), credentials.pid()))
}

/// Who is at the other end of `stream`, from its credentials, never from what it says. May wait for a directory
/// service.
///
/// # Errors
///
/// When the kernel does not tell, or the process is gone.
pub(crate) fn peer(stream: &UnixStream) -> io::Result<SessionFacts> {
    let credentials = stream.peer_cred()?;
    let gone = || io::Error::new(io::ErrorKind::NotFound, "the peer is gone");
    let pid = credentials.pid().ok_or_else(gone)?;
    let uid = credentials.uid();
    let folder = PathBuf::from(format!("/proc/{pid}"));
    // The number may have been given to another process since; its owner must still be the peer.
    let status = bounded_text(&folder.join("status"), MAX_STATUS_BYTES).unwrap_or_default();
    if effective_uid(&status) != Some(uid) {
        return Err(gone());
    }
    let session = std::fs::read_to_string(folder.join("sessionid")).unwrap_or_default();
    let session = match session.trim() {
        "" | NO_SESSION => format!("uid-{uid}"),
        number => format!("{number}-{uid}"),
    };
    let FileOwner { name, groups, .. } = account(uid);
    Ok(SessionFacts { id: session.parse().map_err(io::Error::other)?, account: name, uid, groups })
}

/// The second of four numbers after `Uid:`, as `proc(5)` describes a process's status.
fn effective_uid(status: &str) -> Option<u32> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    numbers.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn group_names(user: &User) -> Vec<String> {
    let Ok(name) = CString::new(user.name.as_str()) else { return Vec::new() };
    let numbers: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    let name_of = |gid: Gid| Group::from_gid(gid).ok().flatten().map(|group| cut(group.name, bounds::MAX_NAME_BYTES));
    numbers.into_iter().filter_map(name_of).take(bounds::MAX_GROUPS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_nobody_knows_is_named_by_its_number() {
        let owner = account(3_999_999_999);
        assert_eq!((owner.name.as_str(), owner.groups.len()), ("3999999999", 0));
    }

    #[test]
    fn a_process_belongs_to_its_effective_account() {
        assert_eq!(effective_uid("Name:\tx\nUmask:\t0022\nUid:\t1001\t1002\t0\t1001\nGid:\t5\n"), Some(1_002));
        assert_eq!(effective_uid("Name:\tUid:\t7\n"), None);
    }

    #[tokio::test]
    async fn a_peer_is_who_the_kernel_says() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let facts = peer(&ours).unwrap();
        assert_eq!(facts.uid, nix::unistd::getuid().as_raw());
        assert!(facts.id.as_str().ends_with(&facts.uid.to_string()));
    }
}
