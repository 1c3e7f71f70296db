//! Addresses that need no more than cutting.
//!
//! Browsers report addresses in the form the URL Standard gives them, and most hold nothing that a parser would change: a
//! lower-case host of ASCII, no user, no dot segments. Such an address is cut at its seams in one pass. [`parts`] gives
//! `None` for all others, and what the parser would give for these.

/// Longest host of a plain address, in bytes (RFC 1035).
const MAX_HOST_BYTES: usize = 253;

/// An address cut at its seams, nothing decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) host: &'a str,
    /// From its first `/` on; empty where there is none.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// Cuts a plain address.
pub(super) fn parts(url: &str) -> Option<Parts<'_>> {
    let rest = url.strip_prefix("http")?;
    let rest = rest.strip_prefix("s://").or_else(|| rest.strip_prefix("://"))?;
    let (host, rest) = rest.split_at_checked(host_length(rest.as_bytes())?)?;
    let (_, rest) = rest.split_at_checked(port_length(rest.as_bytes())?)?;
    let (path, rest) = rest.split_at_checked(path_length(rest.as_bytes())?)?;
    let query = match rest.strip_prefix('?') {
        Some(rest) => rest.get(..query_length(rest.as_bytes())?)?,
        None => "",
    };
    // A parser trims what stands at the very end.
    (!url.ends_with(' ')).then_some(Parts { host, path, query })
}

/// Labels of lower-case letters, digits and hyphens, none of them punycode, and the last of letters alone, so that the
/// whole is no number.
fn host_length(bytes: &[u8]) -> Option<usize> {
    let (mut label, mut is_word) = (0, true);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'a'..=b'z' => {}
            b'0'..=b'9' | b'-' => is_word = false,
            b'.' if at > label => {
                label = at + 1;
                is_word = true;
                if bytes.get(label..).is_some_and(|rest| rest.starts_with(b"xn--")) {
                    return None;
                }
                at += 1;
                continue;
            }
            b':' | b'/' | b'?' | b'#' => break,
            _ => return None,
        }
        at += 1;
    }
    (is_word && at > label && at <= MAX_HOST_BYTES && !bytes.starts_with(b"xn--")).then_some(at)
}

/// A colon and one to four digits, or nothing; longer ones may be out of range.
fn port_length(bytes: &[u8]) -> Option<usize> {
    let Some(after) = bytes.strip_prefix(b":") else { return Some(0) };
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = matches!(after.get(digits), None | Some(b'/' | b'?' | b'#'));
    (ends && (1..=4).contains(&digits)).then_some(digits + 1)
}

/// No control character, and no segment that may lead upwards.
fn path_length(bytes: &[u8]) -> Option<usize> {
    let mut before = 0;
    for (at, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b'?' | b'#' => return Some(at),
            ..=0x1f | 0x7f | b'\\' => return None,
            b'.' if before == b'/' => return None,
            b'e' | b'E' if before == b'2' && at.checked_sub(2).and_then(|at| bytes.get(at)) == Some(&b'%') => {
                return None;
            }
            _ => before = byte,
        }
    }
    Some(bytes.len())
}

fn query_length(bytes: &[u8]) -> Option<usize> {
    let ends = |byte: &u8| matches!(byte, 0..=0x1f | 0x7f | b'#');
    match bytes.iter().position(ends) {
        Some(at) => Some(at).filter(|at| bytes.get(*at) == Some(&b'#')),
        None => Some(bytes.len()),
    }
}
