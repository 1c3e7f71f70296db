//! Releases that make devices unwell: their roll-out is halted, and whoever looks after devices is told.

use lapwing_proto::SchoolId;

use super::tell_caretakers;
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::notify::Purpose;
use crate::roll_out::{Progress, Regression};
use crate::store::artefacts::ArtefactKind;
use crate::store::roll_outs::{self, Standing};
use crate::store::{Store, StoreError};

/// How the newest release of a kind stands, and how its devices are.
pub(crate) async fn examine(
    store: &Store,
    school: &SchoolId,
    kind: ArtefactKind,
) -> Result<(Standing, Progress), StoreError> {
    let standing = roll_outs::standing(store, school, kind).await?;
    let (newest, started_us) = (standing.out.newest, standing.started_us);
    let patients = roll_outs::patients(store, school, (kind, newest, started_us)).await?;
    let progress = standing.out.progress(kind, &patients);
    Ok((standing, progress))
}

/// Halts what makes devices unwell, and tells people. Says whether something was halted.
pub(crate) async fn look(store: &Store, school: &SchoolId, now_us: i64) -> Result<bool, StoreError> {
    let mut halted = false;
    for kind in [ArtefactKind::RuleSet, ArtefactKind::Policy] {
        let out = roll_outs::standing(store, school, kind).await?.out;
        // What is everybody's, and nothing else is: there is nothing left to halt.
        if out.is_halted || out.newest == 0 || out.newest == out.base {
            continue;
        }
        let (standing, progress) = examine(store, school, kind).await?;
        if let Some(regression) = progress.regression() {
            halted |= halt(store, school, (kind, standing.out.newest), regression, now_us).await?;
        }
    }
    Ok(halted)
}

async fn halt(
    store: &Store,
    school: &SchoolId,
    (kind, release): (ArtefactKind, u64),
    regression: Regression,
    now_us: i64,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    if !roll_outs::halt(&mut tx, school, (kind, release), regression.as_str(), now_us).await? {
        return Ok(false);
    }
    let (Regression::Refused { devices, of } | Regression::Unwell { devices, of } | Regression::Noisy { devices, of }) =
        regression;
    let act = Act::new(&Actor::Product { school: school.clone() }, now_us, ActKind::RollOutHalted, release)
        .with("kind", kind.as_str())
        .with("why", regression.as_str())
        .with("devices", devices)
        .with("of", of);
    audit::append(&mut tx, &act).await?;
    tell_caretakers(&mut tx, school, (Purpose::RollOut, &reference(kind, release)), now_us).await?;
    tx.commit().await?;
    tracing::error!(release, kind = kind.as_str(), why = regression.as_str(), "a roll-out is halted");
    Ok(true)
}

/// What people call a release on the telephone.
pub(crate) fn reference(kind: ArtefactKind, release: u64) -> String {
    match kind {
        ArtefactKind::RuleSet => format!("RULES-{release}"),
        ArtefactKind::Policy => format!("POLICY-{release}"),
    }
}
