//! Vectorscan, through a small C program that is compiled here and takes its own time.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::sample::Subject;

const SOURCE: &str = include_str!("vectorscan.c");

/// The running program, which holds phrases and texts. It ends with its input.
pub(super) struct Vectorscan {
    child: Child,
    answers: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Vectorscan {
    /// Compiles and starts it.
    ///
    /// # Errors
    ///
    /// Without a C compiler or the library.
    pub(super) fn start(phrases: &[String], subjects: &[Subject]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("search.c"), SOURCE)?;
        std::fs::write(path("phrases"), lines(phrases.iter().map(String::as_str)))?;
        std::fs::write(path("texts"), lines(subjects.iter().map(|subject| subject.line.as_str())))?;
        let mut compiler = Command::new("cc");
        compiler.current_dir(folder.path()).args(["-std=c11", "-O2", "-o", "search", "search.c", "-lhs"]);
        let compiled = compiler.stderr(Stdio::null()).status().context("no C compiler")?;
        ensure!(compiled.success(), "its library is not installed");
        let mut search = Command::new(path("search"));
        search.args([path("phrases"), path("texts")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = search.spawn()?;
        let answers = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, answers, _folder: folder })
    }

    /// Nanoseconds a text.
    ///
    /// # Errors
    ///
    /// When the program ended.
    pub(super) fn measure(&mut self) -> anyhow::Result<f64> {
        self.child.stdin.as_mut().context("no input")?.write_all(b"again\n")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let (took, _) = answer.split_once(' ').context("vectorscan's program ended")?;
        Ok(took.parse()?)
    }
}

impl Drop for Vectorscan {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It reads to the end of its input and goes; where it cannot be waited for, there is nothing left to do.
        let _ = self.child.wait();
    }
}

fn lines<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut lines = String::new();
    for text in texts {
        // A string takes any line.
        let _ = writeln!(lines, "{}", text.replace('\n', "\t"));
    }
    lines
}
