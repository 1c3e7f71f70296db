//! The accounts people sign in with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

/// An account of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    home: PathBuf,
    switch: bool,
}

impl Account {
    /// The account called `name`, which `tests/private.sh` made.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let output = Command::new("getent").args(["passwd", name]).output().context("failed to run getent")?;
        let line = String::from_utf8(output.stdout)?;
        let home = line.trim_end().split(':').nth(5).with_context(|| format!("no account `{name}`"))?;
        Ok(Self { name: name.to_owned(), home: home.into(), switch: true })
    }

    /// Whoever runs this, with `home` as home.
    ///
    /// # Errors
    ///
    /// When the operating system does not say who that is.
    pub fn own(home: PathBuf) -> anyhow::Result<Self> {
        let output = Command::new("id").arg("-un").output().context("failed to run id")?;
        let name = String::from_utf8(output.stdout)?.trim_end().to_owned();
        Ok(Self { name, home, switch: false })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> &PathBuf {
        &self.home
    }

    /// `program`, to be run by this account in its home, with a clean environment.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = if self.switch {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={}", self.name), &format!("--regid={}", self.name)]);
            command.args(["--init-groups", "--reset-env", "--no-new-privs", "--", "env"]);
            command.arg(format!("HOME={}", self.home.display()));
            command.arg("PATH=/usr/bin:/bin").arg("LANG=C.UTF-8").arg(program);
            command
        } else {
            let mut command = Command::new(program);
            command.env("HOME", &self.home);
            command
        };
        command.current_dir(&self.home);
        command
    }
}
