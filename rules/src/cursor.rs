//! Bounds-checked reading of little-endian records.

/// Ran past the end, or found a text that is no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// What is left of a record.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_le_bytes)
    }

    /// A `u32` length or index.
    pub(crate) fn size(&mut self) -> Result<usize, Short> {
        usize::try_from(self.u32()?).map_err(|_| Short)
    }

    /// A `u16` length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, Short> {
        let length = usize::from(self.u16()?);
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Short)
    }

    /// A `u32` count and that many entries of at least one byte each, so that a false count cannot reserve memory.
    pub(crate) fn list<T>(&mut self, mut entry: impl FnMut(&mut Self) -> Result<T, Short>) -> Result<Vec<T>, Short> {
        let count = self.size()?;
        if count > self.left() {
            return Err(Short);
        }
        let mut entries = Vec::with_capacity(count.min(4096));
        for _ in 0..count {
            entries.push(entry(self)?);
        }
        Ok(entries)
    }

    /// Succeeds when everything was read.
    pub(crate) fn end(&self) -> Result<(), Short> {
        if self.rest.is_empty() { Ok(()) } else { Err(Short) }
    }
}
