//! What a school changed of rules, in a section of its own.
//!
//! ```text
//! 24 tunes  rule, requester, reason, last day since 1970, approvers, changes in words; sorted by rule
//! ```

use super::Rule;
use super::course::{entries, legal, section};
use super::decode::Sections;
use crate::artefact::Section;
use crate::cursor::{Cursor, Short};
use crate::overlay::Tuned;
use crate::{ArtefactError, Date};

const TUNES: u16 = 24;

pub(super) fn encode(rules: &[Rule]) -> Option<Section> {
    section(
        TUNES,
        rules,
        |facts| facts.tuned.as_ref(),
        |out, tuned| {
            out.text(&tuned.requester).text(&tuned.reason).number(tuned.expires.days());
            for texts in [&tuned.approvers, &tuned.changes] {
                out.byte(texts.len());
                texts.iter().for_each(|text| {
                    out.text(text);
                });
            }
        },
    )
}

/// Reads what was changed into the rules. Whoever signed it: a rule of an illegal category was not.
pub(super) fn decode(sections: &Sections<'_>, rules: &mut [Rule]) -> Result<(), ArtefactError> {
    for (rule, tuned) in entries(sections, TUNES, "its tunes", rules.len(), tuned)? {
        legal(rules, rule, "its tunes")?.tuned = Some(tuned);
    }
    Ok(())
}

fn tuned(cursor: &mut Cursor<'_>) -> Result<Tuned, Short> {
    let (requester, reason) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
    let expires = Date::from_days(cursor.u32()?).ok_or(Short)?;
    let mut texts = || (0..cursor.u8()?).map(|_| cursor.text().map(str::to_owned)).collect::<Result<Vec<_>, Short>>();
    Ok(Tuned { requester, reason, expires, approvers: texts()?, changes: texts()? })
}
