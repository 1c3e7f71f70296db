//! Lanes and high-water against a model: window and batches over any spool, any credit, and cuts anywhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::book::Book;
use super::pace::Pace;
use super::simulation::Held;
use super::window::{Window, next_batch};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many captures are spooled.
    Append(Level, usize),
    /// One is refused, and leaves a gap.
    GiveUp(Level, u64),
    Send,
    /// It is time for the next batch of what waited.
    Turn,
    /// The oldest batch under way is committed and acknowledged.
    Answer,
    /// The stream breaks after the collector has committed so many of the batches under way.
    Cut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let level = prop::sample::select(Level::ALL.to_vec());
    prop_oneof![
        2 => (level.clone(), 1_usize..40).prop_map(|(level, count)| Step::Append(level, count)),
        1 => (level, 1_u64..30).prop_map(|(level, seq)| Step::GiveUp(level, seq)),
        4 => Just(Step::Send),
        2 => Just(Step::Turn),
        3 => Just(Step::Answer),
        1 => (0_usize..5).prop_map(Step::Cut),
    ]
}

/// A device and its collector, without anything in between.
struct Model {
    backlog: Held,
    book: Book,
    window: Window,
    pace: Pace,
    credit: u32,
    flying: VecDeque<wire::Batch>,
    appended: u64,
}

impl Model {
    fn new(credit: u32) -> Self {
        let window = Window::new(&[], credit, false);
        let (backlog, book, pace) = (Held::new(), Book::default(), Pace::default());
        Self { backlog, book, window, pace, credit, flying: VecDeque::new(), appended: 0 }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Append(level, count) => {
                for _ in 0..count {
                    self.appended += 1;
                    self.backlog.append(level, wire::Capture { boot_us: self.appended, ..wire::Capture::default() });
                }
            }
            Step::GiveUp(level, seq) => {
                if self.backlog.read(level, Seq::new(seq), 1).unwrap().iter().any(|(held, _)| held.number() == seq) {
                    self.backlog.give_up(level, Seq::new(seq)).unwrap();
                }
            }
            Step::Send => drop(self.send()),
            Step::Turn => self.pace.release(),
            Step::Answer => self.answer(),
            Step::Cut(committed) => {
                for batch in self.flying.drain(..).take(committed) {
                    self.book.commit(batch).unwrap();
                }
                let marks = marks(&self.book);
                self.backlog.resume(&marks).unwrap();
                self.window = Window::new(&marks, self.credit, false);
                self.pace = Pace::of(&self.backlog.lane_states());
            }
        }
    }

    /// Sends the next batch, of the highest lane that has something unsent and may. `false`: there is nothing, or no
    /// room.
    fn send(&mut self) -> bool {
        let room = self.window.room();
        let cursors = self.window.cursors(&self.pace);
        let Some((batch, sent)) = next_batch(&self.backlog, &cursors).unwrap() else { return false };
        for cursor in cursors.iter().filter(|cursor| cursor.lane > sent.lane) {
            assert!(self.backlog.read(cursor.lane, cursor.at, 1).unwrap().is_empty(), "{:?} goes first", cursor.lane);
        }
        let urgent = cursors.iter().filter(|cursor| cursor.lane >= Level::High).count();
        assert_eq!(urgent, 2, "what is urgent never waits for its turn");
        if self.pace.sent(sent.lane, Seq::new(batch.first_seq)) {
            assert!(self.pace.is_held(), "one batch of what waited at a time");
        }
        assert!(batch.captures.len() <= room, "credit is kept");
        self.window.sent(sent);
        self.flying.push_back(batch);
        true
    }

    fn answer(&mut self) {
        let Some(batch) = self.flying.pop_front() else { return };
        let mark = self.book.commit(batch).unwrap();
        let level = Level::try_from(u8::try_from(mark.lane).unwrap()).unwrap();
        self.window.acknowledged(level, Seq::new(mark.through));
        self.backlog.acknowledge(level, Seq::new(mark.through)).unwrap();
    }
}

fn marks(book: &Book) -> Vec<(Level, Seq)> {
    let mark =
        |(lane, through): (&u32, &u64)| (Level::try_from(u8::try_from(*lane).unwrap()).unwrap(), Seq::new(*through));
    book.through.iter().map(mark).collect()
}

proptest! {
    #[test]
    fn each_lane_arrives_whole_once_and_in_order_whatever_is_cut_when(
        steps in prop::collection::vec(step(), 1..120),
        credit in 1_u32..60,
    ) {
        let mut model = Model::new(credit);
        for step in steps {
            model.play(step);
        }
        model.pace.release();
        while model.send() || !model.flying.is_empty() {
            model.answer();
            model.pace.release();
        }

        prop_assert!(model.backlog.is_empty());
        let mut marks = BTreeMap::<u32, u64>::new();
        let mut tags = BTreeSet::new();
        for (lane, seq, capture) in &model.book.captures {
            prop_assert!(marks.insert(*lane, *seq).is_none_or(|before| before < *seq), "{lane}/{seq} in order");
            prop_assert!(tags.insert(capture.boot_us), "{lane}/{seq} once");
        }
        // What is not there was given up, and a gap says so.
        let missing: u64 = model.book.through.values().sum::<u64>() - model.book.captures.len() as u64;
        let mut told = BTreeSet::new();
        for gap in &model.book.gaps {
            told.extend((gap.from..=gap.to).map(|seq| (gap.lane, seq)));
        }
        for (lane, seq, _) in &model.book.captures {
            told.remove(&(*lane, *seq));
        }
        prop_assert_eq!(told.len() as u64, missing);
        prop_assert_eq!(model.book.through.values().sum::<u64>(), model.appended);
    }
}
