//! The spool's folder: opening what is in it, and moving away what cannot be used.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use lapwing_proto::{Epoch, Seq, failpoint};
use lapwing_rules::{Digest, Level};
use sled::Batch;

use super::engine::{Engine, EngineError};
use super::key::{Found, Keyring};
use super::lane::{Gap, GapReason};
use super::ledger::{self, Ledger};
use super::meta::Meta;
use super::patience::Patience;
use super::reach::Reach;
use super::record::{self, Sealer, Stamp};
use super::rescue::{Rescued, read_through, rescue};
use super::{KeySource, OpenReport, Opened, SpoolError, SpoolKey, SpoolLimits};
use crate::identity::HardwareHash;
use crate::{durable, platform};

mod room;

pub(super) use room::MadeWay;

const EPOCH_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
/// Most epochs the epoch file names: the present one, and the lost ones of which the collector was not told yet.
const MAX_EPOCHS: usize = 8;
/// Sealed at sequence 0 of lane 1, to tell a wrong key from a damaged record.
const PROBE: &[u8] = b"lapwing spool";
/// A second in all for another process to let go of the folder: who looks into it holds it while copying.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Where the spool lives, and under which terms.
pub(super) struct Place {
    folder: PathBuf,
    keys: Keyring,
    hardware: HardwareHash,
    limits: SpoolLimits,
    patience: Mutex<Patience>,
    /// Held from the first opening on: one process at a time.
    lock: Mutex<Option<File>>,
}

/// Whether what the store holds is known to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// As far as anybody knows.
    Sound,
    /// A write or a sync failed, and the next one may succeed although what was meant then is not there.
    Doubted,
    /// It is what could be read of the one in quarantine, which stays there.
    Rescued,
}

/// Why the store in the folder is not used.
enum Unusable {
    Unreadable(String),
    /// Its key is gone, is no key, or is another's.
    Keyless(&'static str),
    /// The disk refuses to tell its key.
    KeyRefused(io::Error),
    Foreign(Vec<Gap>),
    Failed(EngineError),
}

impl Unusable {
    /// As whoever waits for the spool hears of it.
    fn into_engine_error(self) -> EngineError {
        match self {
            Self::Failed(error) => error,
            Self::KeyRefused(error) => EngineError::Io(io::Error::new(error.kind(), format!("its key: {error}"))),
            Self::Unreadable(why) => EngineError::Unreadable(why),
            Self::Keyless(why) => EngineError::Unreadable(why.into()),
            Self::Foreign(_) => EngineError::Unreadable("it is foreign anew".into()),
        }
    }
}

impl From<EngineError> for Unusable {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreadable(why) => Self::Unreadable(why),
            EngineError::Io(_) => Self::Failed(error),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Place {
    pub(super) fn new(folder: PathBuf, key: KeySource, hardware: HardwareHash, limits: SpoolLimits) -> Self {
        let (keys, patience) = (Keyring::new(key), Mutex::default());
        Self { folder, keys, hardware, limits, patience, lock: Mutex::new(None) }
    }

    /// Opens the store. One that cannot be used is moved to quarantine and a new one started, with the gaps that tell
    /// of it.
    pub(super) fn open(&self, now: &Stamp, trust: Trust) -> Result<(Ledger, OpenReport), SpoolError> {
        self.take_lock()?;
        let failed = |error: Unusable| SpoolError::store(&error.into_engine_error());
        let former = self.epochs();
        let unusable = match self.open_live(now, &former, trust) {
            Ok(opened) => {
                super::lock(&self.patience).renew();
                return Ok(opened);
            }
            Err(unusable) => unusable,
        };
        let (unusable, trust) = match self.insist(unusable, now) {
            Ok(()) => match self.open_live(now, &former, Trust::Rescued) {
                Ok(opened) => return Ok(opened),
                Err(unusable) => (unusable, Trust::Rescued),
            },
            Err(unusable) => (unusable, trust),
        };
        let (opened, gaps) = match unusable {
            Unusable::Failed(_) | Unusable::KeyRefused(_) => return Err(failed(unusable)),
            Unusable::Unreadable(why) => {
                tracing::error!(error = %why, "the spool cannot be read and was moved to quarantine");
                (Opened::Quarantined, unknown_extent(&former))
            }
            Unusable::Keyless(why) => {
                tracing::error!(error = why, "the spool cannot be opened and was moved to quarantine with its key");
                self.set_key_aside().map_err(|error| failed(error.into()))?;
                (Opened::Keyless, unknown_extent(&former))
            }
            Unusable::Foreign(gaps) => {
                tracing::error!("the spool was written on other hardware and was moved to quarantine");
                (Opened::Foreign, gaps)
            }
        };
        let quarantined = self.quarantine(trust).map_err(Unusable::from);
        quarantined.and_then(|()| self.begin(now, opened, &former, &gaps)).map_err(failed)
    }

    /// What a disk has refused to tell for too long counts as lost. Answers well where the rest of the store was saved
    /// from it.
    fn insist(&self, unusable: Unusable, now: &Stamp) -> Result<(), Unusable> {
        let refused = match &unusable {
            Unusable::KeyRefused(_) => true,
            Unusable::Failed(error) => !error.is_disk_full(),
            Unusable::Unreadable(_) | Unusable::Keyless(_) | Unusable::Foreign(_) => false,
        };
        let mut patience = super::lock(&self.patience);
        if !refused || !patience.is_over(now) {
            return Err(unusable);
        }
        patience.renew();
        match unusable {
            Unusable::KeyRefused(_) => Err(Unusable::Keyless("its key cannot be read")),
            // A store that cannot even be looked for is not taken for removed.
            Unusable::Failed(_) if self.folder.join("live").try_exists().unwrap_or(true) => self.rescue(unusable),
            Unusable::Failed(_) | Unusable::Unreadable(_) | Unusable::Keyless(_) | Unusable::Foreign(_) => {
                Err(unusable)
            }
        }
    }

    /// Has the store lie where it can be read, where that is what it is unusable for.
    fn rescue(&self, unusable: Unusable) -> Result<(), Unusable> {
        let (live, fresh) = (self.folder.join("live"), self.folder.join("fresh"));
        self.finish_renewal()?;
        match rescue(&live, &fresh)? {
            Rescued::AllBut(0) => {
                fs::remove_dir_all(&fresh)?;
                Err(unusable)
            }
            Rescued::AllBut(sectors) => {
                tracing::error!(spool.sectors = sectors, "the disk refuses part of the spool; the rest was copied");
                Ok(self.take_fresh(Trust::Sound)?)
            }
            Rescued::TooLittle => {
                fs::remove_dir_all(&fresh)?;
                Err(Unusable::Unreadable("the disk refuses to read it".into()))
            }
        }
    }

    /// Which spool this was when it was last open, as far as its folder tells.
    pub(super) fn last_epoch(&self) -> Option<Epoch> {
        self.epochs().first().copied()
    }

    /// Takes note that the collector was told of every lost store.
    pub(super) fn forget_lost(&self, epoch: Epoch) -> Result<(), EngineError> {
        if self.epochs() != [epoch] {
            self.write_epochs(&[epoch])?;
        }
        Ok(())
    }

    /// The limits the spool was opened with.
    pub(super) const fn limits(&self) -> SpoolLimits {
        self.limits
    }

    fn take_lock(&self) -> Result<(), SpoolError> {
        let mut held = super::lock(&self.lock);
        if held.is_some() {
            return Ok(());
        }
        let failed = |error: io::Error| SpoolError::store(&EngineError::Io(error));
        platform::create_private_folder(&self.folder).map_err(failed)?;
        let path = self.folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        // On a disk that cannot be written the file that is there does as well.
        let file = file.or_else(|error| File::open(&path).map_err(|_| error)).map_err(failed)?;
        for _ in 0..LOCK_TRIES {
            if failpoint!("spool.lock", file.try_lock()).is_ok() {
                *held = Some(file);
                return Ok(());
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Err(SpoolError::InUse)
    }

    /// Opens the store. One that is damaged or doubted is copied to a new one: what is written behind damage may not be
    /// found again.
    fn open_live(&self, now: &Stamp, former: &[Epoch], trust: Trust) -> Result<(Ledger, OpenReport), Unusable> {
        self.finish_renewal()?;
        let key = match self.keys.look().map_err(Unusable::KeyRefused)? {
            Found::Key(key) => Some(key),
            Found::Nothing => None,
            Found::NoKey => return Err(Unusable::Keyless("its key file holds no key")),
        };
        let (ledger, report) = self.read_live(now, former, key.as_ref())?;
        if report.damaged == 0 && trust != Trust::Doubted {
            return Ok((ledger, report));
        }
        if let Err(error) = self.renew(ledger, trust) {
            tracing::warn!(error = %error, "the spool cannot be copied to a new store");
        }
        let (ledger, renewed) = self.read_live(now, former, key.as_ref())?;
        Ok((ledger, OpenReport { damaged: report.damaged, ..renewed }))
    }

    /// Copies the store to a new one and puts that in its place. Until the new one is whole nothing changes.
    fn renew(&self, ledger: Ledger, trust: Trust) -> Result<(), EngineError> {
        let fresh = self.folder.join("fresh");
        let engine = Engine::open(&fresh)?;
        ledger.copy_to(&engine)?;
        drop((ledger, engine));
        Ok(self.take_fresh(trust)?)
    }

    /// Puts a whole copy in the store's place.
    fn take_fresh(&self, trust: Trust) -> io::Result<()> {
        self.quarantine(trust)?;
        failpoint!("spool.renew", fs::rename(self.folder.join("fresh"), self.folder.join("live"))?);
        platform::sync_folder(&self.folder)
    }

    /// A copy beside a store is not whole; one without a store beside it is, and takes its place.
    fn finish_renewal(&self) -> io::Result<()> {
        let (live, fresh) = (self.folder.join("live"), self.folder.join("fresh"));
        match (live.try_exists()?, fresh.try_exists()?) {
            (_, false) => Ok(()),
            (true, true) => fs::remove_dir_all(fresh),
            (false, true) => fs::rename(fresh, live),
        }
    }

    fn read_live(
        &self,
        now: &Stamp,
        former: &[Epoch],
        key: Option<&SpoolKey>,
    ) -> Result<(Ledger, OpenReport), Unusable> {
        let live = self.folder.join("live");
        if !live.try_exists()? {
            // Never made, removed, or its way to quarantine was cut short.
            let opened = if former.is_empty() { Opened::Fresh } else { Opened::Quarantined };
            return self.begin(now, opened, former, &unknown_extent(former));
        }
        // The store takes what it cannot read for its end, and writes over it.
        read_through(&live)?;
        let engine = Engine::open(&live)?;
        platform::sync_folder(&self.folder)?;
        let Some(meta) = engine.get(&record::meta_key())? else {
            let untouched = former.is_empty() && engine.is_empty()?;
            drop(engine);
            return match untouched {
                true => self.begin(now, Opened::Fresh, &[], &[]),
                false => Err(Unusable::Unreadable("its head is missing".into())),
            };
        };
        let meta = Meta::read(&meta).map_err(|error| Unusable::Unreadable(error.to_string()))?;
        let Some(key) = key else { return Err(Unusable::Keyless("its key is missing")) };
        let sealer = Sealer::new(key, meta.epoch);
        if sealer.open(Level::Info, Seq::NONE, &meta.probe).is_err() {
            return Err(Unusable::Keyless("it was written under another key"));
        }
        let (mut ledger, loaded) =
            Ledger::load(engine, sealer, Reach::open(&self.folder, meta.epoch), self.limits, now)?;
        if meta.hardware.differs_from(&self.hardware) {
            return Err(Unusable::Foreign(foreign_gaps(&ledger, meta.epoch)));
        }
        self.settle_epochs(&mut ledger, meta.epoch, former)?;
        Ok((
            ledger,
            OpenReport { opened: Opened::Continued, epoch: meta.epoch, held: loaded.held, damaged: loaded.damaged },
        ))
    }

    /// Starts a new store that tells of `gaps`, where there is none.
    fn begin(
        &self,
        now: &Stamp,
        opened: Opened,
        lost: &[Epoch],
        gaps: &[Gap],
    ) -> Result<(Ledger, OpenReport), Unusable> {
        let engine = Engine::open(&self.folder.join("live"))?;
        platform::sync_folder(&self.folder)?;
        let random = |error: getrandom::Error| durable::no_randomness(error);
        let epoch = Epoch::random().map_err(random)?;
        let sealer = Sealer::new(&self.keys.look_or_make()?, epoch);
        let probe = sealer.seal(Level::Info, Seq::NONE, now, PROBE).map_err(random)?;
        let mut batch = Batch::default();
        batch.insert(record::meta_key(), Meta { epoch, hardware: self.hardware, probe }.to_bytes());
        ledger::insert_earlier(&mut batch, gaps);
        failpoint!("spool.begin", engine.apply(batch).and_then(|()| engine.commit())?);
        // Only now may something be acknowledged: a spool without this file held nothing.
        let epochs: Vec<_> = [epoch].into_iter().chain(lost.iter().copied()).take(MAX_EPOCHS).collect();
        failpoint!("spool.epoch", self.write_epochs(&epochs)?);
        let (ledger, loaded) = Ledger::load(engine, sealer, Reach::open(&self.folder, epoch), self.limits, now)?;
        Ok((ledger, OpenReport { opened, epoch, held: loaded.held, damaged: loaded.damaged }))
    }

    /// The epoch file names another store than the one that is here: a beginning was cut short after the new store
    /// told of the former, or somebody put a store in its place, and then what the former held is missing.
    fn settle_epochs(&self, ledger: &mut Ledger, epoch: Epoch, former: &[Epoch]) -> Result<(), EngineError> {
        if former.first() == Some(&epoch) {
            return Ok(());
        }
        let told: Vec<_> = ledger.earlier_gaps().iter().filter_map(|gap| gap.epoch).collect();
        let lost: Vec<_> = former.iter().filter(|lost| **lost != epoch).copied().collect();
        let untold: Vec<_> = lost.iter().filter(|lost| !told.contains(lost)).copied().collect();
        ledger.tell_of(unknown_extent(&untold))?;
        let epochs: Vec<_> = [epoch].into_iter().chain(lost).take(MAX_EPOCHS).collect();
        Ok(self.write_epochs(&epochs)?)
    }

    /// The present epoch and the lost ones; none where the file does not say.
    fn epochs(&self) -> Vec<Epoch> {
        let most = EPOCH_BYTES * MAX_EPOCHS + DIGEST_BYTES;
        let bytes = durable::read_bounded(&self.folder.join("epoch"), most).unwrap_or_default();
        let split = bytes.split_at_checked(bytes.len().saturating_sub(DIGEST_BYTES));
        let Some((epochs, _)) = split.filter(|(epochs, digest)| Digest::of(epochs).as_bytes() == digest) else {
            return Vec::new();
        };
        epochs.chunks_exact(EPOCH_BYTES).filter_map(|bytes| Epoch::try_from(bytes).ok()).collect()
    }

    fn write_epochs(&self, epochs: &[Epoch]) -> io::Result<()> {
        let mut bytes: Vec<u8> = epochs.iter().flat_map(|epoch| epoch.as_bytes()).copied().collect();
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        durable::replace(&self.folder.join("epoch"), &bytes)
    }
}

/// How much a spool held that cannot be read is not known: each lane's first sequence stands for it.
fn unknown_extent(epochs: &[Epoch]) -> Vec<Gap> {
    let gap = |epoch: &Epoch, lane| Gap {
        lane,
        from: Seq::NONE,
        to: Seq::NONE,
        reason: GapReason::Quarantined,
        epoch: Some(*epoch),
    };
    epochs.iter().flat_map(|epoch| Level::ALL.into_iter().map(move |lane| gap(epoch, lane))).collect()
}

/// What a spool of other hardware held and had still to tell, a range a lane, and what it had to tell of others.
fn foreign_gaps(ledger: &Ledger, epoch: Epoch) -> Vec<Gap> {
    let lanes = ledger.lane_states();
    let own = lanes.iter().filter_map(|state| {
        let untold = ledger.gaps(state.lane, Seq::NONE).first().map(|gap| gap.from);
        let from = state.first.into_iter().chain(untold).min()?;
        let to = Seq::new(state.next.number().saturating_sub(1));
        Some(Gap { lane: state.lane, from, to, reason: GapReason::Foreign, epoch: Some(epoch) })
    });
    own.chain(ledger.earlier_gaps().iter().copied()).collect()
}
