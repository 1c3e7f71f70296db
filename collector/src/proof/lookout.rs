//! The lookout: once a minute it compares what was heard with what should have been, tells people, and writes the daily
//! check of each device into the log.
//!
//! One silence a room and day. Its rows, the messages and the audit leaves are one transaction.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{DeviceId, SchoolId};

use super::daily::Daily;
use super::silence::{self, Moment, Silent, Watched};
use super::{LEVEL, caretakers};
use crate::actor::{Actor, Role};
use crate::audit::{self, Act, ActKind};
use crate::ids::{PersonId, SilenceId};
use crate::notify::Purpose;
use crate::store::outbox::{self, Message};
use crate::store::silences::{self, Member, NewSilence, Standing};
use crate::store::{Store, StoreError, Tx, settings};

/// A pause between two looks that is longer means that the collector did not listen: it was stopped, or its clock set.
const BREAK_US: i64 = 150 * 1_000_000;
/// Told when it lasts.
const LASTING: [Role; 2] = [Role::Dsl, Role::DeputyDsl];

/// Looks out for one school.
#[derive(Debug)]
pub struct Lookout {
    actor: Actor,
    store: Store,
    daily: Daily,
    /// Since when the collector listens without a break, and when it looked last.
    listening: Option<(i64, i64)>,
}

/// What a look at the devices found.
struct Found {
    /// Silent and not known to be, by room.
    new: BTreeMap<String, Vec<(DeviceId, Silent)>>,
    /// Known to be silent, and back, or denied.
    back: Vec<(DeviceId, SilenceId)>,
}

impl Lookout {
    /// A lookout that has not looked yet.
    #[must_use]
    pub fn new(school: SchoolId, store: Store) -> Self {
        Self { actor: Actor::Product { school: school.clone() }, store, daily: Daily::new(school), listening: None }
    }

    /// What was heard up to now is not all written down: silence until now says nothing.
    pub const fn interrupted(&mut self) {
        self.listening = None;
    }

    /// Looks at `now_us`, when everything heard until now has been written down. Says whether messages wait.
    ///
    /// # Errors
    ///
    /// When the database cannot be used; then nobody was told, and the next look finds the same.
    pub async fn look(&mut self, now_us: i64) -> Result<bool, StoreError> {
        let listening_us = self.listens_at(now_us);
        let mut tx = self.store.view().await?;
        let calendar = settings::calendar(&mut tx, self.actor.school(), now_us).await?;
        drop(tx);
        let moment = Moment::new(now_us, listening_us, &calendar);
        let found = self.found(&moment).await?;
        let mut tx = self.store.begin().await?;
        for (device, silence) in &found.back {
            silences::end_device(&mut tx, self.actor.school(), *silence, *device, now_us).await?;
        }
        let mut told = false;
        for (room, devices) in &found.new {
            told |= self.raise(&mut tx, room, devices, &moment).await?;
        }
        for standing in silences::standing(&mut tx, self.actor.school()).await? {
            told |= self.follow(&mut tx, &standing, &moment).await?;
        }
        tx.commit().await?;
        let mut tx = self.store.begin().await?;
        self.daily.look(&mut tx, &calendar, now_us).await?;
        tx.commit().await?;
        Ok(told)
    }

    /// Since when it listens without a break, now that it looks at `now_us`.
    fn listens_at(&mut self, now_us: i64) -> i64 {
        let listening_us = match self.listening {
            Some((since_us, last_us)) if (0..=BREAK_US).contains(&now_us.saturating_sub(last_us)) => since_us,
            Some(_) | None => now_us,
        };
        self.listening = Some((listening_us, now_us));
        listening_us
    }

    async fn found(&self, moment: &Moment<'_>) -> Result<Found, StoreError> {
        let school = self.actor.school();
        let (watched, members) =
            (silences::watched(&self.store, school).await?, silences::members(&self.store, school).await?);
        Ok(sorted(&watched, &members, moment))
    }

    /// Adds devices to the silence of their room, or makes it. Says whether somebody is told.
    async fn raise(
        &self,
        tx: &mut Tx,
        room: &str,
        devices: &[(DeviceId, Silent)],
        moment: &Moment<'_>,
    ) -> Result<bool, StoreError> {
        let school = self.actor.school();
        let from_us = devices.iter().map(|(_, silent)| silent.since_us).min().unwrap_or(moment.now_us());
        if let Some((silence, is_over)) = silences::of_room(tx, school, room, moment.day()).await? {
            self.add(tx, silence, devices).await?;
            if is_over {
                // Whether people are told again is seen when it is followed.
                silences::resume(tx, school, silence, from_us, moment.now_us()).await?;
                self.log_raised(tx, silence, count(devices.len()), moment).await?;
            }
            return Ok(false);
        }
        let silence = SilenceId::random()?;
        let reference = silence::reference(&silence);
        let new = NewSilence {
            id: silence,
            reference: &reference,
            room,
            day: moment.day(),
            from_us,
            devices: count(devices.len()),
            raised_us: moment.now_us(),
        };
        silences::insert(tx, school, &new).await?;
        self.add(tx, silence, devices).await?;
        self.log_raised(tx, silence, new.devices, moment).await?;
        self.tell_first(tx, &reference, moment).await
    }

    async fn log_raised(
        &self,
        tx: &mut Tx,
        silence: SilenceId,
        devices: i64,
        moment: &Moment<'_>,
    ) -> Result<(), StoreError> {
        let act = Act::new(&self.actor, moment.now_us(), ActKind::SilenceRaised, silence).with("devices", devices);
        audit::append(tx, &act).await?;
        Ok(())
    }

    async fn add(&self, tx: &mut Tx, silence: SilenceId, devices: &[(DeviceId, Silent)]) -> Result<(), StoreError> {
        for (device, silent) in devices {
            silences::add_device(tx, self.actor.school(), silence, *device, *silent).await?;
        }
        silences::recount(tx, self.actor.school(), silence).await
    }

    /// Ends a silence of which every device is back; tells of one that grew or lasts.
    async fn follow(&self, tx: &mut Tx, standing: &Standing, moment: &Moment<'_>) -> Result<bool, StoreError> {
        let (school, now_us) = (self.actor.school(), moment.now_us());
        if standing.devices == 0 {
            silences::end(tx, school, standing.id, now_us).await?;
            audit::append(tx, &Act::new(&self.actor, now_us, ActKind::SilenceEnded, standing.id)).await?;
            return Ok(false);
        }
        let mut told = false;
        if silence::is_told_again(
            standing.raised_us,
            (standing.told_devices, standing.told_us),
            standing.devices,
            now_us,
        ) {
            silences::set_told(tx, school, standing.id, standing.devices, now_us).await?;
            told |= self.tell_first(tx, &standing.reference, moment).await?;
        }
        if !standing.is_dsl_told && silence::is_lasting(standing.raised_us, moment) {
            silences::set_dsl_told(tx, school, standing.id, now_us).await?;
            let mut people = BTreeSet::new();
            for role in LASTING {
                people.extend(silences::holders(tx, school, role.as_str()).await?);
            }
            told |= self.tell(tx, people, &standing.reference, moment).await?;
        }
        Ok(told)
    }

    /// Tells technicians, or who stands in for them.
    async fn tell_first(&self, tx: &mut Tx, reference: &str, moment: &Moment<'_>) -> Result<bool, StoreError> {
        let people = caretakers(tx, self.actor.school()).await?;
        if people.is_empty() {
            tracing::error!("nobody can be told of a silence: import people with roles and give them a sign-in");
        }
        self.tell(tx, people, reference, moment).await
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        people: BTreeSet<PersonId>,
        reference: &str,
        moment: &Moment<'_>,
    ) -> Result<bool, StoreError> {
        for person in &people {
            let message = Message { person: *person, purpose: Purpose::Silence, reference, level: LEVEL };
            outbox::insert(tx, self.actor.school(), &message, moment.now_us()).await?;
        }
        Ok(!people.is_empty())
    }
}

/// What changed since the last look, by room.
fn sorted(watched: &[Watched], members: &BTreeMap<DeviceId, Member>, moment: &Moment<'_>) -> Found {
    let mut found = Found { new: BTreeMap::new(), back: Vec::new() };
    let mut gone: BTreeMap<DeviceId, SilenceId> = members.iter().map(|(id, member)| (*id, member.silence)).collect();
    for device in watched {
        gone.remove(&device.device);
        match members.get(&device.device) {
            Some(member) if silence::is_back(device, member.since_us, moment) => {
                found.back.push((device.device, member.silence));
            }
            Some(_) => {}
            None => {
                if let Some(silent) = silence::decide(device, moment) {
                    found.new.entry(device.room.clone()).or_default().push((device.device, silent));
                }
            }
        }
    }
    found.back.extend(gone);
    found
}

fn count(devices: usize) -> i64 {
    i64::try_from(devices).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
