//! A program that runs beside a test and says what it does.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that ends with the test.
pub(crate) struct Process {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with `words` in it.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let mut told = String::new();
        for line in self.said.by_ref().map_while(Result::ok) {
            if line.contains(words) {
                return line;
            }
            told = told + &line + "\n";
        }
        panic!("it ended without `{words}`:\n{told}")
    }

    pub(crate) fn aborts(mut self) -> ExitStatus {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGABRT).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
