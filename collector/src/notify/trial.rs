//! Trying every channel with a harmless message, for whoever set them up.

use std::time::Duration;

use super::failure::Failure;
use super::letter::{Saying, write};
use super::{Channels, MAIL};
use crate::ids::MessageId;

/// Longest try of one channel.
const WITHIN: Duration = Duration::from_secs(30);

/// A channel that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    /// "mail", or the name of a shared channel.
    pub(crate) channel: String,
    /// Why it did not work, as a code; `None` where it did.
    pub(crate) failed: Option<String>,
}

/// Sends a message that asks for nothing by every channel: mail to `to`, or to its own sender. Mail comes first, then
/// the shared channels in the order of their names.
pub(crate) async fn try_all(
    channels: &Channels,
    to: Option<&str>,
    now_us: i64,
) -> Result<Vec<Tried>, getrandom::Error> {
    let letter = write(&Saying::Test, &channels.sign_in);
    let mut tried = Vec::new();
    if let Some(mailer) = channels.mailer() {
        let own = mailer.from();
        let sending = mailer.send(MessageId::random()?, to.unwrap_or(&own), &letter, now_us);
        tried.push(Tried { channel: MAIL.to_owned(), failed: within(sending).await });
    }
    for target in channels.targets() {
        let sending = target.send(MessageId::random()?, &letter, now_us);
        tried.push(Tried { channel: target.name().to_owned(), failed: within(sending).await });
    }
    Ok(tried)
}

async fn within(sending: impl Future<Output = Result<(), Failure>>) -> Option<String> {
    match tokio::time::timeout(WITHIN, sending).await {
        Ok(sent) => sent.err().map(|failure| failure.code),
        Err(_) => Some("timeout".to_owned()),
    }
}
