//! `lapwing-rules`: checks, tests, compiles, signs and explains rule packs.
//!
//! Exit codes: 0 ok, 1 checked and found problems, 2 failure, 64 bad input or usage.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
