//! What stays the same during one transaction of triage: the school's people, hours and table, and what is known of those
//! whom its captures are about.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{DeviceId, SchoolId};
use lapwing_rules::{Category, Level};

use super::level::Context;
use crate::calendar::Calendar;
use crate::exemption::{Agreed, Place, in_force};
use crate::ids::{InvestigationId, SubjectId};
use crate::routing::{Staffing, Table};
use crate::store::captures::Untriaged;
use crate::store::investigations::Open;
use crate::store::subjects::Known;
use crate::store::{StoreError, Tx, concerns, devices, exemptions, investigations, people, settings, subjects};

/// How long another topic counts as lately: a week.
const LATELY_US: i64 = 7 * 24 * 60 * 60 * 1_000_000;
/// How long after an investigation its captures may still arrive: a day.
const LATE_US: i64 = 24 * 60 * 60 * 1_000_000;
/// How long after an exemption what was seen under it may still arrive. A device's clock is its own: what comes later than
/// this may have been seen at any time, and is not lowered.
const JUST_OVER_US: i64 = 5 * 60 * 1_000_000;

/// The school at one moment.
pub(super) struct Setting {
    pub(super) staffing: Staffing,
    pub(super) table: Table,
    pub(super) calendar: Calendar,
    pub(super) now_us: i64,
    known: BTreeMap<SubjectId, Known>,
    lately: BTreeMap<SubjectId, BTreeSet<Category>>,
    investigations: BTreeMap<DeviceId, Vec<Open>>,
    exemptions: Vec<Agreed>,
    /// Group and room of the devices in hand; read only where an exemption stands.
    places: BTreeMap<DeviceId, (String, String)>,
}

impl Setting {
    /// As the school is at `now_us`, with what is known of whom `captures` are about.
    pub(super) async fn read(
        tx: &mut Tx,
        school: &SchoolId,
        captures: &[Untriaged],
        now_us: i64,
    ) -> Result<Self, StoreError> {
        let about: BTreeSet<_> = captures.iter().map(|capture| capture.subject).collect();
        let about: Vec<_> = about.into_iter().collect();
        let received_us = captures.iter().map(|capture| capture.received_us).min().unwrap_or(now_us);
        let exemptions = exemptions::standing(tx, school, received_us.saturating_sub(JUST_OVER_US)).await?;
        let mut places = BTreeMap::new();
        let devices: BTreeSet<_> = captures.iter().map(|capture| capture.device).collect();
        for device in devices.into_iter().filter(|_| !exemptions.is_empty()) {
            places.extend(devices::place(tx, school, device).await?.map(|place| (device, place)));
        }
        Ok(Self {
            staffing: people::staffing(tx, school, now_us).await?,
            table: settings::routing(tx, school).await?,
            calendar: settings::calendar(tx, school, now_us).await?,
            now_us,
            known: subjects::known(tx, school, &about).await?,
            lately: concerns::lately(tx, school, &about, now_us.saturating_sub(LATELY_US)).await?,
            investigations: investigations::open(tx, school, now_us.saturating_sub(LATE_US)).await?,
            exemptions,
            places,
        })
    }

    /// What stands around `capture`, which was seen at `seen_us`.
    pub(super) fn context(&self, capture: &Untriaged, seen_us: i64) -> Context {
        Context {
            before: 0,
            lately: self.lately.get(&capture.subject).cloned().unwrap_or_default(),
            is_vulnerable: self.known.get(&capture.subject).is_some_and(|known| known.is_vulnerable),
            is_unsupervised: self.calendar.is_written() && !self.calendar.is_open(seen_us),
            is_exempted: self.is_exempted(capture, seen_us),
        }
    }

    /// Whether an exemption held there when it was seen, and was not over for long when it arrived. A device that heard of it
    /// captures nothing of the kind; one that did not is judged here.
    fn is_exempted(&self, capture: &Untriaged, seen_us: i64) -> bool {
        let (Ok(category), Some((device_group, room))) = (capture.category.parse(), self.places.get(&capture.device))
        else {
            return false;
        };
        let class = self.known.get(&capture.subject).map_or("", |known| known.form.as_str());
        let just_over = |one: &&Agreed| capture.received_us < one.until_us().saturating_add(JUST_OVER_US);
        let in_time = self.exemptions.iter().filter(just_over);
        in_force(in_time, (category, capture.level), Place { device_group, room, class }, seen_us).is_some()
    }

    /// The investigation that `capture` belongs to: of its device and hour, and about one of the two who opened it. Whoever
    /// else uses the device meanwhile is looked after like anybody, and nothing illegal or critical is filed away.
    pub(super) fn investigation(&self, capture: &Untriaged, seen_us: i64) -> Option<InvestigationId> {
        let person = self.known.get(&capture.subject)?.person?;
        let is_illegal = capture.category.parse::<Category>().is_ok_and(|category| category.class().is_illegal());
        if is_illegal || capture.level == Level::Critical {
            return None;
        }
        // A device's clock that was set back reaches into no investigation that is over.
        let holds = |one: &&Open| {
            let is_in_time = one.from_us <= seen_us && seen_us < one.until_us;
            is_in_time && capture.received_us < one.until_us.saturating_add(LATE_US) && one.people.contains(&person)
        };
        self.investigations.get(&capture.device)?.iter().find(holds).map(|one| one.id)
    }
}
