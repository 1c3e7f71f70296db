use proptest::prelude::*;

use super::*;

fn boot(number: u8) -> BootId {
    BootId::from_bytes([number; 16])
}

/// A Hello of a PC whose firmware names nobody.
fn comes(presented: Option<Incarnation>, start: u8, number: u8) -> Comes {
    let random = Incarnation::from_bytes([number; 16]);
    Comes { presented, boot: boot(start), is_known_pc: false, random, now_us: 1_795_000_000_000_000 }
}

fn carried(known: Incarnations) -> Incarnations {
    Incarnations { previous: Previous::Over, ..known }
}

/// How far a device gets after its Hello.
#[derive(Clone, Copy, Debug)]
enum Reached {
    Nothing,
    /// And then it loses power.
    NothingAndStartedAgain,
    Stored,
    StoredAndStartedAgain,
    /// The Hello before this one arrives only now.
    StoredAndOvertaken,
    Message,
}

fn reached() -> impl Strategy<Value = Reached> {
    prop::sample::select(vec![
        Reached::Nothing,
        Reached::NothingAndStartedAgain,
        Reached::Stored,
        Reached::StoredAndStartedAgain,
        Reached::StoredAndOvertaken,
        Reached::Message,
    ])
}

proptest! {
    /// One device that stores each incarnation before its first batch, cut off wherever it may be, started again or not,
    /// and whose Hellos may arrive late. The clock does not move, or goes back.
    #[test]
    fn a_device_alone_is_never_taken_for_a_copy(reached in prop::collection::vec(reached(), 1..60)) {
        let (mut known, mut held, mut start) = (None, None, 1);
        for (number, got) in (1..).zip(reached) {
            let hello = Comes { now_us: 1_795_000_000_000_000 - i64::from(number), ..comes(held, start, number) };
            let renewed = renew(known, &hello, true).unwrap();
            known = Some(renewed);
            match got {
                Reached::Nothing => {}
                Reached::NothingAndStartedAgain => start += 1,
                Reached::Stored => held = Some(renewed.current),
                Reached::StoredAndStartedAgain => (held, start) = (Some(renewed.current), start + 1),
                Reached::StoredAndOvertaken => {
                    known = renew(known, &comes(held, start, 100 + number), true).ok().or(known);
                    held = Some(renewed.current);
                    prop_assert_eq!(known.map(|known| known.current), held, "it may deliver");
                }
                Reached::Message => (known, held) = (Some(carried(renewed)), Some(renewed.current)),
            }
        }
    }

    /// However many Hellos went by: once the original holds what it was given, whatever a copy took with it before is
    /// refused, and told to become a device of its own.
    #[test]
    fn a_copy_is_refused_once_the_original_has_delivered(hellos in 1_u8..50) {
        let (mut known, mut given) = (None, vec![None]);
        for number in 1..=hellos {
            let held = given[given.len() - 1];
            let renewed = carried(renew(known, &comes(held, 1, number), true).unwrap());
            known = Some(renewed);
            given.push(Some(renewed.current));
        }
        let last = given.pop().unwrap();
        for taken in given {
            prop_assert!(matches!(renew(known, &comes(taken, 2, 200), true), Err(Refused::Copy)));
        }
        prop_assert!(renew(known, &comes(last, 1, 200), true).is_ok());
    }
}

#[test]
fn of_copies_that_start_together_whoever_holds_theirs_last_has_the_turn() {
    let image = renew(None, &comes(None, 1, 1), true).unwrap();
    let (one, other) = (comes(Some(image.current), 2, 2), comes(Some(image.current), 3, 3));
    let of_one = renew(Some(carried(image)), &one, true).unwrap();
    let of_other = renew(Some(of_one), &other, false).unwrap();
    assert_ne!(of_one.current, of_other.current, "each is given its own");
    assert!(matches!(renew(Some(carried(of_other)), &comes(Some(of_one.current), 2, 4), false), Err(Refused::Copy)));
    assert!(matches!(renew(Some(carried(of_other)), &comes(Some(image.current), 4, 5), false), Err(Refused::Copy)));
}

#[test]
fn what_this_database_never_gave_makes_nobody_another_device() {
    let given = renew(None, &comes(None, 1, 1), true).unwrap();
    let later = Comes { now_us: comes(None, 1, 1).now_us + 60_000_000, ..comes(Some(given.current), 1, 2) };
    let lost = renew(Some(carried(given)), &later, true).unwrap();
    let refused = renew(Some(carried(given)), &comes(Some(lost.current), 1, 3), true);
    assert!(matches!(refused, Err(Refused::Clone)), "the database came back from before");
}

#[test]
fn a_pc_whose_disk_is_reset_at_each_start_is_welcomed_while_no_other_start_of_it_delivers() {
    let frozen = carried(renew(None, &comes(None, 1, 1), true).unwrap());
    let after = carried(renew(Some(frozen), &comes(Some(frozen.current), 2, 2), true).unwrap());
    let again = Comes { is_known_pc: true, ..comes(Some(frozen.current), 3, 3) };
    let welcomed = renew(Some(after), &again, true).unwrap();
    assert!(time_of(welcomed.current) > time_of(after.current));
    assert!(matches!(renew(Some(after), &again, false), Err(Refused::Copy)));
    let unnamed = Comes { is_known_pc: false, ..again };
    assert!(matches!(renew(Some(after), &unnamed, true), Err(Refused::Copy)), "nothing says that it is that PC");
}

#[test]
fn who_goes_on_is_not_seen_before_it_holds_its_incarnation_or_a_minute_is_over() {
    let given = renew(None, &comes(None, 1, 1), true).unwrap();
    let now_us = comes(None, 1, 1).now_us;
    assert!(is_settling(Some(given), now_us) && !is_settling(Some(carried(given)), now_us));
    assert!(!is_settling(Some(given), now_us + 61_000_000) && !is_settling(None, now_us));
}
