//! What differs between operating systems: one module each, with the same signatures, chosen at compile time.
//!
//! Nothing outside this folder asks which system it runs on.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "windows")]
mod windows;

#[cfg(target_os = "linux")]
use linux as imp;
#[cfg(target_os = "windows")]
use windows as imp;

pub(crate) use imp::{
    Desktop, LocalListener, LocalStream, Orders, account, alive_within, boot_id, boot_us, connect, desktop,
    give_back_memory, machine_stops, media_now, open_page, own_uid, own_usage, peer, peer_ids, service_files,
    show_window, tell_alive, tell_ready, tell_stopping,
};

pub use imp::{
    Display, Files, Media, Titles, close_to_others, create_private_file, create_private_folder, hardware_hash,
    hide_memory, host_name, keep_memory_small, serial_hash, sync_folder,
};

/// What the operating system may order a running service to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drain and end.
    Stop,
    /// Read the configuration again.
    Reload,
}
