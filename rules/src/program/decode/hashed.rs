//! Hashed lists.

use super::{groups_of, index};
use crate::cursor::{Cursor, Short};
use crate::hashed::{EntryHash, HashKey, HashedKind, HashedList};
use crate::program::{Hashed, Rule};

pub(super) fn hashed(cursor: &mut Cursor<'_>, rules: &[Rule]) -> Result<Hashed, Short> {
    let kind = match cursor.u8()? {
        0 => HashedKind::Phrase,
        1 => HashedKind::Url,
        _ => return Err(Short),
    };
    let key = HashKey::new(blob(cursor)?).ok_or(Short)?;
    let lengths = blob(cursor)?.to_vec();
    let (entries, tail) = blob(cursor)?.as_chunks::<{ EntryHash::BYTES }>();
    let entries = entries.iter().map(|bytes| EntryHash::from_bytes(*bytes)).collect();
    let list = HashedList::new(kind, key, lengths, entries).filter(|_| tail.is_empty()).ok_or(Short)?;
    let firing = |cursor: &mut Cursor<'_>| {
        let rule = index(cursor, rules.len())?;
        if groups_of(rules, rule)? > 0 { Ok(rule) } else { Err(Short) }
    };
    Ok(Hashed { list, rules: cursor.list(firing)? })
}

fn blob<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Short> {
    let bytes = cursor.size()?;
    cursor.bytes(bytes)
}
