//! Welcoming: Hellos, and the first messages under an incarnation, of all devices in one transaction a group.
//!
//! After a restart every device of a school says Hello within seconds, and a sync of the disk for each would keep the
//! last of them waiting for many. What waits together is decided in the order it came and committed together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_proto::{Incarnation, SchoolId, failpoint};
use tokio::sync::{mpsc, oneshot};

use super::Refused;
use super::incarnation::{Live, Turn, renew};
use crate::shutdown::Shutdown;
use crate::store::deliveries::{self, Incarnations, Previous, Spool};
use crate::store::{Store, StoreError};

/// Questions that wait; when it is full, streams wait.
const WAITING: usize = 1024;
/// Questions a transaction: a few milliseconds.
const TOGETHER: usize = 256;

/// Asks for turns.
#[derive(Clone, Debug)]
pub(super) struct Welcoming(mpsc::Sender<Question>);

/// Answers who asks a [`Welcoming`]; has to run for it.
#[derive(Debug)]
pub struct Welcomer {
    school: SchoolId,
    store: Store,
    live: Live,
    waiting: mpsc::Receiver<Question>,
}

#[derive(Debug)]
struct Question {
    of: Spool,
    asks: Asks,
    /// With a turn where one was asked for.
    answer: oneshot::Sender<Result<Option<Turn>, Refused>>,
}

#[derive(Clone, Copy, Debug)]
enum Asks {
    /// A turn under a new incarnation, for a Hello that presents this one.
    Hello { presented: Option<Incarnation>, fresh: Incarnation },
    /// That nothing but this one counts from now on: a message came under it.
    Carried(Incarnation),
}

impl Welcoming {
    /// A place to ask, and who has to run to answer.
    pub(super) fn new(school: SchoolId, store: Store) -> (Self, Welcomer) {
        let (questions, waiting) = mpsc::channel(WAITING);
        (Self(questions), Welcomer { school, store, live: Live::default(), waiting })
    }

    /// Answers a Hello: a turn under a new incarnation, or [`Refused::Clone`].
    pub(super) async fn hello(&self, of: Spool, presented: Option<Incarnation>) -> Result<Turn, Refused> {
        let fresh = Incarnation::random()?;
        self.ask(of, Asks::Hello { presented, fresh }).await?.ok_or_else(Refused::stopping)
    }

    /// A message came under `turn`: from now on nothing but its incarnation counts.
    pub(super) async fn carry(&self, turn: &mut Turn) -> Result<(), Refused> {
        if !turn.is_live() {
            return Err(Refused::Clone);
        }
        if !turn.has_carried() {
            self.ask(turn.spool(), Asks::Carried(turn.incarnation())).await?;
            turn.set_carried();
        }
        Ok(())
    }

    async fn ask(&self, of: Spool, asks: Asks) -> Result<Option<Turn>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Question { of, asks, answer }).await.map_err(|_| Refused::stopping())?;
        answered.await.map_err(|_| Refused::stopping())?
    }
}

impl Welcomer {
    /// Answers until `stop`, and what was asked before it.
    pub async fn run(mut self, stop: Shutdown) {
        let mut questions = Vec::with_capacity(TOGETHER);
        loop {
            let asked = tokio::select! {
                biased;
                asked = self.waiting.recv_many(&mut questions, TOGETHER) => asked,
                () = stop.requested() => 0,
            };
            if asked == 0 {
                return;
            }
            self.answer(std::mem::take(&mut questions)).await;
        }
    }

    async fn answer(&self, questions: Vec<Question>) {
        let asked: Vec<_> = questions.iter().map(|question| (question.of, question.asks)).collect();
        let answers = match self.decide(&asked).await {
            Ok(answers) => answers,
            Err(error) => {
                let error = Arc::new(error);
                asked.iter().map(|_| Err(Refused::Store(Box::new(Arc::clone(&error))))).collect()
            }
        };
        for (question, answer) in questions.into_iter().zip(answers) {
            // A stream that is gone gives its turn back.
            drop(question.answer.send(answer));
        }
    }

    async fn decide(&self, asked: &[(Spool, Asks)]) -> Result<Vec<Result<Option<Turn>, Refused>>, StoreError> {
        let spools: BTreeSet<_> = asked.iter().map(|(of, _)| *of).collect();
        let mut tx = self.store.begin().await?;
        let mut known = deliveries::incarnations(&mut tx, &self.school, &spools).await?;
        let mut changed = BTreeMap::new();
        let mut answers = Vec::with_capacity(asked.len());
        for (of, asks) in asked {
            answers.push(after(known.get(of).copied(), *asks).map(|incarnations| {
                known.insert(*of, incarnations);
                changed.insert(*of, incarnations);
                // Taken inside the transaction, so that the last to commit is also the last to deliver.
                matches!(asks, Asks::Hello { .. }).then(|| self.live.take(*of, incarnations.current))
            }));
        }
        deliveries::set_incarnations(&mut tx, &self.school, &changed).await?;
        failpoint!("welcome.commit", tx.commit().await?);
        Ok(answers)
    }
}

/// What counts after a question, given what counted before it.
fn after(known: Option<Incarnations>, asks: Asks) -> Result<Incarnations, Refused> {
    match asks {
        Asks::Hello { presented, fresh } => renew(known, presented, fresh).ok_or(Refused::Clone),
        Asks::Carried(current) if known.is_some_and(|known| known.current != current) => Err(Refused::Clone),
        // Nothing is known of it only where `restored` was run since its Hello: its turn stands.
        Asks::Carried(current) => Ok(Incarnations { current, previous: Previous::Over }),
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, Epoch};

    use super::*;
    use crate::store::fixture::School;

    fn spool(number: u8) -> Spool {
        Spool { device: DeviceId::from_bytes([number; 16]), epoch: Epoch::from_bytes([number; 16]) }
    }

    /// Runs `story` while somebody answers.
    async fn answered<T>(school: &School, story: impl AsyncFnOnce(Welcoming) -> T) -> T {
        let (welcoming, welcomer) = Welcoming::new(school.id.clone(), school.store.clone());
        let stop = Shutdown::new();
        let told = async {
            let told = story(welcoming).await;
            stop.request();
            told
        };
        tokio::join!(told, welcomer.run(stop.clone())).0
    }

    #[tokio::test]
    async fn hellos_that_wait_together_are_decided_in_order() {
        let school = School::open().await;
        let turns = answered(&school, async |welcoming| {
            let hello = |number| welcoming.hello(spool(number), None);
            let (first, other, again) = tokio::join!(hello(1), hello(2), hello(1));
            [first, other, again].map(|turn| turn.unwrap().incarnation())
        });
        let [first, other, again] = turns.await;
        assert_eq!(first, again, "whoever shows nothing is given the same again");
        assert_ne!(first, other);
        assert_eq!(school.count("SELECT COUNT(*) FROM incarnations").await, 2);
    }

    #[tokio::test]
    async fn what_was_carried_ends_what_came_before_it() {
        let school = School::open().await;
        answered(&school, async |welcoming| {
            let first = welcoming.hello(spool(1), None).await.unwrap().incarnation();
            let mut late = welcoming.hello(spool(1), Some(first)).await.unwrap();
            let mut turn = welcoming.hello(spool(1), Some(late.incarnation())).await.unwrap();
            assert!(matches!(welcoming.carry(&mut late).await, Err(Refused::Clone)), "another turn has begun");
            welcoming.carry(&mut turn).await.unwrap();
            assert!(turn.has_carried());
            assert!(matches!(welcoming.hello(spool(1), Some(late.incarnation())).await, Err(Refused::Clone)));
            assert!(welcoming.hello(spool(1), Some(turn.incarnation())).await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn a_turn_stands_when_the_operator_has_incarnations_forgotten_meanwhile() {
        let school = School::open().await;
        answered(&school, async |welcoming| {
            let mut turn = welcoming.hello(spool(1), None).await.unwrap();
            let mut tx = school.store.begin().await.unwrap();
            deliveries::forget_incarnations(&mut tx, &school.id).await.unwrap();
            tx.commit().await.unwrap();
            welcoming.carry(&mut turn).await.unwrap();
            assert!(welcoming.hello(spool(1), Some(turn.incarnation())).await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn without_its_database_nobody_is_welcomed_and_everybody_is_told_so() {
        let school = School::open().await;
        school.store.close().await;
        let answers = answered(&school, async |welcoming| {
            let (one, other) = tokio::join!(welcoming.hello(spool(1), None), welcoming.hello(spool(2), None));
            [one, other].map(|answer| matches!(answer, Err(Refused::Store(_))))
        });
        assert_eq!(answers.await, [true, true]);
    }
}
