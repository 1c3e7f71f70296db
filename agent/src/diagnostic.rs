//! What is wrong with the agent as a whole, in codes that travel with the status and that `doctor` explains.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapwing_proto::wire;
use tokio::sync::watch;

use crate::observation::cut;

pub use lapwing_proto::DiagnosticCode as Code;

/// Longest detail that travels, in bytes; longer ones are cut.
pub const MAX_DETAIL_BYTES: usize = 256;

/// Most codes that travel in one status.
pub const MAX_TOLD: usize = 16;

/// What is wrong now, one entry a code. Clones are the same board.
#[derive(Clone, Debug)]
pub struct Diagnostics(Arc<watch::Sender<BTreeMap<Code, String>>>);

impl Diagnostics {
    /// Nothing is wrong.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }

    /// Something is wrong. The detail holds no personal data; it is cut to [`MAX_DETAIL_BYTES`].
    pub fn raise(&self, code: Code, detail: impl Into<String>) {
        let detail = cut(detail.into(), MAX_DETAIL_BYTES);
        let news = self.0.send_if_modified(|board| {
            let changed = board.get(&code) != Some(&detail);
            board.insert(code, detail.clone());
            changed
        });
        if news {
            tracing::warn!(code = code.as_str(), detail, "{}", code.in_words());
        }
    }

    /// It is no longer wrong.
    pub fn clear(&self, code: Code) {
        self.0.send_if_modified(|board| board.remove(&code).is_some());
    }

    /// What is wrong now, in order of the codes.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Code, String> {
        self.0.borrow().clone()
    }

    /// What is wrong now, as it travels: the first [`MAX_TOLD`].
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::Diagnostic> {
        let entry = |(code, detail): (&Code, &String)| wire::Diagnostic {
            code: code.as_str().to_owned(),
            detail: detail.clone(),
        };
        self.0.borrow().iter().map(entry).take(MAX_TOLD).collect()
    }

    /// A receiver that wakes at each change.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<BTreeMap<Code, String>> {
        self.0.subscribe()
    }
}

impl Default for Diagnostics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mended_is_no_longer_reported() {
        let board = Diagnostics::new();
        board.raise(Code::NoPolicy, "x".repeat(1_000));
        assert_eq!(board.to_wire().first().unwrap().detail.len(), MAX_DETAIL_BYTES);
        board.clear(Code::NoPolicy);
        assert!(board.to_wire().is_empty());
        Code::ALL.into_iter().for_each(|code| board.raise(code, ""));
        assert_eq!(board.to_wire().len(), MAX_TOLD);
    }
}
