//! What a school agreed not to capture for a while, on its way to a device.
//!
//! The list is signed by the collector's authority, whose certificate a device pinned when it enrolled: no key is to be
//! spread or kept besides. What is signed begins with words of its own, which no certificate begins with, so that
//! neither is ever taken for the other.

use std::collections::BTreeSet;
use std::time::Duration;

use lapwing_rules::{Category, Digest, Level};
use prost::Message;

use crate::bounds::{self, OutOfBounds};
use crate::{SchoolId, random_id, wire};

/// Signed before the list.
const DOMAIN: &[u8] = b"lapwing exemptions, v1\0";
const MAX_SIGNATURE_BYTES: usize = 256;

random_id!(
    /// One exemption. Its text form has no capital letter, so that it may stand in the key of a count.
    ExemptionId, "exemption id", "exm-"
);

/// Categories that are not captured from one moment to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Which one.
    pub id: ExemptionId,
    /// First moment, by the collector's clock, microseconds of UTC.
    pub from_us: i64,
    /// First moment after it.
    pub until_us: i64,
    /// What is not captured. Categories that no school may exempt have no effect here.
    pub categories: BTreeSet<Category>,
    /// Accounts of these groups alone; none: everybody at the device.
    pub groups: BTreeSet<String>,
}

/// A removable medium that the school approved: nobody is told that it was put in. What its name says is looked at as
/// always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovedMedium {
    /// SHA-256 of its serial number, as devices name it in captures.
    pub serial_hash: Digest,
    /// First moment after it, by the collector's clock, microseconds of UTC.
    pub until_us: i64,
}

/// All of them for one device, in order of their beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemptionList {
    /// The school that agreed on them.
    pub school: SchoolId,
    /// Grows with every change.
    pub number: u64,
    /// When it was signed, by the collector's clock.
    pub issued_us: i64,
    /// All of it is over once the collector was not heard for so long.
    pub heard_within: Duration,
    /// At most [`bounds::MAX_EXEMPTIONS`].
    pub exemptions: Vec<Exemption>,
    /// At most [`bounds::MAX_APPROVED_MEDIA`].
    pub approved_media: Vec<ApprovedMedium>,
}

/// Why a list is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExemptionsRefused {
    /// It is no message of the contract.
    #[error("the list of exemptions cannot be read")]
    Malformed,
    /// Nobody whom the device trusts signed it.
    #[error("the list of exemptions is not signed by the collector's authority")]
    Unsigned,
    /// It breaks a bound.
    #[error("the list of exemptions: {0}")]
    OutOfBounds(#[from] OutOfBounds),
}

impl Exemption {
    /// Whether hits of `category` may be exempted by anybody: never those of an illegal class, nor what the product says
    /// of itself.
    #[must_use]
    pub fn may_hold_for(category: Category) -> bool {
        !category.class().is_illegal() && category.branch() != lapwing_rules::FourC::System
    }

    /// Whether a hit of `category` and `level` is exempted while it is in force. A critical one never is.
    #[must_use]
    pub fn covers(&self, category: Category, level: Level) -> bool {
        level < Level::Critical && Self::may_hold_for(category) && self.categories.contains(&category)
    }

    /// Whether it is in force at a moment of which no more is known than that it lies between the two.
    #[must_use]
    pub const fn is_in_force(&self, earliest_us: i64, latest_us: i64) -> bool {
        self.from_us <= earliest_us && latest_us < self.until_us
    }
}

impl ApprovedMedium {
    fn to_wire(self) -> wire::ApprovedMedium {
        wire::ApprovedMedium { serial_hash: self.serial_hash.as_bytes().to_vec(), until_us: self.until_us }
    }

    fn of_wire(told: &wire::ApprovedMedium) -> Result<Self, OutOfBounds> {
        let serial_hash = <[u8; 32]>::try_from(told.serial_hash.as_slice())
            .map_err(|_| OutOfBounds::new("exemptions.approved_media.serial_hash", "32 bytes"))?;
        Ok(Self { serial_hash: Digest::from_bytes(serial_hash), until_us: told.until_us })
    }
}

impl ExemptionList {
    /// The list as devices fetch it; `sign` answers for the bytes it is given.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn sign<E>(&self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let list = self.to_wire().encode_to_vec();
        let signature = sign(&[DOMAIN, &list].concat())?;
        Ok(wire::SignedExemptions { list, signature }.encode_to_vec())
    }

    /// Reads a list that was fetched. Nothing of it is believed before `is_signed`, of message and signature, says so.
    ///
    /// # Errors
    ///
    /// When it is malformed, out of bounds, or not signed.
    pub fn open(bytes: &[u8], is_signed: impl FnOnce(&[u8], &[u8]) -> bool) -> Result<Self, ExemptionsRefused> {
        let most = bounds::MAX_EXEMPTION_LIST_BYTES + MAX_SIGNATURE_BYTES + 16;
        if bytes.len() > most {
            return Err(OutOfBounds::new("exemptions", format!("at most {most} bytes, found {}", bytes.len())).into());
        }
        let signed = wire::SignedExemptions::decode(bytes).map_err(|_| ExemptionsRefused::Malformed)?;
        if signed.signature.len() > MAX_SIGNATURE_BYTES
            || !is_signed(&[DOMAIN, &signed.list].concat(), &signed.signature)
        {
            return Err(ExemptionsRefused::Unsigned);
        }
        let list = wire::ExemptionList::decode(signed.list.as_slice()).map_err(|_| ExemptionsRefused::Malformed)?;
        Self::try_from(list)
    }

    fn to_wire(&self) -> wire::ExemptionList {
        let exemption = |one: &Exemption| wire::Exemption {
            id: one.id.as_bytes().to_vec(),
            from_us: one.from_us,
            until_us: one.until_us,
            categories: one.categories.iter().map(|category| category.id().to_owned()).collect(),
            groups: one.groups.iter().cloned().collect(),
        };
        wire::ExemptionList {
            school: self.school.as_str().to_owned(),
            number: self.number,
            issued_us: self.issued_us,
            heard_within_s: u32::try_from(self.heard_within.as_secs()).unwrap_or(bounds::MAX_HEARD_WITHIN_S),
            exemptions: self.exemptions.iter().map(exemption).collect(),
            approved_media: self.approved_media.iter().copied().map(ApprovedMedium::to_wire).collect(),
        }
    }
}

impl TryFrom<wire::ExemptionList> for ExemptionList {
    type Error = ExemptionsRefused;

    fn try_from(list: wire::ExemptionList) -> Result<Self, ExemptionsRefused> {
        bounds::list("exemptions.exemptions", &list.exemptions, bounds::MAX_EXEMPTIONS)?;
        bounds::list("exemptions.approved_media", &list.approved_media, bounds::MAX_APPROVED_MEDIA)?;
        let school = list.school.parse().map_err(|_| OutOfBounds::new("exemptions.school", "a school's id"))?;
        if list.number == 0 {
            return Err(OutOfBounds::new("exemptions.number", "from 1").into());
        }
        if list.heard_within_s > bounds::MAX_HEARD_WITHIN_S {
            return Err(OutOfBounds::new("exemptions.heard_within_s", "at most a week").into());
        }
        Ok(Self {
            school,
            number: list.number,
            issued_us: list.issued_us,
            heard_within: Duration::from_secs(u64::from(list.heard_within_s)),
            exemptions: list.exemptions.into_iter().map(exemption).collect::<Result<_, _>>()?,
            approved_media: list.approved_media.iter().map(ApprovedMedium::of_wire).collect::<Result<_, _>>()?,
        })
    }
}

/// A category of a newer collector is left out: nothing of it can be found here.
fn exemption(told: wire::Exemption) -> Result<Exemption, OutOfBounds> {
    bounds::list("exemptions.categories", &told.categories, bounds::MAX_EXEMPTED)?;
    bounds::list("exemptions.groups", &told.groups, bounds::MAX_PLACES)?;
    for group in &told.groups {
        bounds::text("exemptions.groups", group, bounds::MAX_NAME_BYTES)?;
        if group.is_empty() {
            return Err(OutOfBounds::new("exemptions.groups", "a group has a name"));
        }
    }
    let id = ExemptionId::try_from(told.id.as_slice()).map_err(|_| OutOfBounds::new("exemptions.id", "16 bytes"))?;
    let categories = told.categories.iter().filter_map(|category| category.parse().ok()).collect();
    let groups = told.groups.into_iter().collect();
    Ok(Exemption { id, from_us: told.from_us, until_us: told.until_us, categories, groups })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> ExemptionList {
        let exemption = Exemption {
            id: ExemptionId::from_bytes([3; 16]),
            from_us: 10,
            until_us: 20,
            categories: [Category::Drugs, Category::Weapons].into(),
            groups: ["10B".to_owned()].into(),
        };
        ExemptionList {
            school: "sample".parse().unwrap(),
            number: 4,
            issued_us: 5,
            heard_within: Duration::from_secs(60),
            exemptions: vec![exemption],
            approved_media: vec![ApprovedMedium { serial_hash: Digest::of(b"0042"), until_us: 30 }],
        }
    }

    /// A signature for tests: a digest of what is signed.
    fn sign(message: &[u8]) -> Result<Vec<u8>, std::convert::Infallible> {
        Ok(Digest::of(message).as_bytes().to_vec())
    }

    fn is_signed(message: &[u8], signature: &[u8]) -> bool {
        sign(message).is_ok_and(|expected| expected == signature)
    }

    #[test]
    fn a_signed_list_comes_back_as_it_was() {
        let bytes = list().sign(sign).unwrap();
        assert_eq!(ExemptionList::open(&bytes, is_signed), Ok(list()));
        assert_eq!(ExemptionList::open(&bytes, |_, _| false), Err(ExemptionsRefused::Unsigned));
    }

    #[test]
    fn the_largest_list_there_may_be_is_taken() {
        let group = |number: usize| format!("{number:0>width$}", width = bounds::MAX_NAME_BYTES);
        let largest = Exemption {
            from_us: i64::MAX - 1,
            until_us: i64::MAX,
            categories: Category::all().collect(),
            groups: (0..bounds::MAX_PLACES).map(group).collect(),
            ..list().exemptions.remove(0)
        };
        let medium = ApprovedMedium { until_us: i64::MAX, ..list().approved_media.remove(0) };
        let full = ExemptionList {
            exemptions: vec![largest; bounds::MAX_EXEMPTIONS],
            approved_media: vec![medium; bounds::MAX_APPROVED_MEDIA],
            ..list()
        };
        assert_eq!(ExemptionList::open(&full.sign(sign).unwrap(), is_signed), Ok(full));
    }

    #[test]
    fn what_is_signed_is_no_certificate() {
        list()
            .sign(|message| {
                assert!(message.starts_with(b"lapwing exemptions, v1\0"), "a certificate begins with 0x30");
                Ok::<_, std::convert::Infallible>(Vec::new())
            })
            .unwrap();
    }

    #[test]
    fn a_category_of_a_newer_collector_is_left_out_and_bounds_are_kept() {
        let mut told = list().to_wire();
        told.exemptions[0].categories.push("time_travel".to_owned());
        assert_eq!(ExemptionList::try_from(told), Ok(list()));
        let refused = |change: &dyn Fn(&mut wire::ExemptionList)| {
            let mut told = list().to_wire();
            change(&mut told);
            ExemptionList::try_from(told).unwrap_err().to_string()
        };
        for (said, change) in [
            ("exemptions.number", &|told: &mut wire::ExemptionList| told.number = 0 as _),
            ("exemptions.school", &|told: &mut wire::ExemptionList| told.school.clear()),
            ("heard_within_s", &|told: &mut wire::ExemptionList| told.heard_within_s = u32::MAX),
            ("exemptions.id", &|told: &mut wire::ExemptionList| told.exemptions[0].id.clear()),
            ("exemptions.groups", &|told: &mut wire::ExemptionList| told.exemptions[0].groups = vec![String::new()]),
            ("exemptions.groups", &|told: &mut wire::ExemptionList| told.exemptions[0].groups = vec!["x".repeat(65)]),
            ("exemptions.categories", &|told: &mut wire::ExemptionList| {
                told.exemptions[0].categories = vec!["drugs".to_owned(); 65];
            }),
            ("exemptions.exemptions", &|told: &mut wire::ExemptionList| {
                told.exemptions = vec![told.exemptions[0].clone(); 257];
            }),
            ("exemptions.approved_media", &|told: &mut wire::ExemptionList| {
                told.approved_media = vec![told.approved_media[0].clone(); 1025];
            }),
            ("approved_media.serial_hash", &|told: &mut wire::ExemptionList| {
                told.approved_media[0].serial_hash.pop();
            }),
        ] as [(&str, &dyn Fn(&mut wire::ExemptionList)); 10]
        {
            assert!(refused(change).contains(said), "{}", refused(change));
        }
    }

    #[test]
    fn a_key_of_a_count_has_room_for_any_exemption_and_category() {
        let id = ExemptionId::from_bytes([0xAB; 16]).to_string();
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        let longest = Category::all().map(|category| format!("exempted:{id}:{category}").len()).max();
        assert!(longest <= Some(96), "{longest:?}");
    }

    proptest! {
        #[test]
        fn a_list_changed_by_one_bit_is_never_the_one_that_was_signed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = list().sign(sign).unwrap();
            let index = at.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert!(ExemptionList::open(&bytes, is_signed).is_err());
        }

        #[test]
        fn junk_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ExemptionList::open(&bytes, is_signed).is_err());
        }

        /// Whatever a list says.
        #[test]
        fn nothing_illegal_critical_or_of_the_product_itself_is_covered(
            level in prop::sample::select(Level::ALL.to_vec()),
        ) {
            let all = Exemption { categories: Category::all().collect(), ..list().exemptions.remove(0) };
            for category in Category::all() {
                let covered = all.covers(category, level);
                let never = category.class().is_illegal()
                    || level == Level::Critical
                    || matches!(category, Category::Canary | Category::Tamper | Category::CoverageGap);
                prop_assert_eq!(covered, !never, "{} at {}", category, level);
            }
        }
    }
}
