//! The collector's disk is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use e2e::{Agents, Fleet, School, Site, eventually, eventually_within};
use lapwing_rules::Level;

/// Room for a new database, and a hundred captures more.
const SIZE: &str = "size=16m,mode=0700";
const DEVICES: usize = 5;
const EACH: u64 = 300;
/// A collector that cannot store is left alone for some seconds each time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A disk in memory that goes with the story.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Nothing where this user may not mount.
    fn at(folder: &Path) -> Option<Self> {
        std::fs::create_dir(folder).expect("a folder");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "lapwing-test"]).arg(folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("left out: only root may mount a disk");
            return None;
        }
        Some(Self { folder: folder.to_owned() })
    }

    /// Takes all room there is, until the file is removed.
    fn fill(&self) -> PathBuf {
        let file = self.folder.join("other");
        std::fs::write(&file, vec![1; 64 * 1024 * 1024]).expect_err("a full disk");
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.folder.as_path()]).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_devices_capture_while_the_collector_cannot_store_arrives_once_when_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::at(&folder.path().join("collector")) else { return };
    let school = School::open(folder.path(), &[]).await.expect("a school");
    let site = Site::of(&school, DEVICES).expect("a token");
    let fleet = Fleet::enrol(site, DEVICES, 7).await.expect("all enrol");
    let agents = Agents::start(&fleet).expect("agents start");
    let connected = async || (agents.connected() == DEVICES).then_some(());
    eventually("all to be connected", connected).await.expect("they are");

    let other = disk.fill();
    for device in 0..DEVICES {
        agents.capture(device, Level::High, EACH);
    }
    let refused = async || school.own_logs().ok()?.contains("ERROR_CODE_STORE").then_some(());
    eventually("deliveries to be refused", refused).await.expect("they are");
    assert_eq!(agents.holding(), DEVICES, "what is not stored is kept");
    std::fs::remove_file(other).expect("the disk has room");

    let delivered = async || (agents.holding() == 0).then_some(());
    eventually_within(PATIENCE, "everything to be delivered", delivered).await.expect("it is");
    assert_eq!(agents.given_up(), 0, "no capture is blamed for the disk");
    assert_eq!(school.captures().await.expect("a count"), DEVICES * usize::try_from(EACH).expect("a small number"));
    agents.stop().await;
}
