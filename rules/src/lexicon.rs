//! Strings numbered from 0, found by hash without a lookup structure on disk.

/// A set of distinct strings with dense numbers, in one allocation each for text, ends and slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    text: String,
    /// Where each string ends.
    ends: Vec<u32>,
    /// Open addressing, at most half full; 0 is empty, otherwise number + 1.
    slots: Vec<u32>,
}

impl Lexicon {
    /// Numbers `strings` in their order. Repeats are found under their first number.
    pub(crate) fn new<'a>(strings: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        let mut ends = Vec::new();
        for string in strings {
            text.push_str(string);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        text.shrink_to_fit();
        let slots = vec![0; (ends.len() * 2).next_power_of_two().max(2)];
        let mut lexicon = Self { text, ends, slots };
        for number in (0..).take(lexicon.ends.len()) {
            lexicon.enter(number);
        }
        lexicon
    }

    /// Number of strings.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The number of `string`.
    pub(crate) fn number(&self, string: &str) -> Option<u32> {
        let mut slot = self.slot(string);
        loop {
            let number = self.slots.get(slot)?.checked_sub(1)?;
            if self.get(number) == Some(string) {
                return Some(number);
            }
            slot = self.after(slot);
        }
    }

    /// The string of `number`.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(usize::try_from(start).ok()?..usize::try_from(*self.ends.get(number)?).ok()?)
    }

    /// All strings in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|number| self.get(number))
    }

    fn enter(&mut self, number: u32) {
        let Some(string) = self.get(number) else { return };
        let mut slot = self.slot(string);
        while self.slots.get(slot).is_some_and(|taken| *taken != 0) {
            slot = self.after(slot);
        }
        if let Some(free) = self.slots.get_mut(slot) {
            *free = number + 1;
        }
    }

    fn slot(&self, string: &str) -> usize {
        let hash = string
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let spread = (hash ^ (hash >> 32)) & (self.slots.len() as u64).wrapping_sub(1);
        usize::try_from(spread).unwrap_or(0)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len().wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_found_by_its_number_and_back() {
        let strings: Vec<String> = (0..1000).map(|n| format!("word{n}")).collect();
        let lexicon = Lexicon::new(strings.iter().map(String::as_str));
        for (number, string) in (0..).zip(&strings) {
            assert_eq!(lexicon.number(string), Some(number));
            assert_eq!(lexicon.get(number), Some(string.as_str()));
        }
        assert_eq!(lexicon.number("word1000"), None);
        assert_eq!(lexicon.get(1000), None);
        assert_eq!(lexicon.iter().count(), lexicon.len());
    }

    #[test]
    fn an_empty_lexicon_finds_nothing() {
        assert_eq!(Lexicon::new([]).number("a"), None);
        assert_eq!(Lexicon::default().number("a"), None);
    }
}
