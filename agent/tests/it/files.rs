//! Files that land in real folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use lapwing_agent::clock::ManualClock;
use lapwing_agent::observation::Observation;
use lapwing_agent::platform::Files;
use lapwing_agent::sensor::{Reason, SensorHealth};

use crate::seeing::Seeing;

async fn watching(folder: &Path) -> Seeing {
    let clock = Arc::new(ManualClock::at(0));
    let seeing = Seeing::with(Files::new(None, vec![folder.to_owned()], clock));
    let expected = if folder.is_dir() {
        SensorHealth::Working
    } else {
        SensorHealth::Blind(Reason::NoSuchFolder, Some("0 of 1 folders watched".to_owned()))
    };
    seeing.is(expected).await;
    seeing
}

/// The name of the next drop, which is a single one of this process's own account in `folder`.
async fn next_name(seeing: &mut Seeing, folder: &Path) -> String {
    let Observation::File { account, folder: found, name, burst_until_us } = seeing.next().await else {
        panic!("a drop")
    };
    let uid = fs::metadata(folder).unwrap().uid();
    assert_eq!((account.uid, found.as_path(), burst_until_us), (uid, folder, None));
    name
}

#[tokio::test]
async fn a_download_is_one_drop_under_its_last_name() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::write(folder.join("before.txt"), "").unwrap();
    let mut seeing = watching(folder).await;
    fs::write(folder.join("report.pdf.crdownload"), "half").unwrap();
    fs::write(folder.join("report.pdf.crdownload"), "whole").unwrap();
    fs::rename(folder.join("report.pdf.crdownload"), folder.join("report.pdf")).unwrap();
    assert_eq!(next_name(&mut seeing, folder).await, "report.pdf");
    fs::write(folder.join("before.txt"), "changed").unwrap();
    fs::write(folder.join("report.pdf"), "again").unwrap();
    fs::create_dir(folder.join("a folder")).unwrap();
    fs::write(folder.join("last.txt"), "").unwrap();
    assert_eq!(next_name(&mut seeing, folder).await, "last.txt");
    assert!(seeing.stop().await.is_empty());
}

#[tokio::test]
async fn a_file_moved_in_or_renamed_is_a_drop_and_one_moved_out_is_not() {
    let (scratch, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = scratch.path();
    let mut seeing = watching(folder).await;
    fs::write(elsewhere.path().join("a.txt"), "").unwrap();
    fs::rename(elsewhere.path().join("a.txt"), folder.join("a.txt")).unwrap();
    assert_eq!(next_name(&mut seeing, folder).await, "a.txt");
    fs::rename(folder.join("a.txt"), folder.join("b.txt")).unwrap();
    assert_eq!(next_name(&mut seeing, folder).await, "b.txt");
    fs::rename(folder.join("b.txt"), elsewhere.path().join("b.txt")).unwrap();
    fs::rename(elsewhere.path().join("b.txt"), folder.join("b.txt")).unwrap();
    assert_eq!(next_name(&mut seeing, folder).await, "b.txt");
    assert!(seeing.stop().await.is_empty());
}

#[tokio::test]
async fn a_missing_folder_is_watched_when_it_appears_and_when_it_comes_back() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("home/Downloads");
    let mut seeing = watching(&folder).await;
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("first.txt"), "").unwrap();
    assert_eq!(next_name(&mut seeing, &folder).await, "first.txt");
    seeing.is(SensorHealth::Working).await;
    fs::rename(&folder, scratch.path().join("away")).unwrap();
    seeing.is(SensorHealth::Blind(Reason::NoSuchFolder, Some("0 of 1 folders watched".to_owned()))).await;
    fs::write(scratch.path().join("away/unwatched.txt"), "").unwrap();
    fs::create_dir(&folder).unwrap();
    seeing.is(SensorHealth::Working).await;
    fs::write(folder.join("second.txt"), "").unwrap();
    assert_eq!(next_name(&mut seeing, &folder).await, "second.txt");
    assert!(seeing.stop().await.is_empty());
}

#[tokio::test]
async fn of_a_folder_that_comes_full_every_file_is_told_and_most_as_a_burst() {
    let scratch = tempfile::tempdir().unwrap();
    let (made, folder) = (scratch.path().join("made"), scratch.path().join("Downloads"));
    fs::create_dir(&made).unwrap();
    for number in 0..25 {
        fs::write(made.join(format!("{number:02}.txt")), "").unwrap();
    }
    let mut seeing = watching(&folder).await;
    fs::rename(&made, &folder).unwrap();
    for number in 0..20 {
        assert_eq!(next_name(&mut seeing, &folder).await, format!("{number:02}.txt"));
    }
    let rest = seeing.stop().await;
    let is_of_burst = |seen: &Observation| matches!(seen, Observation::File { burst_until_us: Some(_), .. });
    assert_eq!(rest.iter().filter(|seen| is_of_burst(seen)).count(), 5);
}
