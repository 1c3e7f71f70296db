//! The collector.

#![forbid(unsafe_code)]

pub mod actor;
pub mod audit;
pub mod clock;
pub mod ids;
pub mod seal;
pub mod shutdown;
pub mod store;
