//! The system calls that the programs make, recorded once, so that each can be failed.

use std::collections::BTreeMap;
use std::path::Path;

use super::fault::Program;

/// Calls on files and connections. Waiting, memory and threads are nothing that a fault could lose.
pub(super) const WATCHED: [&str; 31] = [
    "openat",
    "read",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "rmdir",
    "chmod",
    "flock",
    "fcntl",
    "mmap",
    "socket",
    "bind",
    "listen",
    "connect",
    "accept4",
    "sendto",
    "sendmsg",
    "recvfrom",
    "shutdown",
];

/// How often a thread makes each call at most, in a run in which nothing goes wrong.
pub(super) type Calls = BTreeMap<(Program, String), u32>;

/// Reads what `strace -f -o FILE` wrote.
pub(super) fn read(program: Program, file: &Path, calls: &mut Calls) -> anyhow::Result<()> {
    let mut by_thread: BTreeMap<(String, String), u32> = BTreeMap::new();
    let text = std::fs::read(file)?;
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        if WATCHED.contains(&call) && rest.contains('(') {
            *by_thread.entry((thread.to_owned(), call.to_owned())).or_default() += 1;
        }
    }
    for ((_, call), count) in by_thread {
        let most = calls.entry((program, call)).or_default();
        *most = count.max(*most);
    }
    Ok(())
}
