//! Phrases and hosts as engines 1 and 2 wrote them: word for word.

use super::{Sections, host_use, index};
use crate::ArtefactError;
use crate::cursor::{Cursor, Short};
use crate::program::{HostUse, Hosts, Phrases};

/// Phrases with the words of each, by its number.
type Numbered = (Phrases, Vec<(u32, String)>);

/// Sections 3 and 4.
pub(super) fn phrases(sections: &Sections<'_>) -> Result<Numbered, ArtefactError> {
    let words = strings(sections, 3, "its words")?;
    let phrase = |cursor: &mut Cursor<'_>| -> Result<Vec<&str>, Short> {
        let word = |cursor: &mut Cursor<'_>| words.get(cursor.size()?).copied().ok_or(Short);
        (0..cursor.u8()?).map(|_| word(cursor)).collect()
    };
    let written = sections.list(4, "its phrases", phrase)?;
    let phrases = Phrases::new(&written).ok_or(ArtefactError::Damaged { what: "its phrases" })?;
    let texts = (0..).zip(&written).map(|(number, words)| (number, words.join(" "))).collect();
    Ok((phrases, texts))
}

/// Sections 7 and 8.
pub(super) fn hosts(sections: &Sections<'_>, rules: usize) -> Result<Hosts, ArtefactError> {
    let names = strings(sections, 7, "its hosts")?;
    let row = |cursor: &mut Cursor<'_>| Ok((index(cursor, names.len())?, host_use(cursor, rules)?));
    let rows = sections.list(8, "its host rows", row)?;
    let damaged = ArtefactError::Damaged { what: "its hosts" };
    if !rows.is_sorted() {
        return Err(damaged);
    }
    let mut named: Vec<(&str, Vec<HostUse>)> = names.into_iter().map(|name| (name, Vec::new())).collect();
    for (host, of) in rows {
        let host = usize::try_from(host).ok().and_then(|host| named.get_mut(host));
        host.ok_or_else(|| damaged.clone())?.1.push(of);
    }
    Hosts::new(&named).ok_or(damaged)
}

fn strings<'a>(sections: &Sections<'a>, id: u16, what: &'static str) -> Result<Vec<&'a str>, ArtefactError> {
    let strings = sections.list(id, what, Cursor::text)?;
    let sorted = strings.iter().zip(strings.iter().skip(1)).all(|(left, right)| left < right);
    if sorted { Ok(strings) } else { Err(ArtefactError::Damaged { what }) }
}
