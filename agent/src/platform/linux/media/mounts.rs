//! The kernel's mount table, as `proc(5)` describes mountinfo.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::libc;

/// A block device's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeviceNumber {
    major: u32,
    minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A mounted block device.
pub(super) struct Mount {
    device: DeviceNumber,
    point: PathBuf,
    filesystem: String,
    source: PathBuf,
    options: String,
}

impl Mount {
    /// The device.
    pub(super) const fn device(&self) -> DeviceNumber {
        self.device
    }

    /// Where it is mounted.
    pub(super) fn point(&self) -> &Path {
        &self.point
    }

    /// The kind of its file system.
    pub(super) fn filesystem(&self) -> &str {
        &self.filesystem
    }

    /// The device's file.
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// The value of one of the file system's options.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The mounts of block devices in `table`, the first of each device. Lines of another shape are passed over.
pub(super) fn of_devices(table: &str) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    table.lines().filter_map(mount_in).filter(|mount| seen.insert(mount.device)).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn mount_in(line: &str) -> Option<Mount> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let device = device_in(place.nth(2)?)?;
    let point = PathBuf::from(unescape(place.nth(1)?));
    let mut what = what.split(' ');
    let filesystem = what.next()?.to_owned();
    let source = PathBuf::from(unescape(what.next()?));
    let options = what.next().unwrap_or_default().to_owned();
    let device = if device.major == 0 { behind(&source)? } else { device };
    Some(Mount { device, point, filesystem, source, options })
}

fn device_in(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// The device of a file system that hides it behind a number of its own, as btrfs does.
fn behind(source: &Path) -> Option<DeviceNumber> {
    if !source.starts_with("/dev") {
        return None;
    }
    let found = std::fs::metadata(source).ok().filter(|found| found.file_type().is_block_device())?;
    Some(DeviceNumber { major: libc::major(found.rdev()), minor: libc::minor(found.rdev()) })
}

/// Undoes the table's escapes: a backslash and three octal digits.
pub(super) fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.split_at_checked(3).and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 8).ok()?, rest))) {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
91 28 8:17 / /media/pupil/MY\\040STICK rw,nosuid shared:66 master:2 - vfat /dev/sdb1 rw,uid=1001,gid=1001
92 28 8:17 /sub /mnt/again rw - vfat /dev/sdb1 rw,uid=1001
nonsense
93 28 x:y / /mnt rw - ext4 /dev/sdc1 rw
";

    #[test]
    fn block_devices_are_found_once_each() {
        let mounts = of_devices(TABLE);
        let devices: Vec<String> = mounts.iter().map(|mount| mount.device().to_string()).collect();
        assert_eq!(devices, ["8:1", "8:17"]);
        let stick = &mounts[1];
        assert_eq!(stick.point(), Path::new("/media/pupil/MY STICK"));
        assert_eq!((stick.filesystem(), stick.source()), ("vfat", Path::new("/dev/sdb1")));
        assert_eq!((stick.option("uid"), stick.option("ui"), stick.option("mask")), (Some("1001"), None, None));
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        assert_eq!(unescape("a\\040b\\134c"), "a b\\c");
        assert_eq!(unescape("caf\\303\\251"), "café");
        assert_eq!(unescape("\\9zz\\"), "\\9zz\\");
        assert_eq!(unescape("\\é0"), "\\é0");
    }
}
