//! Bands, and numbers that differ from band to band.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::Spanned;

use super::Weight;
use super::reader::{Fields, Reader, Value};
use crate::Band;
use crate::diagnostic::Code;

/// The bands of `bands = [..]`, if the key is there.
pub(super) fn bands(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Vec<Band>>> {
    let span = fields.get("bands")?.span();
    let texts = reader.texts(fields, "bands", Band::ALL.len())?;
    let bands = texts.into_iter().filter_map(|text| reader.parsed(text)).map(Spanned::into_inner).collect();
    Some(Spanned::new(span, bands))
}

/// The band that a key of a table names.
pub(super) fn band(reader: &mut Reader<'_>, key: &Spanned<Cow<'_, str>>) -> Option<Band> {
    reader.parsed(Spanned::new(key.span(), key.get_ref().to_string())).map(Spanned::into_inner)
}

/// A number, or a table of one by `default` and others by band: `{ default = 1, ks1 = 3 }`.
pub(super) fn weight(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    key: &str,
    range: &RangeInclusive<i64>,
) -> Option<Weight> {
    let number = |reader: &mut Reader<'_>, value: &Value<'_>, key: &str| {
        i16::try_from(reader.number(value, key, range.clone())?.into_inner()).ok()
    };
    let Some(table) = value.get_ref().as_table() else {
        return Some(Weight { default: number(reader, value, key)?, bands: Vec::new() });
    };
    let (mut default, mut bands) = (None, Vec::new());
    for (name, value) in table {
        let found = number(reader, value, name.get_ref());
        if name.get_ref() == "default" {
            default = Some(found?);
        } else {
            bands.extend(band(reader, name).zip(found));
        }
    }
    if default.is_none() {
        let message = format!("`{key}` by band needs a `default`");
        reader.report(Code::MissingKey, value.span(), message, "for every other band", None);
    }
    bands.sort_unstable();
    Some(Weight { default: default?, bands })
}
