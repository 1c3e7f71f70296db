//! Joining by a campaign token. Every use of one that exists is logged, whatever comes of it.

use lapwing_proto::{failpoint, wire};

use super::{Asks, Place, certify, make_device};
use crate::campaign::{Barred, Comer};
use crate::ids::JoinId;
use crate::ingest::renew::{DAY_US, MAX_A_DAY, RETRY};
use crate::ingest::{Ingest, Refused};
use crate::store::joins::{self, Decision, NewJoin};
use crate::store::tokens::{self, Used};
use crate::store::{Tx, certificates, expected};
use crate::token::{CampaignToken, TokenHash};

/// What came of a use, besides a refusal.
enum Came {
    /// A device: a new one, or one that asks again.
    Joined { outcome: &'static str, device: lapwing_proto::DeviceId, response: wire::JoinResponse },
    /// Somebody has to let it in.
    Waits,
}

/// Exchanges `token` for a certificate.
pub(super) async fn join(ingest: &Ingest, asks: &Asks<'_>, token: &str) -> Result<wire::JoinResponse, Refused> {
    let token = token.parse::<CampaignToken>().map_err(|_| Refused::TokenUnknown)?.hash();
    let address = asks.address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
    let mut tx = ingest.store.begin().await?;
    let used = |outcome, device| Used { hostname: &asks.facts.hostname, address: &address, outcome, device };
    match spend(ingest, &mut tx, asks, (&token, &address)).await {
        Ok(Came::Joined { outcome, device, response }) => {
            tokens::log(&mut tx, &ingest.school, &token, used(outcome, Some(device)), asks.now_us).await?;
            failpoint!("enrol.commit", tx.commit().await?);
            tracing::info!(device.id = %device, outcome, "device enrolled");
            Ok(response)
        }
        Ok(Came::Waits) => {
            tokens::log(&mut tx, &ingest.school, &token, used("waits", None), asks.now_us).await?;
            tx.commit().await?;
            Err(Refused::Waits)
        }
        Err(refused @ (Refused::TokenUnknown | Refused::Store(_))) => Err(refused),
        Err(refused) => {
            drop(tx);
            let outcome = refused.code().as_str_name().trim_start_matches("ERROR_CODE_").to_ascii_lowercase();
            let mut tx = ingest.store.begin().await?;
            tokens::log(&mut tx, &ingest.school, &token, used(&outcome, None), asks.now_us).await?;
            tx.commit().await?;
            Err(refused)
        }
    }
}

async fn spend(
    ingest: &Ingest,
    tx: &mut Tx,
    asks: &Asks<'_>,
    (token, address): (&TokenHash, &str),
) -> Result<Came, Refused> {
    let (school, digest) = (&ingest.school, asks.key.digest());
    let found = failpoint!("enrol.spend", tokens::find(tx, school, token).await?);
    let (reference, terms) = found.ok_or(Refused::TokenUnknown)?;
    if let Some(device) = certificates::of_key(tx, school, &digest).await? {
        ingest.check_not_denied(device)?;
        let since = (asks.now_us - DAY_US, asks.now_us);
        let today = certificates::count_between(tx, school, device, since).await?;
        // An answer that got lost is asked for soon; long after it, a token that has ended opens nothing.
        if today == 0 && terms.expires_us <= asks.now_us {
            return Err(Refused::TokenExpired);
        }
        if today >= MAX_A_DAY {
            return Err(Refused::Busy { retry: RETRY });
        }
        let response = certify(ingest, tx, asks, device).await?;
        return Ok(Came::Joined { outcome: "again", device, response });
    }
    let decision = joins::decision(tx, school, token, &digest).await?;
    // Whoever waits behind a token that has ended waits for nothing.
    if decision.is_some() && terms.expires_us <= asks.now_us {
        return Err(Refused::TokenExpired);
    }
    match decision {
        Some(Decision::Waits) => return Ok(Came::Waits),
        Some(Decision::Denied) => return Err(Refused::Denied),
        Some(Decision::LetIn) => {}
        None => {
            let listed = expected::serial_of(tx, school, &asks.facts.hostname).await?;
            let comer =
                Comer { address: asks.address, serial_hash: &asks.facts.serial_hash, listed_serial: listed.as_deref() };
            terms.admit(&comer, asks.now_us)?;
            tokens::spend(tx, school, token).await?;
            if terms.is_by_approval {
                wait(ingest, tx, asks, (token, address, comer.is_listed())).await?;
                return Ok(Came::Waits);
            }
        }
    }
    let place = Place { device_group: &terms.device_group, room: "", copied: None };
    let (device, response) = make_device(ingest, tx, asks, place, |act| act.with("token", &reference)).await?;
    Ok(Came::Joined { outcome: "joined", device, response })
}

async fn wait(
    ingest: &Ingest,
    tx: &mut Tx,
    asks: &Asks<'_>,
    (token, address, is_listed): (&TokenHash, &str, bool),
) -> Result<(), Refused> {
    let new = NewJoin {
        id: JoinId::random()?,
        token,
        public_key_digest: &asks.key.digest(),
        hostname: &asks.facts.hostname,
        room: &asks.facts.room,
        os: &asks.facts.os,
        address,
        is_listed,
        asked_us: asks.now_us,
    };
    Ok(joins::insert(tx, &ingest.school, &new).await?)
}

impl From<Barred> for Refused {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Expired => Self::TokenExpired,
            Barred::UsedUp => Self::TokenSpent,
            Barred::Network => Self::Network,
            Barred::NotListed => Self::NotListed,
        }
    }
}
