//! `lapwing-collector`: see [`lapwing_collector::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lapwing_collector::cli::run()
}
