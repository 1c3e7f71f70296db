//! `lapwing-agent`: the service on each school computer, its session programs, and the tools of its technician.

use std::process::ExitCode;

fn main() -> ExitCode {
    lapwing_agent::cli::run(std::env::args_os())
}
