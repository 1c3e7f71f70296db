//! What the kernel and udev know of a mounted device.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lapwing_proto::{Bus, Media, Open, bounds};
use lapwing_rules::Digest;
use nix::unistd::User;

use super::mounts::Mount;
use super::superblock;
use crate::observation::cut;
use crate::platform::linux::facts::bounded_text;

/// Longest attribute in sysfs that is read, in bytes.
const MAX_ATTRIBUTE_BYTES: u64 = 256;
/// Largest entry of udev's database that is read, in bytes.
const MAX_ENTRY_BYTES: u64 = 16 * 1024;
/// Longest name of a file system that the collector takes, in bytes.
const MAX_FILESYSTEM_BYTES: usize = 16;
/// Bytes in a sector, as sysfs counts whatever the device says.
const SECTOR_BYTES: u64 = 512;
/// What makers write who give no number of their own.
const COUNTED_UP: [&str; 3] = ["0123456789abcdef", "1234567890", "abcdef0123456789"];
/// An encrypted or mapped device stands on at most this many others before its disk.
const MAX_LAYERS: usize = 4;

/// The facts of a removable medium; nothing where the mount is none.
pub(super) fn facts(mount: &Mount) -> Option<Media> {
    let node = std::fs::canonicalize(format!("/sys/dev/block/{}", mount.device())).ok()?;
    let disk = disk_of(&node);
    let bus = bus_of(&disk);
    // Programs shipped as read-only images are mounted from files too, and are no media.
    let is_program = bus == Bus::Loop && mount.filesystem() == "squashfs";
    let is_fixed = bus == Bus::Other && attribute(&disk, "removable").is_none_or(|flag| flag != "1");
    if is_program || is_fixed {
        return None;
    }
    let known = udev_of(mount);
    Some(Media {
        label: cut(label_of(mount, &known), bounds::MAX_NAME_BYTES),
        size_bytes: attribute(&node, "size").and_then(|size| size.parse().ok()).unwrap_or(0_u64) * SECTOR_BYTES,
        bus: Open::Known(bus),
        serial_hash: serial_of(&disk, &known).map(|serial| Digest::of(serial.as_bytes())),
        filesystem: filesystem_of(mount),
    })
}

/// Name of the file system. A driver outside the kernel names itself here, at any length.
fn filesystem_of(mount: &Mount) -> String {
    cut(mount.filesystem().to_owned(), MAX_FILESYSTEM_BYTES)
}

/// The account it was mounted for, where an option or the folder of the mount point names one.
pub(super) fn owner(mount: &Mount) -> Option<u32> {
    let by_option = mount.option("uid").and_then(|uid| uid.parse().ok()).filter(|&uid| uid != 0);
    by_option.or_else(|| {
        let names = mount.point().strip_prefix("/run/media").or_else(|_| mount.point().strip_prefix("/media")).ok()?;
        // `/media/STICK` names no account, `/media/pupil/STICK` does.
        let (name, _) = names.to_str()?.split_once('/')?;
        Some(User::from_name(name).ok()??.uid.as_raw())
    })
}

/// The whole disk under a partition or a mapped device.
fn disk_of(node: &Path) -> PathBuf {
    let mut node = node.to_owned();
    for _ in 0..MAX_LAYERS {
        let Some(under) = only_entry(&node.join("slaves")) else { break };
        let Ok(under) = std::fs::canonicalize(under) else { break };
        node = under;
    }
    match node.parent() {
        Some(disk) if node.join("partition").exists() => disk.to_owned(),
        Some(_) | None => node,
    }
}

fn only_entry(folder: &Path) -> Option<PathBuf> {
    Some(std::fs::read_dir(folder).ok()?.next()?.ok()?.path())
}

fn bus_of(disk: &Path) -> Bus {
    let name = disk.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_on_usb = disk.iter().any(|part| part.to_str().is_some_and(|part| part.starts_with("usb")));
    // The kernel calls built-in storage MMC, and only what is in a slot SD.
    let is_card = name.starts_with("mmcblk") && attribute(disk, "device/type").is_some_and(|kind| kind == "SD");
    if is_on_usb {
        Bus::Usb
    } else if is_card {
        Bus::Sd
    } else if name.starts_with("sr") {
        Bus::Optical
    } else if name.starts_with("loop") {
        Bus::Loop
    } else {
        Bus::Other
    }
}

fn attribute(node: &Path, name: &str) -> Option<String> {
    bounded_text(&node.join(name), MAX_ATTRIBUTE_BYTES)
}

/// What udev noted of the device; empty where there is no udev.
fn udev_of(mount: &Mount) -> BTreeMap<String, String> {
    let text = bounded_text(&PathBuf::from(format!("/run/udev/data/b{}", mount.device())), MAX_ENTRY_BYTES);
    noted(&text.unwrap_or_default())
}

fn noted(entry: &str) -> BTreeMap<String, String> {
    let properties = entry.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn label_of(mount: &Mount, known: &BTreeMap<String, String>) -> String {
    let by_udev = known.get("ID_FS_LABEL_ENC").map(|label| unescape(label)).filter(|label| !label.is_empty());
    by_udev.or_else(|| on_device(mount.source())).unwrap_or_default()
}

/// The label as the file system itself holds it, where udev did not read it.
fn on_device(source: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(source).ok()?.take(superblock::START_BYTES).read_to_end(&mut start).ok()?;
    superblock::label(&start)
}

/// The serial number by which the device can be known again: its own, from udev or the kernel. A disc has none, and that of
/// its drive would be every disc's; so has a stick whose maker gave all of them the same, and that of the hub it hangs on
/// would be every stick's.
fn serial_of(disk: &Path, known: &BTreeMap<String, String>) -> Option<String> {
    let bus = bus_of(disk);
    let is_disc = disk.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("sr"));
    if is_disc {
        return None;
    }
    let by_udev = known.get("ID_SERIAL_SHORT").cloned();
    let mut above = disk.ancestors().take_while(|node| *node != Path::new("/sys/devices"));
    let by_kernel = || match bus {
        // The nearest that is a device of USB is the stick itself: what stands above it are hubs.
        Bus::Usb => attribute(above.find(|node| node.join("idVendor").exists())?, "serial"),
        Bus::Sd | Bus::Optical | Bus::Loop | Bus::Other => attribute(disk, "device/serial"),
    };
    by_udev.or_else(by_kernel).filter(|serial| is_ones_own(serial))
}

/// Whether a serial number says which device it is, and not that its maker gave none.
fn is_ones_own(serial: &str) -> bool {
    let folded = serial.trim().to_ascii_lowercase();
    let mut letters = folded.chars();
    let first = letters.next();
    let is_one_letter = letters.all(|letter| Some(letter) == first);
    !is_one_letter && !COUNTED_UP.iter().any(|run| run.starts_with(&folded))
}

/// Undoes udev's escapes: `\x` and two hexadecimal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.split_at_checked(2).and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 16).ok()?, rest))) {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::media::mounts;

    fn mount(line: &str) -> Mount {
        mounts::of_devices(line).remove(0)
    }

    #[test]
    fn a_stick_belongs_to_the_account_it_was_mounted_for() {
        let by_option = mount("9 1 8:17 / /mnt/x rw - vfat /dev/sdb1 rw,uid=1001");
        assert_eq!(owner(&by_option), Some(1001));
        let by_folder = mount("9 1 8:17 / /media/root/STICK rw - ext4 /dev/sdb1 rw");
        assert_eq!(owner(&by_folder), Some(0));
        let by_nothing = mount("9 1 8:17 / /media/STICK rw - ext4 /dev/sdb1 rw");
        assert_eq!(owner(&by_nothing), None);
        let by_nobody = mount("9 1 8:17 / /run/media/no-such-account/STICK rw - ext4 /dev/sdb1 rw,uid=0");
        assert_eq!(owner(&by_nobody), None);
    }

    #[test]
    fn a_long_name_of_a_file_system_is_cut_to_what_the_collector_takes() {
        let by_driver = mount("9 1 8:17 / /mnt/x rw - fuseblk.lowntfs-3g /dev/sdb1 rw");
        assert_eq!(filesystem_of(&by_driver), "fuseblk.lowntfs-");
    }

    #[test]
    fn a_disk_is_known_by_where_it_hangs() {
        let usb = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb";
        assert_eq!(bus_of(Path::new(usb)), Bus::Usb);
        assert_eq!(bus_of(Path::new("/sys/devices/virtual/block/loop3")), Bus::Loop);
        assert_eq!(bus_of(Path::new("/sys/devices/pci0000:00/ata2/block/sr0")), Bus::Optical);
        assert_eq!(bus_of(Path::new("/sys/devices/pci0000:00/nvme/nvme0/nvme0n1")), Bus::Other);
        assert_eq!(bus_of(Path::new("/sys/devices/platform/mmc0/block/mmcblk0")), Bus::Other);
    }

    #[test]
    fn udev_properties_are_read_and_unescaped() {
        let known =
            noted("S:disk/by-label/MY\\x20STICK\nE:ID_FS_LABEL_ENC=MY\\x20STICK\nE:ID_SERIAL_SHORT=0042\nnonsense");
        let stick = mount("9 1 8:17 / /mnt/x rw - vfat /dev/no-such-device rw");
        assert_eq!(label_of(&stick, &known), "MY STICK");
        assert_eq!(serial_of(Path::new("/sys/devices/x"), &known).as_deref(), Some("0042"));
    }

    #[test]
    fn a_stick_is_known_by_its_own_number_and_by_no_hubs_or_drives() {
        let folder = tempfile::tempdir().unwrap();
        let hub = folder.path().join("usb1/1-2");
        let stick = hub.join("1-2.1");
        let disk = stick.join("1-2.1:1.0/host6/block/sdb");
        std::fs::create_dir_all(&disk).unwrap();
        for (device, serial) in [(&hub, "0000:00:14.0"), (&stick, "")] {
            std::fs::write(device.join("idVendor"), "1d6b").unwrap();
            if !serial.is_empty() {
                std::fs::write(device.join("serial"), serial).unwrap();
            }
        }
        let none = BTreeMap::new();
        assert_eq!(serial_of(&disk, &none), None, "the hub's is not the stick's");
        std::fs::write(stick.join("serial"), "4C530001").unwrap();
        assert_eq!(serial_of(&disk, &none).as_deref(), Some("4C530001"));
        for given in ["0123456789ABCDEF", "123456789", "00000000", "", "a"] {
            std::fs::write(stick.join("serial"), given).unwrap();
            assert_eq!(serial_of(&disk, &none), None, "{given}");
        }
        let drive = noted("E:ID_SERIAL_SHORT=K1XB8");
        assert_eq!(serial_of(Path::new("/sys/devices/pci0000:00/usb1/1-3/block/sr0"), &drive), None);
    }

    #[test]
    fn the_disk_of_the_system_is_no_medium() {
        let root = mount("9 1 9999:9999 / / rw - ext4 /dev/sda1 rw");
        assert!(facts(&root).is_none());
    }
}
