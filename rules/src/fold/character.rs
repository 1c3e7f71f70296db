//! What each character becomes.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// One folded character and the bytes of the original it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) character: char,
    /// The Latin letter it looks like.
    pub(super) latin: Option<char>,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a word.
    Letter,
    /// Between words, but stands for a letter in some spellings.
    Symbol,
    /// Between words.
    Gap,
}

/// What a single character is in a plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// Letters and digits of ASCII, maybe with marks: `é`, `ﬁ`, `Ｆ`.
    Letters,
    /// Something between words.
    Gap,
    /// It vanishes.
    Nothing,
    /// A letter of another alphabet, or a symbol that may stand for a letter: such a text is not plain.
    Other,
}

/// What `character` is; its letters, in lower case, go to `letter`, whatever it turns out to be.
pub(super) fn alone(character: char, mut letter: impl FnMut(u8)) -> Alone {
    if is_dropped(character) {
        return Alone::Nothing;
    }
    let mut found = Alone::Nothing;
    decompose_compatible(enclosed(character), |part| {
        if canonical_combining_class(part) != 0 || is_dropped(part) {
            return;
        }
        let is = match u8::try_from(part).map(|byte| byte.to_ascii_lowercase()) {
            Ok(byte) if byte.is_ascii_alphanumeric() => {
                letter(byte);
                Alone::Letters
            }
            Ok(_) | Err(_) if unit(part, None, 0, 0).kind == Kind::Gap => Alone::Gap,
            Ok(_) | Err(_) => Alone::Other,
        };
        found = if found == Alone::Nothing || found == is { is } else { Alone::Other };
    });
    found
}

/// Decomposes, drops and lower-cases.
pub(super) fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    for (start, character) in text.char_indices() {
        if is_dropped(character) {
            continue;
        }
        let end = start + character.len_utf8();
        if character.is_ascii() {
            units.push(unit(character.to_ascii_lowercase(), None, start, end));
            continue;
        }
        decompose_compatible(enclosed(character), |part| {
            if canonical_combining_class(part) != 0 || is_dropped(part) {
                return;
            }
            let latin = look_alike(part);
            for lower in part.to_lowercase() {
                decompose_compatible(lower, |lower| push_lower(&mut units, lower, latin, start, end));
            }
        });
    }
    units
}

fn push_lower(units: &mut Vec<Unit>, lower: char, latin: Option<char>, start: usize, end: usize) {
    if canonical_combining_class(lower) != 0 {
        return;
    }
    match lower {
        'ß' => units.extend([unit('s', None, start, end), unit('s', None, start, end)]),
        'ς' => units.push(unit('σ', latin, start, end)),
        lower => units.push(unit(lower, latin.or_else(|| look_alike(lower)), start, end)),
    }
}

fn unit(character: char, latin: Option<char>, start: usize, end: usize) -> Unit {
    let kind = match character {
        // Fillers of Hangul are letters to Unicode, and blanks to whoever reads.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => Kind::Gap,
        letter if letter.is_alphanumeric() => Kind::Letter,
        '@' | '$' | '!' | '|' | '+' | '€' => Kind::Symbol,
        _ => Kind::Gap,
    };
    Unit { character, latin, start, end, kind }
}

/// Characters that vanish: apostrophes, controls that are no white space, zero-width, bidirectional and other
/// invisible ones.
fn is_dropped(character: char) -> bool {
    match character {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' => false,
        '\'' | '`' | '´' | 'ʹ' | 'ʻ' | 'ʼ' | 'ʽ' | 'ˈ' | '‘' | '’' | '‛' | '′' | '＇' => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' => true,
        // Marks that enclose or lie on any letter, of combining class 0.
        '\u{488}' | '\u{489}' | '\u{20d0}'..='\u{20f0}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => true,
        '\u{e0000}'..='\u{e0fff}' => true,
        other => other.is_control(),
    }
}

/// Letters of scripts that put no space between words (Unicode Standard Annex 29, section 4): each is a word of its own, so
/// that a phrase is found inside a sentence.
pub(super) fn is_word_alone(character: char) -> bool {
    matches!(u32::from(character),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xf900..=0xfaff | 0x1b000..=0x1b16f | 0x20000..=0x3ffff)
}

/// Letters in filled circles and squares and those that flags are made of, which have no compatibility mapping, as
/// capital letters.
fn enclosed(character: char) -> char {
    let code = u32::from(character);
    let offset = match code {
        0x1f150..=0x1f169 => code - 0x1f150,
        0x1f170..=0x1f189 => code - 0x1f170,
        0x1f1e6..=0x1f1ff => code - 0x1f1e6,
        _ => return character,
    };
    u8::try_from(offset).map_or(character, |offset| char::from(b'A' + offset))
}

/// The letters that a digit or symbol stands for in look-alike spelling.
pub(super) fn leet(character: char) -> &'static [char] {
    match character {
        '0' => &['o'],
        '1' => &['i', 'l'],
        '3' | '€' => &['e'],
        '4' | '@' => &['a'],
        '5' | '$' => &['s'],
        '7' | '+' => &['t'],
        '8' => &['b'],
        '9' => &['g'],
        '!' => &['i'],
        '|' => &['l'],
        _ => &[],
    }
}

/// The Latin letter that a letter of another script, or a Latin one without decomposition, looks like (after Unicode
/// Technical Standard 39, reduced to letters of common keyboards).
fn look_alike(character: char) -> Option<char> {
    let latin = match character {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ᴀ' => 'a',
        'в' | 'В' | 'ь' | 'β' | 'Β' | 'ʙ' => 'b',
        'с' | 'С' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'đ' | 'Đ' | 'ᴅ' => 'd',
        'е' | 'Е' | 'ε' | 'Ε' | 'ᴇ' => 'e',
        'ғ' | 'ꜰ' => 'f',
        'ɡ' | 'ɢ' => 'g',
        'һ' | 'Һ' | 'н' | 'Н' | 'Η' | 'ħ' | 'Ħ' | 'ʜ' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ı' | 'ɪ' | 'ɩ' => 'i',
        'ј' | 'Ј' | 'ᴊ' => 'j',
        'к' | 'К' | 'κ' | 'Κ' | 'ᴋ' => 'k',
        'ӏ' | 'Ӏ' | 'ł' | 'Ł' | 'ʟ' => 'l',
        'м' | 'М' | 'Μ' | 'ᴍ' => 'm',
        'п' | 'η' | 'Ν' | 'ɴ' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'ø' | 'Ø' | 'ᴏ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' | 'ᴘ' => 'p',
        'ԛ' | 'Ԛ' => 'q',
        'г' | 'ʀ' => 'r',
        'ѕ' | 'Ѕ' | 'ꜱ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' | 'ᴛ' => 't',
        'υ' | 'ᴜ' => 'u',
        'ѵ' | 'Ѵ' | 'ν' | 'ᴠ' => 'v',
        'ԝ' | 'Ԝ' | 'ω' | 'ᴡ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' | 'ʏ' => 'y',
        'Ζ' | 'ᴢ' => 'z',
        _ => return None,
    };
    Some(latin)
}
