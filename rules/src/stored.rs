//! A capture's verdict as it is kept: what `lapwing-rules explain --capture` reads and a collector exports.

mod replay;

use serde::{Deserialize, Serialize};

use crate::rule_set::MAX_TEXTS;
use crate::{Category, Class, Excepted, Hit, Level, Mark, RuleId, Scope, Span, Text, Verdict};

pub use replay::{Difference, Replay};

/// Longest text form of a band or category, in bytes.
const MAX_NAME_BYTES: usize = 32;
/// Most exceptions of a hit.
const MAX_EXCEPTED: usize = 8;
/// Longest phrase of an exception, in bytes.
const MAX_PHRASE_BYTES: usize = 128;
/// Hexadecimal digits of a digest.
const DIGEST_DIGITS: usize = 64;

/// A capture's verdict and the texts it is about: one JSON object, UTF-8, at most [`StoredCapture::MAX_BYTES`], in which
/// unknown keys are refused. `Debug` shows no text.
///
/// `texts` are the kept excerpts, in the order the spans count them; `null` says that none were kept, as for every
/// category without evidence. Spans are in bytes of their text, on character boundaries. Bands and categories of a later
/// build are kept as they are written.
///
/// ```
/// # use lapwing_rules::StoredCapture;
/// let json = r#"{
///   "format": 1,
///   "texts": [{ "scope": "title", "text": "how to take some lapwing eggs" }],
///   "verdict": {
///     "release": 7,
///     "rule_set": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
///     "band": "ks3",
///     "hits": [{
///       "rule": "birds.nest_theft", "category": "off_task_gaming", "level": 2, "weight": 0,
///       "spans": [
///         { "text": 0, "start": 7, "end": 11, "mark": "intent", "weight": 0 },
///         { "text": 0, "start": 17, "end": 29, "mark": "context", "weight": 0 }
///       ],
///       "excepted": [{ "phrase": "some lapwing", "text": 0, "start": 12, "end": 24 }]
///     }]
///   }
/// }"#;
/// assert!(StoredCapture::parse(json.as_bytes())?.render().contains("context \"lapwing eggs\""));
/// # Ok::<(), lapwing_rules::StoredCaptureError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredCapture {
    format: u32,
    texts: Option<Vec<StoredText>>,
    verdict: StoredVerdict,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredText {
    scope: Scope,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredVerdict {
    release: u64,
    rule_set: String,
    band: String,
    hits: Vec<StoredHit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHit {
    rule: RuleId,
    category: String,
    level: Level,
    weight: i32,
    spans: Vec<StoredSpan>,
    excepted: Vec<StoredExcepted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSpan {
    text: usize,
    start: usize,
    end: usize,
    mark: Mark,
    weight: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExcepted {
    phrase: String,
    text: usize,
    start: usize,
    end: usize,
}

/// Why a file is no stored capture.
#[derive(Debug, thiserror::Error)]
pub enum StoredCaptureError {
    /// Larger than [`StoredCapture::MAX_BYTES`].
    #[error("larger than {} bytes", StoredCapture::MAX_BYTES)]
    TooLarge,
    /// No JSON, or not of this form.
    #[error("not a stored capture: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of a later format.
    #[error("of format {found}, this build reads format {}", StoredCapture::FORMAT)]
    Format {
        /// Its format.
        found: u32,
    },
    /// A value out of its bounds.
    #[error("`{field}` is not {expected}")]
    OutOfBounds {
        /// Which value.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}

impl StoredCapture {
    /// The format written.
    pub const FORMAT: u32 = 1;
    /// Largest file read, in bytes.
    pub const MAX_BYTES: usize = 512 * 1024;

    /// The stored form of a verdict; `texts` are those its spans count. Where a category without evidence is among the
    /// hits, nothing of the texts is kept.
    #[must_use]
    pub fn new(texts: Option<&[Text]>, verdict: &Verdict) -> Self {
        let text = |text: &Text| StoredText { scope: text.scope, text: text.text.clone() };
        let texts = texts.filter(|_| verdict.hits.iter().all(|hit| keeps_evidence(hit.category)));
        let mut hits: Vec<StoredHit> = verdict.hits.iter().map(StoredHit::from).collect();
        if texts.is_none() {
            hits.iter_mut().for_each(StoredHit::forget_words);
        }
        let verdict = StoredVerdict {
            release: verdict.release.number(),
            rule_set: verdict.rule_set.to_string(),
            band: verdict.band.to_string(),
            hits,
        };
        Self { format: Self::FORMAT, texts: texts.map(|texts| texts.iter().map(text).collect()), verdict }
    }

    /// Reads and checks a stored capture.
    ///
    /// # Errors
    ///
    /// When it is too large, not of this form, of a later format, or a value is out of its bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, StoredCaptureError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(StoredCaptureError::TooLarge);
        }
        let stored: Self = serde_json::from_slice(bytes)?;
        if stored.format != Self::FORMAT {
            return Err(StoredCaptureError::Format { found: stored.format });
        }
        stored.check()?;
        Ok(stored)
    }

    fn check(&self) -> Result<(), StoredCaptureError> {
        let texts = self.texts.as_deref().unwrap_or_default();
        let verdict = &self.verdict;
        ensure(texts.len() <= MAX_TEXTS, "texts", "a list of at most 16")?;
        ensure(texts.iter().all(|text| text.text.len() <= Text::MAX_BYTES), "texts.text", "at most 4096 bytes")?;
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_digest = verdict.rule_set.len() == DIGEST_DIGITS && verdict.rule_set.bytes().all(is_digit);
        ensure(is_digest, "verdict.rule_set", "64 lower-case hexadecimal digits")?;
        ensure(verdict.band.len() <= MAX_NAME_BYTES, "verdict.band", "at most 32 bytes")?;
        ensure(verdict.hits.len() <= Verdict::MAX_HITS, "verdict.hits", "a list of at most 16")?;
        let kept = verdict.hits.iter().filter_map(|hit| hit.category.parse().ok()).all(keeps_evidence);
        ensure(kept || self.texts.is_none(), "texts", "null, though a category without evidence is among the hits")?;
        verdict.hits.iter().try_for_each(|hit| hit.check(self.texts.as_deref()))
    }

    fn judged_texts(&self) -> Option<Vec<Text>> {
        Some(self.texts.as_ref()?.iter().map(|text| Text::new(text.scope, text.text.as_str())).collect())
    }
}

impl StoredHit {
    fn forget_words(&mut self) {
        self.spans.clear();
        self.excepted.clear();
    }

    fn check(&self, texts: Option<&[StoredText]>) -> Result<(), StoredCaptureError> {
        ensure(self.category.len() <= MAX_NAME_BYTES, "hits.category", "at most 32 bytes")?;
        ensure(self.spans.len() <= Hit::MAX_SPANS, "hits.spans", "a list of at most 32")?;
        ensure(self.excepted.len() <= MAX_EXCEPTED, "hits.excepted", "a list of at most 8")?;
        let short = self.excepted.iter().all(|excepted| excepted.phrase.len() <= MAX_PHRASE_BYTES);
        ensure(short, "hits.excepted.phrase", "at most 128 bytes")?;
        let Some(texts) = texts else {
            return ensure(self.spans.is_empty() && self.excepted.is_empty(), "hits.spans", "empty without texts");
        };
        let stands = |text: usize, start, end| {
            start < end && texts.get(text).is_some_and(|text| text.text.get(start..end).is_some())
        };
        let spans = self.spans.iter().all(|span| stands(span.text, span.start, span.end));
        ensure(spans, "hits.spans", "a stretch of one of the texts")?;
        let excepted = self.excepted.iter().all(|excepted| stands(excepted.text, excepted.start, excepted.end));
        ensure(excepted, "hits.excepted", "a stretch of one of the texts")
    }
}

fn keeps_evidence(category: Category) -> bool {
    category.class() != Class::IllegalNoEvidence
}

fn ensure(holds: bool, field: &'static str, expected: &'static str) -> Result<(), StoredCaptureError> {
    if holds { Ok(()) } else { Err(StoredCaptureError::OutOfBounds { field, expected }) }
}

impl From<&Hit> for StoredHit {
    fn from(hit: &Hit) -> Self {
        let span = |Span { text, start, end, mark, weight }: &Span| StoredSpan {
            text: *text,
            start: *start,
            end: *end,
            mark: *mark,
            weight: *weight,
        };
        let excepted = |Excepted { phrase, text, start, end }: &Excepted| StoredExcepted {
            phrase: phrase.clone(),
            text: *text,
            start: *start,
            end: *end,
        };
        Self {
            rule: hit.rule.clone(),
            category: hit.category.id().to_owned(),
            level: hit.level,
            weight: hit.weight,
            spans: hit.spans.iter().map(span).collect(),
            excepted: hit.excepted.iter().map(excepted).collect(),
        }
    }
}

impl std::fmt::Debug for StoredText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:<redacted>", self.scope)
    }
}
