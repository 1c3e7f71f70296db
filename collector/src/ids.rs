//! Identifiers of the collector: 16 random bytes each, so that none tells how many came before it.

use lapwing_proto::random_id;

/// A text that names nothing of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: expected {expected}")]
pub struct InvalidId {
    pub(crate) what: &'static str,
    pub(crate) expected: &'static str,
}

random_id!(
    /// A person of the school.
    PersonId, "person id", "per-"
);
random_id!(
    /// Whoever captures are about: a person, an unmapped account, or one log-on session of a class log-on.
    SubjectId, "subject id", "sub-"
);
random_id!(
    /// A stored capture.
    CaptureId, "capture id", "cap-"
);
random_id!(
    /// A concern.
    ConcernId, "concern id", "con-"
);
random_id!(
    /// One step in a concern's life.
    StepId, "step id", "step-"
);
random_id!(
    /// A row of the outbox.
    MessageId, "message id", "msg-"
);
random_id!(
    /// A change that takes more than one person.
    RequestId, "request id", "req-"
);
random_id!(
    /// Everything that one illegal case keeps.
    HoldId, "hold id", "hold-"
);
random_id!(
    /// A device looked at on purpose.
    InvestigationId, "investigation id", "inv-"
);
random_id!(
    /// Who used a class log-on, as somebody says.
    AttributionId, "attribution id", "att-"
);
random_id!(
    /// Somebody's absence.
    AbsenceId, "absence id", "abs-"
);
random_id!(
    /// A change to the filter that a technician is asked for.
    TicketId, "ticket id", "tic-"
);
random_id!(
    /// Devices of one room that went silent on one day.
    SilenceId, "silence id", "sil-"
);
random_id!(
    /// A device that waits to be let in.
    JoinId, "join id", "join-"
);
random_id!(
    /// A check that monitoring works.
    CheckId, "check id", "chk-"
);
random_id!(
    /// An evidence key in the vault.
    KeyId, "key id", "key-"
);

/// Bytes of a capture's id that tell when it arrived, in milliseconds.
const TIME_BYTES: usize = 6;

impl CaptureId {
    /// The same id with the time `at_us`, microseconds of UTC, at its beginning: rows that arrive together stand together in
    /// the index, so that a commit writes few of its pages. It tells no more than the row beside it does.
    pub(crate) fn beginning_with(self, at_us: i64) -> Self {
        let mut bytes = *self.as_bytes();
        let ms = at_us.div_euclid(1000).to_be_bytes();
        for (to, byte) in bytes.iter_mut().zip(ms.iter().skip(ms.len() - TIME_BYTES)) {
            *to = *byte;
        }
        Self::from_bytes(bytes)
    }

    /// Not above the id of any capture that arrived at `at_us` or later.
    pub(crate) fn from_time(at_us: i64) -> Self {
        Self::from_bytes([0; 16]).beginning_with(at_us)
    }
}

/// Without the letters and digits that are taken for one another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const REFERENCE_LETTERS: usize = 6;

/// What people call something on the telephone, as `IMG-7K3FQM`: random, no concern is called so.
pub(crate) fn reference(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; REFERENCE_LETTERS];
    getrandom::fill(&mut random)?;
    let letters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(format!("{prefix}-{}", letters.map(|letter| char::from(*letter)).collect::<String>()))
}

/// An identifier in JSON: its text form.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_comes_back_as_the_same_id() {
        let id = ConcernId::random().unwrap();
        assert_eq!(id.to_string().parse::<ConcernId>(), Ok(id));
        assert!(id.to_string().parse::<CaptureId>().is_err());
    }
}
