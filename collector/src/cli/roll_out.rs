//! `rules rollout | rollback | status`, and the same of policies: how far a release may go.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;
use lapwing_proto::bounds::MAX_NAME_BYTES;

use super::{ConfigFile, Desk, Failure, say, when};
use crate::audit::{self, Act, ActKind};
use crate::proof::releases;
use crate::roll_out::{EVERYBODY, MAX_GROUPS, Progress, Stage};
use crate::store::artefacts::ArtefactKind;
use crate::store::roll_outs::{self, Standing};

/// Whom a release goes to.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// A share of all devices, such as `10`. The same devices stay in it while it grows.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=i64::from(EVERYBODY)))]
    percent: Option<u8>,
    /// Every device of a group; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct RollOut {
    #[command(flatten)]
    reach: Reach,
    /// Everybody.
    #[arg(long, conflicts_with_all = ["percent", "groups"])]
    everybody: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct RollBack {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    file: ConfigFile,
}

impl Reach {
    /// The stage that is asked for; none where nothing is said.
    pub(super) fn stage(&self) -> Result<Option<Stage>, Failure> {
        if self.percent.is_none() && self.groups.is_empty() {
            return Ok(None);
        }
        let fits = |group: &String| (1..=MAX_NAME_BYTES).contains(&group.len()) && !group.chars().any(char::is_control);
        if self.groups.len() > MAX_GROUPS || !self.groups.iter().all(fits) {
            let reason = format!("expected at most {MAX_GROUPS} groups of 1 to {MAX_NAME_BYTES} bytes");
            return Err(Failure::Unusable(anyhow!("`--group` is not usable: {reason}")));
        }
        let groups: BTreeSet<String> = self.groups.iter().cloned().collect();
        Ok(Some(Stage { percent: self.percent.unwrap_or(0), groups }))
    }
}

impl RollOut {
    /// Lets the newest release go further, also where it was halted.
    pub(super) async fn run(self, kind: ArtefactKind) -> Result<(), Failure> {
        let wanted = if self.everybody { Some(Stage::everybody()) } else { self.reach.stage()? };
        let wanted = wanted.ok_or_else(|| {
            Failure::Unusable(anyhow!("say how far it goes: `--percent`, `--group` or `--everybody`"))
        })?;
        let desk = self.file.open().await?;
        let standing = newest(&desk, kind).await?;
        let (school, release, now_us) = (&desk.config.school.id, standing.out.newest, desk.clock.wall_us());
        let stage = standing.out.stage.grown(&wanted);
        if stage == standing.out.stage && !standing.out.is_halted {
            return Err(Failure::Unusable(anyhow!("release {release} goes as far already: it never goes less far")));
        }
        let act = Act::new(&desk.product(), now_us, ActKind::RollOutGrown, release)
            .with("kind", kind.as_str())
            .with("percent", stage.percent)
            .with("groups", stage.groups.len());
        let mut tx = desk.store.begin().await?;
        roll_outs::set_stage(&mut tx, school, (kind, release), &stage, now_us).await?;
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        desk.store.close().await;
        say(format!("release {release} goes to {}", in_words(&stage)))
    }
}

impl RollBack {
    /// Lets nobody else have the newest release.
    pub(super) async fn run(self, kind: ArtefactKind) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let standing = newest(&desk, kind).await?;
        let (school, release, now_us) = (&desk.config.school.id, standing.out.newest, desk.clock.wall_us());
        let mut tx = desk.store.begin().await?;
        if !roll_outs::halt(&mut tx, school, (kind, release), "person", now_us).await? {
            return Err(Failure::Unusable(anyhow!("release {release} goes no further already")));
        }
        let act = Act::new(&desk.product(), now_us, ActKind::RollOutHalted, release).with("kind", kind.as_str());
        audit::append(&mut tx, &act.with("why", "person")).await?;
        tx.commit().await?;
        let (standing, progress) = releases::examine(&desk.store, school, kind).await?;
        desk.store.close().await;
        say(format!("release {release} goes no further; devices are offered release {}", standing.out.base))?;
        if progress.taken > 0 {
            say(format!(
                "{} devices have release {release} and keep it until a newer one. {}",
                progress.taken,
                way_back(kind, standing.out.base, release)
            ))?;
        }
        Ok(())
    }
}

impl Status {
    /// How far the newest release is, and how its devices are.
    pub(super) async fn run(self, kind: ArtefactKind) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        newest(&desk, kind).await?;
        let (standing, progress) = releases::examine(&desk.store, &desk.config.school.id, kind).await?;
        for line in lines(&desk, &standing, &progress)? {
            say(line)?;
        }
        desk.store.close().await;
        if standing.out.is_halted { Err(Failure::Problems) } else { Ok(()) }
    }
}

async fn newest(desk: &Desk, kind: ArtefactKind) -> Result<Standing, Failure> {
    let standing = roll_outs::standing(&desk.store, &desk.config.school.id, kind).await?;
    if standing.out.newest == 0 {
        return Err(Failure::Unusable(anyhow!("nothing is published yet")));
    }
    Ok(standing)
}

fn lines(desk: &Desk, standing: &Standing, progress: &Progress) -> Result<Vec<String>, Failure> {
    let (out, since) = (&standing.out, when(desk, standing.started_us)?);
    let mut lines = vec![format!("release {} since {since}: {}", out.newest, in_words(&out.stage))];
    if out.is_halted {
        let why = match standing.halted_why.as_str() {
            "person" => "somebody halted it",
            "refused" => "devices refuse it",
            "noisy" => {
                "most devices that took it captured something, and few of the others: compare its rules with the ones before"
            }
            _ => "devices that took it are unwell",
        };
        lines.push(format!("HALTED: {why}; everybody else is offered release {}", out.base));
    } else if out.base != out.newest {
        lines.push(format!("everybody else is offered release {}", out.base));
    }
    let Progress { offered, taken, unwell, refused, others, others_unwell, captured, others_in_use, others_captured } =
        *progress;
    lines.push(format!(
        "offered to {offered} devices, {taken} have it, {unwell} of them unwell since; {refused} refused it"
    ));
    lines.push(format!("{others} have another, {others_unwell} of them unwell since"));
    let of_others = format!("{others_captured} of {others_in_use} others in use");
    lines.push(format!("captured something since: {captured} of {taken} that have it, {of_others}"));
    Ok(lines)
}

/// How devices that took `release` get what was before it.
fn way_back(kind: ArtefactKind, base: u64, release: u64) -> String {
    match (kind, base) {
        (ArtefactKind::RuleSet, 1..) => format!(
            "To take them back: `lapwing-collector rules export --release {base} --out FILE`, `lapwing-rules reissue --set FILE \
             --release {} --key KEY --out NEW` (with `--base FILE` where it came with a newer illegal base), have it signed by \
             the others, and publish it",
            release + 1
        ),
        (ArtefactKind::RuleSet | ArtefactKind::Policy, _) => {
            format!("To take them back, sign what they had before with a number above {release}, and publish that")
        }
    }
}

/// Whom a stage reaches.
pub(super) fn in_words(stage: &Stage) -> String {
    if stage.is_everybody() {
        return "everybody".to_owned();
    }
    let share = (stage.percent > 0).then(|| format!("{} % of devices", stage.percent));
    let groups = stage.groups.iter().map(|group| format!("group {group}"));
    let reached: Vec<_> = share.into_iter().chain(groups).collect();
    if reached.is_empty() { "nobody".to_owned() } else { reached.join(", ") }
}
