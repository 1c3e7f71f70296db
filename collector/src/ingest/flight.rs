//! Batches of one stream between their being handed over and their commit.

use std::collections::{BTreeMap, VecDeque};

use lapwing_proto::Seq;
use lapwing_rules::Level;

use crate::intake::{Fate, TakeError};

/// Batches that wait for their commit: enough for the next to be there when one lands.
const MOST: usize = 4;

/// Batches on their way, in the order of their handing over, which is that of their commits.
#[derive(Debug, Default)]
pub(super) struct Flight(VecDeque<(Level, Fate)>);

/// What can be told at once.
#[derive(Debug)]
pub(super) struct Landed {
    /// The latest mark of every lane of which something was committed.
    pub(super) through: BTreeMap<Level, Seq>,
    /// Why the batch after those was refused; what flew behind it is nobody's then.
    pub(super) refused: Option<TakeError>,
}

impl Flight {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    pub(super) fn push(&mut self, lane: Level, fate: Fate) {
        self.0.push_back((lane, fate));
    }

    /// Gives all up: whoever waits for them reads its marks when it comes back.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fate of the oldest, which flies no longer then; none where nothing flies. Safe to drop while it waits.
    pub(super) async fn oldest(&mut self) -> Option<(Level, Result<Seq, TakeError>)> {
        let (lane, fate) = self.0.front_mut()?;
        let landed = (*lane, fate.await);
        self.0.pop_front();
        Some(landed)
    }

    /// The oldest, committed through `mark`, with those after it whose fate is known as well.
    pub(super) fn landed(&mut self, lane: Level, mark: Seq) -> Landed {
        let mut through = BTreeMap::from([(lane, mark)]);
        while let Some((lane, fate)) = self.0.front_mut()
            && let Some(fate) = fate.known()
        {
            match fate {
                Ok(mark) => through.insert(*lane, mark),
                Err(error) => {
                    self.0.clear();
                    return Landed { through, refused: Some(error) };
                }
            };
            self.0.pop_front();
        }
        Landed { through, refused: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flight of batches that landed through these sequences, were refused (`Err(true)`), or fly on.
    fn flight(fates: impl IntoIterator<Item = (Level, Result<u64, bool>)>) -> Flight {
        let mut flight = Flight::default();
        for (lane, fate) in fates {
            flight.push(
                lane,
                match fate {
                    Ok(seq) => Fate::told(Ok(Seq::new(seq))),
                    Err(true) => Fate::told(Err(TakeError::Stopping)),
                    Err(false) => Fate::open(),
                },
            );
        }
        flight
    }

    fn marks(landed: &Landed) -> Vec<(Level, u64)> {
        landed.through.iter().map(|(lane, seq)| (*lane, seq.number())).collect()
    }

    #[test]
    fn what_landed_together_is_told_together() {
        let mut flight =
            flight([(Level::Low, Ok(4)), (Level::High, Ok(9)), (Level::High, Err(false)), (Level::Low, Ok(6))]);
        let landed = flight.landed(Level::High, Seq::new(8));
        assert_eq!(marks(&landed), [(Level::Low, 4), (Level::High, 9)], "each lane by its latest");
        assert!(landed.refused.is_none());
        assert_eq!(flight.0.len(), 2, "what follows one that flies on is not told before it");
    }

    #[test]
    fn a_refusal_comes_after_what_was_committed_and_ends_the_flight() {
        let mut flight = flight([(Level::Low, Ok(4)), (Level::Low, Err(true)), (Level::High, Ok(9))]);
        let landed = flight.landed(Level::Low, Seq::new(3));
        assert_eq!(marks(&landed), [(Level::Low, 4)]);
        assert!(landed.refused.is_some() && flight.is_empty());
    }

    #[test]
    fn a_flight_is_full_before_it_grows_without_bound() {
        let of = |count: usize| flight((0..count).map(|_| (Level::Low, Err(false))));
        assert!(!of(MOST - 1).is_full() && of(MOST).is_full() && of(0).is_empty());
    }
}
