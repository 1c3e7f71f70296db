//! What else came today from the same site, or is the same file. Found by opening what `actor` may open and comparing; no
//! index of sites is kept, so that nothing of them outlives the evidence.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{Capture, DeviceId, Open};
use lapwing_rules::{Level, Scope};

use super::evidence::{evidence, is_never_viewed};
use super::{CommandError, Desk, Evidence, Opened};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::ids::{ConcernId, KeyId};
use crate::seal::Place;
use crate::store::StoreError;
use crate::store::concern_context::{self, Elsewhere};

/// Captures compared: the latest of the day.
const MAX_COMPARED: u32 = 200;

/// What came today from the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Same {
    /// Devices that it came from, those of the concern itself included.
    pub devices: usize,
    /// Other concerns by reference: level and category.
    pub concerns: BTreeMap<String, (Level, String)>,
    /// Only the latest captures of the day were compared: there were more.
    pub is_cut: bool,
}

impl Desk {
    /// Other concerns that `actor` may know of, of which a capture since `since_us` names a site or a file that `opened` names
    /// too. Nothing of an evidence that nobody views is compared.
    ///
    /// # Errors
    ///
    /// [`CommandError`] where the database or the vault cannot be used.
    pub async fn same_since(
        &self,
        actor: &Actor,
        concern: ConcernId,
        opened: &Opened,
        since_us: i64,
    ) -> Result<Same, CommandError> {
        let (mut own, mut devices) = (BTreeSet::new(), BTreeSet::new());
        for one in &opened.captures {
            if let Evidence::Shown(capture) = &one.evidence {
                own.extend(places(capture));
                devices.insert(one.device);
            }
        }
        let mut same = Same::default();
        if own.is_empty() {
            return Ok(same);
        }
        let mut rows = concern_context::elsewhere_since(&self.store, actor, concern, (since_us, MAX_COMPARED)).await?;
        same.is_cut = u32::try_from(rows.len()).is_ok_and(|compared| compared >= MAX_COMPARED);
        rows.retain(|row| !is_never_viewed(&row.sealed.category));
        if rows.is_empty() {
            return Ok(same);
        }
        self.log_comparison(actor, concern, &rows).await?;
        let keys: BTreeSet<KeyId> = rows.iter().map(|row| row.sealed.key).collect();
        let keys = self.vault.keys(&keys.into_iter().collect::<Vec<_>>()).await?;
        for row in rows {
            let Some(key) = keys.get(&row.sealed.key) else { continue };
            let place = Place { table: "captures", row: row.sealed.id.as_bytes() };
            // One that cannot be read says so on its own page, and closes no other.
            let Ok(plain) = self.vault.open_with(key, place, &row.sealed.sealed) else { continue };
            let Ok(Evidence::Shown(capture)) = evidence(&row.sealed.category, &plain) else { continue };
            if places(&capture).iter().any(|place| own.contains(place)) {
                devices.insert(DeviceId::try_from(row.sealed.device.as_slice()).map_err(StoreError::from)?);
                same.concerns.insert(row.concern, (row.concern_level, row.concern_category));
            }
        }
        same.devices = devices.len();
        Ok(same)
    }

    /// What is opened to be compared is in the log before: which concerns, and for which.
    async fn log_comparison(&self, actor: &Actor, concern: ConcernId, rows: &[Elsewhere]) -> Result<(), CommandError> {
        let with: BTreeSet<&str> = rows.iter().map(|row| row.concern.as_str()).collect();
        let with = with.into_iter().collect::<Vec<_>>().join(" ");
        let act = Act::new(actor, self.clock.wall_us(), ActKind::ConcernsCompared, concern).with("with", with);
        let mut tx = self.store.begin().await?;
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The sites and files that a capture names.
fn places(capture: &Capture) -> BTreeSet<(Scope, String)> {
    let named = capture.excerpts.iter().filter_map(|excerpt| match excerpt.scope {
        Open::Known(scope @ (Scope::UrlHost | Scope::FileName)) => Some((scope, excerpt.text.to_lowercase())),
        Open::Known(_) | Open::Unknown(_) => None,
    });
    named.collect()
}
