//! A real collector on free ports, and devices that speak to it over real TLS.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod bounds;
mod commands;
mod control;
mod deliver;
mod device;
mod enrol;
mod exemptions;
mod full_disk;
mod hostile;
mod joining;
// By its path: the same changes are made to what the rules read.
#[path = "../../../rules/tests/it/fuzz/mutation.rs"]
mod mutation;
mod parts;
mod people;
mod releases;
mod reload;
mod restored;
mod school;
mod uplink;
