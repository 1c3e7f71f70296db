//! Webhooks, signed as <https://www.standardwebhooks.com> describes.
//!
//! ```text
//! webhook-id         the message's id, the same for every try: whoever has seen it has the message
//! webhook-timestamp  seconds of UTC of this try
//! webhook-signature  "v1," + base64 of HMAC-SHA-256 over id "." timestamp "." body; one a secret, spaces between
//! body               {"type": "lapwing.concern", "timestamp": "...", "data": {"reference", "level", "title", "text", "link"}}
//! ```

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::letter::Letter;
use crate::ids::MessageId;

const PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// While a secret is changed, the old and the new one sign.
const MAX_SECRETS: usize = 2;

/// What a webhook is signed with. Never printed.
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Reads `whsec_` and base64, one or two lines of it; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() || lines.len() > MAX_SECRETS {
            return None;
        }
        lines.into_iter().map(secret).collect::<Option<_>>().map(Self)
    }

    /// The signatures of a message, by each secret.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signature = |secret: &Zeroizing<Vec<u8>>| {
            let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?.chain_update(signed.as_bytes());
            Some(format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())))
        };
        self.0.iter().filter_map(signature).collect::<Vec<_>>().join(" ")
    }

    /// The headers of one try.
    pub(super) fn headers(&self, id: MessageId, now_us: i64, body: &str) -> [(&'static str, String); 3] {
        let (id, timestamp) = (id.to_string(), now_us.div_euclid(1_000_000));
        let signature = self.sign(&id, timestamp, body);
        [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)]
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What is posted.
pub(super) fn body(letter: &Letter, now_us: i64) -> String {
    let at = Timestamp::from_microsecond(now_us).map(|at| at.to_string()).unwrap_or_default();
    let words: Vec<_> = letter.paragraphs().collect();
    let mut data = json!({ "title": letter.subject, "text": words.join("\n\n"), "link": letter.link });
    if let (Some(about), Some(fields)) = (&letter.about, data.as_object_mut()) {
        fields.insert("reference".to_owned(), json!(about.reference));
        fields.insert("level".to_owned(), json!(about.level.number()));
    }
    json!({ "type": format!("lapwing.{}", letter.kind), "timestamp": at, "data": data }).to_string()
}

fn secret(line: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(BASE64.decode(line.strip_prefix(PREFIX)?.as_bytes()).ok()?);
    SECRET_BYTES.contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_signature_is_the_one_other_implementations_give() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let signed = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_while_one_takes_over_from_the_other() {
        let both = Secrets::parse(&format!("{SECRET}\n{OTHER}\n")).unwrap().sign("a", 1, "b");
        let [one, other] = [SECRET, OTHER].map(|text| Secrets::parse(text).unwrap().sign("a", 1, "b"));
        assert_eq!(both, format!("{one} {other}"));
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let short = format!("whsec_{}", BASE64.encode(&[1; 23]));
        let long = format!("whsec_{}", BASE64.encode(&[1; 65]));
        for text in ["", "\n", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", short.as_str(), long.as_str()] {
            assert!(Secrets::parse(text).is_none(), "{text}");
        }
        assert!(Secrets::parse(&[SECRET; 3].join("\n")).is_none());
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secrets::parse(SECRET).unwrap()), "<redacted>");
    }
}
