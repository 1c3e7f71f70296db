//! The end-to-end stories, one binary: real programs, a real desktop, a real browser, real disks.
//!
//! As root they run through `tests/private.sh` (`deploy/test.sh` does it). An ordinary user runs those that need one
//! account only; the others say that they are left out.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, clippy::panic, reason = "a story stops where it goes wrong")]
#![expect(clippy::print_stdout, reason = "a story that is left out says so")]

#[path = "stories/architecture.rs"]
mod architecture;
#[path = "stories/console.rs"]
mod console;
#[path = "stories/decisions.rs"]
mod decisions;
#[path = "stories/faults.rs"]
mod faults;
#[path = "stories/full_disk.rs"]
mod full_disk;
#[path = "stories/herd.rs"]
mod herd;
#[path = "stories/hostile.rs"]
mod hostile;
#[path = "stories/kills.rs"]
mod kills;
#[path = "stories/people.rs"]
mod people;
#[path = "stories/powercut.rs"]
mod powercut;
#[path = "stories/privacy.rs"]
mod privacy;
#[path = "stories/rule_sets.rs"]
mod rule_sets;
#[path = "stories/signals.rs"]
mod signals;
#[path = "stories/tampering.rs"]
mod tampering;
