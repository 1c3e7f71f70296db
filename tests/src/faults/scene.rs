//! What a PC and its collector are in the middle of when something goes wrong.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, SqlitePool};

use super::fault::{Fault, Program};
use super::oracle::Gaps;
use super::rig::Rig;
use super::template::Template;
use super::twin::ORIGINAL;
use crate::PEOPLE;

/// A certificate of 30 days is renewed from its tenth day on.
const RENEWAL_DUE: i64 = 12 * 24 * 60 * 60;
/// By then it has run out, and its key may still ask for the next.
const RAN_OUT: i64 = 40 * 24 * 60 * 60;
/// Longer than the spool keeps captures below level 5.
const EXPIRED: u64 = 20 * 24 * 60 * 60;

/// The setting of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// A day as any other.
    Day,
    /// The PC is switched on when the collector has long been open.
    Late,
    /// The PC enrols, and gets its rule set and policy.
    Joining,
    /// The certificate is due for renewal.
    Renewing,
    /// The certificate has run out.
    Rejoining,
    /// The collector is started for the first time.
    Opening,
    /// The spool cannot be read.
    Damaged,
    /// The spool's key is torn.
    Keyless,
    /// Captures wait in the spool of a PC that is copied.
    Copied,
    /// One byte of the spool has changed.
    Bitten,
    /// Captures in the spool are too old.
    Expired,
    /// The mail server is away.
    NoPost,
    /// What is seen becomes worse.
    Worsening,
    /// The collector's database is of the schema before.
    Upgrading,
}

impl Scene {
    /// The one in which `fault` can strike; `draw` chooses where it can in several.
    pub(super) fn of(fault: &Fault, draw: u64) -> Self {
        match fault {
            Fault::Place(Program::Agent, name, _) => Self::of_agent(name),
            Fault::Place(Program::Collector, name, _) => Self::of_collector(name),
            Fault::Copied => Self::Copied,
            Fault::Call(..) | Fault::Kill(_) if draw == 0 => Self::Joining,
            Fault::Call(..) | Fault::Kill(_) | Fault::Suspend | Fault::Clock(..) | Fault::Link(_) => Self::Day,
        }
    }

    fn of_agent(place: &str) -> Self {
        let joining = [
            "identity.replace",
            "identity.joining",
            "enrol.",
            "spool.key",
            "spool.begin",
            "spool.epoch",
            "force.",
            "fetch.",
        ];
        let damaged = ["spool.quarantine", "spool.forget_quarantine", "spool.inherit"];
        let is_one_of = |list: &[&str]| list.iter().any(|start| place.starts_with(start));
        match () {
            () if is_one_of(&joining) || is_one_of(&["config.", "durable.", "spool.ballast"]) => Self::Joining,
            () if is_one_of(&damaged) => Self::Damaged,
            () if place.starts_with("spool.set_key_aside") => Self::Keyless,
            () if is_one_of(&["spool.copy", "spool.renew"]) => Self::Bitten,
            () if place.starts_with("renew.") => Self::Renewing,
            () if place.starts_with("rejoin.") => Self::Rejoining,
            // Asked for once somebody signs in, and again much later.
            () if place.starts_with("resolve.") => Self::Late,
            () if place.starts_with("spool.give_up") => Self::Expired,
            () => Self::Day,
        }
    }

    fn of_collector(place: &str) -> Self {
        match place.split('.').next().unwrap_or_default() {
            "enrol" | "welcome" => Self::Joining,
            "renew" => Self::Renewing,
            "rejoin" => Self::Rejoining,
            "authority" | "durable" | "school_key" => Self::Opening,
            "intake" if place.starts_with("intake.gap") => Self::Damaged,
            "outbox" if place.starts_with("outbox.commit_failed") => Self::NoPost,
            "backup" => Self::Upgrading,
            "triage" if place.starts_with("triage.raise") => Self::Worsening,
            _ => Self::Day,
        }
    }

    /// Whether captures may be given up in it.
    pub(super) fn gaps(self) -> Gaps {
        match self {
            Self::Damaged | Self::Keyless | Self::Bitten | Self::Expired => Gaps::Allowed,
            Self::Copied => Gaps::Foreign,
            Self::Day
            | Self::Late
            | Self::Joining
            | Self::Renewing
            | Self::Rejoining
            | Self::Opening
            | Self::NoPost
            | Self::Worsening
            | Self::Upgrading => Gaps::None,
        }
    }

    /// How far the clocks of both programs are ahead of this machine's in it, in seconds.
    pub(super) fn ahead(self) -> i64 {
        match self {
            Self::Renewing => RENEWAL_DUE,
            Self::Rejoining => RAN_OUT,
            Self::Day
            | Self::Late
            | Self::Joining
            | Self::Opening
            | Self::Damaged
            | Self::Keyless
            | Self::Copied
            | Self::Bitten
            | Self::Expired
            | Self::NoPost
            | Self::Worsening
            | Self::Upgrading => 0,
        }
    }

    /// Makes it so before anything runs.
    pub(super) async fn set(self, rig: &mut Rig, template: &Template) -> anyhow::Result<()> {
        // As a killed service leaves it.
        drop(std::os::unix::net::UnixListener::bind(rig.socket())?);
        match self {
            Self::Day | Self::Late | Self::Bitten | Self::Expired | Self::Worsening => Ok(()),
            Self::Joining => rig.forget_enrolment(template),
            // So that the collector knows the firmware.
            Self::Copied => {
                rig.firmware = Some(ORIGINAL);
                rig.forget_enrolment(template)
            }
            Self::Renewing | Self::Rejoining => {
                rig.turn_clock(Program::Agent, self.ahead())?;
                rig.turn_clock(Program::Collector, self.ahead())
            }
            Self::Opening => {
                std::fs::remove_dir_all(rig.path().join("collector"))?;
                std::fs::remove_dir_all(rig.keys())?;
                rig.forget_enrolment(template)
            }
            Self::Damaged => {
                let spool = rig.state().join("spool");
                std::fs::create_dir_all(spool.join("quarantine"))?;
                std::fs::write(spool.join("live/db"), b"nothing of a store").context("failed to damage the spool")
            }
            Self::Keyless => std::fs::write(rig.state().join("spool.key"), b"torn").context("failed to tear the key"),
            Self::NoPost => rig.edit_collector(|text| text.replace("port = ", "port = 1 # ")),
            Self::Upgrading => undo_newest_migration(&rig.database()).await,
        }
    }

    /// Takes away what only made it go wrong.
    pub(super) fn mend(self, rig: &Rig) -> anyhow::Result<()> {
        match self {
            Self::NoPost => rig.edit_collector(|text| text.replace("port = 1 # ", "port = ")),
            Self::Day
            | Self::Late
            | Self::Copied
            | Self::Joining
            | Self::Renewing
            | Self::Rejoining
            | Self::Opening
            | Self::Damaged
            | Self::Keyless
            | Self::Bitten
            | Self::Expired
            | Self::Worsening
            | Self::Upgrading => Ok(()),
        }
    }

    /// Whether captures wait in the spool, for a collector that is away, before anything goes wrong.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Bitten | Self::Expired)
    }

    /// What becomes of the PC while those captures wait and the service is stopped.
    pub(super) fn pass_time(self, rig: &mut Rig) -> anyhow::Result<()> {
        if self == Self::Bitten {
            return change_a_byte(&rig.state().join("spool/live/db"));
        }
        rig.slept = EXPIRED;
        Ok(())
    }
}

/// Brings a database back to the schema before. To be written anew with each migration.
async fn undo_newest_migration(database: &Path) -> anyhow::Result<()> {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(database)).await?;
    let newest: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&pool).await?;
    anyhow::ensure!(newest == 17, "how migration {newest} is undone is not written here yet");
    for table in ["undoable", "snoozes", "recurrences", "rule_tickets"] {
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(&pool).await?;
    }
    sqlx::query("DROP INDEX verdicts_by_time").execute(&pool).await?;
    sqlx::query("ALTER TABLE concerns DROP COLUMN assigned_to").execute(&pool).await?;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 17").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Changes one in the last quarter of what was written.
fn change_a_byte(file: &Path) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(file)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).context("the spool is empty")?;
    let byte = bytes.get_mut(written / 4 * 3).context("the spool is short")?;
    *byte ^= 0x10;
    std::fs::write(file, bytes).context("failed to change the spool")
}

/// Gives a new collector its people, rules and policy, and the PC its token, as an administrator does.
pub(super) fn set_up_school(rig: &Rig, template: &Template) -> anyhow::Result<()> {
    let file = |name: &str| template.folder().join(name);
    collect(rig, template, &["people", "import"], &[&file("people.csv")])?;
    for person in PEOPLE.iter().take(3) {
        let sign_in = ["user", "add", "--login", person.login, "--password-file"];
        collect(rig, template, &sign_in, &[&file("password")])?;
    }
    collect(rig, template, &["rules", "publish"], &[&file("phrases.lwrs")])?;
    collect(rig, template, &["policy", "publish"], &[&file("policy.lwpl")])?;
    let token = collect(rig, template, &["token", "create", "--group", "sample-room", "--uses", "5"], &[])?;
    std::fs::write(rig.path().join("pc/token"), token.trim())?;
    let authority: serde_json::Value =
        serde_json::from_str(&collect(rig, template, &["ca", "export", "--json"], &[])?)?;
    let fingerprint = authority.get("fingerprint").and_then(|value| value.as_str()).context("a fingerprint")?;
    let config = std::fs::read_to_string(rig.agent_config())?;
    let lines = config.lines().map(|line| match line.starts_with("ca_fingerprint") {
        true => format!("ca_fingerprint = \"{fingerprint}\""),
        false => line.to_owned(),
    });
    std::fs::write(rig.agent_config(), lines.collect::<Vec<_>>().join("\n")).context("failed to write agent.toml")
}

fn collect(rig: &Rig, template: &Template, words: &[&str], paths: &[&Path]) -> anyhow::Result<String> {
    let mut command = Command::new(&template.programs.collector);
    command.args(words).args(paths).arg("--config").arg(rig.collector_config());
    let output = command.output().context("failed to run the collector")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{words:?} ended with {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
