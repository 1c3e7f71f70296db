//! The collector.

#![forbid(unsafe_code)]

pub mod clock;
pub mod shutdown;
