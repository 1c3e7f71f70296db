//! When something happened on a device whose clock may be wrong.
//!
//! A capture carries the device's clock and the time since its boot, Hello the time since boot now. A capture of the
//! boot that delivers it is thus dated by the collector's clock; one of an earlier boot has the device's clock alone.

use lapwing_proto::{BootId, Capture};

/// A clock that is off by less is taken at its word: delivery itself takes time.
const WRONG_FROM_US: u64 = 2 * 60 * 1_000_000;

/// The boot of a device that is delivering.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    id: BootId,
    /// By the collector's clock, microseconds of UTC.
    began_us: i64,
}

impl Boot {
    /// A boot that had lasted `boot_us` at `now_us`; `None` where the device does not say how long.
    pub(super) fn of(id: BootId, boot_us: u64, now_us: i64) -> Option<Self> {
        let lasted_us = i64::try_from(boot_us).ok().filter(|lasted| *lasted > 0)?;
        Some(Self { id, began_us: now_us.checked_sub(lasted_us)? })
    }

    /// Dates `capture`, received at `now_us`: nothing happened later than that.
    pub(super) fn date(boot: Option<Self>, capture: &Capture, now_us: i64) -> i64 {
        let since_us = i64::try_from(capture.boot_us).ok();
        let of_this_boot = boot.filter(|boot| boot.id == capture.boot_id);
        let dated_us = of_this_boot.zip(since_us).and_then(|(boot, since_us)| boot.began_us.checked_add(since_us));
        let is_wrong = |dated_us: &i64| dated_us.abs_diff(capture.wall_us) >= WRONG_FROM_US;
        dated_us.filter(is_wrong).unwrap_or(capture.wall_us).min(now_us)
    }
}

#[cfg(test)]
mod tests {
    use lapwing_rules::{Category, Level};

    use super::*;
    use crate::store::fixture::{NINE_US, title};

    const HOUR_US: i64 = 60 * 60 * 1_000_000;
    const THIS: BootId = BootId::from_bytes([1; 16]);

    /// A capture ten minutes into boot `id`, by a clock that is `off_us` ahead of the truth of [`NINE_US`].
    fn capture(id: BootId, off_us: i64) -> Capture {
        let capture = title("amy", Category::Drugs, Level::Moderate, "words");
        Capture { boot_id: id, boot_us: 600_000_000, wall_us: NINE_US + off_us, ..capture }
    }

    /// The boot of [`capture`], an hour after it.
    fn boot() -> Option<Boot> {
        Boot::of(THIS, 600_000_000 + HOUR_US.unsigned_abs(), NINE_US + HOUR_US)
    }

    #[test]
    fn a_capture_of_this_boot_is_dated_right_whatever_the_devices_clock_said() {
        for off_us in [3 * HOUR_US, -3 * HOUR_US, 20 * 365 * 24 * HOUR_US, -NINE_US] {
            assert_eq!(Boot::date(boot(), &capture(THIS, off_us), NINE_US + HOUR_US), NINE_US, "{off_us}");
        }
    }

    #[test]
    fn a_clock_that_is_nearly_right_is_taken_at_its_word() {
        assert_eq!(Boot::date(boot(), &capture(THIS, 1_000_000), NINE_US + HOUR_US), NINE_US + 1_000_000);
    }

    #[test]
    fn what_cannot_be_dated_keeps_the_devices_clock_and_is_never_later_than_its_arrival() {
        let now_us = NINE_US + HOUR_US;
        let earlier = BootId::from_bytes([2; 16]);
        assert_eq!(Boot::date(boot(), &capture(earlier, -3 * HOUR_US), now_us), NINE_US - 3 * HOUR_US);
        assert_eq!(Boot::date(boot(), &capture(earlier, 3 * HOUR_US), now_us), now_us);
        assert_eq!(Boot::date(None, &capture(THIS, 3 * HOUR_US), now_us), now_us);
    }

    #[test]
    fn numbers_no_device_has_are_no_dates() {
        assert!(Boot::of(THIS, 0, NINE_US).is_none() && Boot::of(THIS, u64::MAX, NINE_US).is_none());
        let huge = Capture { boot_us: u64::MAX, ..capture(THIS, 0) };
        assert_eq!(Boot::date(boot(), &huge, NINE_US + HOUR_US), NINE_US);
        let late = Boot::of(THIS, 1, i64::MAX);
        assert_eq!(Boot::date(late, &capture(THIS, 0), NINE_US), NINE_US);
    }
}
