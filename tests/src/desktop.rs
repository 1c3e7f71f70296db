//! A virtual screen with a window manager, signed in to by one account.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::{Account, Running, eventually};

/// One signed-in person's screen.
#[derive(Debug)]
pub struct Desktop {
    account: Account,
    display: String,
    logs: PathBuf,
    // Dropped in this order: windows are gone before the screen is.
    manager: Option<Running>,
    _screen: Running,
}

/// A window with a title, until dropped.
#[derive(Debug)]
pub struct Window {
    _process: Running,
}

impl Desktop {
    /// Starts a screen and a window manager for `account`.
    ///
    /// # Errors
    ///
    /// When Xvfb or openbox is not installed or does not start.
    pub async fn sign_in(account: &Account, logs: &Path) -> anyhow::Result<Self> {
        let mut screen = account.command("Xvfb");
        // Without -noreset the screen starts anew whenever its last client leaves, which a passing look does, and
        // takes a window manager down that is just coming up.
        screen.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-ac", "-noreset"]);
        let (screen, number) = Running::start_until_line(&format!("screen-{}", account.name()), screen, logs)?;
        let display = format!(":{}", number.trim());
        let mut desktop =
            Self { account: account.clone(), display, logs: logs.to_owned(), manager: None, _screen: screen };
        desktop.start_manager().await?;
        Ok(desktop)
    }

    /// The display's name, such as `:1`.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// `program` on this screen.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.account.command("env");
        command.arg(format!("DISPLAY={}", self.display));
        command.arg(format!("BROWSER={}", self.opener().display())).arg(program);
        command
    }

    /// The program that opens an address in the browser of whoever is signed in, where they have one.
    #[must_use]
    pub fn opener(&self) -> PathBuf {
        self.account.home().join("open-address")
    }

    /// Opens a window titled `title` and waits until it has the focus: two that open at once would race for it, and
    /// what is in front for less than an eye takes is not claimed to be seen.
    ///
    /// # Errors
    ///
    /// When xterm is not installed or does not come to the front.
    pub async fn window(&self, title: &str) -> anyhow::Result<Window> {
        let mut command = self.command("xterm");
        command.args(["-T", title, "-e", "sleep", "600"]);
        let process = Running::start(&format!("window-{}", self.account.name()), command, &self.logs)?;
        eventually("the window to come to the front", async || (self.focused_title() == title).then_some(())).await?;
        Ok(Window { _process: process })
    }

    /// Types `text` into the focused window with `pause_ms` between keys, then the named keys.
    ///
    /// # Errors
    ///
    /// When xdotool is not installed or fails.
    pub fn type_text(&self, text: &str, pause_ms: u32) -> anyhow::Result<()> {
        self.run("xdotool", &["type", "--delay", &pause_ms.to_string(), text])
    }

    /// Presses a key combination such as `ctrl+w`.
    ///
    /// # Errors
    ///
    /// When xdotool is not installed or fails.
    pub fn press(&self, keys: &str) -> anyhow::Result<()> {
        self.run("xdotool", &["key", "--clearmodifiers", keys])
    }

    /// The title of the focused window; empty where there is none.
    #[must_use]
    pub fn focused_title(&self) -> String {
        let output = self.command("xdotool").args(["getactivewindow", "getwindowname"]).stderr(Stdio::null()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned()).unwrap_or_default()
    }

    /// Ends the window manager: titles go blind.
    pub fn lose_window_manager(&mut self) {
        self.manager = None;
    }

    /// Starts the window manager.
    ///
    /// # Errors
    ///
    /// When openbox is not installed or does not take the screen.
    pub async fn start_manager(&mut self) -> anyhow::Result<()> {
        let manager = self.command("openbox");
        self.manager = Some(Running::start(&format!("manager-{}", self.account.name()), manager, &self.logs)?);
        eventually("the window manager", async || {
            let output = self.command("xprop").args(["-root", "_NET_SUPPORTING_WM_CHECK"]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).contains("window id").then_some(())
        })
        .await
    }

    /// Takes a picture of the screen as a PNG.
    ///
    /// # Errors
    ///
    /// When ffmpeg is not installed or fails.
    pub fn picture(&self, path: &Path) -> anyhow::Result<()> {
        let status = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-y", "-f", "x11grab", "-video_size", "1280x900", "-i", &self.display])
            .args(["-frames:v", "1"])
            .arg(path)
            .status()
            .context("failed to run ffmpeg")?;
        anyhow::ensure!(status.success(), "ffmpeg could not take a picture");
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let status =
            self.command(program).args(arguments).status().with_context(|| format!("failed to run {program}"))?;
        anyhow::ensure!(status.success(), "{program} failed: {status}");
        Ok(())
    }
}
