//! What devices are told not to capture for a while: one signed list for each place, made when it is first asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::{ApprovedMedium, DeviceId, SchoolId};

use super::Ingest;
use super::published::Offer;
use crate::exemption::{Agreed, list_for};
use crate::store::{Store, StoreError, approved_media, devices, exemptions};

/// Lists that are kept ready; all are made anew when there are more places.
const MAX_KEPT: usize = 4096;

/// The exemptions of one moment.
#[derive(Debug)]
pub(crate) struct Exempting {
    number: u64,
    agreed: Vec<Agreed>,
    media: Vec<ApprovedMedium>,
    /// By group and room of a device. A signature is another each time, and the digest of what was announced is not.
    lists: Mutex<BTreeMap<(String, String), Arc<Offer>>>,
}

impl Exempting {
    /// What stands under `number`; `None` before there was any.
    pub(super) async fn load(
        store: &Store,
        school: &SchoolId,
        number: u64,
        now_us: i64,
    ) -> Result<Option<Self>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        let mut tx = store.view().await?;
        let agreed = exemptions::standing(&mut tx, school, now_us).await?;
        let media = approved_media::standing(&mut tx, school, now_us).await?;
        Ok(Some(Self { number, agreed, media, lists: Mutex::default() }))
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The list for devices of this group and room.
    fn offer(&self, ingest: &Ingest, place: (String, String)) -> Result<Arc<Offer>, StoreError> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offer) = lists.get(&place) {
            return Ok(Arc::clone(offer));
        }
        let now_us = ingest.clock.wall_us();
        let list = list_for((&self.agreed, &self.media), (&place.0, &place.1), &ingest.school, self.number, now_us);
        let signed = ingest.authority.load().sign_exemptions(&list).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a list of exemptions cannot be signed");
            StoreError::Corrupt { what: "authority" }
        })?;
        let offer = Arc::new(Offer::of(self.number, &signed)?);
        if lists.len() >= MAX_KEPT {
            lists.clear();
        }
        lists.insert(place, Arc::clone(&offer));
        Ok(offer)
    }
}

impl Ingest {
    /// The list for `device`; `None` before there was an exemption, and for a device that never enrolled.
    pub(super) async fn exemptions_for(&self, device: DeviceId) -> Result<Option<Arc<Offer>>, StoreError> {
        let Some(exempting) = self.published.borrow().exempting.clone() else { return Ok(None) };
        let mut tx = self.store.view().await?;
        let Some(place) = devices::place(&mut tx, &self.school, device).await? else { return Ok(None) };
        exempting.offer(self, place).map(Some)
    }
}
