//! One school of the database: its people, what its devices deliver, and what its DSL decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use lapwing_collector::actor::{Actor, Role};
use lapwing_collector::clock::{Clock as _, ManualClock};
use lapwing_collector::console::{ConsoleState, router};
use lapwing_collector::ids::ConcernId;
use lapwing_collector::intake::{Delivery, Fate, Held, Intake, IntakeParts};
use lapwing_collector::people::{self, Absentees, Mode, Wanted};
use lapwing_collector::seal::Vault;
use lapwing_collector::second_step::AuthenticatorKey;
use lapwing_collector::store::sign_ins::{self, HashedPassword, NewSignIn};
use lapwing_collector::subject::AccountGroups;
use lapwing_collector::triage::commands::{Closing, Desk, Judgement, Outcome, Verdict};
use lapwing_collector::triage::{Climber, Triage};
use lapwing_proto::bounds::MAX_BATCH;
use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use tokio::sync::{Notify, broadcast};

use super::browser::Browser;
use super::plan::{Episode, MINUTE_US, Plan, account_of};
use super::site::{PASSWORD, Shared};

/// Staff with roles, who can all sign in.
const STAFF: [(&str, Role); 4] =
    [("dsl", Role::Dsl), ("deputy", Role::DeputyDsl), ("head", Role::Headteacher), ("chair", Role::Chair)];
/// Episodes that arrive before triage and the DSL have their turn.
const EPISODES: usize = 100;

/// How large a school is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) pupils: usize,
    pub(super) devices: usize,
    /// Captures of its whole year.
    pub(super) captures: usize,
    /// Concerns that stay open, of a hundred.
    pub(super) open: usize,
    /// Concerns that stay open whatever follows: the first ones.
    pub(super) kept_open: usize,
}

pub(super) struct School {
    id: SchoolId,
    shared: Shared,
    vault: Vault,
    intake: Intake,
    wake: Arc<Notify>,
    triage: Triage,
    desk: Desk,
    dsl: Actor,
    plan: Plan,
    size: Size,
    /// The highest sequence of each lane of each device.
    spools: BTreeMap<(usize, Level), u64>,
    captures: usize,
    concerns: BTreeSet<ConcernId>,
    /// How far its year is; other schools have the clock meanwhile.
    now_us: i64,
    /// The DSL's.
    phone: OnceLock<AuthenticatorKey>,
}

impl School {
    /// A school of the database with its people and nothing else.
    pub(super) async fn open(
        shared: &Shared,
        (id, number): (SchoolId, u64),
        vault: Vault,
        size: Size,
        password: &HashedPassword,
    ) -> anyhow::Result<Self> {
        let dsl = people(shared, &id, size, password).await?;
        let wake = Arc::new(Notify::new());
        let (intake, worker) = Intake::new(IntakeParts {
            school: id.clone(),
            store: shared.store.clone(),
            vault: vault.clone(),
            groups: AccountGroups::default(),
            triage: Arc::clone(&wake),
        });
        shared.tasks.spawn(worker.run(shared.shutdown.clone()));
        let clock = Arc::clone(&shared.clock);
        let (mail, unheard) = (Arc::default(), broadcast::Sender::new(1));
        let desk = Desk::new(shared.store.clone(), vault.clone(), clock, mail, unheard);
        let triage = triage(shared, &id, Arc::clone(&wake));
        let plan = Plan::new(number, size.pupils, size.devices)?;
        Ok(Self {
            id,
            shared: shared.clone(),
            vault,
            intake,
            wake,
            triage,
            desk,
            dsl,
            plan,
            size,
            spools: BTreeMap::new(),
            captures: 0,
            concerns: BTreeSet::new(),
            now_us: shared.clock.wall_us(),
            phone: OnceLock::new(),
        })
    }

    /// Captures that it holds.
    pub(super) fn captures(&self) -> usize {
        self.captures
    }

    /// How far its year is.
    pub(super) fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Concerns that it holds.
    pub(super) fn concerns(&self) -> usize {
        self.concerns.len()
    }

    /// Lets the year go on until so many of its captures have been, decided as they come.
    pub(super) async fn live_until(&mut self, captures: usize) -> anyhow::Result<()> {
        while self.captures < captures {
            let mut fates = Vec::new();
            for _ in 0..EPISODES {
                if self.captures >= captures {
                    break;
                }
                let episode = self.plan.next(self.captures, self.size.captures);
                self.now_us = self.now_us.max(episode.until_us);
                fates.extend(self.deliver(episode).await?);
            }
            try_join_all(fates).await?;
            self.now_us += MINUTE_US;
            self.shared.clock.set_us(self.now_us);
            let opened = self.triage_all().await?;
            self.decide(&opened).await?;
        }
        Ok(())
    }

    /// Hands over what was seen.
    pub(super) async fn deliver(&mut self, episode: Episode) -> anyhow::Result<Vec<Fate>> {
        let Episode { level, device, captures, until_us } = episode;
        self.captures += captures.len();
        let mut fates = Vec::new();
        for captures in captures.chunks(MAX_BATCH) {
            let through = self.spools.entry((device, level)).or_default();
            let delivery = Delivery {
                device: device_id(device),
                epoch: Epoch::from_bytes([1; 16]),
                lane: level,
                first: Seq::new(*through + 1),
                captures: captures.to_vec(),
                gaps: Vec::new(),
                received_us: until_us,
                held: Held::default(),
            };
            *through += captures.len() as u64;
            fates.push(self.intake.hand_over(delivery).await?);
        }
        Ok(fates)
    }

    /// One of many captures that have no topic in common.
    pub(super) async fn deliver_lone(&mut self, number: usize) -> anyhow::Result<Fate> {
        let episode = self.plan.lone(number, self.shared.clock.wall_us());
        self.deliver(episode).await?.pop().context("one batch has one fate")
    }

    /// Lets triage take everything that waits; answers what it opened.
    async fn triage_all(&mut self) -> anyhow::Result<Vec<ConcernId>> {
        let (mut events, mut opened) = (self.shared.events.subscribe(), Vec::new());
        while self.triage.step().await?.is_some() {
            while let Ok(changed) = events.try_recv() {
                if self.concerns.insert(changed.concern) {
                    opened.push(changed.concern);
                }
            }
        }
        Ok(opened)
    }

    /// Closes most of `opened`; of the rest some are acknowledged, and some judged.
    async fn decide(&self, opened: &[ConcernId]) -> anyhow::Result<()> {
        let before = self.concerns.len() - opened.len();
        for (number, concern) in (before..).zip(opened.iter().copied()) {
            let stays = number < self.size.kept_open || number % 100 < self.size.open;
            let steps = if stays { number % 3 } else { 3 };
            if steps >= 1 {
                self.desk.acknowledge(&self.dsl, concern).await?;
            }
            if steps >= 2 {
                let (verdict, outcome) = match number % 4 {
                    0 => (Verdict::False, Outcome::None),
                    _ => (Verdict::True, Outcome::Talked),
                };
                let judgement = Judgement::new(verdict, outcome)?;
                self.desk.judge(&self.dsl, concern, judgement, "", &BTreeMap::new()).await?;
            }
            if steps >= 3 {
                self.desk.close(&self.dsl, concern, Closing::default()).await?;
            }
        }
        Ok(())
    }

    /// Another worker of its triage, told of captures by its intake.
    pub(super) fn triage(&self) -> Triage {
        triage(&self.shared, &self.id, Arc::clone(&self.wake))
    }

    /// What lets its concerns climb.
    pub(super) fn climber(&self) -> Climber {
        let Shared { store, clock, events, .. } = self.shared.clone();
        Climber::new(self.id.clone(), store, clock, Arc::default(), events)
    }

    /// Its DSL at the console.
    pub(super) async fn browser(&self) -> anyhow::Result<Browser> {
        let Shared { store, clock, events, shutdown, .. } = self.shared.clone();
        let state = ConsoleState {
            store,
            vault: self.vault.clone(),
            clock,
            school: self.id.clone(),
            rules: Arc::default(),
            mail: Arc::default(),
            events,
            shutdown,
            gate: Arc::default(),
            certificates: Arc::default(),
        };
        let now_us = state.clock.wall_us();
        Browser::signed_in(router(state), ("dsl", PASSWORD), now_us, &self.phone).await
    }
}

fn triage(shared: &Shared, id: &SchoolId, wake: Arc<Notify>) -> Triage {
    let clock: Arc<ManualClock> = Arc::clone(&shared.clock);
    Triage::new(id.clone(), shared.store.clone(), clock, wake, Arc::default(), shared.events.clone())
}

/// Imports staff and pupils, and lets the staff sign in; answers the DSL.
async fn people(shared: &Shared, id: &SchoolId, size: Size, password: &HashedPassword) -> anyhow::Result<Actor> {
    let mut list = "account,name,role,class,band,mail\n".to_owned();
    for (account, role) in STAFF {
        list += &format!("{account},Somebody Else,{role},,,{account}@school.example\n");
    }
    for pupil in 0..size.pupils {
        list += &format!("{},Pupil Number {pupil},pupil,{}B,ks3,\n", account_of(pupil), 7 + pupil % 5);
    }
    let listed = people::parse(list.as_bytes()).map_err(|faults| anyhow::anyhow!("people.csv: {faults:?}"))?;
    let product = Actor::Product { school: id.clone() };
    let now_us = shared.clock.wall_us();
    let wanted = Wanted { mode: Mode::Apply, absentees: Absentees::Stay, asked_by: None };
    people::import(&shared.store, &product, now_us, &listed, wanted).await?;
    for (account, _) in STAFF {
        let person = people::person_of(&shared.store, id, account).await?.context("the import left somebody out")?;
        let (login, mail) = (account.parse()?, String::new());
        let sign_in = NewSignIn { login, person, mail, password: password.clone() };
        sign_ins::add(&shared.store, id, &sign_in, now_us).await?;
    }
    let person = people::person_of(&shared.store, id, "dsl").await?;
    let person = person.context("there is no DSL")?;
    Ok(Actor::Person { school: id.clone(), person, roles: BTreeSet::from([Role::Dsl]) })
}

fn device_id(number: usize) -> DeviceId {
    let mut bytes = [0xd1; 16];
    for (to, byte) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *to = byte;
    }
    DeviceId::from_bytes(bytes)
}
