//! The agent on each school computer: watches four signals, matches them there, and delivers only what matched.

pub mod browser_host;
mod canary;
mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counters;
pub mod detect;
pub mod diagnostic;
pub mod doctor;
pub mod durable;
mod entering;
pub mod exemptions;
pub mod frame;
pub mod identity;
pub mod image;
mod integrity;
pub mod limits;
mod local;
pub mod minimise;
pub mod notice;
pub mod observation;
pub mod pipeline;
pub mod platform;
pub mod removal;
#[cfg(test)]
mod sample;
pub mod scope;
pub mod sensor;
pub mod session;
pub mod settle;
pub mod shutdown;
pub mod signal;
pub mod spool;
mod state_folder;
pub mod status;
pub mod uplink;
