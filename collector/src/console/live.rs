//! Live rows: a page of the queue that stays open hears of what changed, and only of what its reader may know.
//!
//! Whatever the reader may not know of sends nothing and moves no timer: to them the stream is the same with it and
//! without.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior};

use super::ConsoleState;
use super::queue::filter::Filter;
use super::queue::{self, RowView};
use super::role::{Listener, SignedIn};
use super::words::Present;
use crate::ids::ConcernId;
use crate::store::StoreError;
use crate::store::queue::{self as rows, Sought};
use crate::store::web_sessions::{self, Session};
use crate::triage::ConcernChanged;

/// Clocks are told anew this often, and whatever was missed with them. Shorter than any proxy's idle limit.
const ROUND: Duration = Duration::from_secs(50);

#[derive(Template)]
#[template(path = "row.html")]
struct RowPart<'a> {
    row: &'a RowView,
    current: Option<String>,
}

/// One reader's stream.
struct Live {
    state: ConsoleState,
    person: SignedIn,
    /// What the page shows: rows that do not match it are nothing to it.
    filter: Filter,
    changes: Receiver<ConcernChanged>,
    rounds: Interval,
    is_over: bool,
}

/// Why the stream looks again.
enum Cause {
    Changed(ConcernId),
    Round,
    Over,
}

/// `GET /queue/live`.
pub(super) async fn stream(
    State(state): State<ConsoleState>,
    listener: Listener,
    RawQuery(query): RawQuery,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = state.events.subscribe();
    let (person, filter) = (listener.into_signed_in(), Filter::of(query.as_deref()));
    let live = Live { state, person, filter, changes, rounds, is_over: false };
    let batches = stream::unfold(live, |mut live| async move {
        let events = live.next().await?;
        Some((stream::iter(events.into_iter().map(Ok)), live))
    });
    Sse::new(batches.flatten())
}

impl Live {
    /// The next events; none when the stream is over.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.is_over {
            return None;
        }
        let cause = self.cause().await;
        let Some(session) = self.session().await else {
            // The moment of the end must not tell of a concern that they may not know of.
            if !self.may_know(&cause).await {
                return Some(Vec::new());
            }
            self.is_over = true;
            return Some(vec![Event::default().event("end").data("signed out")]);
        };
        let events = match cause {
            Cause::Over => return None,
            Cause::Changed(concern) => self.one(&session, concern).await,
            Cause::Round => self.all(&session).await,
        };
        // A page that opens reads everything anew, so a stream that fails may simply end.
        events.ok()
    }

    async fn cause(&mut self) -> Cause {
        loop {
            tokio::select! {
                () = self.state.shutdown.requested() => return Cause::Over,
                _ = self.rounds.tick() => return Cause::Round,
                change = self.changes.recv() => match change {
                    Ok(change) if change.school == self.state.school => return Cause::Changed(change.concern),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Cause::Round,
                    Err(RecvError::Closed) => return Cause::Over,
                }
            }
        }
    }

    /// Whether what happened may show to the person who began to listen.
    async fn may_know(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Round | Cause::Over => true,
            Cause::Changed(concern) => {
                let row = rows::row(&self.state.store, self.person.actor(), *concern).await;
                row.is_ok_and(|row| row.is_some())
            }
        }
    }

    /// The session, read again: roles may have been taken, and listening does not keep it open.
    async fn session(&self) -> Option<Session> {
        let (now_us, hash) = (self.state.clock.wall_us(), self.person.secret().hash());
        web_sessions::find(&self.state.store, &self.state.school, &hash, now_us).await.ok().flatten()
    }

    /// The row of a concern that changed, where the reader may know of it and their list holds it.
    async fn one(&self, session: &Session, concern: ConcernId) -> Result<Vec<Event>, StoreError> {
        let rows = self.rows(session, Some(concern)).await?;
        Ok(self.events(session, &rows))
    }

    async fn all(&self, session: &Session) -> Result<Vec<Event>, StoreError> {
        let rows = self.rows(session, None).await?;
        let mut events = self.events(session, &rows);
        events.push(Event::default().comment("round"));
        Ok(events)
    }

    async fn rows(&self, session: &Session, only: Option<ConcernId>) -> Result<Vec<rows::QueueRow>, StoreError> {
        let present = Present::new(self.state.clock.wall_us(), &session.calendar);
        let sought = Sought { only, ..self.filter.sought(&present) };
        rows::rows(&self.state.store, &session.actor, &sought, queue::LIMIT).await
    }

    fn events(&self, session: &Session, rows: &[rows::QueueRow]) -> Vec<Event> {
        let present = Present::new(self.state.clock.wall_us(), &session.calendar);
        let kept = self.filter.kept();
        rows.iter().filter_map(|row| event(&queue::row_view(&present, row, &kept))).collect()
    }
}

fn event(row: &RowView) -> Option<Event> {
    let html = RowPart { row, current: None }.render().ok()?;
    Some(Event::default().event("row").data(html))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn a_stream_tells_its_reader_of_their_own_concerns_and_of_no_other() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await.listens("/queue/live").await;
        assert_eq!(dsl.next().await, ": round");
        seeded.concern("teacher", Category::Gambling, Level::High, "seeded words").await;
        let own = seeded.concern("amelia", Category::Drugs, Level::Moderate, "seeded words").await;
        let event = dsl.next().await;
        assert!(event.starts_with("event: row") && event.contains(&own), "{event}");
        assert!(event.contains("A. J.") && !event.contains("seeded words"));
        seeded.shutdown.request();
        assert_eq!(dsl.next().await, "");
    }

    #[tokio::test]
    async fn a_stream_of_a_filtered_list_tells_of_what_matches_alone() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await.listens("/queue/live?category=drugs").await;
        assert_eq!(dsl.next().await, ": round");
        seeded.concern("ben", Category::Gambling, Level::High, "words").await;
        let own = seeded.concern("amelia", Category::Drugs, Level::High, "words").await;
        let event = dsl.next().await;
        assert!(event.starts_with("event: row") && event.contains(&own), "{event}");
        // What the reader may not know of sends nothing, not the first of the list again either.
        seeded.concern("dsl", Category::Drugs, Level::Moderate, "words").await;
        let further = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        let event = dsl.next().await;
        assert!(event.contains(&further) && !event.contains(&own), "{event}");
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_session() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.visitor("dsl").await;
        let mut dsl = visitor.listens("/queue/live").await;
        assert_eq!(dsl.next().await, ": round");
        visitor.post("/sign-out", &[]).await;
        seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        assert!(dsl.next().await.starts_with("event: end"));
        assert_eq!(dsl.next().await, "");
    }

    #[tokio::test]
    async fn a_stream_whose_session_is_over_does_not_end_by_a_concern_of_others() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.visitor("dsl").await;
        let mut dsl = visitor.listens("/queue/live").await;
        assert_eq!(dsl.next().await, ": round");
        visitor.post("/sign-out", &[]).await;
        seeded.concern("teacher", Category::Gambling, Level::High, "words").await;
        seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        assert!(dsl.next().await.starts_with("event: end"));
        assert_eq!(seeded.events.len(), 0, "the first change ended it");
    }

    #[tokio::test]
    async fn a_stream_needs_a_session_and_a_role() {
        let seeded = Seeded::open().await;
        assert_eq!(seeded.stranger().get("/queue/live").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(seeded.visitor("tech").await.get("/queue/live").await.status, StatusCode::FORBIDDEN);
    }
}
