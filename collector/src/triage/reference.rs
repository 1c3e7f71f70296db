//! References: what people say on the telephone. Random, so that none tells how many there are.

/// Without the letters and digits that are taken for one another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A new reference, as `K7-3F2P`.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes)?;
    let mut reference: String =
        bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|byte| char::from(*byte)).collect();
    reference.insert(2, '-');
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_the_spoken_form() {
        for _ in 0..100 {
            let reference = random().unwrap();
            let groups: Vec<_> = reference.split('-').map(str::len).collect();
            assert_eq!(groups, [2, 4]);
        }
    }
}
