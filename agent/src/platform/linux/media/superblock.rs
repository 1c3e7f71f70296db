//! Labels as file systems hold them, for machines without udev: ext2 to ext4, and FAT.

/// How much of a device's start holds a label.
pub(super) const START_BYTES: u64 = 2048;

/// ext: the superblock begins at 1024, its magic is at 56 and its volume name at 120 (kernel, ext4/ondisk).
const EXT_MAGIC: (usize, [u8; 2]) = (1024 + 56, [0x53, 0xEF]);
const EXT_LABEL: usize = 1024 + 120;
const EXT_LABEL_BYTES: usize = 16;

/// FAT: the kind stands in the boot sector, after the volume's label (Microsoft, fatgen103).
const FAT32_KIND: (usize, &[u8; 5]) = (82, b"FAT32");
const FAT32_LABEL: usize = 71;
const FAT16_KIND: (usize, &[u8; 3]) = (54, b"FAT");
const FAT16_LABEL: usize = 43;
const FAT_LABEL_BYTES: usize = 11;
const FAT_NO_LABEL: &str = "NO NAME";

/// The label in the first [`START_BYTES`] of a device, where it is of a kind that this build reads and has one.
pub(super) fn label(start: &[u8]) -> Option<String> {
    let has = |at: usize, mark: &[u8]| start.get(at..at + mark.len()) == Some(mark);
    let (at, length) = if has(EXT_MAGIC.0, &EXT_MAGIC.1) {
        (EXT_LABEL, EXT_LABEL_BYTES)
    } else if has(FAT32_KIND.0, FAT32_KIND.1) {
        (FAT32_LABEL, FAT_LABEL_BYTES)
    } else if has(FAT16_KIND.0, FAT16_KIND.1) {
        (FAT16_LABEL, FAT_LABEL_BYTES)
    } else {
        return None;
    };
    let bytes = start.get(at..at + length)?;
    let text = String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next()?);
    Some(text.trim().to_owned()).filter(|label| !label.is_empty() && label != FAT_NO_LABEL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut start = vec![0; 2048];
        for (at, bytes) in parts {
            start[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        start
    }

    #[test]
    fn labels_of_the_common_kinds_are_read() {
        assert_eq!(label(&device(&[(1080, b"\x53\xef"), (1144, b"HOMEWORK")])).as_deref(), Some("HOMEWORK"));
        assert_eq!(label(&device(&[(82, b"FAT32   "), (71, b"MY STICK   ")])).as_deref(), Some("MY STICK"));
        assert_eq!(label(&device(&[(54, b"FAT16   "), (43, b"CAMERA     ")])).as_deref(), Some("CAMERA"));
    }

    #[test]
    fn a_device_without_label_or_of_another_kind_has_none() {
        assert_eq!(label(&device(&[(1080, b"\x53\xef")])), None);
        assert_eq!(label(&device(&[(82, b"FAT32   "), (71, b"NO NAME    ")])), None);
        assert_eq!(label(&device(&[])), None);
    }

    proptest! {
        #[test]
        fn any_start_is_read_without_a_surprise(start in prop::collection::vec(any::<u8>(), 0..2100)) {
            let _ = label(&start);
        }
    }
}
