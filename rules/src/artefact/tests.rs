//! Artefacts that are signed, unsigned, damaged and cut.

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn trust(seeds: &[u8], threshold: usize) -> TrustedKeys {
    TrustedKeys::new(seeds.iter().map(|seed| key(*seed).verifying_key()).collect(), threshold).unwrap()
}

fn sample() -> Artefact {
    let sections = [
        Section { id: 1, encoding: Encoding::Plain, plain: b"in clear".to_vec() },
        Section { id: 2, encoding: Encoding::Masked, plain: b"a quiet phrase, a quiet phrase".to_vec() },
    ];
    Artefact::build(Kind::RuleSet, Release::new(7), Validity { not_before: 5, expires: Some(9) }, &sections)
}

#[test]
fn sections_come_back_as_they_were() {
    let signed = sign(&sample(), &key(1));
    let verified = Verified::open(&signed, Kind::RuleSet, &trust(&[1], 1)).unwrap();
    assert_eq!(verified.release, Release::new(7));
    assert_eq!(verified.validity, Validity { not_before: 5, expires: Some(9) });
    assert_eq!(verified.section(1), Ok(&b"in clear"[..]));
    assert_eq!(verified.section(2), Ok(&b"a quiet phrase, a quiet phrase"[..]));
    assert!(verified.section(3).is_err());
}

#[test]
fn a_section_that_no_build_knows_is_refused_whoever_signed_it() {
    let sections = [1, 2, 99].map(|id| Section { id, encoding: Encoding::Plain, plain: Vec::new() });
    let artefact = Artefact::build(Kind::RuleSet, Release::new(7), Validity::default(), &sections);
    let error = Verified::open(&sign(&artefact, &key(1)), Kind::RuleSet, &trust(&[1], 1)).map(|_| ()).unwrap_err();
    assert_eq!(error, ArtefactError::EngineRange { lowest: ENGINE + 1, highest: ENGINE });
}

#[test]
fn a_masked_section_is_not_readable_in_the_bytes() {
    let signed = sign(&sample(), &key(1));
    assert!(signed.windows(8).any(|window| window == b"in clear"));
    assert!(!signed.windows(5).any(|window| window == b"quiet"));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let signed = sign(&sample(), &key(1));
    let keys = trust(&[1], 1);
    for position in 0..signed.len() * 8 {
        let mut bytes = signed.clone();
        bytes[position / 8] ^= 1 << (position % 8);
        assert!(Verified::open(&bytes, Kind::RuleSet, &keys).is_err(), "bit {position}");
    }
    for length in 0..signed.len() {
        assert!(Verified::open(&signed[..length], Kind::RuleSet, &keys).is_err(), "length {length}");
    }
    let longer = [&signed[..], b"x"].concat();
    assert!(Verified::open(&longer, Kind::RuleSet, &keys).is_err());
}

#[test]
fn a_key_that_is_not_trusted_does_not_count() {
    let signed = sign(&sample(), &key(2));
    let error = Verified::open(&signed, Kind::RuleSet, &trust(&[1], 1)).err();
    assert_eq!(error, Some(ArtefactError::Untrusted { found: 0, needed: 1 }));
}

#[test]
fn a_threshold_counts_distinct_keys() {
    let mut artefact = sample();
    artefact.add_signature(&key(1));
    artefact.signatures.push(artefact.signatures[0]);
    let keys = trust(&[1, 2], 2);
    let error = Verified::open(&artefact.to_bytes(), Kind::RuleSet, &keys).err();
    assert_eq!(error, Some(ArtefactError::Untrusted { found: 1, needed: 2 }));
    artefact.add_signature(&key(2));
    assert!(Verified::open(&artefact.to_bytes(), Kind::RuleSet, &keys).is_ok());
    assert_eq!(artefact.signers().len(), 2);
}

#[test]
fn a_signature_over_the_bare_header_is_none_of_an_artefact() {
    let mut artefact = sample();
    let signature = key(1).sign(&artefact.header);
    artefact.signatures.push((key(1).verifying_key(), signature));
    assert!(Verified::open(&artefact.to_bytes(), Kind::RuleSet, &trust(&[1], 1)).is_err());
}

#[test]
fn a_policy_is_no_rule_set() {
    let signed = sign(&sample(), &key(1));
    let error = Verified::open(&signed, Kind::Policy, &trust(&[1], 1)).err();
    assert_eq!(error, Some(ArtefactError::WrongKind { expected: Kind::Policy }));
}

#[test]
fn a_set_for_other_engines_is_refused_by_its_range() {
    let opened = |lowest: u16, highest: u16| {
        let mut artefact = sample();
        artefact.header[6..8].copy_from_slice(&lowest.to_le_bytes());
        artefact.header[8..10].copy_from_slice(&highest.to_le_bytes());
        Verified::open(&sign(&artefact, &key(1)), Kind::RuleSet, &trust(&[1], 1)).map(|verified| verified.release)
    };
    assert_eq!(opened(0, ENGINE + 1), Ok(Release::new(7)));
    let (lowest, highest) = (ENGINE + 1, ENGINE + 2);
    assert_eq!(opened(lowest, highest), Err(ArtefactError::EngineRange { lowest, highest }));
    assert_eq!(opened(FIRST_ENGINE, FIRST_ENGINE), Ok(Release::new(7)), "what the first engine read is still read");
    assert_eq!(opened(0, FIRST_ENGINE - 1), Err(ArtefactError::EngineRange { lowest: 0, highest: FIRST_ENGINE - 1 }));
}
