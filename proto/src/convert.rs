//! Between the wire form of a capture and the checked one. Everything read here is hostile.

use lapwing_rules::{Band, Digest, Excepted, Level, Mark, Release, RuleId, Scope, Span, Text};

use crate::bounds::{self, OutOfBounds};
use crate::{Account, BootId, Bus, Capture, Category, Excerpt, Hit, Media, Open, Signal, Verdict, wire};

impl TryFrom<wire::Capture> for Capture {
    type Error = OutOfBounds;

    fn try_from(message: wire::Capture) -> Result<Self, OutOfBounds> {
        bounds::text("capture.app", &message.app, bounds::MAX_NAME_BYTES)?;
        bounds::list("capture.excerpts", &message.excerpts, bounds::MAX_EXCERPTS)?;
        bounds::list("capture.sealed_reference", &message.sealed_reference, bounds::MAX_SEALED_BYTES)?;
        let boot_id = BootId::try_from(message.boot_id.as_slice())
            .map_err(|error| OutOfBounds::new("capture.boot_id", error.to_string()))?;
        let account = account(message.account.unwrap_or_default())?;
        let excerpts = message.excerpts.into_iter().map(excerpt).collect::<Result<Vec<_>, _>>()?;
        let verdict = message.verdict.ok_or_else(|| OutOfBounds::new("capture.verdict", "missing"))?;
        Ok(Self {
            signal: Open::read(message.signal, Signal::from_wire),
            wall_us: message.wall_us,
            boot_us: message.boot_us,
            boot_id,
            account,
            app: message.app,
            private_window: message.private_window,
            verdict: read_verdict(verdict, &excerpts)?,
            excerpts,
            sealed_reference: message.sealed_reference,
            repeats: message.repeats,
            media: message.media.map(media).transpose()?,
            url_blind: message.url_blind,
            burst: message.burst.max(1),
        })
    }
}

impl From<Capture> for wire::Capture {
    fn from(capture: Capture) -> Self {
        Self {
            signal: capture.signal.write(Signal::to_wire),
            wall_us: capture.wall_us,
            boot_us: capture.boot_us,
            boot_id: capture.boot_id.as_bytes().to_vec(),
            account: Some(wire::Account {
                name: capture.account.name,
                session: capture.account.session,
                groups: capture.account.groups,
            }),
            app: capture.app,
            private_window: capture.private_window,
            excerpts: capture.excerpts.into_iter().map(write_excerpt).collect(),
            verdict: Some(write_verdict(capture.verdict)),
            sealed_reference: capture.sealed_reference,
            repeats: capture.repeats,
            media: capture.media.map(write_media),
            url_blind: capture.url_blind,
            burst: capture.burst,
        }
    }
}

impl<T> Open<T> {
    /// Reads a number of the wire; what `known` does not know is kept.
    pub fn read(number: i32, known: impl FnOnce(i32) -> Option<T>) -> Self {
        known(number).map_or(Self::Unknown(number), Self::Known)
    }

    /// The number on the wire.
    pub fn write(self, known: impl FnOnce(T) -> i32) -> i32 {
        match self {
            Self::Known(value) => known(value),
            Self::Unknown(number) => number,
        }
    }

    /// The value, where this build knows it.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// Pairs each value with its number on the wire, both ways.
macro_rules! wire_numbers {
    ($(#[$doc:meta])* $visibility:vis $from:ident, $to:ident, $ours:ty, $theirs:ty, $($known:ident = $wire:ident),+ $(,)?) => {
        $(#[$doc])*
        #[must_use]
        $visibility fn $to(value: $ours) -> i32 {
            match value {
                $(<$ours>::$known => <$theirs>::$wire as i32,)+
            }
        }

        $(#[$doc])*
        #[must_use]
        $visibility fn $from(number: i32) -> Option<$ours> {
            match <$theirs>::try_from(number).ok()? {
                $(<$theirs>::$wire => Some(<$ours>::$known),)+
                <$theirs>::Unspecified => None,
            }
        }
    };
}

impl Signal {
    wire_numbers!(
        /// The number on the wire.
        pub from_wire, to_wire, Signal, wire::Signal,
        Title = Title, Url = Url, FileDrop = FileDrop, Media = Media, System = System);
}

impl Bus {
    wire_numbers!(pub(crate) from_wire, to_wire, Bus, wire::Bus,
        Usb = Usb, Sd = Sd, Optical = Optical, Loop = Loop, Other = Other);
}

wire_numbers!(pub(crate) scope_from_wire, scope_to_wire, Scope, wire::Scope,
    Title = Title, UrlHost = UrlHost, UrlPath = UrlPath, Query = Query, FileName = FileName, Media = Media, App = App);

wire_numbers!(pub(crate) mark_from_wire, mark_to_wire, Mark, wire::Mark,
    Topic = Topic, Intent = Intent, Method = Method, Context = Context);

wire_numbers!(
    /// Bands, for answers about a session.
    pub band_from_wire, band_to_wire, Band, wire::Band,
    Eyfs = Eyfs, Ks1 = Ks1, Ks2 = Ks2, Ks3 = Ks3, Ks4 = Ks4, Ks5 = Ks5, Post19 = Post19, Staff = Staff,
    Guest = Guest, Shared = Shared);

fn account(message: wire::Account) -> Result<Account, OutOfBounds> {
    bounds::text("capture.account.name", &message.name, bounds::MAX_ACCOUNT_BYTES)?;
    bounds::text("capture.account.session", &message.session, bounds::MAX_NAME_BYTES)?;
    bounds::list("capture.account.groups", &message.groups, bounds::MAX_GROUPS)?;
    for group in &message.groups {
        bounds::text("capture.account.groups", group, bounds::MAX_NAME_BYTES)?;
    }
    Ok(Account { name: message.name, session: message.session, groups: message.groups })
}

fn excerpt(message: wire::Excerpt) -> Result<Excerpt, OutOfBounds> {
    bounds::text("capture.excerpts.text", &message.text, bounds::MAX_EXCERPT_BYTES)?;
    Ok(Excerpt { scope: Open::read(message.scope, scope_from_wire), text: message.text })
}

fn write_excerpt(excerpt: Excerpt) -> wire::Excerpt {
    wire::Excerpt { scope: excerpt.scope.write(scope_to_wire), text: excerpt.text }
}

fn media(message: wire::Media) -> Result<Media, OutOfBounds> {
    bounds::text("capture.media.label", &message.label, bounds::MAX_NAME_BYTES)?;
    bounds::text("capture.media.filesystem", &message.filesystem, 16)?;
    let serial_hash = match message.serial_hash.as_slice() {
        [] => None,
        bytes => Some(digest("capture.media.serial_hash", bytes)?),
    };
    Ok(Media {
        label: message.label,
        size_bytes: message.size_bytes,
        bus: Open::read(message.bus, Bus::from_wire),
        serial_hash,
        filesystem: message.filesystem,
    })
}

fn write_media(media: Media) -> wire::Media {
    wire::Media {
        label: media.label,
        size_bytes: media.size_bytes,
        bus: media.bus.write(Bus::to_wire),
        serial_hash: media.serial_hash.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        filesystem: media.filesystem,
    }
}

fn read_verdict(message: wire::Verdict, excerpts: &[Excerpt]) -> Result<Verdict, OutOfBounds> {
    bounds::list("capture.verdict.hits", &message.hits, bounds::MAX_HITS)?;
    if message.hits.is_empty() {
        return Err(OutOfBounds::new("capture.verdict.hits", "at least 1 entry"));
    }
    Ok(Verdict {
        release: Release::new(message.release),
        rule_set: digest("capture.verdict.rule_set_digest", &message.rule_set_digest)?,
        band: Open::read(message.band, band_from_wire),
        hits: message.hits.into_iter().map(|hit| read_hit(hit, excerpts)).collect::<Result<_, _>>()?,
    })
}

fn write_verdict(verdict: Verdict) -> wire::Verdict {
    wire::Verdict {
        release: verdict.release.number(),
        rule_set_digest: verdict.rule_set.as_bytes().to_vec(),
        band: verdict.band.write(band_to_wire),
        hits: verdict.hits.into_iter().map(write_hit).collect(),
    }
}

fn read_hit(message: wire::Hit, excerpts: &[Excerpt]) -> Result<Hit, OutOfBounds> {
    bounds::list("capture.verdict.hits.spans", &message.spans, bounds::MAX_SPANS)?;
    bounds::list("capture.verdict.hits.exceptions", &message.exceptions, bounds::MAX_EXCEPTIONS)?;
    let rule = message
        .rule
        .parse::<RuleId>()
        .map_err(|_| OutOfBounds::new("capture.verdict.hits.rule", "a rule id of 1 to 64 bytes"))?;
    let level = u8::try_from(message.level)
        .ok()
        .and_then(|number| Level::try_from(number).ok())
        .ok_or_else(|| OutOfBounds::new("capture.verdict.hits.level", "1 to 5"))?;
    Ok(Hit {
        rule,
        category: category(message.category)?,
        level,
        spans: message.spans.iter().map(|span| read_span(span, excerpts)).collect::<Result<_, _>>()?,
        excepted: message.exceptions.into_iter().map(|won| read_exception(won, excerpts)).collect::<Result<_, _>>()?,
        weight: message.weight,
    })
}

fn write_hit(hit: Hit) -> wire::Hit {
    wire::Hit {
        rule: hit.rule.to_string(),
        category: hit.category.id().to_owned(),
        level: u32::from(hit.level.number()),
        spans: hit.spans.into_iter().map(write_span).collect(),
        exceptions: hit.excepted.into_iter().map(write_exception).collect(),
        weight: hit.weight,
    }
}

fn category(id: String) -> Result<Category, OutOfBounds> {
    if let Ok(known) = id.parse() {
        return Ok(Category::Known(known));
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=32).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(Category::Unknown(id));
    }
    Err(OutOfBounds::new("capture.verdict.hits.category", "1 to 32 of a-z 0-9 _"))
}

fn read_span(message: &wire::Span, excerpts: &[Excerpt]) -> Result<Span, OutOfBounds> {
    let place = Place { excerpt: message.excerpt, start: message.start, end: message.end };
    let (text, start, end) = place.within("capture.verdict.hits.spans", excerpts)?;
    Ok(Span { text, start, end, mark: mark_from_wire(message.mark).unwrap_or_default(), weight: message.weight })
}

fn write_span(span: Span) -> wire::Span {
    wire::Span {
        excerpt: offset(span.text),
        start: offset(span.start),
        end: offset(span.end),
        mark: mark_to_wire(span.mark),
        weight: span.weight,
    }
}

fn read_exception(message: wire::Exception, excerpts: &[Excerpt]) -> Result<Excepted, OutOfBounds> {
    bounds::text("capture.verdict.hits.exceptions.phrase", &message.phrase, bounds::MAX_PHRASE_BYTES)?;
    let place = Place { excerpt: message.excerpt, start: message.start, end: message.end };
    let (text, start, end) = place.within("capture.verdict.hits.exceptions", excerpts)?;
    Ok(Excepted { phrase: message.phrase, text, start, end })
}

fn write_exception(won: Excepted) -> wire::Exception {
    wire::Exception { phrase: won.phrase, excerpt: offset(won.text), start: offset(won.start), end: offset(won.end) }
}

/// A stretch of one excerpt as a message claims it.
struct Place {
    excerpt: u32,
    start: u32,
    end: u32,
}

impl Place {
    /// The stretch, once it is known to lie inside that excerpt on character boundaries.
    fn within(&self, field: &'static str, excerpts: &[Excerpt]) -> Result<(usize, usize, usize), OutOfBounds> {
        let outside = || OutOfBounds::new(field, "a stretch of one of the excerpts, on character boundaries");
        let [index, start, end] =
            [self.excerpt, self.start, self.end].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let excerpt = excerpts.get(index).ok_or_else(outside)?;
        excerpt.text.get(start..end).ok_or_else(outside)?;
        Ok((index, start, end))
    }
}

fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, OutOfBounds> {
    bytes.try_into().map(Digest::from_bytes).map_err(|_| OutOfBounds::new(field, "32 bytes"))
}

/// Offsets into excerpts are at most [`bounds::MAX_EXCERPT_BYTES`]; a larger one is refused by the receiver.
fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl From<Excerpt> for Option<Text> {
    /// The text as a rule set takes it; `None` where its scope is newer than this build.
    fn from(excerpt: Excerpt) -> Self {
        excerpt.scope.known().map(|scope| Text::new(scope, excerpt.text))
    }
}

impl From<lapwing_rules::Hit> for Hit {
    fn from(hit: lapwing_rules::Hit) -> Self {
        Self {
            rule: hit.rule,
            category: Category::Known(hit.category),
            level: hit.level,
            spans: hit.spans,
            excepted: hit.excepted,
            weight: hit.weight,
        }
    }
}

impl From<lapwing_rules::Verdict> for Verdict {
    fn from(verdict: lapwing_rules::Verdict) -> Self {
        Self {
            release: verdict.release,
            rule_set: verdict.rule_set,
            band: Open::Known(verdict.band),
            hits: verdict.hits.into_iter().map(Hit::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// A capture that uses every field of the contract.
    fn full() -> Capture {
        Capture {
            signal: Open::Known(Signal::Url),
            wall_us: 1_790_000_000_000_000,
            boot_us: 42,
            boot_id: BootId::from_bytes([7; 16]),
            account: Account { name: "pupil1".into(), session: "s3".into(), groups: vec!["pupils".into()] },
            app: "chromium".into(),
            private_window: true,
            excerpts: vec![
                Excerpt { scope: Open::Known(Scope::UrlHost), text: "search.example".into() },
                Excerpt { scope: Open::Known(Scope::Query), text: "où est le mot".into() },
            ],
            verdict: Verdict {
                release: Release::new(3),
                rule_set: Digest::of(b"set"),
                band: Open::Known(Band::Ks3),
                hits: vec![Hit {
                    rule: "profanity.example".parse().expect("an id"),
                    category: Category::Known(lapwing_rules::Category::Profanity),
                    level: Level::Low,
                    spans: vec![Span { text: 1, start: 4, end: 7, mark: Mark::Intent, weight: 2 }],
                    excepted: vec![Excepted { phrase: "le mot".into(), text: 1, start: 8, end: 14 }],
                    weight: 2,
                }],
            },
            sealed_reference: vec![1, 2, 3],
            repeats: 4,
            media: Some(Media {
                label: "STICK".into(),
                size_bytes: 1 << 30,
                bus: Open::Known(Bus::Usb),
                serial_hash: Some(Digest::of(b"serial")),
                filesystem: "ext4".into(),
            }),
            url_blind: true,
            burst: 5,
        }
    }

    #[test]
    fn a_capture_survives_the_wire() {
        let bytes = wire::Capture::from(full()).encode_to_vec();
        let read = wire::Capture::decode(bytes.as_slice()).expect("decodes");
        assert_eq!(Capture::try_from(read), Ok(full()));
    }

    #[test]
    fn the_bytes_of_this_release_are_the_golden_ones() {
        let golden = data_encoding::HEXLOWER
            .decode(include_bytes!("../fixtures/capture-0.1.0.hex").trim_ascii_end())
            .expect("hexadecimal");
        assert_eq!(wire::Capture::from(full()).encode_to_vec(), golden);
        let read = wire::Capture::decode(golden.as_slice()).expect("decodes");
        assert_eq!(Capture::try_from(read), Ok(full()));
    }

    #[test]
    fn values_of_a_later_minor_are_kept() {
        let mut message = wire::Capture::from(full());
        message.signal = 99;
        message.excerpts[0].scope = 77;
        message.verdict.as_mut().expect("a verdict").hits[0].category = "new_topic".into();
        let read = Capture::try_from(message.clone()).expect("unknown is not fatal");
        assert_eq!(read.signal, Open::Unknown(99));
        assert_eq!(read.verdict.hits[0].category, Category::Unknown("new_topic".into()));
        assert_eq!(wire::Capture::from(read), message);
    }

    type Spoil = fn(&mut wire::Capture);

    #[test]
    fn what_breaks_a_bound_is_refused_by_name() {
        let breaks: [(&str, Spoil); 9] = [
            ("capture.app", |m| m.app = "x".repeat(65)),
            ("capture.boot_id", |m| m.boot_id = vec![0; 15]),
            ("capture.excerpts", |m| m.excerpts = vec![wire::Excerpt::default(); 9]),
            ("capture.excerpts.text", |m| m.excerpts[0].text = "x".repeat(513)),
            ("capture.account.groups", |m| m.account.as_mut().unwrap().groups = vec!["g".into(); 17]),
            ("capture.verdict", |m| m.verdict = None),
            ("capture.verdict.hits", |m| m.verdict.as_mut().unwrap().hits.clear()),
            ("capture.verdict.hits.level", |m| m.verdict.as_mut().unwrap().hits[0].level = 6),
            // Byte 2 of the second excerpt is inside its first accented letter.
            ("capture.verdict.hits.spans", |m| m.verdict.as_mut().unwrap().hits[0].spans[0].start = 2),
        ];
        for (field, spoil) in breaks {
            let mut message = wire::Capture::from(full());
            spoil(&mut message);
            let refused = Capture::try_from(message);
            assert_eq!(refused.expect_err(field).field, field);
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(0_u8..=255, 0..600)) {
            if let Ok(message) = wire::Capture::decode(bytes.as_slice()) {
                drop(Capture::try_from(message));
            }
        }

        #[test]
        fn damaged_captures_are_read_or_refused(at in 0_usize..400, to in 0_u8..=255) {
            let mut bytes = wire::Capture::from(full()).encode_to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(message) = wire::Capture::decode(bytes.as_slice())
                && let Ok(capture) = Capture::try_from(message)
            {
                let again = wire::Capture::from(capture.clone());
                proptest::prop_assert_eq!(Capture::try_from(again), Ok(capture));
            }
        }
    }
}
