//! Benchmarks: figures beside a control of the same run, interleaved with it, where there is one.
//!
//! `cargo run --release -p bench -- NAME [--quick] [--json FILE]` prints a table. A figure without its ratio says little
//! on a shared machine; the ratio is the result.

#![forbid(unsafe_code)]

mod compile;
mod domains;
mod end_to_end;
mod footprint;
mod herd;
mod ingest;
mod load;
mod matching;
mod report;
mod sample;
mod spool;
mod titles;
mod triage;

pub use load::resident;
pub use report::{Effort, Goal, Metric, Report};

/// Measures something.
pub type Run = fn(Effort) -> anyhow::Result<Report>;

/// Every benchmark by its name.
pub const ALL: &[(&str, Run)] = &[
    ("match", matching::run),
    ("load", load::run),
    ("domains", domains::run),
    ("compile", compile::run),
    ("spool", spool::run),
    ("ingest", ingest::run),
    ("herd", herd::run),
    ("titles", titles::run),
    ("triage", triage::run),
    ("end-to-end", end_to_end::run),
    ("agent-footprint", footprint::run),
];
