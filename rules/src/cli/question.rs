//! Texts to judge, one JSON object a line.

use std::io::{BufRead, Read as _};

use anyhow::Context as _;
use lapwing_rules::{Band, Scope, Text, split_url};
use serde::Deserialize;

use super::files;

/// Longest line read, in bytes: a whole URL or text with every character escaped.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// What is asked of a rule set.
pub(super) struct Question {
    pub(super) texts: Vec<Text>,
    pub(super) band: Band,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    text: String,
    band: String,
}

/// Reads lines one by one, so that an input of any length needs the memory of one line.
pub(super) struct Lines<R> {
    input: R,
    is_first: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, is_first: true }
    }

    /// The next line, or what is wrong with it; `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Result<Vec<u8>, String>>> {
        let mut line = Vec::new();
        let mut bounded = self.input.by_ref().take(MAX_LINE_BYTES as u64 + 1);
        bounded.read_until(b'\n', &mut line).context("cannot read the next line")?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() > MAX_LINE_BYTES && !line.ends_with(b"\n") {
            self.input.skip_until(b'\n').context("cannot read the next line")?;
            return Ok(Some(Err(format!("the line is longer than {MAX_LINE_BYTES} bytes"))));
        }
        if std::mem::take(&mut self.is_first) {
            line = files::without_mark(&line).to_vec();
        }
        Ok(Some(Ok(line)))
    }
}

/// Reads questions one by one.
pub(super) struct Questions<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Questions<R> {
    pub(super) fn new(input: R) -> Self {
        Self { lines: Lines::new(input) }
    }

    /// The next line as a question, or what is wrong with it; `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Result<Question, String>>> {
        let line = self.lines.next()?;
        Ok(line.map(|line| line.and_then(|line| question(&line))))
    }
}

/// The question of a line.
pub(super) fn question(line: &[u8]) -> Result<Question, String> {
    let written: Written = serde_json::from_slice(line).map_err(|error| format!("not a question: {error}"))?;
    let band = written.band.parse().map_err(|error| format!("{error}"))?;
    let texts = texts(&written.kind, &written.text)?;
    Ok(Question { texts, band })
}

/// The texts to judge of a text of this kind: a scope, or `url` for a whole URL split as on a device.
pub(super) fn texts(kind: &str, text: &str) -> Result<Vec<Text>, String> {
    match kind {
        "url" => Ok(split_url(text).map_err(|error| error.to_string())?.texts()),
        kind => Ok(vec![Text::new(kind.parse::<Scope>().map_err(|error| format!("{error}"))?, text)]),
    }
}
