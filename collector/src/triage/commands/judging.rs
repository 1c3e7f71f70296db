//! Deciding: what came of a concern, whether each of its rules was right, and what the filter is asked to change.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{Capture, Open, SchoolId, wire};
use lapwing_rules::Scope;
use prost::Message as _;

use super::evidence::is_withheld;
use super::{
    CommandError, Desk, Judgement, MAX_NOTE_BYTES, Move, Outcome, Standing, Step, Tx, Verdict, audit, concerns,
    is_illegal,
};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::{ConcernId, SubjectId};
use crate::seal::{Place, SealError};
use crate::store::tickets::{self, Wanted};
use crate::store::{StoreError, settings, subjects, undoable, verdicts};
use crate::subject::Audience;
use crate::triage::State;

/// Captures looked through for hosts.
const MAX_CAPTURES: u32 = 100;
/// Hosts a concern asks the filter to change.
const MAX_HOSTS: usize = 5;

/// A decision about to be written.
pub(super) struct Judging<'a> {
    pub(super) judgement: Judgement,
    /// A note; may be empty.
    pub(super) reason: &'a str,
    /// Rules whose verdict differs.
    pub(super) rules: &'a BTreeMap<String, Verdict>,
    /// What the filter is asked to change.
    pub(super) hosts: BTreeSet<String>,
}

impl Desk {
    /// Decides; `reason` is a note, and may be empty. Every rule of the concern gets the judgement's verdict but those that `rules` names. May be done again while
    /// the concern is not closed. A change of the filter becomes a ticket of host and topic, and nothing of anybody.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn judge(
        &self,
        actor: &Actor,
        concern: ConcernId,
        judgement: Judgement,
        reason: &str,
        rules: &BTreeMap<String, Verdict>,
    ) -> Result<State, CommandError> {
        let hosts = self.hosts_for(actor, concern, judgement).await?;
        let judging = Judging { judgement, reason, rules, hosts };
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let before = undoable::before(&mut tx, actor.school(), concern).await?;
        let state = self.judge_within(&mut tx, actor, (concern, &standing), &judging).await?;
        self.can_undo(&mut tx, actor, concern, &before).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// The same within a transaction.
    pub(super) async fn judge_within(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (concern, standing): (ConcernId, &Standing),
        judging: &Judging<'_>,
    ) -> Result<State, CommandError> {
        let judgement = judging.judgement;
        let reason = judging.reason.trim();
        if reason.len() > MAX_NOTE_BYTES {
            return Err(CommandError::NoteLength(reason.len()));
        }
        let note = Some(reason).filter(|reason| !reason.is_empty());
        let moved = Move::Decide(judgement.decision());
        let step = Step { moved, kind: "judged", act: ActKind::ConcernJudged, note };
        let state = self.carry_out(tx, actor, concern, standing, step).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let (verdict, outcome) = (judgement.verdict().as_str(), judgement.outcome().as_str());
        concerns::set_verdict(tx, school, concern, Some(verdict), Some(outcome)).await?;
        for rule in verdicts::rules(tx, school, concern).await? {
            let verdict = judging.rules.get(&rule).copied().unwrap_or(judgement.verdict());
            verdicts::set(tx, school, concern, (&rule, verdict.as_str()), now_us).await?;
        }
        let wanted = if judgement.verdict() == Verdict::True { Wanted::Block } else { Wanted::Check };
        let day = settings::calendar(tx, school, now_us).await?.date(now_us);
        let is_for_list = is_for_list(tx, school, standing.subject).await?;
        for host in judging.hosts.iter().filter(|_| is_for_list) {
            tickets::ask(tx, school, (host, &standing.category, wanted), day).await?;
        }
        Ok(state)
    }

    /// The hosts that the filter is asked to change by `judgement`; none where it asks for no change.
    pub(super) async fn hosts_for(
        &self,
        actor: &Actor,
        concern: ConcernId,
        judgement: Judgement,
    ) -> Result<BTreeSet<String>, CommandError> {
        let asks = judgement.outcome() == Outcome::FilterChange;
        if asks { self.hosts(actor, concern).await } else { Ok(BTreeSet::new()) }
    }

    /// The hosts of a concern's addresses, as far as `actor` may see it; looking for them is a view, and in the log before.
    /// Nobody is sent to look at what is illegal, and evidence that was erased has none.
    async fn hosts(&self, actor: &Actor, concern: ConcernId) -> Result<BTreeSet<String>, CommandError> {
        let mut hosts = BTreeSet::new();
        let (mut tx, standing) = self.begin(actor, concern).await?;
        if is_illegal(&standing.category) {
            return Ok(hosts);
        }
        let act = Act::new(actor, self.clock.wall_us(), ActKind::ConcernViewed, concern).with("for", "filter_change");
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        for row in concerns::captures(&self.store, actor, concern, MAX_CAPTURES).await? {
            let place = Place { table: "captures", row: row.id.as_bytes() };
            let plain = match self.vault.unseal(row.key, place, &row.sealed).await {
                Ok(plain) => plain,
                Err(SealError::Erased(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let capture = wire::Capture::decode(plain.as_slice()).ok().and_then(|wire| Capture::try_from(wire).ok());
            let capture = capture.filter(|capture| !is_withheld(&row.category, capture));
            let excerpts = capture.into_iter().flat_map(|capture| capture.excerpts);
            let of_host = excerpts.filter(|excerpt| excerpt.scope == Open::Known(Scope::UrlHost));
            hosts.extend(of_host.map(|excerpt| excerpt.text.to_lowercase()));
        }
        Ok(hosts.into_iter().take(MAX_HOSTS).collect())
    }
}

/// Whether technicians may read in a list of what came of a concern about `subject`: they are staff, and one would read of
/// themselves in the list that all of them see.
async fn is_for_list(tx: &mut Tx, school: &SchoolId, subject: SubjectId) -> Result<bool, StoreError> {
    let audience = subjects::read(tx, school, subject).await?.audience;
    Ok(matches!(audience, Audience::Pupil | Audience::Shared | Audience::UnmappedPupil))
}
