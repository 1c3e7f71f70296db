//! Answers that are no page: what happened, what is safe, what to do, and a reference where somebody must look.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use data_encoding::BASE32_NOPAD;
use http::{StatusCode, Uri};
use tracing::error;

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody is signed in; `onward` is where they wanted to go.
    SignedOut {
        /// A path of this console.
        onward: Option<String>,
    },
    /// Nobody is between password and second step here; `onward` is where they wanted to go.
    TurnOver {
        /// A path of this console.
        onward: Option<String>,
    },
    /// The person's roles do not open this page.
    WrongRole,
    /// The concern does not exist, or is not theirs: the same words for both.
    NotYours,
    /// No page stands at this address.
    NoSuchPage,
    /// The form did not come from a page of this session.
    Forged,
    /// The form lacks something, or holds too much.
    BadForm,
    /// A false alarm with an outcome that it cannot have.
    Contradiction,
    /// The step is not possible as the concern now stands.
    OutOfTurn,
    /// A request that was answered for good, was withdrawn or has lapsed.
    Settled,
    /// An exemption that is over.
    Over,
    /// A case closes with more than was said.
    NeedsReview,
    /// Two concerns that cannot become one.
    CannotMerge,
    /// Somebody for whom that cannot be done.
    NotForThem,
    /// A rule that technicians are not told of.
    CannotReport,
    /// A concern that is decided a step at a time.
    NotAtOnce,
    /// A concern that is not put off.
    CannotPutOff,
    /// Nothing can be taken back any more.
    TooLate,
    /// Nobody further up may see the concern.
    NobodyFurther,
    /// A request that cannot be made or answered, and why.
    NoRequest(String),
    /// Too many sign-ins at once.
    Busy,
    /// Something failed while reading.
    Failed {
        /// Also in the log.
        reference: String,
    },
    /// Something failed while saving.
    NotSaved {
        /// Also in the log.
        reference: String,
    },
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    page: Said,
}

struct Said {
    heading: &'static str,
    because: Option<String>,
    lines: &'static [&'static str],
    reference: Option<String>,
    onward: Onward,
}

struct Onward {
    address: &'static str,
    words: &'static str,
}

/// Pages that a person may be sent to after signing in.
const PAGES: [&str; 11] = [
    "/queue",
    "/devices",
    "/checks",
    "/media",
    "/counts",
    "/requests",
    "/exemptions",
    "/away",
    "/local-help",
    "/keys",
    "/two-step",
];
const HOME: Onward = Onward { address: "/", words: "Go to the first page" };

impl Refusal {
    /// Something failed while reading: the detail goes to the log, its reference to the reader.
    pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { reference: logged(error) }
    }

    /// Something failed while saving.
    pub(super) fn not_saved(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::NotSaved { reference: logged(error) }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut { .. } | Self::TurnOver { .. } => StatusCode::SEE_OTHER,
            Self::WrongRole | Self::Forged => StatusCode::FORBIDDEN,
            Self::NotYours | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::BadForm | Self::Contradiction | Self::NeedsReview | Self::NotForThem | Self::NoRequest(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::OutOfTurn
            | Self::Settled
            | Self::Over
            | Self::CannotMerge
            | Self::CannotReport
            | Self::NotAtOnce
            | Self::CannotPutOff
            | Self::TooLate
            | Self::NobodyFurther => StatusCode::CONFLICT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed { .. } | Self::NotSaved { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn said(self) -> Said {
        let (heading, lines): (_, &'static [&'static str]) = match &self {
            Self::SignedOut { .. } | Self::TurnOver { .. } => ("You are signed out", &["Sign in to go on."]),
            Self::WrongRole => ("You cannot open this page", &["Your role does not open it."]),
            Self::NotYours => ("You cannot open this concern.", &["It may be closed to you, or the address is wrong."]),
            Self::NoSuchPage => ("There is no such page", &["Check the address."]),
            Self::Forged => (
                "That was not saved",
                &[
                    "The form was too old, or did not come from this console. Nothing was changed.",
                    "Go back, load the page again, and try once more.",
                ],
            ),
            Self::BadForm => (
                "That was not saved",
                &["Something in the form is missing or too long. Nothing was changed.", "Go back and check it."],
            ),
            Self::Contradiction => (
                "That was not saved",
                &[
                    "A false alarm goes with \u{201c}Nothing more\u{201d} or a change to the filter. Nothing was changed.",
                    "Go back and choose again.",
                ],
            ),
            Self::OutOfTurn => (
                "That is not possible now",
                &[
                    "The concern has moved on, perhaps by somebody else. Nothing was changed.",
                    "Open it again to see where it stands.",
                ],
            ),
            Self::Settled => (
                "That request is settled",
                &["Somebody was quicker: it was decided or withdrawn, or two weeks passed. Nothing was changed."],
            ),
            Self::Over => ("That exemption is over", &["It ended before, or somebody was quicker. Watching is back."]),
            Self::NeedsReview => (
                "That was not closed",
                &[
                    "A case on the child's file, or with another body, closes with a review date (or \u{201c}no review \
                     needed\u{201d}) and with what was learnt. Nothing was changed.",
                    "Go back and fill in both.",
                ],
            ),
            Self::CannotMerge => (
                "These two cannot become one",
                &[
                    "Both must be about the same person and not decided yet, and the lower one counts towards the higher. \
                     While an illegal case about the person is open, nothing is merged. Nothing was changed.",
                    "Go back and check the reference.",
                ],
            ),
            Self::NotForThem => (
                "That cannot be done for this person",
                &[
                    "Check whom you chose: somebody who reads concerns and can sign in, or a pupil who is on the school's \
                     list. Nothing was changed.",
                ],
            ),
            Self::CannotReport => (
                "Nobody was told of that rule",
                &[
                    "Technicians are told of rules that fired on a pupil's own account, and of no illegal class. Nothing was changed.",
                ],
            ),
            Self::NotAtOnce => (
                "Decide this one a step at a time",
                &[
                    "It is critical, illegal, or a case for the child's file or another body. Nothing was changed.",
                    "Open it and go through the steps.",
                ],
            ),
            Self::CannotPutOff => (
                "That was not put off",
                &[
                    "Acknowledge a concern before you put it off, by two weeks at most. A critical one is not put off. Nothing was changed.",
                ],
            ),
            Self::TooLate => (
                "That cannot be taken back any more",
                &[
                    "Somebody has gone on since, or the time for it is over. Nothing was changed.",
                    "Open the concern to see where it stands. You can reopen or decide it again there.",
                ],
            ),
            Self::NobodyFurther => (
                "Nobody further up can see this concern",
                &[
                    "Everybody who may see it and is there sees it already. Nothing was changed.",
                    "Speak with them. If a child is in danger, call 999.",
                ],
            ),
            Self::NoRequest(_) => ("That request was not made", &["Nothing was changed. Go back and check it."]),
            Self::Busy => ("The console is busy", &["Too many people are signing in at once. Try again in a minute."]),
            Self::Failed { .. } => ("The page could not be shown", &["Nothing was lost. Try again."]),
            Self::NotSaved { .. } => ("The decision was not saved", &["Nothing was lost. Try again."]),
        };
        let because = if let Self::NoRequest(because) = &self { Some(because.clone()) } else { None };
        let reference = match self {
            Self::Failed { reference } | Self::NotSaved { reference } => Some(reference),
            Self::SignedOut { .. }
            | Self::TurnOver { .. }
            | Self::WrongRole
            | Self::NotYours
            | Self::NoSuchPage
            | Self::Forged
            | Self::BadForm
            | Self::Contradiction
            | Self::OutOfTurn
            | Self::Settled
            | Self::Over
            | Self::NeedsReview
            | Self::CannotMerge
            | Self::NotForThem
            | Self::CannotReport
            | Self::NotAtOnce
            | Self::CannotPutOff
            | Self::TooLate
            | Self::NobodyFurther
            | Self::NoRequest(_)
            | Self::Busy => None,
        };
        Said { heading, because, lines, reference, onward: HOME }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::TurnOver { onward } = &self {
            return super::second_step::again("turn-over", onward.as_deref());
        }
        if let Self::SignedOut { onward } = &self {
            return Redirect::to(&sign_in_address(onward.as_deref())).into_response();
        }
        let status = self.status();
        match (RefusalPage { page: self.said() }).render() {
            Ok(page) => (status, Html(page)).into_response(),
            Err(_) => status.into_response(),
        }
    }
}

/// The fallback of every address.
pub(super) async fn no_such_page() -> Refusal {
    Refusal::NoSuchPage
}

/// A path of this console that a person may be sent to after signing in.
pub(super) fn onward(uri: &Uri) -> Option<String> {
    let path = uri.path();
    is_onward(path).then(|| path.to_owned())
}

/// Whether `path` is one of the pages that a person may be sent to: never another host.
pub(super) fn is_onward(path: &str) -> bool {
    let reference = path.strip_prefix("/concerns/");
    PAGES.contains(&path) || reference.is_some_and(is_reference)
}

/// Whether `text` could be a concern's reference.
pub(super) fn is_reference(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(is_of_reference)
}

const fn is_of_reference(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-'
}

fn sign_in_address(onward: Option<&str>) -> String {
    onward.map_or_else(|| "/sign-in".to_owned(), |path| format!("/sign-in?onward={path}"))
}

fn logged(error: &(dyn std::error::Error + 'static)) -> String {
    let reference = reference();
    let causes = std::iter::successors(Some(error), |error| error.source());
    let chain = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    error!(error.reference = reference, error = chain, "a page of the console failed");
    reference
}

/// As said on the telephone: K7-3F2Q.
fn reference() -> String {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        return "NO-CODE".to_owned();
    }
    let letters = BASE32_NOPAD.encode(&bytes);
    let (head, tail) = letters.split_at_checked(2).unwrap_or(("", &letters));
    format!("{head}-{}", tail.get(..4).unwrap_or(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host_after_signing_in() {
        for path in [
            "//evil.example",
            "/concerns//evil.example",
            "https://evil.example",
            "/sign-out",
            "/concerns/",
            "/concerns/a?b",
        ] {
            assert!(!is_onward(path), "{path}");
        }
        assert!(is_onward("/concerns/K7-3F2P"));
        assert!(is_onward("/queue"));
    }

    #[test]
    fn every_refusal_has_a_page_that_says_what_is_safe() {
        let reference = || "K7-3F2P".to_owned();
        let refusals = [
            Refusal::WrongRole,
            Refusal::NotYours,
            Refusal::NoSuchPage,
            Refusal::Forged,
            Refusal::BadForm,
            Refusal::Contradiction,
            Refusal::OutOfTurn,
            Refusal::Settled,
            Refusal::Over,
            Refusal::NeedsReview,
            Refusal::CannotMerge,
            Refusal::NotForThem,
            Refusal::CannotReport,
            Refusal::NotAtOnce,
            Refusal::CannotPutOff,
            Refusal::TooLate,
            Refusal::NobodyFurther,
            Refusal::NoRequest("it takes two".to_owned()),
            Refusal::Busy,
            Refusal::Failed { reference: reference() },
            Refusal::NotSaved { reference: reference() },
        ];
        for refusal in refusals {
            let quotes = matches!(refusal, Refusal::Failed { .. } | Refusal::NotSaved { .. });
            let page = RefusalPage { page: refusal.said() }.render().unwrap();
            assert_eq!(page.contains("K7-3F2P"), quotes);
        }
    }

    #[test]
    fn a_reference_can_be_said_on_the_telephone() {
        let reference = reference();
        assert_eq!(reference.len(), 7);
        assert_ne!(reference, super::reference());
    }
}
