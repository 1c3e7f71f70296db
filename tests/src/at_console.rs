//! A person at the console in a real browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Somebody in front of Chromium, driven by `tests/browser/console.cjs`.
#[derive(Debug)]
pub struct AtConsole {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl AtConsole {
    /// Starts the browser; pictures of pages go to `pictures`.
    ///
    /// # Errors
    ///
    /// When node, playwright-core or Chromium is not installed; `deploy/test.sh` installs them.
    pub fn start(address: &str, pictures: &Path, login: &str) -> anyhow::Result<Self> {
        Self::open(address, pictures, login, "on")
    }

    /// The same in a browser that runs no script.
    ///
    /// # Errors
    ///
    /// As [`AtConsole::start`].
    pub fn without_script(address: &str, pictures: &Path, login: &str) -> anyhow::Result<Self> {
        Self::open(address, pictures, login, "off")
    }

    fn open(address: &str, pictures: &Path, login: &str, script_is: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(pictures)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/console.cjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(address)
            .arg(pictures)
            .args([login, crate::PASSWORD])
            .env("LAPWING_NPM", npm_folder()?)
            .env("LAPWING_SCRIPT", script_is)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run node")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("standard output is piped")?);
        Ok(Self { child, input, output })
    }

    /// Does one thing and gives what came of it.
    ///
    /// # Errors
    ///
    /// When the browser could not do it; the error says why.
    pub fn does(&mut self, command: &str) -> anyhow::Result<Value> {
        let input = self.input.as_mut().context("standard input is piped")?;
        writeln!(input, "{command}")?;
        input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the browser ended before `{command}`");
        }
        let answer: Value = serde_json::from_str(&line)?;
        if let Some(error) = answer.get("error") {
            bail!("`{command}`: {error}");
        }
        Ok(answer)
    }
}

impl Drop for AtConsole {
    fn drop(&mut self) {
        // The script closes its browser at the end of its input; a kill would leave the browser behind.
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// Where `deploy/test.sh` put the packages of `tests/browser`.
fn npm_folder() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("lapwing/npm");
    anyhow::ensure!(
        folder.join("node_modules/playwright-core").is_dir(),
        "playwright-core is not in {}",
        folder.display()
    );
    Ok(folder)
}
