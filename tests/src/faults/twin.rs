//! A copy of the PC's whole state on another PC, as an image makes it: the same identity, spool and keys under other
//! firmware.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::pupil::Pupil;
use super::rig::Rig;
use super::template::Template;
use crate::Running;

/// The serial number of the PC that was copied, as its firmware tells it.
pub(super) const ORIGINAL: &str = "PF2ORIGINAL";
const COPY: &str = "PF2COPY";

/// Lays a folder of its own, with this serial number in it, where the kernel shows what the firmware says.
const FIRMWARE: &str = "mount -t tmpfs none /sys/class && mkdir -p /sys/class/dmi/id && \
                        echo \"$0\" >/sys/class/dmi/id/product_serial && exec \"$@\"";

/// The words that start a program on a PC with the serial number `serial`.
pub(super) fn behind_firmware(serial: &str) -> Vec<String> {
    ["unshare", "--mount", "--propagation", "private", "sh", "-c", FIRMWARE, serial].map(str::to_owned).into()
}

/// The other PC.
#[derive(Debug)]
pub(super) struct Twin {
    folder: PathBuf,
    logs: PathBuf,
    agent: PathBuf,
    pub(super) pupil: Pupil,
    running: Option<Running>,
}

impl Twin {
    /// Copies what a stopped PC holds.
    pub(super) fn of(rig: &Rig, template: &Template) -> anyhow::Result<Self> {
        let (from, folder) = (rig.path().join("pc"), rig.path().join("twin"));
        let copied = Command::new("cp").arg("-a").args([&from, &folder]).status().context("failed to run cp")?;
        anyhow::ensure!(copied.success(), "the PC cannot be copied");
        let text = std::fs::read_to_string(folder.join("agent.toml"))?;
        let moved = text.replace(&format!("{}/", from.display()), &format!("{}/", folder.display()));
        std::fs::write(folder.join("agent.toml"), moved)?;
        let pupil = Pupil::at(&folder.join("agent.sock"));
        Ok(Self { folder, logs: rig.logs(), agent: template.programs.agent.clone(), pupil, running: None })
    }

    /// Starts its service.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        let words = behind_firmware(COPY);
        let (first, rest) = words.split_first().context("a command has a program")?;
        let mut command = Command::new(first);
        command.args(rest).arg(&self.agent).args(["service", "--log", "debug", "--config"]);
        command.arg(self.folder.join("agent.toml"));
        self.running = Some(Running::start("twin", command, &self.logs)?);
        Ok(())
    }

    /// What it has written so far.
    pub(super) fn log(&self) -> String {
        let bytes = std::fs::read(self.logs.join("twin.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| running.ended().is_none())
    }

    /// Whether it has become a device of its own.
    pub(super) fn has_parted(&self) -> bool {
        self.log().contains("the device joined again")
    }
}
