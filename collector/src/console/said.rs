//! What a page says first: what was just done, and how it is taken back.
//!
//! ```text
//! done=closed&was=K7-3F2P           a concern that is not the one on the page
//! done=closed-several&was=..&was=..&left=2   several at once
//! ```

use percent_encoding::percent_decode_str;

use super::refusal::{self, Refusal};
use super::role::SignedIn;
use super::{ConsoleState, decision, several, words};
use crate::store::queue as rows;
use crate::store::undoable;

/// Longest part of an address that is read for it, in bytes.
const MAX_QUERY_BYTES: usize = 4 * 1024;

/// What an address says was just done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Its code.
    code: String,
    /// With which concerns; none: the one on the page.
    was: Vec<String>,
    /// How many were left as they were.
    left: u16,
}

/// The sentence, and the button beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) words: String,
    pub(super) undo: Option<Undo>,
}

/// A form that takes back what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undo {
    pub(super) address: String,
    /// References that go with it.
    pub(super) concerns: Vec<String>,
}

impl Done {
    /// Of the part of an address after its `?`. What is not understood is left out.
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut done = Self::default();
        for part in query.filter(|query| query.len() <= MAX_QUERY_BYTES).unwrap_or_default().split('&') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match key {
                "done" => done.code = value.into_owned(),
                "was" if refusal::is_reference(&value) && done.was.len() < several::MOST => {
                    done.was.push(value.into_owned());
                }
                "left" => done.left = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        done
    }

    /// In words, for `person` on the page of `current`, or on their list; `kept` is the part of an address that says the list.
    pub(super) async fn said(
        &self,
        state: &ConsoleState,
        person: &SignedIn,
        current: Option<&str>,
        kept: &str,
    ) -> Result<Option<Said>, Refusal> {
        let mut known = Self { code: self.code.clone(), was: Vec::new(), left: self.left };
        for reference in &self.was {
            let found = rows::by_reference(&state.store, person.actor(), reference).await;
            if found.map_err(|error| Refusal::failed(&error))?.is_some() {
                known.was.push(reference.clone());
            }
        }
        if known.was.is_empty() && !self.was.is_empty() {
            return Ok(None);
        }
        let (Some(words), about) = (known.words(), known.was.first().map(String::as_str).or(current)) else {
            return Ok(None);
        };
        let undo = match (self.code.as_str(), about) {
            ("put-off", Some(about)) => {
                Some(Undo { address: format!("/concerns/{about}/bring-back{kept}"), concerns: Vec::new() })
            }
            ("acknowledged-several" | "closed-several", Some(about)) => {
                let undo = Undo { address: format!("/queue/several/undo{kept}"), concerns: known.was.clone() };
                is_offered(state, person, about).await?.then_some(undo)
            }
            ("acknowledged" | "judged" | "closed" | "reopened", Some(about)) => {
                let is_offered = is_offered(state, person, about).await?;
                let undo = Undo { address: format!("/concerns/{about}/undo{kept}"), concerns: Vec::new() };
                is_offered.then_some(undo)
            }
            (_, _) => None,
        };
        Ok(Some(Said { words, undo }))
    }

    /// "18 concerns acknowledged. 2 could not be acknowledged."
    fn counted(&self, done: &str, not_done: &str) -> String {
        let count = i64::try_from(self.was.len()).unwrap_or(i64::MAX);
        let left = match self.left {
            0 => String::new(),
            left => format!(" {} could not {not_done}.", words::thousands(left.into())),
        };
        format!("{} {done}.{left}", words::plural(count, "concern"))
    }

    fn words(&self) -> Option<String> {
        let Some(was) = self.was.first() else {
            return match self.code.as_str() {
                "handed-over" => Some("You handed the concern over, and your colleague was told.".to_owned()),
                "acknowledged-several" | "closed-several" => {
                    Some("Nothing was changed. None of them could be done together.".to_owned())
                }
                "back-several" => Some("Nothing could be taken back any more.".to_owned()),
                code => decision::done_words(code).map(str::to_owned),
            };
        };
        match self.code.as_str() {
            "closed" => Some(format!("Concern {was} is closed.")),
            "put-off" => Some(format!(
                "Concern {was} is hidden from your list until the time you chose, or until anything changes."
            )),
            "acknowledged-several" => Some(self.counted("acknowledged", "be acknowledged")),
            "closed-several" => Some(self.counted("closed", "be closed")),
            "back-several" => Some(self.counted("taken back", "be taken back")),
            _ => None,
        }
    }
}

/// Whether `person` can take back what they did last of the concern of that reference.
async fn is_offered(state: &ConsoleState, person: &SignedIn, reference: &str) -> Result<bool, Refusal> {
    let offered = async {
        let concern = rows::by_reference(&state.store, person.actor(), reference).await?;
        let (Some(concern), Some(own)) = (concern, person.actor().person()) else { return Ok(false) };
        undoable::is_offered(&state.store, &state.school, (concern, own), state.clock.wall_us()).await
    };
    let offered: Result<bool, crate::store::StoreError> = offered.await;
    offered.map_err(|error| Refusal::failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_what_was_done_and_nothing_else_of_it_is_believed() {
        let done = Done::of(Some("level=4&done=closed-several&was=K7-3F2P&was=%3Cb%3E&was=K8-AAAA&left=2&left=x&x"));
        assert_eq!((done.code.as_str(), done.was.len(), done.left), ("closed-several", 2, 0));
        assert_eq!(Done::of(Some("done=<script>")).words(), None);
        assert_eq!(Done::of(Some("done=anything&was=K7-3F2P")).words(), None);
        assert_eq!(Done::of(Some("done=closed&was=K7-3F2P")).words().unwrap(), "Concern K7-3F2P is closed.");
    }
}
