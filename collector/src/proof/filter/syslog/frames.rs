//! Messages of a connection: lines, or each preceded by its length (RFC 6587). The first byte decides for all of them: what
//! a message holds never makes another one.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::proof::filter::message::MAX_MESSAGE_BYTES;

/// Digits of a message's length, and the space behind them.
const MAX_DIGITS: u64 = 7;
/// Longest message that is passed over, in bytes; a connection that tells of a longer one ends.
const MAX_FRAME_BYTES: u64 = 64 * 1024;

/// Reads messages.
pub(super) struct Frames<S> {
    stream: S,
    is_counted: Option<bool>,
    message: Vec<u8>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A message.
    Whole(&'a [u8]),
    /// One that is too long, or that the connection ended in: it is no message.
    Cut,
    /// No more come.
    End,
}

impl<S: AsyncBufRead + Unpin> Frames<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, is_counted: None, message: Vec::new() }
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub(super) async fn next(&mut self) -> io::Result<Frame<'_>> {
        self.message.clear();
        let Some(first) = self.stream.fill_buf().await?.first() else { return Ok(Frame::End) };
        if *self.is_counted.get_or_insert(first.is_ascii_digit()) { self.counted().await } else { self.line().await }
    }

    async fn line(&mut self) -> io::Result<Frame<'_>> {
        let most = MAX_MESSAGE_BYTES.try_into().unwrap_or(u64::MAX);
        (&mut self.stream).take(most).read_until(b'\n', &mut self.message).await?;
        if self.message.ends_with(b"\n") {
            return Ok(Frame::Whole(&self.message));
        }
        // The rest of a line is none of its own.
        loop {
            let held = self.stream.fill_buf().await?;
            let (length, ends) = match held.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (held.len(), held.is_empty()),
            };
            self.stream.consume(length);
            if ends {
                return Ok(Frame::Cut);
            }
        }
    }

    async fn counted(&mut self) -> io::Result<Frame<'_>> {
        (&mut self.stream).take(MAX_DIGITS).read_until(b' ', &mut self.message).await?;
        let digits = self.message.strip_suffix(b" ").and_then(|digits| std::str::from_utf8(digits).ok());
        let length = digits.and_then(|digits| digits.parse::<u64>().ok());
        let Some(length) = length.filter(|length| *length <= MAX_FRAME_BYTES) else { return Ok(Frame::End) };
        self.message.clear();
        (&mut self.stream).take(length).read_to_end(&mut self.message).await?;
        let read = u64::try_from(self.message.len()).unwrap_or(u64::MAX);
        let is_whole = read == length && self.message.len() <= MAX_MESSAGE_BYTES;
        Ok(if is_whole { Frame::Whole(&self.message) } else { Frame::Cut })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// The messages, those that were cut as nothing.
    async fn frames(text: &str) -> Vec<Option<String>> {
        let (mut frames, mut read) = (Frames::new(Cursor::new(text.as_bytes())), Vec::new());
        loop {
            match frames.next().await.unwrap() {
                Frame::Whole(message) => read.push(Some(String::from_utf8(message.to_vec()).unwrap())),
                Frame::Cut => read.push(None),
                Frame::End => return read,
            }
        }
    }

    fn whole(messages: &[&str]) -> Vec<Option<String>> {
        messages.iter().map(|message| Some((*message).to_owned())).collect()
    }

    #[tokio::test]
    async fn messages_are_lines_or_told_by_their_length_for_the_whole_connection() {
        assert_eq!(frames("<1>a\n<1>b\n").await, whole(&["<1>a\n", "<1>b\n"]));
        assert_eq!(frames("<1>a\n99 <1>b\n").await, whole(&["<1>a\n", "99 <1>b\n"]), "a line is no length");
        assert_eq!(frames("4 <1>a5 <1>bc").await, whole(&["<1>a", "<1>bc"]));
        for ends in ["99999999 <1>a", "1x <1>a", "4 <1>a<1>b\n"] {
            assert!(frames(ends).await.len() <= 1, "{ends}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_or_cut_off_is_no_message_and_its_rest_is_none_either() {
        let long = "x".repeat(MAX_MESSAGE_BYTES);
        let rest = "<1>user_name=ben category=Suicide url=a.example";
        assert_eq!(frames(&format!("<1>{long}{rest}\n<1>b\n")).await, [None, Some("<1>b\n".to_owned())]);
        let counted = format!("{} <1>{long}5 <1>bc", long.len() + 3);
        assert_eq!(frames(&counted).await, [None, Some("<1>bc".to_owned())]);
        assert_eq!(frames("9 <1>").await, [None]);
        assert_eq!(frames("<1>a").await, [None], "nobody knows what was to come");
    }
}
