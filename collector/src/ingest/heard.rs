//! When each device was last heard: kept in memory, written together and seldom.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lapwing_proto::{DeviceId, SchoolId};

use crate::store::{Store, StoreError, devices};

/// Devices heard since the last writing.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<BTreeMap<DeviceId, i64>>);

impl Heard {
    /// `device` was heard at `now_us`.
    pub(super) fn note(&self, device: DeviceId, now_us: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(device, now_us);
    }

    /// Writes at `now_us` what was noted, and forgets it.
    pub(crate) async fn write(&self, store: &Store, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
        let heard = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let heard: Vec<_> = heard.into_iter().collect();
        devices::heard(store, school, &heard, now_us).await
    }
}
