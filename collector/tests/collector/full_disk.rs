//! A database on a disk that is really full.

use std::path::{Path, PathBuf};
use std::process::Command;

use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::{self, ErrorCode};

use crate::device::{Device, batch, code_of, enrolment, join, key_and_request};
use crate::school::School;

/// Room on the disk: a new database, its keys and what a test delivers.
const SIZE: &str = "size=16m,mode=0700";

/// A disk in memory that goes with the test.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// One that holds what `folder` held. Nothing where this user may not mount.
    fn under(folder: &Path) -> Option<Self> {
        let former = folder.with_extension("former");
        std::fs::rename(folder, &former).unwrap();
        std::fs::create_dir(folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "lapwing-test"]).arg(folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: only root may mount a disk");
            return None;
        }
        let copied = Command::new("cp").args(["-a", "--"]).arg(former.join(".")).arg(folder).status();
        assert!(copied.unwrap().success());
        Some(Self { folder: folder.to_owned() })
    }

    /// Takes all room there is.
    fn fill(&self) {
        let _full = std::fs::write(self.other(), vec![1; 64 * 1024 * 1024]).unwrap_err();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.other()).unwrap();
    }

    fn other(&self) -> PathBuf {
        self.folder.join("other")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.folder.as_path()]).status();
    }
}

/// Why something was refused: the collector cannot store, and says when to come back.
fn store_refusal(answer: Option<Down>) {
    match answer {
        Some(Down::Refusal(refusal)) => {
            assert_eq!(refusal.code(), ErrorCode::Store);
            assert!(refusal.retry_delay_ms > 0);
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_full_disk_refuses_with_a_delay_and_everything_is_taken_once_it_has_room() {
    let mut school = School::open().await;
    let device = Device::enrol(&school).await;
    let token = school.token(1).await;
    school.stop().await;
    let Some(disk) = SmallDisk::under(&school.path("data")) else { return };
    school.start().await;
    let (mut delivery, welcome) = device.deliver(&school, &[]).await;
    assert_eq!(delivery.acknowledged(batch(1, 2)).await, 2);
    let mut uplink = device.uplink(&school).await;
    let (renewal, joining) = (key_and_request().1, key_and_request().1);

    disk.fill();
    store_refusal(delivery.send(Up::Batch(batch(3, 200))).await);
    store_refusal(Some(device.greet(&school, device.hello(&welcome.incarnation)).await.1));
    let refused = uplink.renew(wire::RenewRequest { csr: renewal.clone() }).await.unwrap_err();
    assert_eq!(code_of(&refused), ErrorCode::Store);
    let refused = enrolment(&school).await.join(join(&token, joining.clone())).await.unwrap_err();
    assert_eq!(code_of(&refused), ErrorCode::Store);
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 2);

    disk.make_room();
    let (mut delivery, welcome) = device.deliver(&school, &welcome.incarnation).await;
    assert_eq!(welcome.high_water, [wire::LaneMark { lane: 3, through: 2 }]);
    assert_eq!(delivery.acknowledged(batch(3, 200)).await, 202);
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 202);
    assert!(uplink.renew(wire::RenewRequest { csr: renewal }).await.is_ok());
    assert!(enrolment(&school).await.join(join(&token, joining)).await.is_ok(), "its use was not spent");
}
