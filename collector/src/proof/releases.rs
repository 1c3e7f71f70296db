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

/// How long a release that went to everybody at once is still looked after.
const FRESH_US: i64 = 24 * 60 * 60 * 1_000_000;

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
        let (standing, progress) = match roll_outs::standing(store, school, kind).await? {
            standing if is_settled(&standing, now_us) => continue,
            _ => examine(store, school, kind).await?,
        };
        let release = standing.out.newest;
        if let Some(regression) = progress.regression().filter(|found| is_news(*found, &standing, &progress)) {
            halted |= halt(store, school, (kind, release), regression, now_us).await?;
        }
    }
    Ok(halted)
}

/// Whether there is nothing to halt, or nothing left: what has been everybody's for a day.
fn is_settled(standing: &Standing, now_us: i64) -> bool {
    let out = &standing.out;
    let is_everybodys = out.newest == out.base && now_us.saturating_sub(standing.started_us) > FRESH_US;
    out.is_halted || out.newest == 0 || is_everybodys
}

/// Whether it is a reason to halt. Somebody who let a noisy release go on knows of it; and where everybody has a release,
/// nobody is left to compare them with.
fn is_news(found: Regression, standing: &Standing, progress: &Progress) -> bool {
    match found {
        Regression::Refused { .. } => true,
        Regression::Unwell { .. } => standing.out.newest != standing.out.base || progress.others > 0,
        Regression::Noisy { .. } => standing.halted_why != found.as_str(),
    }
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

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, DiagnosticCode};
    use lapwing_rules::{Digest, Release};

    use super::*;
    use crate::actor::Role;
    use crate::store::artefacts::{self, Stored};
    use crate::store::device_health::{self, Health};
    use crate::store::fixture::{NINE_US, School};
    use crate::store::seeded::{self, Enrolling};
    use crate::subject::Kind;

    const KIND: ArtefactKind = ArtefactKind::RuleSet;
    const MINUTE_US: i64 = 60 * 1_000_000;

    /// A school of 12 devices that has releases 1 and 2, the last for everybody since nine.
    async fn published() -> School {
        let school = School::open().await;
        school.person("tech", Kind::Staff, &[Role::Technician]).await;
        for number in 1..=12 {
            let device = DeviceId::from_bytes([number; 16]);
            let new = Enrolling { device, hostname: "pc", room: "", enrolled_us: 1 };
            seeded::enrol(&school, &new).await;
            tells(&school, number, (1, None), NINE_US - MINUTE_US).await;
        }
        let mut tx = school.store.begin().await.unwrap();
        for (release, at_us) in [(1, 1), (2, NINE_US)] {
            let stored = Stored { release: Release::new(release), digest: Digest::of(b"x"), bytes: vec![1] };
            artefacts::insert(&mut tx, &school.id, KIND, &stored, at_us).await.unwrap();
        }
        tx.commit().await.unwrap();
        school
    }

    async fn tells(school: &School, number: u8, (release, code): (u64, Option<DiagnosticCode>), at_us: i64) {
        let diagnostics = code.map(|code| (code.as_str().to_owned(), String::new()));
        let health =
            Health { rule_set_release: release, diagnostics: diagnostics.into_iter().collect(), ..Health::default() };
        let mut tx = school.store.begin().await.unwrap();
        let device = DeviceId::from_bytes([number; 16]);
        device_health::replace(&mut tx, &school.id, device, &health, at_us).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn looks(school: &School, after_us: i64) -> bool {
        look(&school.store, &school.id, NINE_US + after_us).await.unwrap()
    }

    #[tokio::test]
    async fn a_release_that_goes_to_everybody_at_once_is_halted_where_devices_refuse_it() {
        let school = published().await;
        assert!(!looks(&school, MINUTE_US).await);
        for number in 1..=3 {
            tells(&school, number, (1, Some(DiagnosticCode::RuleSetRefused)), NINE_US + MINUTE_US).await;
        }
        assert!(looks(&school, 2 * MINUTE_US).await);
        let standing = roll_outs::standing(&school.store, &school.id, KIND).await.unwrap();
        assert!(standing.out.is_halted && standing.out.base == 1, "{standing:?}");
        assert!(!looks(&school, 3 * MINUTE_US).await, "once");
    }

    #[tokio::test]
    async fn what_everybody_has_is_not_blamed_for_what_befalls_them_nor_after_a_day() {
        let school = published().await;
        for number in 1..=12 {
            tells(&school, number, (2, None), NINE_US + MINUTE_US).await;
            tells(&school, number, (2, Some(DiagnosticCode::Overrun)), NINE_US + 2 * MINUTE_US).await;
        }
        assert!(!looks(&school, 3 * MINUTE_US).await);
        let late = published().await;
        tells(&late, 1, (1, Some(DiagnosticCode::RuleSetRefused)), NINE_US + MINUTE_US).await;
        assert!(!looks(&late, FRESH_US + MINUTE_US).await);
    }

    #[test]
    fn a_noisy_release_that_somebody_let_go_on_is_not_halted_for_noise_again() {
        let of = |halted_why: &str| Standing { halted_why: halted_why.to_owned(), ..Standing::default() };
        let noisy = Regression::Noisy { devices: 5, of: 5 };
        assert!(is_news(noisy, &of(""), &Progress::default()) && !is_news(noisy, &of("noisy"), &Progress::default()));
    }
}
