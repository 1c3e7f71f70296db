//! What a rule does in the course of time: `after`, `escalate`, `shadow` and `watch`.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::reader::{Fields, Reader};
use super::rule::{level, seconds};
use crate::Date;
use crate::course::{After, Course, Escalation, Reporting, Watch};
use crate::diagnostic::Code;

/// The terms of a rule and where they were written.
#[derive(Debug, Default)]
pub(crate) struct CourseSource {
    pub(crate) after: Option<Spanned<After>>,
    pub(crate) escalation: Option<Spanned<Escalation>>,
    /// Where it says that the rule is on trial.
    pub(crate) shadow: Option<Range<usize>>,
    pub(crate) watch: Option<Spanned<Watch>>,
}

impl CourseSource {
    /// Whether there are days on which the rule reports nothing.
    pub(crate) const fn may_be_silent(&self) -> bool {
        self.shadow.is_some() || self.watch.is_some()
    }

    /// The terms without their places.
    pub(crate) fn terms(&self) -> Course {
        Course {
            after: self.after.as_ref().map(|after| *after.get_ref()),
            escalation: self.escalation.as_ref().map(|escalation| *escalation.get_ref()),
            reporting: if self.shadow.is_some() { Reporting::Shadow } else { Reporting::Live },
            watch: self.watch.as_ref().map(|watch| *watch.get_ref()),
        }
    }
}

pub(super) fn course(reader: &mut Reader<'_>, fields: &Fields<'_>) -> CourseSource {
    let is_shadow = reader.flag(fields, "shadow");
    let shadow = fields.get("shadow").filter(|_| is_shadow).map(Spanned::span);
    let (after, escalation) = (after(reader, fields), escalation(reader, fields));
    CourseSource { after, escalation, shadow, watch: watch(reader, fields) }
}

fn after(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<After>> {
    let fields = reader.table(fields.get("after")?, "`after`")?;
    reader.known(&fields, &["times", "within"]);
    let times = reader.integer(&fields, "times", 2..=i64::from(After::MAX_TIMES), None);
    let within = within(reader, &fields);
    let after = After { times: u8::try_from(times?.into_inner()).ok()?, within: within? };
    Some(Spanned::new(fields.span, after))
}

fn escalation(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Escalation>> {
    let fields = reader.table(fields.get("escalate")?, "`escalate`")?;
    reader.known(&fields, &["spans", "within", "level"]);
    let spans = reader.integer(&fields, "spans", 2..=i64::from(Escalation::MAX_SPANS), None);
    let within = within(reader, &fields);
    let level = reader.required(&fields, "level").and_then(|value| level(reader, value, "level"));
    let spans = u8::try_from(spans?.into_inner()).ok()?;
    let escalation = Escalation { spans, within: within?, level: level?.into_inner() };
    Some(Spanned::new(fields.span, escalation))
}

fn watch(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Watch>> {
    let fields = reader.table(fields.get("watch")?, "`watch`")?;
    reader.known(&fields, &["from", "until"]);
    let (from, until) = (date(reader, &fields, "from"), date(reader, &fields, "until"));
    let watch = Watch { from: from?.into_inner(), until: until?.into_inner() };
    Some(Spanned::new(fields.span, watch))
}

/// A day that must be there, as TOML's own date or as a text.
pub(super) fn date(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Option<Spanned<Date>> {
    let value = reader.required(fields, key)?;
    let text = match value.get_ref().as_datetime() {
        Some(date) => Spanned::new(value.span(), date.to_string()),
        None => reader.string(value)?,
    };
    reader.parsed(text)
}

/// How long what is counted counts.
fn within(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Duration> {
    let text = reader.required(fields, "within").and_then(|value| reader.string(value))?;
    let length = seconds(text.get_ref()).map(|seconds| Duration::from_secs(u64::from(seconds)));
    let length = length.filter(|length| !length.is_zero() && *length <= Course::MAX_WITHIN);
    if length.is_none() {
        let message = format!("`{}` is not a length of time to remember", text.get_ref());
        let help = "a whole number from 1 with s, m or h, at most 24h, such as `1h`".to_owned();
        reader.report(Code::InvalidValue, text.span(), message, "not a length of time", Some(help));
    }
    length
}
