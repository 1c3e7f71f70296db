//! `rules publish` and `policy publish`: verified before stored; a running collector announces them within a second.
//!
//! Both are signed by two people, a rule set that weakens an urgent rule by three. A rule set carries the illegal base that
//! the project signed; a policy that looks at more than the one in force names a newer notice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use lapwing_proto::bounds::MAX_ARTEFACT_BYTES;
use lapwing_rules::{Artefact, Base, Digest, Kind, RuleId, RuleSet, TrustedKeys, VerifyingKey, Weakened};

use super::export::Export;
use super::people::lacks_of;
use super::{ConfigFile, Desk, Failure, read_given, roll_out, say};
use crate::audit::{self, Act, ActKind};
use crate::config::{Config, Trust};
use crate::in_force;
use crate::people::set_up::Weight;
use crate::roll_out::Stage;
use crate::store::artefacts::{self, ArtefactKind, Stored};
use crate::store::roll_outs;

/// Signatures that an artefact is read with before they are counted.
const TO_READ: usize = 1;
/// Signatures that an artefact needs: what is looked for, and whom, where and when, is for nobody alone to say, less no more
/// than more.
const TO_PUBLISH: usize = 2;
/// Signatures that a rule set needs where an urgent rule finds less than it did.
const TO_WEAKEN: usize = 3;
/// How long after a release began to go out it can be taken back as what was before it.
const WAY_BACK_US: i64 = 14 * 24 * 60 * 60 * 1_000_000;
/// How far a release number may be above the last: whoever publishes the highest there is would end all others.
const MOST_AHEAD: u64 = 1_000_000;
const UNREADABLE: &str = "what was published last cannot be read, to compare with it";
/// Weakened rules that a refusal names.
const NAMED: usize = 5;

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Verify a rule set and offer it to devices: to every one, unless it says to which.
    Publish(Publish),
    /// Let the newest rule set go further: its stage only grows.
    #[command(name = "rollout")]
    RollOut(roll_out::RollOut),
    /// Let nobody else have the newest rule set.
    #[command(name = "rollback")]
    RollBack(roll_out::RollBack),
    /// Print how far the newest rule set is, and how its devices are. Exits 1 where it is halted.
    Status(roll_out::Status),
    /// Write a published rule set to a file.
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Verify a policy and offer it to devices: to every one, unless it says to which.
    Publish(Publish),
    /// Let the newest policy go further: its stage only grows.
    #[command(name = "rollout")]
    RollOut(roll_out::RollOut),
    /// Let nobody else have the newest policy.
    #[command(name = "rollback")]
    RollBack(roll_out::RollBack),
    /// Print how far the newest policy is, and how its devices are. Exits 1 where it is halted.
    Status(roll_out::Status),
    /// Write a published policy to a file.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The signed artefact.
    artefact: PathBuf,
    #[command(flatten)]
    reach: roll_out::Reach,
    #[command(flatten)]
    file: ConfigFile,
}

impl Rules {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let kind = ArtefactKind::RuleSet;
        match self {
            Self::Publish(publish) => publish.run(kind).await,
            Self::RollOut(roll_out) => roll_out.run(kind).await,
            Self::RollBack(roll_back) => roll_back.run(kind).await,
            Self::Status(status) => status.run(kind).await,
            Self::Export(export) => export.run(kind).await,
        }
    }
}

impl Policy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let kind = ArtefactKind::Policy;
        match self {
            Self::Publish(publish) => publish.run(kind).await,
            Self::RollOut(roll_out) => roll_out.run(kind).await,
            Self::RollBack(roll_back) => roll_back.run(kind).await,
            Self::Status(status) => status.run(kind).await,
            Self::Export(export) => export.run(kind).await,
        }
    }
}

impl Publish {
    async fn run(self, kind: ArtefactKind) -> Result<(), Failure> {
        let (config, stage) = (self.file.load()?, self.reach.stage()?);
        let bytes = read_given(&self.artefact, MAX_ARTEFACT_BYTES as u64)?;
        let verified = match kind {
            ArtefactKind::RuleSet => verify_rule_set(&bytes, &config).map(|rules| Verified::RuleSet(Box::new(rules))),
            ArtefactKind::Policy => verify_policy(&bytes, &config).map(Verified::Policy),
        };
        let verified = verified
            .with_context(|| format!("`{}` is not published", self.artefact.display()))
            .map_err(Failure::Unusable)?;
        let desk = self.file.open().await?;
        let (release, replaces) = match &verified {
            Verified::RuleSet(rules) => (rules.release(), check_rules(&desk, rules, &bytes).await?),
            Verified::Policy(policy) => {
                check_people(&desk).await?;
                check_signed(kind, &bytes, &config.trust, (TO_PUBLISH, ""))?;
                (policy.release, check_widening(&desk, policy).await?)
            }
        };
        let artefact = Stored { release, digest: Digest::of(&bytes), bytes };
        store(&desk, kind, &artefact, (replaces, stage.as_ref())).await?;
        desk.store.close().await;
        match &stage {
            None => say(format!("release {release} is published")),
            Some(stage) => say(format!("release {release} is published to {}", roll_out::in_words(stage))),
        }
    }
}

/// What is to be published, signed by somebody who is trusted.
enum Verified {
    RuleSet(Box<RuleSet>),
    Policy(lapwing_rules::Policy),
}

/// A rule set that devices will accept.
fn verify_rule_set(bytes: &[u8], config: &Config) -> anyhow::Result<RuleSet> {
    let rules = RuleSet::load(bytes, &trusted("trust.rule_keys", &config.trust.rule_keys)?)?;
    let keys = config.trust.of_base().context("`trust.base_keys` in the configuration is not usable")?;
    let keys = keys.context("no key is trusted for the illegal base: name the project's under `trust.base_keys`")?;
    rules.check_base(&keys, None).context("devices refuse the rule set")?;
    Ok(rules)
}

/// A policy of this school.
fn verify_policy(bytes: &[u8], config: &Config) -> anyhow::Result<lapwing_rules::Policy> {
    let policy = lapwing_rules::Policy::load(bytes, &trusted("trust.policy_keys", &config.trust.policy_keys)?)?;
    let (theirs, ours) = (&policy.school, config.school.id.as_str());
    anyhow::ensure!(theirs == ours, "the policy is of school `{theirs}`, this collector serves `{ours}`");
    Ok(policy)
}

/// Refuses an illegal base older than the last one published, as devices would, and too few signatures for what it changes.
/// Answers the release it was compared with, 0 for none.
async fn check_rules(desk: &Desk, rules: &RuleSet, bytes: &[u8]) -> Result<u64, Failure> {
    let (trust, school) = (&desk.config.trust, &desk.config.school.id);
    let newest = artefacts::releases(&desk.store, school).await?.rule_set;
    let Some(held) = artefacts::find(&desk.store, school, ArtefactKind::RuleSet, newest).await? else {
        check_signed(ArtefactKind::RuleSet, bytes, trust, (TO_PUBLISH, ""))?;
        return Ok(newest);
    };
    let signers = in_force::its_signers(&held.bytes, Kind::RuleSet).context(UNREADABLE)?;
    let held = RuleSet::load(&held.bytes, &signers).context(UNREADABLE)?;
    if let (Some(found), Some(held)) = (rules.base().map(Base::release), held.base().map(Base::release))
        && found < held
    {
        return Err(Failure::Unusable(anyhow!(
            "the rule set is not published: its illegal base is release {found}, and release {held} is published; compile it, \
             or reissue it, with `--base FILE` of that one"
        )));
    }
    let weakened = weakened_in_words(&rules.weakened_from(&held));
    let is_way_back = weakened.is_some() && is_way_back(desk, bytes).await?;
    match weakened.filter(|_| !is_way_back) {
        None => check_signed(ArtefactKind::RuleSet, bytes, trust, (TO_PUBLISH, ""))?,
        Some(weakened) => {
            let why = format!(", where an urgent rule finds less or may ({weakened})");
            check_signed(ArtefactKind::RuleSet, bytes, trust, (TO_WEAKEN, &why))?;
        }
    }
    Ok(newest)
}

/// Whether it says what was everybody's before a release that was halted lately: nobody alone undoes what has been in force for
/// long by halting it first.
async fn is_way_back(desk: &Desk, bytes: &[u8]) -> Result<bool, Failure> {
    let school = &desk.config.school.id;
    let standing = roll_outs::standing(&desk.store, school, ArtefactKind::RuleSet).await?;
    let age_us = desk.clock.wall_us().saturating_sub(standing.started_us);
    if !standing.out.is_halted || age_us > WAY_BACK_US {
        return Ok(false);
    }
    let before = artefacts::find(&desk.store, school, ArtefactKind::RuleSet, standing.out.base).await?;
    let Some(before) = before else { return Ok(false) };
    Artefact::is_alike(&before.bytes, bytes).map_err(Failure::unusable)
}

/// The first of the urgent rules that are weakened; none where none is.
fn weakened_in_words(weakened: &BTreeMap<RuleId, Vec<Weakened>>) -> Option<String> {
    let first = |(rule, how): (&RuleId, &Vec<Weakened>)| Some(format!("`{rule}` {}", how.first()?));
    let mut named: Vec<String> = weakened.iter().take(NAMED).filter_map(first).collect();
    let others = weakened.len().saturating_sub(NAMED);
    named.extend((others > 0).then(|| format!("{others} more")));
    (!named.is_empty()).then(|| named.join("; "))
}

/// Refuses to look at more than the policy in force does, unless people are told. Answers the release it was compared
/// with, 0 for none.
async fn check_widening(desk: &Desk, policy: &lapwing_rules::Policy) -> Result<u64, Failure> {
    let school = &desk.config.school.id;
    let newest = artefacts::releases(&desk.store, school).await?.policy;
    let Some(held) = artefacts::find(&desk.store, school, ArtefactKind::Policy, newest).await? else {
        return Ok(newest);
    };
    let signers = in_force::its_signers(&held.bytes, Kind::Policy).context(UNREADABLE)?;
    let held = lapwing_rules::Policy::load(&held.bytes, &signers).context(UNREADABLE)?;
    match policy.widened_from(&held).first() {
        Some(first) if policy.notice_version <= held.notice_version => Err(Failure::Unusable(anyhow!(
            "it looks at more than the policy in force ({first}), so that `notice_version` has to grow"
        ))),
        Some(_) | None => Ok(newest),
    }
}

/// Refuses what fewer people signed than needed, and says what for.
fn check_signed(kind: ArtefactKind, bytes: &[u8], trust: &Trust, (needed, why): (usize, &str)) -> Result<(), Failure> {
    let (what, key, keys) = match kind {
        ArtefactKind::RuleSet => (Kind::RuleSet, "rule_keys", &trust.rule_keys),
        ArtefactKind::Policy => (Kind::Policy, "policy_keys", &trust.policy_keys),
    };
    let signers = Artefact::read(bytes, what).map_err(Failure::unusable)?.signers();
    let signed = signers.iter().filter(|signer| keys.contains(signer)).count();
    if signed >= needed {
        return Ok(());
    }
    Err(Failure::Unusable(anyhow!(
        "the {} is not published: {needed} people sign it with keys of `trust.{key}` ({} there){why}, and it has {signed} \
         such signatures; `lapwing-rules sign --set FILE --key KEY` adds one",
        what.as_str(),
        keys.len()
    )))
}

fn trusted(key: &str, keys: &[VerifyingKey]) -> anyhow::Result<TrustedKeys> {
    TrustedKeys::new(keys.to_vec(), TO_READ).with_context(|| format!("`{key}` in the configuration is not usable"))
}

/// Refuses to watch a school whose people are too few for what one of them may not do alone.
async fn check_people(desk: &Desk) -> Result<(), Failure> {
    let lacks = lacks_of(desk).await?;
    let refused: Vec<_> =
        lacks.iter().filter(|lack| lack.act.weight() == Weight::Refused).map(ToString::to_string).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::Unusable(anyhow!(
        "the policy is not published: the school's people are too few; `people check` says so too\n{}",
        refused.join("\n")
    )))
}

/// Stores it, unless something else was published since: `replaces` is what it was compared with.
async fn store(
    desk: &Desk,
    kind: ArtefactKind,
    artefact: &Stored,
    (replaces, stage): (u64, Option<&Stage>),
) -> Result<(), Failure> {
    let (school, now_us) = (&desk.config.school.id, desk.clock.wall_us());
    let act = match kind {
        ArtefactKind::RuleSet => ActKind::RuleSetPublished,
        ArtefactKind::Policy => ActKind::PolicyPublished,
    };
    let mut tx = desk.store.begin().await?;
    let newest = artefacts::newest(&mut tx, school, kind).await?;
    if artefact.release.number() <= newest {
        let reason = anyhow!("release {} is not published: release {newest} is", artefact.release);
        return Err(Failure::Unusable(reason));
    }
    if artefact.release.number() > newest.saturating_add(MOST_AHEAD) {
        return Err(Failure::Unusable(anyhow!(
            "release {} is not published: it is more than {MOST_AHEAD} above release {newest}, and none could follow it",
            artefact.release
        )));
    }
    if replaces != newest {
        return Err(Failure::Unusable(anyhow!("release {newest} was published meanwhile: compare and publish again")));
    }
    artefacts::insert(&mut tx, school, kind, artefact, now_us).await?;
    if let Some(stage) = stage {
        roll_outs::set_stage(&mut tx, school, (kind, artefact.release.number()), stage, now_us).await?;
    }
    let act = Act::new(&desk.product(), now_us, act, artefact.release).with("digest", artefact.digest);
    audit::append(&mut tx, &act).await?;
    Ok(tx.commit().await?)
}
