//! When each device was last heard, and why it was last refused: kept in memory, written together and seldom.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lapwing_proto::{DeviceId, SchoolId};

use crate::store::{Store, StoreError, devices};

/// Devices heard or refused since the last writing.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    heard: Mutex<BTreeMap<DeviceId, i64>>,
    refused: Mutex<BTreeMap<DeviceId, (&'static str, i64)>>,
}

impl Heard {
    /// `device` was heard at `now_us`.
    pub(super) fn note(&self, device: DeviceId, now_us: i64) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(device, now_us);
    }

    /// `device` was refused at `now_us`, by the code of the contract.
    pub(super) fn note_refusal(&self, device: DeviceId, code: &'static str, now_us: i64) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(device, (code, now_us));
    }

    /// Writes at `now_us` what was noted, and forgets it.
    pub(crate) async fn write(&self, store: &Store, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let heard: Vec<_> = heard.into_iter().collect();
        devices::heard(store, school, &heard, now_us).await?;
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let refused: Vec<_> = refused.into_iter().collect();
        devices::set_refused(store, school, &refused).await
    }
}
