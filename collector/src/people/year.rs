//! Year groups of English schools, and how they follow each other.

use std::fmt;
use std::str::FromStr;

use lapwing_rules::Band;

use crate::ids::InvalidId;

/// A pupil's year: nursery, reception, or 1 to 13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearGroup(i8);

impl YearGroup {
    const NURSERY: Self = Self(-1);
    const RECEPTION: Self = Self(0);
    /// The last year that any school has.
    pub const LAST: Self = Self(13);

    /// Every year, the youngest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::NURSERY.0..=Self::LAST.0).map(Self)
    }

    /// The year after it, at a school whose oldest pupils are in `last`; `None` for those who leave.
    #[must_use]
    pub fn next(self, last: Self) -> Option<Self> {
        (self < last).then_some(Self(self.0 + 1))
    }

    /// The band of its age.
    #[must_use]
    pub const fn band(self) -> Band {
        match self.0 {
            ..=0 => Band::Eyfs,
            1..=2 => Band::Ks1,
            3..=6 => Band::Ks2,
            7..=9 => Band::Ks3,
            10..=11 => Band::Ks4,
            12.. => Band::Ks5,
        }
    }
}

impl fmt::Display for YearGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NURSERY => f.write_str("nursery"),
            Self::RECEPTION => f.write_str("reception"),
            Self(year) => write!(f, "{year}"),
        }
    }
}

/// Takes what school systems write: `7`, `Y7`, `Year 7`, `R`, `Reception`, `N`, `N2`, `Nursery`.
impl FromStr for YearGroup {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.trim().to_lowercase();
        let invalid = InvalidId { what: "year group", expected: "nursery, reception, or 1 to 13" };
        match text.as_str() {
            "n" | "n1" | "n2" | "nursery" => return Ok(Self::NURSERY),
            "r" | "reception" => return Ok(Self::RECEPTION),
            _ => {}
        }
        let number = text.strip_prefix("year").or_else(|| text.strip_prefix('y')).unwrap_or(&text).trim();
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(year @ 1..=13) if digits => Ok(Self(year)),
            Ok(_) | Err(_) => Err(invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_school_systems_write_mean_the_same() {
        for (text, year) in [("7", 7), (" Y7", 7), ("Year 07", 7), ("R", 0), ("Reception", 0), ("N2", -1)] {
            assert_eq!(text.parse(), Ok(YearGroup(year)), "{text}");
        }
        for text in ["", "0", "14", "-1", "+7", "Y", "Year", "seven", "7B", "99999999999"] {
            assert!(text.parse::<YearGroup>().is_err(), "{text}");
        }
        assert!(YearGroup::all().all(|year| year.to_string().parse() == Ok(year)));
    }

    #[test]
    fn the_oldest_leave_and_bands_follow_years() {
        assert_eq!(YearGroup::all().filter(|year| year.next(YearGroup::LAST).is_none()).count(), 1);
        let last: YearGroup = "6".parse().unwrap();
        assert_eq!((last.next(last), YearGroup(9).next(last)), (None, None));
        let bands: Vec<_> = YearGroup::all().map(YearGroup::band).collect();
        assert!(bands.is_sorted());
        assert_eq!((YearGroup(0).band(), YearGroup(2).band(), YearGroup(3).band()), (Band::Eyfs, Band::Ks1, Band::Ks2));
        assert_eq!(
            (YearGroup(9).band(), YearGroup(10).band(), YearGroup(12).band()),
            (Band::Ks3, Band::Ks4, Band::Ks5)
        );
    }
}
