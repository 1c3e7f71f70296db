//! Telling technicians that a rule is noisy: the rule, where it fired and the shape of what matched. Never whom it was about.

use std::collections::BTreeSet;

use lapwing_proto::{Capture, Hit, Signal};
use lapwing_rules::Mark;

use super::evidence::evidence;
use super::{CommandError, Desk, Evidence, audit, concerns, is_illegal};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::proof::filter::RULE_PREFIX;
use crate::seal::{Place, SealError};
use crate::store::{rule_tickets, settings, subjects};
use crate::subject::Audience;
use crate::triage::mark_words;

/// Captures looked through for the rule.
const MAX_CAPTURES: u32 = 100;
/// Matched words of a shape.
const MAX_WORDS: usize = 12;
/// Letters of a word that are counted; beyond them nobody counts dots.
const MAX_LETTERS: usize = 20;

impl Desk {
    /// Tells technicians of `rule`, which fired in a concern about a pupil's own account: who uses others may be a technician, who
    /// would read of themselves. Nobody is sent to look at what is illegal, and the filter's rules are its own. Looking for what
    /// matched is a view, and in the log before.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotReport`]; otherwise [`CommandError`].
    pub async fn report_rule(&self, actor: &Actor, concern: ConcernId, rule: &str) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let audience = subjects::read(&mut tx, school, standing.subject).await?.audience;
        if audience != Audience::Pupil || is_illegal(&standing.category) || rule.starts_with(RULE_PREFIX) {
            return Err(CommandError::CannotReport);
        }
        let viewed = Act::new(actor, now_us, ActKind::ConcernViewed, concern).with("for", "rule_report");
        audit::append(&mut tx, &viewed).await?;
        tx.commit().await?;
        let shape = self.shape(actor, concern, rule).await?;
        let (signal, shape) = shape.ok_or(CommandError::CannotReport)?;
        let (mut tx, _) = self.begin(actor, concern).await?;
        let day = settings::calendar(&mut tx, school, now_us).await?.date(now_us);
        rule_tickets::ask(&mut tx, school, (rule, signal, &shape), day).await?;
        audit::append(&mut tx, &Act::new(actor, now_us, ActKind::RuleReported, concern)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Where `rule` fired last in a concern, and the shape of what matched; no shape where nobody views the evidence or it
    /// was erased.
    async fn shape(
        &self,
        actor: &Actor,
        concern: ConcernId,
        rule: &str,
    ) -> Result<Option<(i32, String)>, CommandError> {
        for row in concerns::captures(&self.store, actor, concern, MAX_CAPTURES).await? {
            let place = Place { table: "captures", row: row.id.as_bytes() };
            let plain = match self.vault.unseal(row.key, place, &row.sealed).await {
                Ok(plain) => plain,
                Err(SealError::Erased(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let (Evidence::Shown(capture) | Evidence::Withheld(capture)) = evidence(&row.category, &plain)? else {
                continue;
            };
            let hit = capture.verdict.hits.iter().find(|hit| hit.rule.as_str() == rule);
            if let Some(hit) = hit {
                return Ok(Some((capture.signal.write(Signal::to_wire), dotted(&capture, hit))));
            }
        }
        Ok(None)
    }
}

/// Each of the matched words with a dot for each letter, and what it says.
fn dotted(capture: &Capture, hit: &Hit) -> String {
    let words: BTreeSet<(Mark, String)> = hit
        .spans
        .iter()
        .filter_map(|span| {
            let text = capture.excerpts.get(span.text)?.text.get(span.start..span.end)?;
            let word = |word: &str| "\u{2022}".repeat(word.chars().count().min(MAX_LETTERS));
            Some((span.mark, text.split_whitespace().take(MAX_WORDS).map(word).collect::<Vec<_>>().join(" ")))
        })
        .collect();
    let says = |(mark, dots): (Mark, String)| format!("{dots} ({})", mark_words(mark));
    words.into_iter().take(MAX_WORDS).map(says).collect::<Vec<_>>().join(", ")
}
