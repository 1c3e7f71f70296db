//! Sensors and spool against a real X server, real folders, a real mount, and disks that are full or refuse. What a
//! machine lacks is skipped by name.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at a surprise"
)]

mod bad_sector;
mod deaf;
mod desktop;
mod files;
mod full_disk;
mod hidden;
mod log;
mod media;
mod process;
mod refusing_disk;
mod seeing;
mod titles;
