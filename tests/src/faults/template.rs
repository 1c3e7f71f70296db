//! A school with one enrolled PC, made once and copied for each run.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use tempfile::TempDir;

use super::words;
use crate::{Account, Console, Programs, School, eventually};

/// What each run begins with; nothing of it runs but the mail server.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) programs: &'static Programs,
    pub(super) school: School,
    /// The DSL, signed in.
    pub(super) dsl: Console,
    /// Enrols a further PC.
    pub(super) token: String,
    scratch: TempDir,
}

impl Template {
    /// Makes it: two seconds, besides the build.
    ///
    /// # Errors
    ///
    /// When a program fails.
    pub(super) async fn make() -> anyhow::Result<Self> {
        let programs = Programs::with_failpoints()?;
        let scratch = scratch("lapwing-faults-")?;
        let account = Account::own(scratch.path().to_owned())?;
        let pupil = [account.name(), "Sam Pupil", "pupil", "8B", "ks3"].map(str::to_owned);
        let mut school = School::open_with(programs, scratch.path(), &[pupil]).await?;
        publish_phrases(&school)?;
        let mut agent = school.start_agent("pc", &[])?;
        let log = school.logs().join("agent.log");
        eventually("the agent to have what it needs", async || {
            let text = std::fs::read_to_string(&log).ok()?;
            let is_ready = text.contains("a policy is in force") && text.contains("rule_set.release=2");
            is_ready.then_some(())
        })
        .await
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        let dsl = school.signed_in("dsl").await?;
        agent.stop().await?;
        let token = school.collect(&["token", "create", "--group", "sample-room", "--uses", "50"], &[])?;
        school.stop_collector().await?;
        Ok(Self { programs, school, dsl, token: token.trim().to_owned(), scratch })
    }

    pub(super) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Where the agent of the template is.
    pub(super) fn pc(&self) -> PathBuf {
        self.folder().join("pc")
    }
}

/// A folder for files that only have to outlive processes: in memory where the system has such a place, so that a run
/// does not wait for a disk that others use.
pub(super) fn scratch(prefix: &str) -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix);
    let made = if Path::new("/dev/shm").is_dir() { builder.tempdir_in("/dev/shm") } else { builder.tempdir() };
    made.context("failed to make a folder")
}

/// Ports that no system gives to outgoing connections (Linux: from 32,768 on), which would take one while the program
/// that had it is down.
const PORTS: Range<u16> = 10_000..32_000;
const PORT_TRIES: usize = 1000;
/// Ports given last, which no other run is given: whoever has them may be down for a moment.
const REMEMBERED: usize = 512;
static GIVEN: Mutex<VecDeque<u16>> = Mutex::new(VecDeque::new());

/// Addresses of loopback that nobody listens at, and that no other run of this process has.
pub(super) fn free_addresses() -> anyhow::Result<[SocketAddr; 3]> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let draw = |_| PORTS.start + u16::try_from(RandomState::new().hash_one(0) % PORTS.len() as u64).unwrap_or(0);
    let drawn = (0..PORT_TRIES).map(draw).filter(|port| !given.contains(port));
    // All three are held at once, so that they differ.
    let held: Vec<_> = drawn.filter_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok()).take(3).collect();
    let addresses: Vec<_> = held.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?;
    given.extend(addresses.iter().map(SocketAddr::port));
    let too_many = given.len().saturating_sub(REMEMBERED);
    given.drain(..too_many);
    addresses.try_into().map_err(|_| anyhow::anyhow!("no three of {PORT_TRIES} ports are free"))
}

/// The school's rule set, and the harness's own phrases in it.
fn publish_phrases(school: &School) -> anyhow::Result<()> {
    let packs = school.folder().join("packs");
    std::fs::create_dir_all(&packs)?;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/packs"))? {
        let path = entry?.path();
        let is_pack = path.extension().is_some_and(|extension| extension == "toml");
        if let Some(name) = path.file_name().filter(|_| is_pack) {
            std::fs::copy(&path, packs.join(name)).context("failed to copy a pack")?;
        }
    }
    std::fs::write(packs.join(format!("{}.toml", words::PACK)), words::pack())?;
    let set = school.folder().join("phrases.lwrs");
    school.signing().compile(2, &packs, &set)?;
    school.collect(&["rules", "publish"], &[&set])?;
    Ok(())
}
