//! A key file that says nothing, or something else: the store that it opened goes to quarantine with it, and the spool
//! begins anew under a new key.

use std::path::PathBuf;

use super::*;

const GARBAGE: [u8; 32] = [0; 32];

/// A spool whose key lies in a file beside it.
struct Kept {
    rig: Rig,
    former: Epoch,
}

impl Kept {
    /// With three captures, of an agent that stopped.
    fn filled() -> Self {
        let rig = Rig::roomy();
        let (spool, report) = open(&rig);
        for tag in 1..=3 {
            stored(spool.append(Level::High, &capture(tag, 300)));
        }
        Self { rig, former: report.epoch }
    }

    fn key(&self) -> PathBuf {
        key(&self.rig)
    }

    fn set_aside(&self) -> PathBuf {
        folder(&self.rig).join("quarantine")
    }

    /// The spool begins anew and tells of the one before; the next start goes on with it.
    fn begins_anew(&self, what: &str) {
        let (spool, report) = open(&self.rig);
        assert_eq!((report.opened, spool.opened()), (Opened::Keyless, Opened::Keyless), "{what}");
        assert_ne!(report.epoch, self.former, "{what}");
        let gaps = spool.earlier_gaps().unwrap();
        let told: Vec<_> = gaps.iter().map(|gap| (gap.lane, gap.reason, gap.epoch)).collect();
        assert_eq!(told, Level::ALL.map(|lane| (lane, GapReason::Quarantined, Some(self.former))), "{what}");
        assert_eq!(stored(spool.append(Level::High, &capture(4, 10))), 1, "{what}");
        assert!(self.set_aside().join("db").exists(), "{what}");
        drop(spool);
        let key = fs::read(self.key()).unwrap();
        assert!(key.len() == 32 && key != GARBAGE, "{what}: a key of its own");
        let (spool, again) = open(&self.rig);
        assert_eq!((again.opened, again.epoch), (Opened::Continued, report.epoch), "{what}");
        assert_eq!(held(&spool, Level::High), [(1, 4)], "{what}");
    }
}

fn folder(rig: &Rig) -> PathBuf {
    rig.path().join("spool")
}

fn key(rig: &Rig) -> PathBuf {
    rig.path().join("spool.key")
}

fn open(rig: &Rig) -> (Spool, OpenReport) {
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let source = KeySource::File(key(rig));
    Spool::open(&folder(rig), source, HardwareHash::default(), rig.limits, clock).unwrap()
}

#[test]
fn a_key_that_is_none_is_kept_with_the_store_it_opened_and_the_spool_begins_anew() {
    for (what, bytes) in [("empty", vec![]), ("torn", vec![7; 31]), ("long", vec![7; 99]), ("garbage", GARBAGE.into())]
    {
        let kept = Kept::filled();
        fs::write(kept.key(), &bytes).unwrap();
        kept.begins_anew(what);
        assert_eq!(fs::read(kept.set_aside().join("spool.key")).unwrap(), bytes, "{what}");
    }
}

#[test]
fn a_folder_in_place_of_the_key_goes_with_the_store_and_the_spool_begins_anew() {
    let kept = Kept::filled();
    fs::remove_file(kept.key()).unwrap();
    fs::create_dir(kept.key()).unwrap();
    fs::write(kept.key().join("file"), b"kept").unwrap();
    kept.begins_anew("a folder");
    assert_eq!(fs::read(kept.set_aside().join("spool.key/file")).unwrap(), b"kept");
}

#[test]
fn a_key_that_is_gone_takes_the_store_with_it_and_the_spool_begins_anew() {
    let kept = Kept::filled();
    fs::remove_file(kept.key()).unwrap();
    kept.begins_anew("gone");
    assert!(!kept.set_aside().join("spool.key").exists());
}

#[test]
fn a_store_and_its_key_come_back_where_both_are_put_back() {
    let kept = Kept::filled();
    let key = fs::read(kept.key()).unwrap();
    fs::write(kept.key(), b"torn").unwrap();
    kept.begins_anew("torn");
    fs::remove_dir_all(folder(&kept.rig).join("live")).unwrap();
    fs::rename(kept.set_aside(), folder(&kept.rig).join("live")).unwrap();
    fs::write(kept.key(), key).unwrap();
    let (spool, report) = open(&kept.rig);
    assert_eq!((report.opened, report.epoch), (Opened::Continued, kept.former));
    assert_eq!(held(&spool, Level::High), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn of_stores_and_keys_that_were_set_aside_the_last_pair_is_kept() {
    let kept = Kept::filled();
    for key in [b"first".as_slice(), b"second"] {
        fs::write(kept.key(), key).unwrap();
        open(&kept.rig);
        assert_eq!(fs::read(kept.set_aside().join("spool.key")).unwrap(), key);
    }
    let names = fs::read_dir(folder(&kept.rig)).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names, ["ballast", "epoch", "live", "lock", "quarantine", "reach"].map(str::to_owned).into());
}

#[test]
fn a_way_aside_that_was_cut_short_keeps_the_key_with_its_store() {
    let kept = Kept::filled();
    // As a kill between the two moves leaves it.
    fs::rename(kept.key(), folder(&kept.rig).join("live/spool.key")).unwrap();
    let before = fs::read(folder(&kept.rig).join("live/spool.key")).unwrap();
    kept.begins_anew("cut short");
    assert_eq!(fs::read(kept.set_aside().join("spool.key")).unwrap(), before);
}

#[test]
fn a_key_that_is_none_and_no_store_is_a_beginning() {
    let rig = Rig::roomy();
    fs::write(key(&rig), b"torn").unwrap();
    let (spool, report) = open(&rig);
    assert_eq!((report.opened, spool.earlier_gaps().unwrap()), (Opened::Keyless, vec![]));
    assert_eq!(stored(spool.append(Level::High, &capture(1, 10))), 1);
}
