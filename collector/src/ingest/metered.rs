//! Counting what is received before it is whole.
//!
//! A message is kept until its last byte came. The bytes of half-received messages share budgets, one of their device
//! and one of all, and each message has to be whole in time: devices that begin and do not go on cost little, and not
//! for long, and one of them cannot take the room of all others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// What stands before each message: a flag and its length.
const PREFIX_BYTES: usize = 5;

/// A request's body under the budget.
pub(super) struct Metered<B = Incoming> {
    body: B,
    budgets: Vec<Arc<Semaphore>>,
    within: Duration,
    cut: Cut,
    /// For the bytes of the message that is on its way, of each budget.
    held: Vec<OwnedSemaphorePermit>,
    held_bytes: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Finds where messages end in a stream of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    /// Of the message, once its prefix is whole.
    missing: usize,
    /// Of the message that is on its way.
    begun: usize,
}

impl<B> Metered<B> {
    /// `body`, whose unfinished message counts against each of `budgets` and is whole `within` that time.
    pub(super) fn new(body: B, budgets: Vec<Arc<Semaphore>>, within: Duration) -> Self {
        Self { body, budgets, within, cut: Cut::default(), held: Vec::new(), held_bytes: 0, deadline: None }
    }

    /// Takes `data` into account.
    fn note(&mut self, data: &Bytes) -> Result<(), Status> {
        let ended = self.cut.pass(data);
        if ended {
            self.held.clear();
            self.held_bytes = 0;
            self.deadline = None;
        }
        let more = u32::try_from(self.cut.begun.saturating_sub(self.held_bytes)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        for (place, budget) in self.budgets.iter().enumerate() {
            let room = Arc::clone(budget).try_acquire_many_owned(more);
            let room = room.map_err(|_| Status::resource_exhausted("too much at once"))?;
            match self.held.get_mut(place) {
                Some(held) => held.merge(room),
                None => self.held.push(room),
            }
        }
        self.held_bytes = self.cut.begun;
        if self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(self.within)));
        }
        Ok(())
    }
}

impl Cut {
    /// Whether a message ended within `data`.
    fn pass(&mut self, mut data: &[u8]) -> bool {
        let mut ended = false;
        while !data.is_empty() {
            if self.prefix_bytes < PREFIX_BYTES {
                let wanted = PREFIX_BYTES - self.prefix_bytes;
                let (prefix, rest) = data.split_at(wanted.min(data.len()));
                for (to, byte) in self.prefix.iter_mut().skip(self.prefix_bytes).zip(prefix) {
                    *to = *byte;
                }
                self.prefix_bytes += prefix.len();
                self.begun += prefix.len();
                data = rest;
                if self.prefix_bytes == PREFIX_BYTES {
                    let [_, length @ ..] = self.prefix;
                    self.missing = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                }
            } else {
                let (message, rest) = data.split_at(self.missing.min(data.len()));
                self.missing -= message.len();
                self.begun += message.len();
                data = rest;
            }
            if self.prefix_bytes == PREFIX_BYTES && self.missing == 0 {
                *self = Self::default();
                ended = true;
            }
        }
        ended
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(Status::deadline_exceeded("a message was not whole in time").into())));
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        if let Some(data) = frame.data_ref()
            && let Err(status) = self.note(data)
        {
            return Poll::Ready(Some(Err(status.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(length: usize) -> Vec<u8> {
        let prefix = u32::try_from(length).unwrap().to_be_bytes();
        [&[0][..], &prefix, &vec![7; length]].concat()
    }

    proptest! {
        /// However a stream of messages is sliced: what counts as begun is what came since the last message ended.
        #[test]
        fn only_the_unfinished_message_counts(
            lengths in prop::collection::vec(0_usize..40, 1..6), slice in 1_usize..50, left_out in 0_usize..20
        ) {
            let mut stream: Vec<u8> = lengths.iter().flat_map(|length| framed(*length)).collect();
            let mut ends = 0;
            let boundaries: Vec<usize> =
                lengths.iter().map(|length| { ends += PREFIX_BYTES + length; ends }).collect();
            stream.truncate(stream.len().saturating_sub(left_out));
            let (mut cut, mut passed) = (Cut::default(), 0);
            for data in stream.chunks(slice) {
                let before = boundaries.iter().filter(|end| **end <= passed).count();
                let ended = cut.pass(data);
                passed += data.len();
                let after = boundaries.iter().filter(|end| **end <= passed).count();
                prop_assert_eq!(ended, after > before);
                let last = boundaries.iter().rev().find(|end| **end <= passed).copied().unwrap_or(0);
                prop_assert_eq!(cut.begun, passed - last);
            }
        }
    }

    #[tokio::test]
    async fn half_messages_share_a_budget_and_give_it_back_when_whole_or_dropped() {
        let budget = Arc::new(Semaphore::new(100));
        let body = || Metered::new((), vec![Arc::clone(&budget)], Duration::from_secs(1));
        let (mut one, mut other) = (body(), body());
        let message = Bytes::from(framed(80));
        one.note(&message.slice(..60)).unwrap();
        assert_eq!(budget.available_permits(), 40);
        assert_eq!(other.note(&message.slice(..50)).unwrap_err().code(), tonic::Code::ResourceExhausted);
        one.note(&message.slice(60..)).unwrap();
        assert_eq!(budget.available_permits(), 100);
        one.note(&message.slice(..30)).unwrap();
        drop(one);
        assert_eq!(budget.available_permits(), 100);
    }
}
