//! The terms of rules, in sections of their own, absent where no rule has any.
//!
//! ```text
//! 20 afters       rule, times, seconds; sorted by rule
//! 21 escalations  rule, spans, seconds, level; sorted by rule
//! 22 shadows      rule; sorted
//! 23 watches      rule, first and last day since 1970; sorted by rule
//! ```

use std::time::Duration;

use super::Rule;
use super::decode::{Sections, index, level};
use super::encode::{Record, list};
use crate::artefact::{Encoding, Section};
use crate::course::{After, Course, Escalation, Reporting, Watch};
use crate::cursor::{Cursor, Short};
use crate::{ArtefactError, Date, RuleFacts};

const AFTERS: u16 = 20;
const ESCALATIONS: u16 = 21;
const SHADOWS: u16 = 22;
const WATCHES: u16 = 23;

/// The sections that hold anything.
pub(super) fn encode(rules: &[Rule]) -> Vec<Section> {
    let afters = section(
        AFTERS,
        rules,
        |facts| facts.course.after,
        |out, after| {
            out.byte(usize::from(after.times));
            length(out, after.within);
        },
    );
    let escalations = section(
        ESCALATIONS,
        rules,
        |facts| facts.course.escalation,
        |out, escalation| {
            out.byte(usize::from(escalation.spans));
            length(out, escalation.within);
            out.byte(usize::from(escalation.level.number()));
        },
    );
    let shadow = |facts: &RuleFacts| (facts.course.reporting == Reporting::Shadow).then_some(());
    let shadows = section(SHADOWS, rules, shadow, |_, ()| {});
    let watches = section(
        WATCHES,
        rules,
        |facts| facts.course.watch,
        |out, watch| {
            out.number(watch.from.days()).number(watch.until.days());
        },
    );
    [afters, escalations, shadows, watches].into_iter().flatten().collect()
}

/// Reads what the sections say into the rules.
pub(super) fn decode(sections: &Sections<'_>, rules: &mut [Rule]) -> Result<(), ArtefactError> {
    let after = |cursor: &mut Cursor<'_>| {
        let times = between(cursor.u8()?, 2, After::MAX_TIMES)?;
        Ok(After { times, within: remembered(cursor)? })
    };
    for (rule, after) in entries(sections, AFTERS, "its afters", rules.len(), after)? {
        legal(rules, rule, "its afters")?.course.after = Some(after);
    }
    let escalation = |cursor: &mut Cursor<'_>| {
        let spans = between(cursor.u8()?, 2, Escalation::MAX_SPANS)?;
        Ok(Escalation { spans, within: remembered(cursor)?, level: level(cursor)? })
    };
    for (rule, escalation) in entries(sections, ESCALATIONS, "its escalations", rules.len(), escalation)? {
        facts(rules, rule, "its escalations")?.course.escalation = Some(escalation);
    }
    for (rule, ()) in entries(sections, SHADOWS, "its shadows", rules.len(), |_| Ok(()))? {
        legal(rules, rule, "its shadows")?.course.reporting = Reporting::Shadow;
    }
    for (rule, watch) in entries(sections, WATCHES, "its watches", rules.len(), watch)? {
        let facts = legal(rules, rule, "its watches")?;
        if facts.levels.values().chain([&facts.level]).any(|level| *level > Watch::MAX_LEVEL) {
            return Err(ArtefactError::Damaged { what: "its watches" });
        }
        facts.course.watch = Some(watch);
    }
    Ok(())
}

/// A section with a record of every rule that has a term of this kind; none where no rule has.
pub(super) fn section<'a, T>(
    id: u16,
    rules: &'a [Rule],
    term: impl Fn(&'a RuleFacts) -> Option<T>,
    mut write: impl FnMut(&mut Record, &T),
) -> Option<Section> {
    let with = |(number, rule): (u32, &'a Rule)| term(&rule.facts).map(|term| (number, term));
    let entries: Vec<(u32, T)> = (0..).zip(rules).filter_map(with).collect();
    let plain = list(&entries, |out, (rule, term)| {
        out.number(*rule);
        write(out, term);
    });
    (!entries.is_empty()).then_some(Section { id, encoding: Encoding::Masked, plain })
}

/// The records of a section by rule, each rule once; none where the section is absent.
pub(super) fn entries<T>(
    sections: &Sections<'_>,
    id: u16,
    what: &'static str,
    rules: usize,
    read: impl Fn(&mut Cursor<'_>) -> Result<T, Short>,
) -> Result<Vec<(u32, T)>, ArtefactError> {
    let entries = sections.later(id, what, |cursor| Ok((index(cursor, rules)?, read(cursor)?)))?;
    let rises = entries.iter().zip(entries.iter().skip(1)).all(|((left, _), (right, _))| left < right);
    if rises { Ok(entries) } else { Err(ArtefactError::Damaged { what }) }
}

fn facts<'a>(rules: &'a mut [Rule], rule: u32, what: &'static str) -> Result<&'a mut RuleFacts, ArtefactError> {
    let rule = usize::try_from(rule).ok().and_then(|rule| rules.get_mut(rule));
    rule.map(|rule| &mut rule.facts).ok_or(ArtefactError::Damaged { what })
}

/// The facts of a rule that may be lowered: whoever signed it, one of an illegal category may not.
pub(super) fn legal<'a>(
    rules: &'a mut [Rule],
    rule: u32,
    what: &'static str,
) -> Result<&'a mut RuleFacts, ArtefactError> {
    let facts = facts(rules, rule, what)?;
    if facts.category.class().is_illegal() { Err(ArtefactError::Damaged { what }) } else { Ok(facts) }
}

fn length(out: &mut Record, length: Duration) {
    out.number(u32::try_from(length.as_secs()).unwrap_or(u32::MAX));
}

fn remembered(cursor: &mut Cursor<'_>) -> Result<Duration, Short> {
    let length = Duration::from_secs(u64::from(cursor.u32()?));
    if length.is_zero() || length > Course::MAX_WITHIN { Err(Short) } else { Ok(length) }
}

fn watch(cursor: &mut Cursor<'_>) -> Result<Watch, Short> {
    let mut day = || Date::from_days(cursor.u32()?).ok_or(Short);
    let watch = Watch { from: day()?, until: day()? };
    if watch.is_sound() { Ok(watch) } else { Err(Short) }
}

fn between(number: u8, least: u8, most: u8) -> Result<u8, Short> {
    if (least..=most).contains(&number) { Ok(number) } else { Err(Short) }
}

#[cfg(test)]
mod tests {
    use crate::program::encode;
    use crate::{Artefact, Compiler, Kind, Release, RuleSet, SigningKey, TrustedKeys, Validity, sign};

    const PACK: &str = "[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n\
        [[rule]]\nid = \"t.a\"\ntitle = \"A\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
        after = { times = 3, within = \"1h\" }\nescalate = { spans = 2, within = \"1h\", level = 3 }\nshadow = true\n\
        watch = { from = 2026-12-01, until = 2026-12-20 }\nlevel = 2\nmatch = { any = [\"owl nest\", \"barn nest\"] }\nexamples = {}\n\
        [[rule]]\nid = \"t.b\"\ntitle = \"B\"\ncategory = \"terrorism\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
        match = { phrase = \"red kite\" }\nexamples = {}\n";

    const OVERLAY: &str = "[[tune]]\nrule = \"t.a\"\nrequester = \"J. Marsh\"\napprover = \"S. Okafor\"\n\
        reason = \"R\"\nexpires = 2026-12-20\nlevel = 1\n";

    /// The artefact of [`PACK`] and [`OVERLAY`] with a byte of a section changed, signed.
    fn loads(section: u16, byte: usize, flip: u8) -> Option<RuleSet> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let keys = TrustedKeys::new(vec![key.verifying_key()], 1).unwrap();
        let compiler = Compiler::new().pack("t.toml", PACK).overlay("local.toml", OVERLAY);
        let mut sections = encode(&compiler.today("2026-12-01".parse().unwrap()).program().unwrap());
        let changed = sections.iter_mut().find(|found| found.id == section).unwrap();
        changed.plain[byte] ^= flip;
        let artefact = Artefact::build(Kind::RuleSet, Release::new(1), Validity::default(), &sections);
        RuleSet::load(&sign(&artefact, &key), &keys).ok()
    }

    /// Signed is not the same as sane.
    #[test]
    fn terms_out_of_bounds_and_those_that_lower_an_illegal_rule_are_refused() {
        assert!(loads(super::AFTERS, 0, 0).is_some(), "nothing was changed");
        assert!(loads(super::AFTERS, 4, 1).is_none(), "the rule is of an illegal category");
        assert!(loads(super::AFTERS, 4, 2).is_none(), "there is no such rule");
        assert!(loads(super::AFTERS, 8, 2).is_none(), "once is no waiting");
        assert!(loads(super::AFTERS, 12, 0xff).is_none(), "longer than a device remembers");
        assert!(loads(super::SHADOWS, 4, 1).is_none(), "the rule is of an illegal category");
        assert!(loads(24, 4, 1).is_none(), "no school tuned an illegal rule");
        assert!(loads(24, 24, 1).is_none(), "no day of the calendar");
        assert!(loads(super::WATCHES, 4, 1).is_none(), "the rule is of an illegal category");
        assert!(loads(super::WATCHES, 12, 0x20).is_none(), "longer than 28 days");
        assert!(loads(super::WATCHES, 15, 1).is_none(), "beyond the calendar");
        assert!(loads(super::ESCALATIONS, 8, 0x80).is_none(), "more phrases than a device remembers");
        assert!(loads(super::ESCALATIONS, 13, 4).is_none(), "there is no level 7");
    }
}
