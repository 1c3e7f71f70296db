//! The bounds the contract states, enforced where a message is read.

/// Most starts of a PC that a device tells of.
pub const MAX_STARTS: usize = 8;
/// Largest gRPC message either side accepts, in bytes: a full batch of full captures fits.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Largest encoded capture, in bytes; a spool record is at most this.
pub const MAX_CAPTURE_BYTES: usize = 60 * 1024;
/// Most captures in a batch.
pub const MAX_BATCH: usize = 256;
/// Most gaps in a batch.
pub const MAX_GAPS: usize = 16;
/// Most excerpts of a capture.
pub const MAX_EXCERPTS: usize = 8;
/// Longest excerpt, in bytes.
pub const MAX_EXCERPT_BYTES: usize = 512;
/// Longest account name, in bytes.
pub const MAX_ACCOUNT_BYTES: usize = 128;
/// Longest log-on session name, group, application, label, host name and room, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most operating-system groups of an account.
pub const MAX_GROUPS: usize = 16;
/// Most hits of a verdict.
pub const MAX_HITS: usize = 16;
/// Most spans of a hit.
pub const MAX_SPANS: usize = 32;
/// Most exceptions of a hit.
pub const MAX_EXCEPTIONS: usize = 8;
/// Longest allow-phrase of an exception, in bytes.
pub const MAX_PHRASE_BYTES: usize = 128;
/// Longest sealed reference, in bytes.
pub const MAX_SEALED_BYTES: usize = 512;
/// Longest certificate signing request, in bytes.
pub const MAX_CSR_BYTES: usize = 2048;
/// Largest artefact a device fetches, uncompressed, in bytes.
pub const MAX_ARTEFACT_BYTES: usize = 32 * 1024 * 1024;
/// Largest list of exemptions without its signature, in bytes: room for as many as there may be, each of all categories and
/// with the longest names of groups.
pub const MAX_EXEMPTION_LIST_BYTES: usize = 1024 * 1024;
/// Most exemptions of a list.
pub const MAX_EXEMPTIONS: usize = 256;
/// Most approved removable media of a school.
pub const MAX_APPROVED_MEDIA: usize = 1024;
/// Most categories of an exemption: more than there are.
pub const MAX_EXEMPTED: usize = 64;
/// Most groups or rooms of an exemption.
pub const MAX_PLACES: usize = 32;
/// Longest that a device may go by a list without hearing from its collector, in seconds: a week.
pub const MAX_HEARD_WITHIN_S: u32 = 7 * 24 * 60 * 60;
/// Largest piece of a fetched artefact, in bytes.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// Most captures in flight that a collector grants one device.
pub const MAX_CREDIT: u32 = 1024;

/// A message that breaks the contract. Names the field, never its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is out of bounds: {rule}")]
pub struct OutOfBounds {
    /// The field, as a path from the message's root.
    pub field: &'static str,
    /// What it should have been.
    pub rule: String,
}

impl OutOfBounds {
    /// An error about `field`.
    pub fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }
}

/// Refuses a text longer than `max` bytes.
///
/// # Errors
///
/// When it is longer.
pub fn text(field: &'static str, text: &str, max: usize) -> Result<(), OutOfBounds> {
    size(field, text.len(), max, "bytes")
}

/// Refuses a list of more than `max` entries.
///
/// # Errors
///
/// When it has more.
pub fn list<T>(field: &'static str, items: &[T], max: usize) -> Result<(), OutOfBounds> {
    size(field, items.len(), max, "entries")
}

fn size(field: &'static str, found: usize, max: usize, unit: &str) -> Result<(), OutOfBounds> {
    if found > max {
        return Err(OutOfBounds::new(field, format!("at most {max} {unit}, found {found}")));
    }
    Ok(())
}
