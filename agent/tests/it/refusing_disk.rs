//! The spool on a disk that refuses to be read.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{Appended, KeySource, Opened, Spool, SpoolError, SpoolLimits};
use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;

/// Reading what this names is an input or output error: nothing is mapped at address 0.
const UNREADABLE: &str = "/proc/self/mem";
/// More attempts than the spool waits for, all told.
const ATTEMPTS: u32 = 20;

/// A state folder with one capture in its spool, of an agent that stopped.
struct State {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl State {
    fn with_a_capture() -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000_000_000));
        let state = Self { folder: tempfile::tempdir().unwrap(), clock };
        assert!(matches!(append(&state.open().0), Ok(Appended::Stored(_))));
        state
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> (Spool, Opened) {
        let (key, clock) = (KeySource::File(self.path("spool.key")), Arc::clone(&self.clock));
        let (folder, limits) = (self.path("spool"), SpoolLimits::default());
        let (spool, report) = Spool::open(&folder, key, HardwareHash::default(), limits, clock).unwrap();
        (spool, report.opened)
    }

    /// Appends until the spool takes it, some time apart.
    fn append_at_last(&self, spool: &Spool, apart: Duration) -> Option<u32> {
        (0..ATTEMPTS).find(|_| {
            self.clock.advance(apart);
            append(spool).is_ok()
        })
    }
}

fn append(spool: &Spool) -> Result<Appended, SpoolError> {
    spool.append(Level::High, &wire::Capture { app: "editor".into(), ..wire::Capture::default() })
}

fn make_unreadable(path: &Path) {
    std::fs::rename(path, path.with_extension("whole")).unwrap();
    symlink(UNREADABLE, path).unwrap();
}

#[test]
fn a_key_that_can_be_read_again_soon_costs_nothing() {
    let state = State::with_a_capture();
    make_unreadable(&state.path("spool.key"));
    let (spool, opened) = state.open();
    assert_eq!(opened, Opened::Waiting);
    assert_eq!(state.append_at_last(&spool, Duration::from_secs(2)), None, "less than a minute passed");

    std::fs::rename(state.path("spool.whole"), state.path("spool.key")).unwrap();

    assert!(append(&spool).is_ok());
    assert_eq!((spool.opened(), spool.earlier_gaps().unwrap()), (Opened::Continued, vec![]));
    assert_eq!(spool.read(Level::High, Seq::new(1), 9).unwrap().len(), 2);
}

#[test]
fn a_key_that_cannot_be_read_for_a_minute_is_set_aside_with_its_store() {
    let state = State::with_a_capture();
    make_unreadable(&state.path("spool.key"));
    let (spool, _) = state.open();

    let taken = state.append_at_last(&spool, Duration::from_secs(10));

    assert!(taken.is_some_and(|attempts| attempts >= 4), "{taken:?}");
    assert_eq!((spool.opened(), spool.earlier_gaps().unwrap().len()), (Opened::Keyless, Level::ALL.len()));
    let aside = state.path("spool/quarantine");
    assert_eq!(std::fs::read_link(aside.join("spool.key")).unwrap(), Path::new(UNREADABLE));
    assert!(aside.join("db").exists(), "moved, not deleted");
    drop(spool);
    assert_eq!(state.open().1, Opened::Continued);
}
