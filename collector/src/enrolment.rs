//! Whom a school lets in: campaign tokens that are made and withdrawn, and devices that wait for somebody's word.

use lapwing_proto::SchoolId;
use lapwing_proto::bounds::MAX_NAME_BYTES;
use lapwing_rules::Network;

use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::campaign::{MAX_NETWORKS, Terms};
use crate::ids::{JoinId, reference};
use crate::store::tokens::{self, NewToken};
use crate::store::{Store, StoreError, joins};
use crate::token::CampaignToken;

/// Most devices that one token lets in.
pub(crate) const MAX_USES: u32 = 100_000;
/// Longest that a token lasts, in days.
pub(crate) const MAX_DAYS: i64 = 366;
/// How long uses of tokens and answers to devices are kept, in days.
const KEPT_DAYS: i64 = 366;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A token that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Group that its devices join.
    pub(crate) group: String,
    /// What it is for, in their words.
    pub(crate) label: String,
    pub(crate) uses: u32,
    /// End, microseconds of UTC; does not count.
    pub(crate) expires_us: i64,
    pub(crate) networks: Vec<Network>,
    pub(crate) is_listed_only: bool,
    pub(crate) is_by_approval: bool,
}

/// Why no token is made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the group is not usable: expected 1 to {MAX_NAME_BYTES} bytes")]
    Group,
    #[error("what it is for is not usable: expected at most {MAX_NAME_BYTES} bytes")]
    Label,
    #[error("a token lets 1 to {MAX_USES} devices in")]
    Uses,
    #[error("a token ends within {MAX_DAYS} days from now")]
    End,
    #[error("a token is for at most {MAX_NETWORKS} networks")]
    Networks,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is said of a device that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    LetIn,
    TurnAway,
}

/// Makes a token, which is not shown again, and what people call it.
pub(crate) async fn create_token(
    store: &Store,
    actor: &Actor,
    wanted: Wanted,
    now_us: i64,
) -> Result<(CampaignToken, String), TokenError> {
    let terms = checked(&wanted, now_us)?;
    let token = CampaignToken::random().map_err(StoreError::from)?;
    let reference = reference("TOK").map_err(StoreError::from)?;
    let new = NewToken { reference: &reference, label: &wanted.label, terms: &terms, created_us: now_us };
    let act = Act::new(actor, now_us, ActKind::TokenCreated, &reference)
        .with("uses", wanted.uses)
        .with("expires_us", wanted.expires_us);
    let mut tx = store.begin().await?;
    tokens::insert(&mut tx, actor.school(), &token.hash(), &new).await?;
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok((token, reference))
}

fn checked(wanted: &Wanted, now_us: i64) -> Result<Terms, TokenError> {
    let fits = |name: &str| name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
    if wanted.group.is_empty() || !fits(&wanted.group) {
        return Err(TokenError::Group);
    }
    if !fits(&wanted.label) {
        return Err(TokenError::Label);
    }
    if !(1..=MAX_USES).contains(&wanted.uses) {
        return Err(TokenError::Uses);
    }
    let days = wanted.expires_us.saturating_sub(now_us).div_euclid(DAY_US);
    if wanted.expires_us <= now_us || days > MAX_DAYS {
        return Err(TokenError::End);
    }
    if wanted.networks.len() > MAX_NETWORKS {
        return Err(TokenError::Networks);
    }
    Ok(Terms {
        device_group: wanted.group.clone(),
        networks: wanted.networks.clone(),
        is_listed_only: wanted.is_listed_only,
        is_by_approval: wanted.is_by_approval,
        expires_us: wanted.expires_us,
        uses_left: wanted.uses.into(),
    })
}

/// Ends a token now; devices that joined by it stay. Says whether there was one to be ended.
pub(crate) async fn withdraw_token(
    store: &Store,
    actor: &Actor,
    reference: &str,
    now_us: i64,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    if !tokens::withdraw(&mut tx, actor.school(), reference, now_us).await? {
        return Ok(false);
    }
    audit::append(&mut tx, &Act::new(actor, now_us, ActKind::TokenWithdrawn, reference)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Answers for devices that wait, all or none; they learn of it within a minute. Answers those that waited.
pub(crate) async fn answer(
    store: &Store,
    actor: &Actor,
    waiting: &[JoinId],
    answer: Answer,
    now_us: i64,
) -> Result<Vec<JoinId>, StoreError> {
    let kind = match answer {
        Answer::LetIn => ActKind::DeviceLetIn,
        Answer::TurnAway => ActKind::DeviceTurnedAway,
    };
    let mut answered = Vec::new();
    let mut tx = store.begin().await?;
    for join in waiting {
        if joins::decide(&mut tx, actor, *join, answer == Answer::LetIn, now_us).await? {
            audit::append(&mut tx, &Act::new(actor, now_us, kind, join)).await?;
            answered.push(*join);
        }
    }
    tx.commit().await?;
    Ok(answered)
}

/// Forgets at `now_us` what names hosts and addresses and is no longer asked for: uses of tokens and answered devices after
/// a year.
///
/// # Errors
///
/// When the database cannot be written.
pub(crate) async fn forget_old(store: &Store, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
    let before_us = now_us.saturating_sub(KEPT_DAYS * DAY_US);
    let mut tx = store.begin().await?;
    tokens::forget_uses(&mut tx, school, before_us).await?;
    joins::forget_answered(&mut tx, school, before_us).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_group_a_number_of_uses_and_an_end_within_a_year() {
        let wanted = Wanted {
            group: "ict-suite".into(),
            label: String::new(),
            uses: 1,
            expires_us: 10,
            networks: Vec::new(),
            is_listed_only: false,
            is_by_approval: true,
        };
        assert!(checked(&wanted, 9).is_ok_and(|terms| terms.is_by_approval && terms.uses_left == 1));
        let network = "10.0.0.0/8".parse().unwrap();
        for (bad, why) in [
            (Wanted { group: String::new(), ..wanted.clone() }, "group"),
            (Wanted { group: "a\nb".into(), ..wanted.clone() }, "group"),
            (Wanted { label: "x".repeat(65), ..wanted.clone() }, "what it is for"),
            (Wanted { uses: 0, ..wanted.clone() }, "devices in"),
            (Wanted { uses: MAX_USES + 1, ..wanted.clone() }, "devices in"),
            (Wanted { expires_us: 9, ..wanted.clone() }, "ends within"),
            (Wanted { expires_us: 9 + (MAX_DAYS + 1) * DAY_US, ..wanted.clone() }, "ends within"),
            (Wanted { networks: vec![network; MAX_NETWORKS + 1], ..wanted.clone() }, "networks"),
        ] {
            assert!(checked(&bad, 9).is_err_and(|error| error.to_string().contains(why)), "{why}");
        }
    }
}
