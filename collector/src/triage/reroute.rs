//! Routing again, after people or the table changed: somebody new in a role sees what nobody has decided yet, and whoever
//! left a role no longer sees what only that role showed them.

use crate::actor::{Actor, PersonId};
use crate::ids::ConcernId;
use crate::routing::{chain, route};
use crate::store::{StoreError, Tx, concerns, people, recipients as rows, settings, subjects};

/// Concerns read at a time.
const PAGE: u32 = 256;

/// Adds whoever may now see an undecided concern. Takes nobody away, and sends no message.
pub(crate) async fn reroute(tx: &mut Tx, actor: &Actor, now_us: i64) -> Result<(), StoreError> {
    let school = actor.school();
    let staffing = people::staffing(tx, school, now_us).await?;
    let table = settings::routing(tx, school).await?;
    let mut after: Option<ConcernId> = None;
    loop {
        let page = concerns::undecided(tx, school, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for concern in &page {
            let about = subjects::read(tx, school, concern.subject).await?.about(&concern.category);
            let recipients = route(&about, concern.level, &staffing, &table);
            rows::add(tx, school, concern.id, &recipients, now_us).await?;
        }
    }
}

/// Takes from `person` every concern that routing could not name them for as people are now, decided ones included. What
/// a colleague shared with them stays.
pub(crate) async fn unroute(tx: &mut Tx, actor: &Actor, person: PersonId, now_us: i64) -> Result<(), StoreError> {
    let school = actor.school();
    let staffing = people::staffing(tx, school, now_us).await?;
    let table = settings::routing(tx, school).await?;
    let mut after: Option<ConcernId> = None;
    loop {
        let page = rows::routed_to(tx, school, person, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for concern in &page {
            let about = subjects::read(tx, school, concern.subject).await?.about(&concern.category);
            // What climbed to them stays theirs while their other roles stand on the ladder.
            let named = route(&about, concern.level, &staffing, &table).iter().any(|one| one.person == person);
            if !named && !chain(&about, &staffing, &table).contains(&person) {
                rows::remove(tx, school, concern.id, person).await?;
            }
        }
    }
}
