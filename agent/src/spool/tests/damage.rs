//! Torn tails, flipped bits, other keys, other hardware, other processes.

use lapwing_rules::Digest;

use super::*;

fn hardware(text: &str) -> HardwareHash {
    HardwareHash::new(Some(Digest::of(text.as_bytes())))
}

fn filled(rig: &Rig) -> Epoch {
    let (spool, report) = rig.open_on(hardware("one"));
    for tag in 0..60 {
        stored(spool.append(Level::High, &capture(tag, 300)));
    }
    report.epoch
}

/// Everything a spool knows of a lane: held, or in a gap.
fn accounted(spool: &Spool, lane: Level) -> BTreeSet<u64> {
    let mut all: BTreeSet<u64> = held(spool, lane).iter().map(|(seq, _)| *seq).collect();
    for (from, to, _) in gaps(spool, lane) {
        all.extend(from..=to);
    }
    all
}

/// Opens what was damaged: it always opens, and either everything below `next` is accounted for or it is a new epoch
/// whose gaps name the old one.
fn opens_and_accounts(rig: &Rig, former: Epoch) {
    let (spool, report) = rig.open_on(hardware("one"));
    match report.opened {
        Opened::Continued => {
            assert_eq!(report.epoch, former);
            let next = spool.lane_states()[3].next.number();
            assert_eq!(accounted(&spool, Level::High), (1..next).collect());
        }
        Opened::Quarantined => {
            assert_ne!(report.epoch, former);
            let gaps = spool.earlier_gaps().unwrap();
            assert!(gaps.iter().all(|gap| gap.epoch == Some(former) && gap.reason == GapReason::Quarantined));
            assert_eq!(gaps.len(), 5);
            assert!(rig.path().join("quarantine").exists());
        }
        Opened::Fresh | Opened::Foreign => panic!("{report:?}"),
    }
    let next = spool.lane_states()[3].next.number();
    assert_eq!(stored(spool.append(Level::High, &capture(1_000, 10))), next);
}

#[test]
fn a_spool_with_a_torn_tail_opens() {
    for cut in [1, 7, 100, 5_000, 70_000] {
        let rig = Rig::roomy();
        let former = filled(&rig);
        let db = rig.path().join("live/db");
        let file = fs::File::options().write(true).open(&db).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(cut)).unwrap();
        opens_and_accounts(&rig, former);
    }
}

#[test]
fn a_spool_with_a_flipped_bit_opens() {
    for part in 0..12_usize {
        let rig = Rig::roomy();
        let former = filled(&rig);
        let db = rig.path().join("live/db");
        let mut bytes = fs::read(&db).unwrap();
        let at = bytes.len() * part / 12 + 33;
        bytes[at] ^= 0x10;
        fs::write(&db, bytes).unwrap();
        opens_and_accounts(&rig, former);
    }
}

#[test]
fn a_spool_without_its_configuration_opens() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    fs::write(rig.path().join("live/conf"), b"half").unwrap();
    opens_and_accounts(&rig, former);
}

#[test]
fn a_spool_of_another_key_is_quarantined() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let key = SpoolKey::from_bytes([8; 32]);
    let (spool, report) = Spool::open(rig.path(), &key, hardware("one"), rig.limits, clock).unwrap();
    assert_eq!(report.opened, Opened::Quarantined);
    assert_eq!(spool.earlier_gaps().unwrap()[0].epoch, Some(former));
}

#[test]
fn records_of_other_hardware_are_not_sent_and_their_number_is_told() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    let (spool, report) = rig.open_on(hardware("two"));
    assert_eq!((report.opened, report.held), (Opened::Foreign, 0));
    let expected =
        Gap { lane: Level::High, from: Seq::new(1), to: Seq::new(60), reason: GapReason::Foreign, epoch: Some(former) };
    assert_eq!(spool.earlier_gaps().unwrap(), [expected]);
    drop(spool);
    let (spool, _) = rig.open_on(hardware("two"));
    assert_eq!(spool.earlier_gaps().unwrap(), [expected], "told until the collector has it");
    spool.forget_earlier_gaps(Level::High).unwrap();
    drop(spool);
    assert_eq!(rig.open_on(hardware("two")).0.earlier_gaps().unwrap(), []);
}

#[test]
fn hardware_that_does_not_say_who_it_is_keeps_its_spool() {
    let rig = Rig::roomy();
    filled(&rig);
    assert_eq!(rig.open_on(HardwareHash::default()).1.opened, Opened::Continued);
}

#[test]
fn a_spool_in_use_is_left_alone() {
    let rig = Rig::roomy();
    let (_spool, _) = rig.open();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let key = SpoolKey::from_bytes([9; 32]);
    let refused = Spool::open(rig.path(), &key, HardwareHash::default(), rig.limits, clock).unwrap_err();
    assert_eq!(refused, SpoolError::InUse);
}

#[test]
fn nothing_of_a_capture_is_readable_at_rest() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    let marked = wire::Excerpt { scope: 1, text: "seeded-marker".into() };
    spool.append(Level::High, &wire::Capture { excerpts: vec![marked], ..wire::Capture::default() }).unwrap();
    drop(spool);
    let db = fs::read(rig.path().join("live/db")).unwrap();
    assert!(!db.windows(13).any(|window| window == b"seeded-marker"));
}
