//! The keys a reader of artefacts trusts.

use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::VerifyingKey;

/// Public keys of the project, parted by spaces, that a release is built with. A build without them is for development.
const OF_PROJECT: Option<&str> = option_env!("LAPWING_PROJECT_KEYS");
/// What the text form of a key begins with.
const PREFIX: &str = "ed25519:";

/// Public keys of which at least `threshold` must have signed an artefact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys {
    keys: Vec<VerifyingKey>,
    threshold: usize,
}

/// Why a set of trusted keys cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not `ed25519:` and 64 hexadecimal digits of a point on the curve.
    #[error("key {index} is not `ed25519:` followed by 64 hexadecimal digits of a public key")]
    InvalidKey {
        /// Place in the list, from 1.
        index: usize,
    },
    /// The same key twice would count one signature as two.
    #[error("key {index} stands in the list twice")]
    RepeatedKey {
        /// Place of the second, from 1.
        index: usize,
    },
    /// A threshold of none, or of more signatures than there are keys.
    #[error("a threshold of {threshold} cannot be met by {keys} keys")]
    Threshold {
        /// Wanted signatures.
        threshold: usize,
        /// Keys given.
        keys: usize,
    },
    /// Keys were given where the project's own hold.
    #[error("this release trusts the project alone for the illegal base: no other keys can be given")]
    ProjectAlone,
}

impl TrustedKeys {
    /// Most keys a set holds.
    pub const MAX_KEYS: usize = 16;

    /// Trusts `keys` when `threshold` of them signed.
    ///
    /// # Errors
    ///
    /// When a key is repeated, or the threshold is 0 or above the number of keys, or there are more than
    /// [`TrustedKeys::MAX_KEYS`].
    pub fn new(keys: Vec<VerifyingKey>, threshold: usize) -> Result<Self, TrustError> {
        if threshold == 0 || threshold > keys.len() || keys.len() > Self::MAX_KEYS {
            return Err(TrustError::Threshold { threshold, keys: keys.len() });
        }
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|earlier| earlier == key) {
                return Err(TrustError::RepeatedKey { index: index + 1 });
            }
        }
        Ok(Self { keys, threshold })
    }

    /// Reads keys from their text form, `ed25519:` and 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// As [`TrustedKeys::new`], and when a text is no key.
    pub fn parse<T: AsRef<str>>(texts: &[T], threshold: usize) -> Result<Self, TrustError> {
        let keys: Result<Vec<_>, _> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| parse_key(text.as_ref()).ok_or(TrustError::InvalidKey { index: index + 1 }))
            .collect();
        Self::new(keys?, threshold)
    }

    /// Signatures needed.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The keys, in the order given.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }
}

/// Whose illegal base is taken: the project's in a release, which no configuration changes, else of those given.
///
/// # Errors
///
/// [`TrustError::ProjectAlone`] when keys are given to a release; another when it was built with what are no keys.
pub fn base_keys(given: Option<TrustedKeys>) -> Result<Option<TrustedKeys>, TrustError> {
    base_keys_of(OF_PROJECT, given)
}

fn base_keys_of(project: Option<&str>, given: Option<TrustedKeys>) -> Result<Option<TrustedKeys>, TrustError> {
    match (project, given) {
        (None, given) => Ok(given),
        (Some(_), Some(_)) => Err(TrustError::ProjectAlone),
        (Some(project), None) => {
            let keys: Vec<&str> = project.split_ascii_whitespace().collect();
            TrustedKeys::parse(&keys, 1).map(Some)
        }
    }
}

/// Reads one public key from `ed25519:` and 64 hexadecimal digits.
#[must_use]
pub fn parse_key(text: &str) -> Option<VerifyingKey> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().strip_prefix(PREFIX)?.as_bytes()).ok()?;
    let key = VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()?;
    (!key.is_weak()).then_some(key)
}

/// The text form of a public key.
#[must_use]
pub fn key_text(key: &VerifyingKey) -> String {
    format!("{PREFIX}{}", HEXLOWER_PERMISSIVE.encode(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> VerifyingKey {
        SigningKey::from_bytes(&[seed; 32]).verifying_key()
    }

    #[test]
    fn a_key_survives_its_text_form() {
        assert_eq!(parse_key(&key_text(&key(1))), Some(key(1)));
        assert_eq!(parse_key(&key_text(&key(1)).to_uppercase().replace("ED25519", "ed25519")), Some(key(1)));
    }

    #[test]
    fn what_is_no_key_is_named_by_its_place() {
        let good = key_text(&key(1));
        for bad in ["", "ed25519:", "ed25519:00", &good.replace("ed25519", "rsa"), &format!("{good}00")] {
            let error = TrustedKeys::parse(&[good.as_str(), bad], 1).unwrap_err();
            assert_eq!(error, TrustError::InvalidKey { index: 2 });
        }
        let identity = format!("ed25519:01{}", "00".repeat(31));
        assert_eq!(parse_key(&identity), None, "a point of small order verifies anything");
    }

    #[test]
    fn a_threshold_that_cannot_be_met_is_refused() {
        assert!(TrustedKeys::new(vec![key(1)], 0).is_err());
        assert!(TrustedKeys::new(vec![key(1)], 2).is_err());
        assert_eq!(TrustedKeys::new(vec![key(1), key(1)], 2), Err(TrustError::RepeatedKey { index: 2 }));
        assert!(TrustedKeys::new(vec![key(1), key(2)], 2).is_ok());
    }
    #[test]
    fn a_release_takes_the_illegal_base_of_the_project_alone() {
        let given = || Some(TrustedKeys::new(vec![key(1)], 1).unwrap());
        let project = format!("{} {}", key_text(&key(2)), key_text(&key(3)));
        assert_eq!(base_keys_of(None, given()), Ok(given()), "a build for development takes what it is given");
        assert_eq!(base_keys_of(None, None), Ok(None));
        assert_eq!(base_keys_of(Some(&project), given()), Err(TrustError::ProjectAlone));
        let trusted = base_keys_of(Some(&project), None).unwrap().unwrap();
        assert_eq!((trusted.keys(), trusted.threshold()), ([key(2), key(3)].as_slice(), 1));
        assert!(base_keys_of(Some(""), None).is_err(), "a release without keys trusts nobody, not anybody");
    }
}
