//! The session cookie, and the tokens that pages carry.

use data_encoding::BASE64URL_NOPAD;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::store::StoreError;
use crate::store::web_sessions::SessionHash;

const SESSION_COOKIE: &str = "__Host-lapwing";
/// Holds the door's own token before anybody is signed in.
const DOOR_COOKIE: &str = "__Host-lapwing-door";
/// Of whoever gave the right password, and not their second step yet.
const TURN_COOKIE: &str = "__Host-lapwing-turn";
/// Says that somebody does without keys in this browser.
const KEYS_COOKIE: &str = "__Host-lapwing-keys";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
const SECRET_BYTES: usize = 32;

/// 32 random bytes whose text form is base64url. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret([u8; SECRET_BYTES]);

impl Secret {
    pub(super) fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) const fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    pub(super) fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub(super) fn hash(&self) -> SessionHash {
        Sha256::digest(self.0).into()
    }

    /// Compares in constant time with what a form brought.
    pub(super) fn is(&self, text: &str) -> bool {
        Self::from_text(text).is_some_and(|other| bool::from(self.0.ct_eq(&other.0)))
    }
}

/// The session secret that a request brought.
pub(super) fn of_request(parts: &Parts) -> Option<Secret> {
    cookie(&parts.headers, SESSION_COOKIE)
}

/// The session secret among `headers`.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<Secret> {
    cookie(headers, SESSION_COOKIE)
}

/// The door's token among `headers`.
pub(super) fn door_of_headers(headers: &HeaderMap) -> Option<Secret> {
    cookie(headers, DOOR_COOKIE)
}

/// The secret of a turn at the second step among `headers`.
pub(super) fn turn_of_headers(headers: &HeaderMap) -> Option<Secret> {
    cookie(headers, TURN_COOKIE)
}

/// Gives the browser a turn at the second step.
pub(super) fn turn_given(secret: &Secret) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{TURN_COOKIE}={}; {ATTRIBUTES}; Max-Age=900", secret.text())).ok()
}

/// Takes the turn from the browser.
pub(super) fn turn_taken() -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{TURN_COOKIE}=; {ATTRIBUTES}; Max-Age=0")).ok()
}

/// Gives the browser a session.
pub(super) fn given(secret: &Secret) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{SESSION_COOKIE}={}; {ATTRIBUTES}", secret.text())).ok()
}

/// Whether lists take keys in the browser of `headers`: unless somebody switched them off there.
pub(super) fn has_keys(headers: &HeaderMap) -> bool {
    !pairs(headers).any(|(key, value)| key == KEYS_COOKIE && value == "off")
}

/// Switches keys on or off in the browser.
pub(super) const fn keys_given(are_on: bool) -> HeaderValue {
    if are_on {
        HeaderValue::from_static("__Host-lapwing-keys=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
    } else {
        HeaderValue::from_static("__Host-lapwing-keys=off; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000")
    }
}

/// Gives the browser the door's token.
pub(super) fn door_given(secret: &Secret) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{DOOR_COOKIE}={}; {ATTRIBUTES}; Max-Age=3600", secret.text())).ok()
}

/// Takes the session from the browser.
pub(super) fn taken() -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{SESSION_COOKIE}=; {ATTRIBUTES}; Max-Age=0")).ok()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut named = pairs(headers).filter(|(key, _)| *key == name);
    named.next().and_then(|(_, value)| Secret::from_text(value))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_given_session_comes_back() {
        let secret = Secret::random().unwrap();
        let given = given(&secret).unwrap();
        let given = given.to_str().unwrap();
        assert!(given.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{given}");
        let pair = given.split(';').next().unwrap();
        assert!(of_headers(&headers(&format!("other=1; {pair}"))) == Some(secret));
    }

    #[test]
    fn a_malformed_cookie_is_no_session() {
        for cookie in ["__Host-lapwing=", "__Host-lapwing=short", "lapwing=x", "__Host-lapwing=!!"] {
            assert!(of_headers(&headers(cookie)).is_none(), "{cookie}");
        }
    }
}
