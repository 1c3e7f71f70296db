//! Looks for traces of a text in whatever a program left behind.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

/// A text in the spellings it could hide in.
#[derive(Clone, Debug)]
pub struct Traces {
    spellings: Vec<Vec<u8>>,
}

impl Traces {
    /// Of `text`, which must be ASCII letters of one case without spaces, so that no encoding changes it by chance.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let plain = text.as_bytes();
        let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        let percent = plain.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect();
        let mut spellings = vec![
            plain.to_vec(),
            text.to_ascii_uppercase().into_bytes(),
            wide(u16::to_le_bytes),
            wide(u16::to_be_bytes),
            percent,
            HEXLOWER.encode(plain).into_bytes(),
            HEXUPPER.encode(plain).into_bytes(),
        ];
        for encoding in [BASE64, BASE64URL] {
            spellings.extend((0..3).map(|offset| base64_core(&encoding, plain, offset)));
        }
        Self { spellings }
    }

    /// Whether any spelling stands in `bytes`.
    #[must_use]
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling))
    }

    /// Every file below `folder` in which a spelling stands.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn files_below(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut queue = vec![folder.to_path_buf()];
        while let Some(next) = queue.pop() {
            for entry in std::fs::read_dir(&next).with_context(|| format!("cannot list `{}`", next.display()))? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    queue.push(entry.path());
                } else if kind.is_file() && self.stand_in(&read_or_gone(&entry.path())?) {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// A file that went away while others were read held nothing that lasts.
fn read_or_gone(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// The letters of base64 that do not depend on what stands before or after, where `offset` bytes stand before.
fn base64_core(encoding: &data_encoding::Encoding, plain: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(plain);
    let letters = encoding.encode(&padded).trim_end_matches('=').as_bytes().to_vec();
    let first = [0, 2, 3].get(offset).copied().unwrap_or_default();
    let last = padded.len() * 8 / 6;
    letters.get(first..last).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_found_and_another_text_is_not() {
        let traces = Traces::of("quokkamarker");
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}quokkamarker and more");
            let spellings = [
                text.clone().into_bytes(),
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                BASE64.encode(text.as_bytes()).into_bytes(),
                HEXLOWER.encode(text.as_bytes()).into_bytes(),
            ];
            for spelling in spellings {
                assert!(traces.stand_in(&spelling), "{before}");
            }
        }
        assert!(!traces.stand_in(b"quokkamarkes and more"));
    }
}
