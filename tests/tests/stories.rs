//! The end-to-end stories, one binary: real programs, a real desktop, a real browser, real disks.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, clippy::panic, reason = "a story stops where it goes wrong")]

#[path = "stories/architecture.rs"]
mod architecture;
