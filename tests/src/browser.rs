//! Chromium with Lapwing's extension, used by one account.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{Agent, Desktop, Pages, Running, eventually};

/// How the extension comes into the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Installed by managed policy, as MDM does it. Needs root.
    Forced,
    /// Loaded from a folder, for one profile.
    Unpacked,
}

/// What every start of the browser needs.
#[derive(Debug)]
pub struct Browser {
    program: &'static str,
    arguments: Vec<String>,
    name: String,
    logs: PathBuf,
    process: Option<Running>,
}

impl Browser {
    /// Puts the extension and the native messaging host in place for everybody who starts a browser.
    ///
    /// # Errors
    ///
    /// When `deploy/browser/install.sh` fails.
    pub fn install_forced(state: &Path, agent: &Agent) -> anyhow::Result<()> {
        install(agent, &["forced".as_ref(), "--state".as_ref(), state.as_os_str()])
    }

    /// Starts a browser on `desktop` with an empty page; the web is `pages`.
    ///
    /// # Errors
    ///
    /// When Chromium is not installed or shows no window.
    pub async fn start(
        desktop: &Desktop,
        pages: &Pages,
        extension: Extension,
        agent: &Agent,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let profile = desktop.account().home().join("browser");
        let mut arguments = vec![
            format!("--user-data-dir={}", profile.display()),
            format!("--host-resolver-rules={}", pages.resolver_rule()),
        ];
        let plain = [
            "--ignore-certificate-errors",
            "--no-first-run",
            "--no-default-browser-check",
            "--no-sandbox",
            "--test-type",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-sync",
            "--disable-component-update",
            "--password-store=basic",
            "--disable-features=HttpsUpgrades,DialMediaRouteProvider,Translate",
        ];
        arguments.extend(plain.map(str::to_owned));
        if extension == Extension::Unpacked {
            let state = desktop.account().home().join("lapwing-browser");
            std::fs::create_dir_all(&state)?;
            std::fs::create_dir_all(&profile)?;
            let folders = ["--state".as_ref(), state.as_os_str(), "--profile".as_ref(), profile.as_os_str()];
            install(agent, &[&["unpacked".as_ref()], &folders[..]].concat())?;
            arguments.push(format!("--load-extension={}", state.join("extension").display()));
            arguments.push("--disable-features=DisableLoadExtensionCommandLineSwitch".to_owned());
        }
        write_opener(&desktop.opener(), &arguments)?;
        let name = format!("browser-{}", desktop.account().name());
        let mut browser = Self { program: "chromium", arguments, name, logs: logs.to_owned(), process: None };
        browser.restart(desktop).await?;
        Ok(browser)
    }

    /// Starts it again after [`Browser::close`].
    ///
    /// # Errors
    ///
    /// When it shows no window.
    pub async fn restart(&mut self, desktop: &Desktop) -> anyhow::Result<()> {
        let mut command = desktop.command(self.program);
        command.args(&self.arguments).arg("about:blank");
        self.process = Some(Running::start(&self.name, command, &self.logs)?);
        eventually("the browser's window", async || desktop.focused_title().contains("about:blank").then_some(())).await
    }

    /// Opens `url` in a new tab, which comes to the front.
    ///
    /// # Errors
    ///
    /// When the browser cannot be told.
    pub fn open(&self, desktop: &Desktop, url: &str) -> anyhow::Result<()> {
        let mut command = desktop.command(self.program);
        let output = command.args(&self.arguments).arg(url).output().context("failed to tell the browser")?;
        anyhow::ensure!(output.status.success(), "the browser took no address: {}", output.status);
        Ok(())
    }

    /// Ends it.
    pub fn close(&mut self) {
        self.process = None;
    }
}

/// What a desktop starts to open an address: the same browser, with the same profile.
fn write_opener(path: &Path, arguments: &[String]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let quoted: Vec<_> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    std::fs::write(path, format!("#!/bin/sh\nexec chromium {} \"$1\"\n", quoted.join(" ")))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).context("failed to let the opener run")
}

fn install(agent: &Agent, words: &[&OsStr]) -> anyhow::Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/browser/install.sh");
    let mut command = Command::new(script);
    command.args(words).arg("--agent").arg(agent.program()).arg("--socket").arg(agent.socket());
    let output = command.output().context("failed to run deploy/browser/install.sh")?;
    anyhow::ensure!(
        output.status.success(),
        "deploy/browser/install.sh: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
