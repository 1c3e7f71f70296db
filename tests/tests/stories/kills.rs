//! Nothing is lost, wherever a program is killed: the quick pass of `e2e faults`, and what schools get holds none of it.

use std::path::Path;

use e2e::faults::{Options, Program, places, round};
use e2e::{Programs, in_time};

/// What tells a program where to end; it stands in every program that can.
const MARKER: &[u8] = b"LAPWING_FAILPOINT";

fn holds_marker(program: &Path) -> bool {
    let bytes = std::fs::read(program).expect("a program");
    bytes.windows(MARKER.len()).any(|window| window == MARKER)
}

#[test]
fn only_the_programs_of_the_harness_can_be_told_where_to_end() {
    let (schools, harness) = (Programs::built().expect("programs"), Programs::with_failpoints().expect("programs"));
    assert!(!holds_marker(&schools.agent) && !holds_marker(&schools.collector));
    assert!(holds_marker(&harness.agent) && holds_marker(&harness.collector));
}

/// A copy of the PC, and each place in the code of both programs once; the calls of their libraries are left to the
/// command.
#[test]
fn nothing_is_lost_where_a_program_is_killed_at_each_of_its_places_once() {
    let count = |program| places(program).expect("the sources").len();
    let options =
        Options { runs: 1 + count(Program::Agent) + count(Program::Collector), seed: 1, at_once: 4, only: None };
    let report = in_time(round(&options, |_| {})).expect("a round");
    println!("{report}");
    assert!(report.is_sound(), "{report}");
}
