//! Linux.

mod account;
mod boot;
mod check;
mod facts;
mod files;
mod hardening;
mod media;
mod readiness;
mod socket;
mod storage;
mod supervisor;
mod titles;
mod usage;

pub(crate) use account::{account, own_uid, peer, peer_ids};
pub(crate) use boot::{boot_id, boot_us};
pub(crate) use check::{Desktop, desktop, open_page, show_window};
pub use facts::{hardware_hash, host_name, serial_hash};
pub use files::Files;
pub use hardening::{hide_memory, keep_memory_small};
pub use media::Media;
pub(crate) use media::media_now;
pub(crate) use socket::{LocalListener, LocalStream, connect};
pub use storage::{close_to_others, create_private_file, create_private_folder, sync_folder};
pub(crate) use supervisor::{
    Orders, alive_within, machine_stops, service_files, tell_alive, tell_ready, tell_stopping,
};
pub use titles::{Display, Titles};
pub(crate) use usage::{give_back_memory, own_usage};
