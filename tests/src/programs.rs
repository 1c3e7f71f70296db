//! The programs under test, built once.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, bail};
use cargo_metadata::Message;

/// Where the built programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `lapwing-agent`.
    pub agent: PathBuf,
    /// `lapwing-collector`.
    pub collector: PathBuf,
    /// `lapwing-rules`.
    pub rules: PathBuf,
}

impl Programs {
    /// Takes the programs in the folder that `LAPWING_PROGRAMS` names; without it builds the workspace's in the profile
    /// of this one.
    ///
    /// # Errors
    ///
    /// When they do not build.
    pub fn built() -> anyhow::Result<&'static Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Builds the workspace's programs in the profile `fault`, with their failpoints.
    ///
    /// # Errors
    ///
    /// When they do not build.
    pub fn with_failpoints() -> anyhow::Result<&'static Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        const FEATURES: &str = "lapwing-agent/failpoints,lapwing-collector/failpoints";
        BUILT
            .get_or_init(|| {
                Self::cargo_build(&["--profile", "fault", "--features", FEATURES]).map_err(|error| format!("{error:#}"))
            })
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn build() -> anyhow::Result<Self> {
        if let Some(folder) = std::env::var_os("LAPWING_PROGRAMS").map(PathBuf::from) {
            let [agent, collector, rules] =
                ["lapwing-agent", "lapwing-collector", "lapwing-rules"].map(|name| folder.join(name));
            return Ok(Self { agent, collector, rules });
        }
        Self::cargo_build(if cfg!(debug_assertions) { &[] } else { &["--release"] })
    }

    fn cargo_build(how: &[&str]) -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--workspace", "--message-format=json"]);
        for name in ["lapwing-agent", "lapwing-collector", "lapwing-rules"] {
            command.args(["--bin", name]);
        }
        command.args(how).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().context("failed to run cargo build")?;
        if !output.status.success() {
            bail!("cargo build of the programs failed");
        }
        let mut found = std::collections::BTreeMap::new();
        for message in Message::parse_stream(output.stdout.as_slice()) {
            if let Message::CompilerArtifact(artefact) = message?
                && let Some(executable) = artefact.executable
            {
                found.insert(artefact.target.name, executable.into_std_path_buf());
            }
        }
        let mut take = |name: &str| found.remove(name).with_context(|| format!("no program `{name}` was built"));
        Ok(Self { agent: take("lapwing-agent")?, collector: take("lapwing-collector")?, rules: take("lapwing-rules")? })
    }
}
