//! What is signed for the sample school: the project's illegal base, its rule sets and its policy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use lapwing_rules::TrustedKeys;

use crate::Programs;

/// The sample school's policy: all hours are school hours, and staff are watched.
const POLICY: &str = r#"{
  "release": 1,
  "school": "sample",
  "zone": "Europe/London",
  "hours": "always",
  "sites": "any",
  "staff_watched": true,
  "group_off": {},
  "notice_version": 1
}
"#;
/// Key files of the two who sign for the school.
const SIGNERS: [&str; 2] = ["signer-1.key", "signer-2.key"];
const PROJECT: &str = "project.key";
const BASE: &str = "illegal_base.lwib";

/// Two people of the school and the project, and what they sign with.
#[derive(Debug)]
pub(crate) struct Signing {
    tool: PathBuf,
    folder: PathBuf,
    /// Text form of the public halves.
    signers: Vec<String>,
    project: String,
}

impl Signing {
    /// Makes the keys in `folder`, and leaves there a signed rule set and policy, `rules.lwrs` and `policy.lwpl`.
    ///
    /// # Errors
    ///
    /// When the tool fails.
    pub(crate) fn make(programs: &Programs, folder: &Path) -> anyhow::Result<Self> {
        let mut signing = Self {
            tool: programs.rules.clone(),
            folder: folder.to_owned(),
            signers: Vec::new(),
            project: String::new(),
        };
        signing.project = signing.keygen(PROJECT)?;
        signing.signers = SIGNERS.iter().map(|name| signing.keygen(name)).collect::<anyhow::Result<_>>()?;
        let (packs, [first, second]) = (packs(), SIGNERS);
        signing.run(
            &["base", "--release", "1"],
            &[("--packs", &packs), ("--key", &signing.file(PROJECT)), ("--out", &signing.file(BASE))],
        )?;
        signing.compile(1, &packs, &signing.file("rules.lwrs"))?;
        let (policy, signed) = (signing.file("policy.json"), signing.file("policy.lwpl"));
        std::fs::write(&policy, POLICY)?;
        signing.run(&["policy-sign"], &[("--policy", &policy), ("--key", &signing.file(first)), ("--out", &signed)])?;
        signing.run(&["sign"], &[("--set", &signed), ("--key", &signing.file(second))])?;
        Ok(signing)
    }

    /// Compiles packs as a release of the school's, and has both sign it.
    ///
    /// # Errors
    ///
    /// When the tool fails.
    pub(crate) fn compile(&self, release: u64, packs: &Path, set: &Path) -> anyhow::Result<()> {
        let [first, second] = SIGNERS.map(|name| self.file(name));
        let paths: [(&str, &Path); 4] =
            [("--packs", packs), ("--base", &self.file(BASE)), ("--key", &first), ("--out", set)];
        self.run(&["compile", "--release", &release.to_string()], &paths)?;
        self.run(&["sign"], &[("--set", set), ("--key", &second)])?;
        Ok(())
    }

    /// Has both sign the rules of a set as another release.
    ///
    /// # Errors
    ///
    /// When the tool fails.
    pub(crate) fn reissue(&self, release: u64, set: &Path, new: &Path) -> anyhow::Result<()> {
        let [first, second] = SIGNERS.map(|name| self.file(name));
        let paths: [(&str, &Path); 3] = [("--set", set), ("--key", &first), ("--out", new)];
        self.run(&["reissue", "--release", &release.to_string()], &paths)?;
        self.run(&["sign"], &[("--set", new), ("--key", &second)])?;
        Ok(())
    }

    /// Whose rule sets devices of the school take.
    ///
    /// # Errors
    ///
    /// When the keys cannot be read.
    pub(crate) fn trusted_rules(&self) -> anyhow::Result<TrustedKeys> {
        Ok(TrustedKeys::parse(&self.signers, self.signers.len())?)
    }

    /// `[trust]` of a configuration, of the collector or of an agent.
    pub(crate) fn trust(&self) -> String {
        let (signers, project) = (&self.signers, &self.project);
        format!("[trust]\nrule_keys = {signers:?}\npolicy_keys = {signers:?}\nbase_keys = [{project:?}]\n")
    }

    fn keygen(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.run(&["keygen"], &[("--out", &self.file(name))])?.trim().to_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, words: &[&str], paths: &[(&str, &Path)]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.tool);
        command.args(words);
        for (option, path) in paths {
            command.arg(option).arg(path);
        }
        finish(command)
    }
}

/// The starter packs.
pub(crate) fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/packs")
}

/// What a command prints.
pub(crate) fn finish(mut command: Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to run {command:?}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
