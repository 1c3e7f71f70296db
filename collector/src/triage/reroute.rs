//! Routing again, after people changed: somebody new in a role sees what nobody has decided yet.

use lapwing_rules::{Category, Class};

use crate::actor::Actor;
use crate::ids::ConcernId;
use crate::routing::{About, route};
use crate::store::concerns::{self, Undecided};
use crate::store::{StoreError, Tx, people, subjects};

/// Concerns read at a time.
const PAGE: u32 = 256;

/// Adds whoever may now see an undecided concern. Takes nobody away, and sends no message.
pub(crate) async fn reroute(tx: &mut Tx, actor: &Actor, now_us: i64) -> Result<(), StoreError> {
    let school = actor.school();
    let staffing = people::staffing(tx, school).await?;
    let mut after: Option<ConcernId> = None;
    loop {
        let page = concerns::undecided(tx, school, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for concern in &page {
            let about = about(tx, actor, concern).await?;
            let recipients = route(&about, concern.level, &staffing);
            concerns::add_recipients(tx, school, concern.id, &recipients, now_us).await?;
        }
    }
}

async fn about(tx: &mut Tx, actor: &Actor, concern: &Undecided) -> Result<About, StoreError> {
    let subject = subjects::read(tx, actor.school(), concern.subject).await?;
    let class = concern.category.parse::<Category>().map_or(Class::Ordinary, Category::class);
    Ok(About { audience: subject.audience, person: subject.person, roles: subject.roles, class })
}
