//! Linux.

mod boot;

pub(crate) use boot::{boot_id, boot_us};
