//! The collector.

#![forbid(unsafe_code)]

pub mod absence;
pub mod actor;
pub mod approved_media;
pub mod audit;
pub mod authority;
pub mod calendar;
mod campaign;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
mod durable;
mod enrolment;
pub mod exemption;
mod hardening;
pub mod ids;
mod in_force;
pub mod ingest;
pub mod intake;
pub mod lifecycle;
mod local_help;
pub mod notify;
pub mod people;
pub mod proof;
pub mod requests;
mod roll_out;
pub mod rooms;
pub mod routing;
pub mod seal;
pub mod second_step;
pub mod sheet;
pub mod shutdown;
pub mod store;
pub mod subject;
pub mod tls;
pub mod token;
pub mod triage;
