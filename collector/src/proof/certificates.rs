//! Certificates that end: whoever looks after devices is told 60, 30, 14 and 7 days before, and when they have ended.
//!
//! What the authority issues to the collector itself is renewed by itself, every ten days; that it is told of means that
//! something keeps it from being renewed.

use lapwing_proto::SchoolId;

use super::ending::{self, day_come, tell_once};
use crate::notify::Purpose;
use crate::store::{Store, StoreError};
use crate::tls;

/// Days before its end on which a certificate is told of.
const TOLD_AT: [i64; 5] = [60, 30, 14, 7, 0];
/// Of those that renew themselves with 20 days left.
const RENEWING_TOLD_AT: [i64; 3] = [14, 7, 0];
/// When each certificate ends, microseconds of UTC.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The authority's own.
    pub authority_us: i64,
    /// The listeners'.
    pub servers: tls::Ends,
}

/// A certificate whose end is near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What people call it.
    pub(crate) reference: &'static str,
    pub(crate) ends_us: i64,
    /// The last of the days before its end that has come.
    days: i64,
}

/// Those whose end is near at `now_us`.
pub(crate) fn ending(ends: Ends, now_us: i64) -> Vec<Ending> {
    let one = |reference, ends_us: i64, told_at: &[i64]| {
        Some(Ending { reference, ends_us, days: day_come(ends_us, told_at, now_us)? })
    };
    let authority = one("CERT-AUTHORITY", ends.authority_us, &TOLD_AT);
    let console = ends.servers.console_us.and_then(|ends_us| one("CERT-CONSOLE", ends_us, &TOLD_AT));
    let issued = one("CERT-COLLECTOR", ends.servers.issued_us, &RENEWING_TOLD_AT);
    [authority, console, issued].into_iter().flatten().collect()
}

/// Tells of those whose end is near, each day of [`TOLD_AT`] once. Says whether messages wait.
pub(crate) async fn look(store: &Store, school: &SchoolId, ends: Ends, now_us: i64) -> Result<bool, StoreError> {
    let mut told = false;
    for Ending { reference, ends_us, days } in ending(ends, now_us) {
        let ending = ending::Ending { purpose: Purpose::Certificate, reference, ends_us, days };
        told |= tell_once(store, school, &ending, now_us).await?;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Role;
    use crate::store::fixture::{NINE_US, School};
    use crate::subject::Kind;

    const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

    fn ends(console_days: i64) -> Ends {
        let far_us = NINE_US + 3000 * DAY_US;
        let servers = tls::Ends { issued_us: far_us, console_us: Some(NINE_US + console_days * DAY_US) };
        Ends { authority_us: far_us, servers }
    }

    #[test]
    fn the_last_day_that_has_come_counts() {
        let days = |left| ending(ends(left), NINE_US).first().map(|ending| ending.days);
        let found: Vec<_> = [61, 60, 31, 30, 15, 14, 7, 1, 0, -400].map(days).into();
        let some = [60, 60, 30, 30, 14, 7, 7, 0, 0].map(Some);
        assert_eq!((found[0], &found[1..]), (None, some.as_slice()));
    }

    #[test]
    fn the_authoritys_own_end_is_told_on_the_same_days() {
        let days = |left| {
            let ends = Ends { authority_us: NINE_US + left * DAY_US, ..ends(3000) };
            ending(ends, NINE_US).first().map(|ending| (ending.reference, ending.days))
        };
        let found: Vec<_> = [61, 60, 31, 30, 14, 7, 1, -1].map(days).into();
        let told = [60, 60, 30, 14, 7, 7, 0].map(|day| Some(("CERT-AUTHORITY", day)));
        assert_eq!((found[0], &found[1..]), (None, told.as_slice()));
    }

    #[test]
    fn what_renews_itself_is_told_of_once_it_should_have_been() {
        let renewing =
            |days| Ends { servers: tls::Ends { issued_us: NINE_US + days * DAY_US, console_us: None }, ..ends(0) };
        assert_eq!(ending(renewing(20), NINE_US), []);
        assert_eq!(ending(renewing(14), NINE_US)[0].reference, "CERT-COLLECTOR");
    }

    #[tokio::test]
    async fn each_day_is_told_once_and_another_certificate_anew() {
        let school = School::open().await;
        school.person("tech", Kind::Staff, &[Role::Technician]).await;
        let mut told = Vec::new();
        for left in [61, 60, 59, 30, 30, 14, 6, 0, -1, 29] {
            told.push(look(&school.store, &school.id, ends(left), NINE_US).await.unwrap());
        }
        // The certificate is the same as long as its end is: here each is another, save the second of 30.
        assert_eq!(told, [false, true, true, true, false, true, true, true, true, true]);
        let mut again = Vec::new();
        for passed in [0, 1, 31, 32, 45, 47, 60] {
            let now_us = NINE_US + passed * DAY_US;
            again.push(look(&school.store, &school.id, ends(59), now_us).await.unwrap());
        }
        assert_eq!(again, [false, false, true, false, true, false, true]);
    }
}
