//! Artefacts: the same bytes every time, nothing to read in them, nothing accepted that was not signed so.

use lapwing_rules::{
    ArtefactError, Band, Compiler, HostClass, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys, Validity, sign,
};

use super::{pack, rule};

/// An artefact of format 1 with the pack of [`sample`], kept to show that later builds still read it.
const FIXTURE: &[u8] = include_bytes!("../fixtures/rule_set_format_1.lwr");
/// The same with a rule that an exception leads to, as engine 2 wrote it.
const ENGINE_2: &[u8] = include_bytes!("../fixtures/rule_set_engine_2.lwr");
/// The same as engine 3 writes it.
const ENGINE_3: &[u8] = include_bytes!("../fixtures/rule_set_engine_3.lwr");

/// One of engine 3 with the pack of [`engine_3`], kept for the same: its automaton, too, is read as it was written then.
const FIXTURE_3: &[u8] = include_bytes!("../fixtures/rule_set_engine_3_kinds.lwr");

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn trusted(seed: u8) -> TrustedKeys {
    TrustedKeys::new(vec![key(seed).verifying_key()], 1).unwrap()
}

fn sample() -> String {
    let examples = "[rule.examples]\nmust_match = [{ scope = \"title\", text = \"a barnowl nest\" }]\n\
         must_not_match = [{ scope = \"title\", text = \"a barnowl\" }]\n";
    pack(
        "\"title\"",
        "match.near = { within = 4, groups = [\"barnowl\", \"nest\"] }\nexcept = [{ phrase = \"nest box\" }]",
    )
    .replace("examples = {}\n", "")
        + examples
        + &rule("t.host", "\"url_host\"", "match = { domain = [\"owls.example\"] }")
        + &rule("t.part", "\"title\"", "match = { substring = [\"tawny\"], reason = \"compounds\" }")
        + &rule("t.stick", "\"media\"", "match = { media = \"any\" }")
        + "[[domains]]\nid = \"d\"\nclass = \"protected\"\nhosts = [\"quiet.example\"]\n"
}

/// A rule of each kind that engine 3 brought.
fn engine_3() -> String {
    let weighed = "match = { threshold = 2, any = [\"egg\", { phrase = \"owl\", weight = { default = 1, ks3 = 2 } }] }";
    let score = "[[score]]\nid = \"t.score\"\ntitle = \"S\"\ncategory = \"weapons\"\nguidance = \"G\"\nthreshold = 3\nexamples = {}\n";
    let hashed = "[[hashed]]\nid = \"l\"\nkind = \"phrase\"\nkey = \"0102030405060708090a0b0c0d0e0f10\"\nwords = [1]\n\
        entries = [\"8deda14203aecd2e5f89206e71369729\"]\n";
    pack("\"title\"", weighed)
        + &rule("t.kite", "\"title\"", "match = { phrase = \"kite\" }\nscore = 2\nreport = false")
        + &rule("t.name", "\"title\"", "match = { regex = ['tawny[0-9]{2,4}'], reason = \"R\" }\nscore = 1")
        + &rule("t.listed", "\"title\"", "match = { hashed = \"l\" }")
        + score
        + hashed
}

fn signed(pack: &str) -> Vec<u8> {
    let validity = Validity { not_before: 1, expires: Some(2) };
    sign(&Compiler::new().pack("t.toml", pack).compile(Release::new(9), validity).unwrap(), &key(7))
}

fn fires(rules: &RuleSet, title: &str) -> bool {
    !rules.evaluate(&[Text::new(Scope::Title, title)], Band::Ks3).hits.is_empty()
}

#[test]
fn a_loaded_rule_set_judges_like_the_compiled_one() {
    let loaded = RuleSet::load(&signed(&sample()), &trusted(7)).unwrap();
    let compiled = Compiler::new().pack("t.toml", sample()).rule_set(Release::new(9)).unwrap();
    for title in ["a barnowl nest", "barnowl nest box", "greattawny", "nothing"] {
        let texts = [Text::new(Scope::Title, title), Text::new(Scope::UrlHost, "x.owls.example")];
        let verdicts = [&loaded, &compiled].map(|rules| rules.evaluate(&texts, Band::Ks2).hits);
        assert_eq!(verdicts[0], verdicts[1]);
        assert!(!verdicts[0].is_empty());
    }
    assert_eq!((loaded.release(), loaded.validity().expires), (Release::new(9), Some(2)));
    assert_eq!(loaded.packs()[0].id, "t");
}

#[test]
fn the_same_packs_give_the_same_bytes_in_any_order() {
    let other = sample().replace("id = \"t\"", "id = \"u\"").replace("\"t.", "\"u.");
    let one = Compiler::new().pack("t.toml", sample()).pack("u.toml", &*other);
    let two = Compiler::new().pack("u.toml", &*other).pack("t.toml", sample());
    let bytes = |compiler: Compiler| compiler.compile(Release::new(3), Validity::default()).unwrap().to_bytes();
    assert_eq!(bytes(one), bytes(two));
    assert_eq!(signed(&sample()), signed(&sample()));
}

#[test]
fn what_is_still_to_be_found_is_not_in_the_bytes() {
    let todo = "todo_match = [{ scope = \"title\", text = \"barnowlet nests\" }]\nmust_not_match";
    assert_eq!(signed(&sample().replacen("must_not_match", todo, 1)), signed(&sample()));
}

#[test]
fn no_phrase_can_be_read_in_the_bytes() {
    let bytes = signed(&sample());
    for word in ["barnowl", "nest", "tawny", "quiet", "Talk", "owls", "t.rule"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
}

#[test]
fn flipped_bits_are_refused_wherever_they_are() {
    let bytes = signed(&sample());
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        assert!(RuleSet::load(&damaged, &trusted(7)).is_err(), "byte {position}");
    }
}

#[test]
fn truncated_artefacts_are_refused() {
    let bytes = signed(&sample());
    for length in 0..bytes.len() {
        assert!(RuleSet::load(&bytes[..length], &trusted(7)).is_err(), "{length}");
    }
}

#[test]
fn another_signature_is_refused() {
    let error = RuleSet::load(&signed(&sample()), &trusted(8)).unwrap_err();
    assert_eq!(error, ArtefactError::Untrusted { found: 0, needed: 1 });
    assert_eq!(error.to_string(), "artefact has 0 of the 1 trusted signatures it needs");
    assert!(!error.is_transient());
}

#[test]
fn random_bytes_are_refused() {
    assert_eq!(RuleSet::load(b"", &trusted(7)).unwrap_err().to_string(), "not a rule set artefact");
    assert!(RuleSet::load(&[b"LWRS".as_slice(), &[0xff; 400]].concat(), &trusted(7)).is_err());
}

#[test]
fn the_fixture_of_format_1_still_loads() {
    let rules = RuleSet::load(FIXTURE, &trusted(7)).unwrap();
    assert!(fires(&rules, "a barnowl and a nest") && fires(&rules, "tawnyowl") && !fires(&rules, "barnowl nest box"));
    assert_eq!(rules.digest().as_bytes(), lapwing_rules::Digest::of(FIXTURE).as_bytes());
}

#[test]
fn the_fixture_of_engine_3_still_loads_and_judges_as_its_pack_does_now() {
    let kept = RuleSet::load(FIXTURE_3, &trusted(7)).unwrap();
    let now = RuleSet::load(&signed(&engine_3()), &trusted(7)).unwrap();
    let judged = |rules: &RuleSet, title: &str, band| rules.evaluate(&[Text::new(Scope::Title, title)], band).hits;
    for (title, count) in
        [("owl", 1), ("a kite", 0), ("Tawny2024", 1), ("kite tawny17", 2), ("plover", 1), ("plovers", 0)]
    {
        assert_eq!(judged(&kept, title, Band::Ks3).len(), count, "{title}");
        for band in [Band::Ks3, Band::Ks4] {
            assert_eq!(judged(&kept, title, band), judged(&now, title, band), "{title} in {band}");
        }
    }
}

#[test]
fn weights_of_bands_load_and_ask_for_the_engine_that_knows_them() {
    let lowest = |bytes: &[u8]| u16::from_le_bytes([bytes[6], bytes[7]]);
    let heavy = "match = { threshold = 2, any = [\"egg\", { phrase = \"owl\", weight = { default = 1, ks3 = 2 } }] }";
    let bytes = signed(&(sample() + &rule("t.heavy", "\"title\"", heavy)));
    assert_eq!(lowest(&bytes), 3);
    let rules = RuleSet::load(&bytes, &trusted(7)).unwrap();
    let fires = |band| !rules.evaluate(&[Text::new(Scope::Title, "owl")], band).hits.is_empty();
    assert!(fires(Band::Ks3) && !fires(Band::Ks4));
}

/// `sample` with a rule that an exception leads to.
fn sample_with_reroute() -> String {
    let help = rule("t.help", "\"title\"", "match = { phrase = \"helpline\" }").replace("weapons", "help_seeking");
    sample().replace("{ phrase = \"nest box\" }", "{ phrase = \"nest box\", reroute = \"t.help\" }") + &help
}

#[test]
fn what_each_engine_wrote_judges_alike() {
    let now = signed(&sample_with_reroute());
    for (bytes, engine) in [(ENGINE_2, 2), (ENGINE_3, 3), (now.as_slice(), 3)] {
        assert_eq!(u16::from_le_bytes([bytes[6], bytes[7]]), engine, "the lowest engine that reads it");
        let rules = RuleSet::load(bytes, &trusted(7)).unwrap();
        let judged = |texts: &[Text]| {
            let hits = rules.evaluate(texts, Band::Ks3).hits;
            hits.iter().map(|hit| hit.rule.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(judged(&[Text::new(Scope::Title, "a barnowl nest")]), ["t.rule"]);
        assert_eq!(judged(&[Text::new(Scope::Title, "a barnowl nest box")]), ["t.help"]);
        assert_eq!(
            judged(&[Text::new(Scope::Title, "greattawny"), Text::new(Scope::Media, "")]),
            ["t.part", "t.stick"]
        );
        assert_eq!(judged(&[Text::new(Scope::UrlHost, "x.owls.example")]), ["t.host"]);
        assert_eq!(rules.host_class("www.quiet.example"), HostClass::Protected);
        assert_eq!(rules.host_class("quietly.example"), HostClass::Ordinary);
    }
}
