//! Campaign tokens: the enrolment secret of one roll-out. Shown once, stored as a hash.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

const PREFIX: &str = "lwt-";

/// 256 random bits. Its text form is `lwt-` and 52 characters of base 32; `Debug` prints `<redacted>`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct CampaignToken([u8; 32]);

/// What the database holds of a token: its SHA-256.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

/// A text that is no campaign token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a campaign token: expected `{PREFIX}` and 52 letters and digits")]
pub struct NotAToken;

impl CampaignToken {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// The text form, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for CampaignToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotAToken)?.to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(digits.as_bytes()).map_err(|_| NotAToken)?;
        bytes.try_into().map(Self).map_err(|_| NotAToken)
    }
}

impl fmt::Debug for CampaignToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CampaignToken(<redacted>)")
    }
}

impl TokenHash {
    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `stored` is this hash, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_and_fits_the_wire() {
        let token = CampaignToken::random().unwrap();
        let text = token.reveal();

        assert!(text.len() <= 64);
        assert!(text.parse::<CampaignToken>().unwrap().hash().is(token.hash().as_bytes()));
    }

    #[test]
    fn other_texts_are_refused_and_none_is_printed() {
        for text in ["", "lwt-", "lwt-abc", &"a".repeat(56), &format!("lwt-{}", "1".repeat(52))] {
            assert!(text.parse::<CampaignToken>().is_err());
        }
        assert_eq!(format!("{:?}", CampaignToken::random().unwrap()), "CampaignToken(<redacted>)");
    }
}
