//! Welcoming: Hellos, and the first messages under an incarnation, of all devices in one transaction a group.
//!
//! After a restart every device of a school says Hello within seconds, and a sync of the disk for each would keep the
//! last of them waiting for many. What waits together is decided in the order it came and committed together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_proto::{BootId, Incarnation, SchoolId, failpoint};
use tokio::sync::{mpsc, oneshot};

use super::Refused;
use super::incarnation::{Comes, Live, Turn, renew};
use crate::clock::Clock;
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
pub struct Welcomer {
    school: SchoolId,
    store: Store,
    clock: Arc<dyn Clock>,
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

#[derive(Clone, Debug)]
enum Asks {
    /// A turn under a new incarnation; with the starts before the present one.
    Hello(Comes, Vec<BootId>),
    /// That nothing but this one counts from now on: it is held, or a message came under it.
    Carried(Incarnation, Vec<BootId>),
}

impl Welcoming {
    /// A place to ask, and who has to run to answer.
    pub(super) fn new(school: SchoolId, store: Store, clock: Arc<dyn Clock>) -> (Self, Welcomer) {
        let (questions, waiting) = mpsc::channel(WAITING);
        (Self(questions), Welcomer { school, store, clock, live: Live::default(), waiting })
    }

    /// Answers a Hello: a turn under a new incarnation, or [`Refused::Copy`] or [`Refused::Clone`].
    pub(super) async fn hello(&self, of: Spool, comes: Comes, earlier: Vec<BootId>) -> Result<Turn, Refused> {
        self.ask(of, Asks::Hello(comes, earlier)).await?.ok_or_else(Refused::stopping)
    }

    /// The incarnation of `turn` is held, or a message came under it: from now on nothing else counts.
    pub(super) async fn carry(&self, turn: &mut Turn) -> Result<(), Refused> {
        if !turn.is_live() {
            return Err(Refused::Copy);
        }
        if !turn.has_carried() {
            self.ask(turn.spool(), Asks::Carried(turn.incarnation(), turn.boots().to_vec())).await?;
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
        let asked: Vec<_> = questions.iter().map(|question| (question.of, question.asks.clone())).collect();
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
        let devices: BTreeSet<_> = asked.iter().map(|(of, _)| of.device).collect();
        let mut tx = self.store.begin().await?;
        let mut known = deliveries::incarnations(&mut tx, &self.school, &devices).await?;
        let mut changed = BTreeMap::new();
        let mut answers = Vec::with_capacity(asked.len());
        let mut boots: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (of, asks) in asked {
            answers.push(self.after(known.get(&of.device).copied(), *of, asks).map(|incarnations| {
                known.insert(of.device, incarnations);
                changed.insert(of.device, incarnations);
                match asks {
                    // Taken inside the transaction, so that the last to commit is also the last to deliver.
                    Asks::Hello(comes, earlier) => {
                        let starts = [comes.boot].into_iter().chain(earlier.iter().copied()).collect();
                        Some(self.live.take(*of, incarnations, starts))
                    }
                    // The starts of whoever holds its incarnation are known from then on.
                    Asks::Carried(_, starts) => {
                        boots.entry(of.device).or_default().extend(starts.iter().copied());
                        None
                    }
                }
            }));
        }
        deliveries::set_incarnations(&mut tx, &self.school, &changed).await?;
        deliveries::add_boots(&mut tx, &self.school, &boots, self.clock.wall_us()).await?;
        failpoint!("welcome.commit", tx.commit().await?);
        Ok(answers)
    }

    /// What counts after a question, given what counted before it.
    fn after(&self, known: Option<Incarnations>, of: Spool, asks: &Asks) -> Result<Incarnations, Refused> {
        match asks {
            Asks::Hello(comes, _) => renew(known, comes, !self.live.has_another(of.device, comes.boot)),
            Asks::Carried(current, boots) => match (known, boots.first()) {
                (Some(known), _) if known.current == *current => Ok(Incarnations { previous: Previous::Over, ..known }),
                // Nothing is known of it only where `restored` was run since its Hello: its turn stands.
                (None, Some(boot)) => Ok(Incarnations { current: *current, previous: Previous::Over, boot: *boot }),
                (Some(_), _) | (None, None) => Err(Refused::Copy),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, Epoch};

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::fixture::School;

    fn spool(number: u8) -> Spool {
        Spool { device: DeviceId::from_bytes([number; 16]), epoch: Epoch::from_bytes([number; 16]) }
    }

    fn comes(presented: Option<Incarnation>) -> Comes {
        let (boot, random) = (BootId::from_bytes([1; 16]), Incarnation::random().unwrap());
        Comes { presented, boot, is_known_pc: false, random, now_us: 1_795_000_000_000_000 }
    }

    /// Runs `story` while somebody answers.
    async fn answered<T>(school: &School, story: impl AsyncFnOnce(Welcoming) -> T) -> T {
        let (welcoming, welcomer) = Welcoming::new(school.id.clone(), school.store.clone(), Arc::new(SystemClock));
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
            let hello = |number| welcoming.hello(spool(number), comes(None), Vec::new());
            let (first, other, again) = tokio::join!(hello(1), hello(2), hello(1));
            [first, other, again].map(|turn| turn.unwrap().incarnation())
        });
        let [first, other, again] = turns.await;
        assert_eq!(first, again, "whoever shows nothing is given the same again");
        assert_ne!(first, other);
        assert_eq!(school.count("SELECT COUNT(*) FROM device_incarnations").await, 2);
    }

    #[tokio::test]
    async fn what_was_carried_ends_what_came_before_it() {
        let school = School::open().await;
        answered(&school, async |welcoming| {
            let first = welcoming.hello(spool(1), comes(None), Vec::new()).await.unwrap().incarnation();
            let mut late = welcoming.hello(spool(1), comes(Some(first)), Vec::new()).await.unwrap();
            let mut turn = welcoming.hello(spool(1), comes(Some(late.incarnation())), Vec::new()).await.unwrap();
            assert!(matches!(welcoming.carry(&mut late).await, Err(Refused::Copy)), "another turn has begun");
            welcoming.carry(&mut turn).await.unwrap();
            assert!(turn.has_carried());
            assert!(matches!(
                welcoming.hello(spool(1), comes(Some(late.incarnation())), Vec::new()).await,
                Err(Refused::Copy)
            ));
            assert!(welcoming.hello(spool(1), comes(Some(turn.incarnation())), Vec::new()).await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn a_turn_stands_when_the_operator_has_incarnations_forgotten_meanwhile() {
        let school = School::open().await;
        answered(&school, async |welcoming| {
            let mut turn = welcoming.hello(spool(1), comes(None), Vec::new()).await.unwrap();
            let mut tx = school.store.begin().await.unwrap();
            deliveries::forget_incarnations(&mut tx, &school.id).await.unwrap();
            tx.commit().await.unwrap();
            welcoming.carry(&mut turn).await.unwrap();
            assert!(welcoming.hello(spool(1), comes(Some(turn.incarnation())), Vec::new()).await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn without_its_database_nobody_is_welcomed_and_everybody_is_told_so() {
        let school = School::open().await;
        school.store.close().await;
        let answers = answered(&school, async |welcoming| {
            let (one, other) = tokio::join!(
                welcoming.hello(spool(1), comes(None), Vec::new()),
                welcoming.hello(spool(2), comes(None), Vec::new())
            );
            [one, other].map(|answer| matches!(answer, Err(Refused::Store(_))))
        });
        assert_eq!(answers.await, [true, true]);
    }
}
