//! Renewal: a new key and certificate from the tenth day on, and whenever the collector asks.

use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{failpoint, wire};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::link::Link;
use super::recover::Failure;
use crate::identity::{DeviceKey, Identity};

/// A certificate of 30 days is renewed once this much or less of it is left.
const RENEW_WITH_LEFT: Duration = Duration::from_hours(20 * 24);
/// How often the certificate's age is looked at.
const LOOK_EVERY: Duration = Duration::from_hours(1);
const RETRY_BASE: Duration = Duration::from_mins(1);
const RETRY_CAP: Duration = Duration::from_hours(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Renews for ever.
pub(super) async fn run(link: &Link, asked: Arc<Notify>) {
    let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP, link.dice);
    let mut wanted = false;
    loop {
        wanted = wanted || is_due(link);
        let delay = match wanted {
            false => LOOK_EVERY,
            true => match renew(link).await {
                Ok(()) => {
                    tracing::info!("the device's certificate was renewed");
                    wanted = false;
                    backoff.reset();
                    LOOK_EVERY
                }
                Err(failure) => {
                    tracing::warn!(error = %failure, "the device's certificate was not renewed");
                    Link::delay(&failure, &mut backoff).whole()
                }
            },
        };
        tokio::select! {
            () = sleep(delay) => {}
            () = asked.notified() => wanted = true,
        }
    }
}

fn is_due(link: &Link) -> bool {
    let Some(identity) = link.identity.current() else { return false };
    let left_us = identity.not_after_us().saturating_sub(link.time.now_us());
    Duration::from_micros(u64::try_from(left_us).unwrap_or(0)) <= RENEW_WITH_LEFT
}

async fn renew(link: &Link) -> Result<(), Failure> {
    let key = DeviceKey::generate()?;
    let request = wire::RenewRequest { csr: key.signing_request()? };
    let mut client = link.client()?;
    let called = failpoint!("renew.call", timeout(ANSWER_WITHIN, client.renew(request)).await);
    let answer = called.map_err(|_| Failure::Silent)??.into_inner();
    let renewed = Identity::new(key, answer.certificate, answer.authorities, answer.server_time_us)?;
    if link.identity.device() != Some(renewed.device()) {
        return Err(Failure::Contract("the renewed certificate is of another device"));
    }
    link.time.tell(answer.server_time_us);
    let identity = Arc::clone(&link.identity);
    link.blocking(move || identity.replace(renewed)).await
}
