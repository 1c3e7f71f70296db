//! The second step of a sign-in, after the password: a code of an authenticator, or a recovery code.
//!
//! An authenticator shows a code of six figures for each 30 seconds, made of a key that it shares with the collector (TOTP,
//! RFC 6238, with SHA-1 as all of them know it). A recovery code is for whoever has lost theirs: 80 random bits, used once.

use std::fmt;

use data_encoding::{BASE32, BASE32_NOPAD};
use hmac::{Hmac, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcodegen::{QrCode, QrCodeEcc};
use sha2::{Digest as _, Sha256};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// Bytes of an authenticator's key: 160 bits, as RFC 4226 recommends.
pub const KEY_BYTES: usize = 20;
/// Recovery codes that a person is given at once.
pub(crate) const RECOVERY_CODES: usize = 10;
/// Longest text that is looked at as a code, in bytes.
pub(crate) const MAX_CODE_BYTES: usize = 64;
const CODE_DIGITS: usize = 6;
const RECOVERY_BYTES: usize = 10;
const RECOVERY_CHARS: usize = 16;
/// Characters between two spaces or dashes, so that people keep their place.
const GROUP: usize = 4;
/// What is escaped in an address (RFC 3986: all but the unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// White modules that a scanner wants around a QR code.
const QUIET: i32 = 4;

/// What an authenticator and the collector share. `Debug` prints `<redacted>`.
pub struct AuthenticatorKey(Zeroizing<[u8; KEY_BYTES]>);

/// A recovery code as it is shown, once.
pub(crate) struct RecoveryCode(Zeroizing<[u8; RECOVERY_BYTES]>);

/// SHA-256 of a recovery code.
pub(crate) type RecoveryDigest = [u8; 32];

/// What somebody gave as their second step.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// Six figures.
    Code(String),
    /// A recovery code.
    Recovery(RecoveryDigest),
}

/// A QR code: `side` modules, and an SVG path of the dark ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) side: i32,
    pub(crate) path: String,
}

impl AuthenticatorKey {
    /// Of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key that whoever holds `secret` is offered: the same for as long as they do, and nothing is kept of it meanwhile.
    pub(crate) fn of_secret(secret: &[u8; 32]) -> Self {
        let mut bytes = [0; KEY_BYTES];
        // Any length is a key of HMAC.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
            mac.update(b"lapwing authenticator key 1");
            bytes.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(byte, made)| *byte = made);
        }
        Self::from_bytes(bytes)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As people type it: base32, in groups.
    pub(crate) fn to_type(&self) -> String {
        grouped(&BASE32.encode(self.bytes()), ' ')
    }

    /// The address that an authenticator takes it from.
    pub(crate) fn address(&self, school: &str, login: &str) -> String {
        let (issuer, account) = (escaped(&format!("Lapwing {school}")), escaped(login));
        let secret = BASE32.encode(self.bytes());
        format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}")
    }

    /// The step of time whose code this is: that of `now_us`, or the one before or after, as clocks differ.
    pub(crate) fn step_of(&self, code: &str, now_us: i64) -> Option<i64> {
        let seconds = u64::try_from(now_us / 1_000_000).ok()?;
        self.totp()?.check(code, seconds).and_then(|step| i64::try_from(step).ok())
    }

    /// The code at `now_us`, microseconds of UTC.
    #[must_use]
    pub fn code_at(&self, now_us: i64) -> String {
        let seconds = u64::try_from(now_us / 1_000_000).unwrap_or_default();
        self.totp().map_or_else(String::new, |totp| totp.generate(seconds).to_string())
    }

    fn totp(&self) -> Option<Totp> {
        Builder::new().with_secret(Secret::new(Box::new(*self.0))).build().ok()
    }
}

impl fmt::Debug for AuthenticatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticatorKey(<redacted>)")
    }
}

impl RecoveryCode {
    /// A new one.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// As it is shown: sixteen letters and figures, in groups.
    pub(crate) fn to_show(&self) -> String {
        grouped(&self.text(), '-')
    }

    pub(crate) fn digest(&self) -> RecoveryDigest {
        digest(&self.text())
    }

    fn text(&self) -> String {
        BASE32_NOPAD.encode(self.0.as_slice())
    }
}

impl Given {
    /// What a form brought; `None` where it is neither.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if text.len() > MAX_CODE_BYTES {
            return None;
        }
        let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let bare = bare.to_ascii_uppercase();
        if bare.len() == CODE_DIGITS && bare.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Code(bare));
        }
        let is_recovery = bare.len() == RECOVERY_CHARS && BASE32_NOPAD.decode(bare.as_bytes()).is_ok();
        is_recovery.then(|| Self::Recovery(digest(&bare)))
    }
}

impl Picture {
    /// A QR code of `text`; `None` where it is too long for one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let dark = |x: &i32, y: i32| code.get_module(*x, y);
        let modules = (0..code.size()).flat_map(|y| (0..code.size()).filter(move |x| dark(x, y)).map(move |x| (x, y)));
        let path = modules.map(|(x, y)| format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET)).collect();
        Some(Self { side: code.size() + 2 * QUIET, path })
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn digest(text: &str) -> RecoveryDigest {
    Sha256::digest([b"lapwing recovery code 1 ".as_slice(), text.as_bytes()].concat()).into()
}

fn grouped(text: &str, between: char) -> String {
    let mut grouped = String::with_capacity(text.len() + text.len() / GROUP);
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % GROUP == 0 {
            grouped.push(between);
        }
        grouped.push(letter);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the key is "12345678901234567890"; the codes there have eight figures, of which ours are the last
    /// six.
    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let key = AuthenticatorKey::from_bytes(*b"12345678901234567890");
        let codes = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (second, code) in codes {
            assert_eq!(key.code_at(second * 1_000_000), code);
            assert_eq!(key.step_of(code, second * 1_000_000), Some(second / 30));
        }
    }

    #[test]
    fn a_code_holds_for_the_step_before_and_after_and_no_longer() {
        let (key, second) = (AuthenticatorKey::from_bytes([7; KEY_BYTES]), 1_000_000);
        let code = key.code_at(3_000 * second);
        let steps = [2_939, 2_969, 2_970, 3_000, 3_059, 3_060].map(|at| key.step_of(&code, at * second));
        assert_eq!(steps, [None, None, Some(100), Some(100), Some(100), None]);
        for wrong in ["", "00000", "1234567", "12 456", "+12345", "abcdef"] {
            assert_eq!(key.step_of(wrong, 3_000 * second), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_shown_as_authenticators_take_it() {
        let key = AuthenticatorKey::from_bytes(*b"12345678901234567890");
        assert_eq!(key.to_type(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            key.address("St Mary's & All", "s.okafor"),
            "otpauth://totp/Lapwing%20St%20Mary%27s%20%26%20All:s.okafor?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Lapwing%20St%20Mary%27s%20%26%20All"
        );
        assert_eq!(format!("{key:?}"), "AuthenticatorKey(<redacted>)");
        let picture = Picture::of(&key.address("Sample School", "dsl")).unwrap();
        assert!(picture.side > 40 && picture.path.starts_with("M4 4h1v1h-1zM5 4"), "the corner of a QR code");
        assert_eq!(Picture::of(&"x".repeat(5_000)), None);
    }

    #[test]
    fn the_key_that_is_offered_is_the_secrets_alone() {
        let offered = |byte| AuthenticatorKey::of_secret(&[byte; 32]).to_type();
        assert_eq!(offered(1), offered(1));
        assert_ne!(offered(1), offered(2));
    }

    #[test]
    fn what_is_given_is_told_apart_however_it_is_spaced() {
        let code = RecoveryCode::random().unwrap();
        let shown = code.to_show();
        assert_eq!(shown.len(), 19);
        for given in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert!(Given::of(&given) == Some(Given::Recovery(code.digest())), "{given}");
        }
        assert!(Given::of(" 123 456 ") == Some(Given::Code("123456".to_owned())));
        let short = shown.trim_start_matches(|c| c != '-');
        for neither in ["", "12345", "1234567", "\u{0661}23456", short, &"A".repeat(65)] {
            assert!(Given::of(neither).is_none(), "{neither}");
        }
    }
}
