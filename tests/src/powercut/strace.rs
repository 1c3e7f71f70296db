//! Runs a program under strace, and reads what strace wrote.
//!
//! One line is one call, or one half of it where another thread came between. A call began at the line of its first
//! half and ended at the line of its last: what the disk promises counts from there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Everything that changes a file, a name or what a file handle stands for; `?` where a platform may lack it.
const TRACED: &str = "?open,openat,?creat,close,?dup,?dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,\
    ftruncate,?truncate,fallocate,fsync,fdatasync,sync_file_range,sync,syncfs,?rename,?renameat,renameat2,?unlink,unlinkat,?rmdir,\
    ?mkdir,mkdirat,?link,linkat,?symlink,symlinkat,mmap,copy_file_range,sendfile,splice,accept4,sendto,sendmsg,\
    io_uring_setup";
/// More bytes than any write has.
const LONGEST: &str = "20000000";

/// A call that worked.
#[derive(Debug)]
pub(super) struct Call {
    /// Line of its beginning.
    pub(super) began: u64,
    /// Line of its end.
    pub(super) ended: u64,
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// What it answered; 0 for an address.
    pub(super) answer: u64,
}

/// Runs `command` to its end with its calls written to `file`.
pub(super) fn record(command: &Command, file: &Path) -> anyhow::Result<()> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-qq", "-xx", "-s", LONGEST, "-e", &format!("trace={TRACED}"), "-o"]);
    strace.arg(file).arg("--").arg(command.get_program()).args(command.get_args());
    let output = strace.stdin(Stdio::null()).output().context("failed to run strace")?;
    if !output.status.success() {
        bail!("the recorded program ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The calls in `file` that worked, in the order of their ends.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Call>> {
    let mut reader = BufReader::new(File::open(file).context("failed to open the recording")?);
    let (mut calls, mut halves, mut line) = (Vec::new(), HashMap::<String, (u64, String)>::new(), String::new());
    for number in 1.. {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            break;
        }
        let parsed = read_line(line.trim_end(), number, &mut halves);
        calls.extend(parsed.with_context(|| format!("line {number} of the recording"))?);
    }
    Ok(calls)
}

fn read_line(line: &str, number: u64, halves: &mut HashMap<String, (u64, String)>) -> anyhow::Result<Option<Call>> {
    let (thread, rest) = line.split_once(' ').context("no thread")?;
    let rest = rest.trim_start();
    if rest.starts_with("+++") || rest.starts_with("---") {
        return Ok(None);
    }
    if let Some(first) = rest.strip_suffix("<unfinished ...>") {
        halves.insert(thread.to_owned(), (number, first.to_owned()));
        return Ok(None);
    }
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let (_, last) = resumed.split_once("resumed>").context("no second half")?;
        let (began, first) = halves.remove(thread).context("no first half")?;
        return read_call(&(first + last), began, number);
    }
    read_call(rest, number, number)
}

fn read_call(text: &str, began: u64, ended: u64) -> anyhow::Result<Option<Call>> {
    let (name, rest) = text.split_once('(').context("no call")?;
    let (arguments, rest) = split_arguments(rest).context("no end of the arguments")?;
    let answer = rest.trim_start().strip_prefix('=').context("no answer")?.trim_start();
    let answer = answer.split(' ').next().unwrap_or_default();
    // A call that failed, or that its process did not live to see the end of.
    if answer.starts_with('-') || answer == "?" {
        return Ok(None);
    }
    let answer = if answer.starts_with("0x") { 0 } else { answer.parse().context("no number answered")? };
    Ok(Some(Call { began, ended, name: name.to_owned(), arguments, answer }))
}

/// The arguments up to the closing bracket, and what follows it. With -xx no string holds a quotation mark.
fn split_arguments(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut arguments, mut depth, mut quoted, mut start) = (Vec::new(), 0_u32, false, 0);
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                arguments.push(text.get(start..at)?.trim().to_owned());
                return Some((arguments, text.get(at + 1..)?));
            }
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                arguments.push(text.get(start..at)?.trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

impl Call {
    fn argument(&self, index: usize) -> anyhow::Result<&str> {
        self.arguments.get(index).map(String::as_str).with_context(|| format!("{} has too few arguments", self.name))
    }

    /// A number among the arguments.
    pub(super) fn number(&self, index: usize) -> anyhow::Result<u64> {
        let text = self.argument(index)?;
        text.parse().with_context(|| format!("{} of `{text}`", self.name))
    }

    /// Bytes among the arguments.
    pub(super) fn bytes(&self, index: usize) -> anyhow::Result<Vec<u8>> {
        let text = self.argument(index)?;
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let inner = inner.with_context(|| format!("{} of bytes that were cut short", self.name))?;
        let digits = inner.split("\\x").skip(1);
        digits.map(|digits| Ok(u8::from_str_radix(digits, 16)?)).collect()
    }

    /// A path among the arguments.
    pub(super) fn path(&self, index: usize) -> anyhow::Result<PathBuf> {
        Ok(PathBuf::from(String::from_utf8(self.bytes(index)?)?))
    }

    /// Whether an argument of alternatives names `flag`.
    pub(super) fn has(&self, index: usize, flag: &str) -> bool {
        self.arguments.get(index).is_some_and(|text| text.split('|').any(|part| part == flag))
    }

    /// Whether a folder argument is the current one.
    pub(super) fn is_current(&self, index: usize) -> bool {
        self.arguments.get(index).is_some_and(|text| text == "AT_FDCWD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str) -> Vec<Call> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn a_call_in_two_halves_spans_the_lines_between() {
        let text = "7 fdatasync(5 <unfinished ...>\n8 pwrite64(5, \"\\x61\\x62\", 2, 9) = 2\n\
                    7 <... fdatasync resumed>)   = 0\n7 +++ exited with 0 +++\n";
        let calls = calls(text);
        assert_eq!((calls[0].name.as_str(), calls[0].began, calls[0].ended), ("pwrite64", 2, 2));
        assert_eq!((calls[0].bytes(1).unwrap(), calls[0].number(3).unwrap()), (b"ab".to_vec(), 9));
        assert_eq!((calls[1].name.as_str(), calls[1].began, calls[1].ended), ("fdatasync", 1, 3));
    }

    #[test]
    fn calls_that_failed_did_nothing() {
        assert!(calls("7 unlink(\"\\x61\") = -1 ENOENT (No such file or directory)\n7 fsync(3) = ?\n").is_empty());
    }

    #[test]
    fn structures_stay_whole() {
        let calls = calls("7 writev(9, [{iov_base=\"\\x2c\", iov_len=1}, {iov_base=\"\\x29\", iov_len=1}], 2) = 2\n");
        assert_eq!(calls[0].arguments.len(), 3);
    }

    #[test]
    fn bytes_that_strace_cut_short_are_refused() {
        assert!(calls("7 write(9, \"\\x61\"..., 5) = 5\n")[0].bytes(1).is_err());
    }
}
