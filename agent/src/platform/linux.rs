//! Linux.

mod account;
mod boot;
mod socket;
mod supervisor;

pub(crate) use account::{account, peer};
pub(crate) use boot::{boot_id, boot_us};
pub(crate) use socket::{LocalListener, LocalStream, connect};
pub(crate) use supervisor::{Orders, alive_within, tell_alive, tell_ready, tell_stopping};
