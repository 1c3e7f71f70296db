//! A stick: an image in a file, mounted as a disk.

use std::path::Path;
use std::process::Command;

use lapwing_agent::observation::Observation;
use lapwing_agent::platform::Media;
use lapwing_agent::sensor::SensorHealth;
use lapwing_proto::{Bus, Open};

use crate::seeing::Seeing;

const SIZE_BYTES: u64 = 8 * 1024 * 1024;

/// A mount that ends with the test.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Whether it could be done here.
fn done(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_stick_is_seen_once_and_what_was_there_before_never() {
    let scratch = tempfile::tempdir().unwrap();
    let (image, point) = (scratch.path().join("image"), scratch.path().join("my stick"));
    std::fs::create_dir(&point).unwrap();
    std::fs::File::create(&image).unwrap().set_len(SIZE_BYTES).unwrap();
    if !done("mkfs.ext4", &["-q", "-F", "-L", "HOLIDAY", image.to_str().unwrap()]) {
        return eprintln!("skipped: mkfs.ext4 is not installed");
    }
    let mut seeing = Seeing::with(Media::new());
    seeing.is(SensorHealth::Working).await;
    if !done("mount", &["-o", "loop", image.to_str().unwrap(), point.to_str().unwrap()]) {
        return eprintln!("skipped: only root may mount an image");
    }
    let mounted = Mounted(&point);
    let Observation::Media { facts, mount_point, owner } = seeing.next().await else { panic!("a medium") };
    assert_eq!((facts.label.as_str(), facts.filesystem.as_str()), ("HOLIDAY", "ext4"));
    assert_eq!((facts.bus, facts.size_bytes, facts.serial_hash), (Open::Known(Bus::Loop), SIZE_BYTES, None));
    assert_eq!((mount_point, owner), (point.clone(), None));

    let late = Seeing::with(Media::new());
    late.is(SensorHealth::Working).await;
    drop(mounted);
    assert!(seeing.stop().await.is_empty());
    assert!(late.stop().await.is_empty());
}
