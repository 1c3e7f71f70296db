//! The illegal base: carried in every rule set for devices, and changed by no school.

use lapwing_rules::{
    Band, Base, BaseError, Code, Compiler, HostClass, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys,
    UponError, Validity, sign,
};

use super::{pack, rule};

const HOSTS: &str = "[pack]\nid = \"hosts\"\nversion = 1\ntitle = \"H\"\nsources = [\"none\"]\n\
    [[domains]]\nid = \"unions\"\nclass = \"protected\"\nhosts = [\"union.example\"]\n\
    [[domains]]\nid = \"help\"\nclass = \"support\"\nhosts = [\"help.example\"]\n";

fn illegal(phrase: &str) -> String {
    let rule = rule("illegal_base.birds", "\"title\"", &format!("match = {{ phrase = \"{phrase}\" }}"));
    pack("\"title\"", "").split_once("[[rule]]").unwrap().0.replace("id = \"t\"", "id = \"illegal_base\"")
        + &rule.replace("weapons", "terrorism")
}

fn project() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn school() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn trusted(key: &SigningKey) -> TrustedKeys {
    TrustedKeys::new(vec![key.verifying_key()], 1).unwrap()
}

fn base(phrase: &str, release: u64, key: &SigningKey) -> Vec<u8> {
    let compiler = Compiler::new().pack("hosts.toml", HOSTS).pack("illegal_base.toml", illegal(phrase));
    sign(&compiler.base(Release::new(release), Validity::default()).unwrap(), key)
}

/// A school's rule set upon a base.
fn upon(base: &[u8], packs: &[(&str, &str)]) -> Result<RuleSet, UponError> {
    let compiler = packs.iter().fold(Compiler::new(), |all, (file, text)| all.pack(*file, *text));
    let artefact = compiler.compile_upon(base, Release::new(7), Validity::default())?;
    Ok(RuleSet::load(&sign(&artefact, &school()), &trusted(&school())).unwrap())
}

fn codes(refused: UponError) -> Vec<Code> {
    match refused {
        UponError::Packs(diagnostics) => diagnostics.iter().map(lapwing_rules::Diagnostic::code).collect(),
        UponError::Base(_) | UponError::Differs { .. } => panic!("{refused}"),
    }
}

fn fired(rules: &RuleSet, text: &str) -> Vec<String> {
    let verdict = rules.evaluate(&[Text::new(Scope::Title, text)], Band::Ks3);
    verdict.hits.iter().map(|hit| hit.rule.to_string()).collect()
}

/// A rule set of engine 4 upon a base, and the base, kept: later builds have to read them.
const KEPT: [&str; 2] = ["rule_set_engine_4.lwr", "illegal_base_engine_4.lwib"];

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// `cargo nextest run -p lapwing-rules --run-ignored only what_this_engine_writes_upon_a_base_is_kept`, once an engine.
#[test]
#[ignore = "writes the fixture of an engine into the source tree; a fixture that is there stays"]
fn what_this_engine_writes_upon_a_base_is_kept() {
    let base = base("tawny kestrel", 3, &project());
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    let artefact = Compiler::new().pack("t.toml", &*own).compile_upon(&base, Release::new(7), Validity::default());
    for (name, bytes) in KEPT.into_iter().zip([sign(&artefact.unwrap(), &school()), base]) {
        assert!(!fixture(name).exists(), "fixtures are never written again");
        std::fs::write(fixture(name), bytes).unwrap();
    }
}

#[test]
fn what_engine_4_wrote_upon_a_base_is_read_and_judged_as_its_packs_are_now() {
    let [kept, base_kept] = KEPT.map(|name| std::fs::read(fixture(name)).unwrap());
    let kept = RuleSet::load(&kept, &trusted(&school())).unwrap();
    assert_eq!(kept.check_base(&trusted(&project()), None), Ok(Release::new(3)));
    assert_eq!(Base::load(&base_kept, &trusted(&project())).unwrap().release(), Release::new(3));
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    let again = upon(&base_kept, &[("t.toml", &own)]).unwrap();
    let now = upon(&base("tawny kestrel", 3, &project()), &[("t.toml", &own)]).unwrap();
    for text in ["an owl and a tawny kestrel", "tawny", "kestrel tawny", "nothing"] {
        assert_eq!(fired(&kept, text), fired(&again, text), "{text}");
        assert_eq!(fired(&kept, text), fired(&now, text), "{text}");
    }
    assert_eq!(fired(&kept, "an owl and a tawny kestrel"), ["illegal_base.birds", "t.rule"]);
    assert_eq!(
        (kept.host_class("x.union.example"), kept.host_class("help.example")),
        (HostClass::Protected, HostClass::Support)
    );
}

#[test]
fn a_school_has_its_own_rules_and_those_of_the_base() {
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    let rules = upon(&base("tawny kestrel", 3, &project()), &[("t.toml", &own)]).unwrap();
    assert_eq!(fired(&rules, "an owl and a tawny kestrel"), ["illegal_base.birds", "t.rule"]);
    assert_eq!(rules.check_base(&trusted(&project()), None), Ok(Release::new(3)));
    let packs: Vec<&str> = rules.packs().iter().map(|pack| pack.id.as_str()).collect();
    assert_eq!(packs, ["hosts", "illegal_base", "t"]);
    assert_eq!(rules.rules().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["illegal_base.birds", "t.rule"]);
    let hit = rules.evaluate(&[Text::new(Scope::Title, "tawny kestrel")], Band::Ks3).hits.remove(0);
    assert_eq!(rules.rule(&hit.rule).unwrap().guidance, "Talk.");
    let texts = [Text::new(Scope::Title, "tawny kestrel")];
    assert_eq!(rules.matched_phrases(&hit, &texts, Band::Ks3).len(), 1);
}

#[test]
fn a_base_is_the_projects_word_and_never_an_older_one() {
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    let rules = |base: &[u8]| upon(base, &[("t.toml", &own)]).unwrap();
    let of_school = rules(&base("tawny kestrel", 3, &school()));
    let untrusted = Err(BaseError::Untrusted { found: 0, needed: 1 });
    assert_eq!(of_school.check_base(&trusted(&project()), None), untrusted);
    let (held, of_project) = (Release::new(3), rules(&base("tawny kestrel", 2, &project())));
    let older = BaseError::Older { found: Release::new(2), held };
    assert_eq!(of_project.check_base(&trusted(&project()), Some(held)), Err(older));
    let trial = Compiler::new().pack("t.toml", &*own).rule_set(Release::new(7)).unwrap();
    assert_eq!(trial.check_base(&trusted(&project()), None), Err(BaseError::Missing));
    let unsigned = Compiler::new().pack("t.toml", &*own).pack("illegal_base.toml", illegal("tawny kestrel"));
    let unsigned = sign(&unsigned.compile(Release::new(7), Validity::default()).unwrap(), &school());
    let unsigned = RuleSet::load(&unsigned, &trusted(&school())).unwrap();
    assert_eq!(unsigned.check_base(&trusted(&project()), None), untrusted);
}

#[test]
fn a_base_that_two_of_the_project_have_to_sign_needs_both() {
    let compiler = Compiler::new().pack("illegal_base.toml", illegal("tawny kestrel"));
    let mut artefact = compiler.base(Release::new(3), Validity::default()).unwrap();
    let second = SigningKey::from_bytes(&[3; 32]);
    let both = TrustedKeys::new(vec![project().verifying_key(), second.verifying_key()], 2).unwrap();
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    artefact.add_signature(&project());
    artefact.add_signature(&school());
    let one = upon(&artefact.to_bytes(), &[("t.toml", &own)]).unwrap();
    assert_eq!(one.check_base(&both, None), Err(BaseError::Untrusted { found: 1, needed: 2 }));
    artefact.add_signature(&second);
    let two = upon(&artefact.to_bytes(), &[("t.toml", &own)]).unwrap();
    assert_eq!(two.check_base(&both, None), Ok(Release::new(3)));
    assert!(
        Base::load(&artefact.to_bytes(), &both).is_ok()
            && Base::load(&artefact.to_bytes(), &trusted(&school())).is_ok()
    );
}

#[test]
fn packs_that_are_not_those_that_were_signed_are_refused() {
    let signed = base("tawny kestrel", 3, &project());
    let emptied = illegal("nothing that anybody writes");
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    for packs in
        [[("illegal_base.toml", emptied.as_str()), ("t.toml", &own)], [("hosts.toml", HOSTS), ("t.toml", &own)]]
    {
        let refused = upon(&signed, &packs).unwrap_err();
        assert!(matches!(refused, UponError::Differs { release } if release == Release::new(3)), "{refused}");
    }
    let same = illegal("tawny kestrel");
    let packs = [("illegal_base.toml", same.as_str()), ("hosts.toml", HOSTS), ("t.toml", &own)];
    assert!(upon(&signed, &packs).is_ok(), "those that came with it");
    assert!(matches!(upon(b"LWRS", &[("t.toml", &own)]), Err(UponError::Base(_))));
}

#[test]
fn a_school_names_no_host_on_which_the_base_is_silent() {
    let signed = base("tawny kestrel", 3, &project());
    let domains = |class: &str, host: &str| {
        format!(
            "{}\n[[domains]]\nid = \"d\"\nclass = \"{class}\"\nhosts = [\"{host}\"]\n",
            pack("\"title\"", "match = { phrase = \"owl\" }")
        )
    };
    let refused = upon(&signed, &[("t.toml", &domains("protected", "search.example"))]).unwrap_err();
    assert_eq!(codes(refused), [Code::ProtectedElsewhere]);
    let own = upon(&signed, &[("t.toml", &domains("confidential", "union.example"))]).unwrap();
    assert_eq!(own.host_class("www.union.example"), HostClass::Protected);
    let nearer = upon(&signed, &[("t.toml", &domains("confidential", "www.union.example"))]).unwrap();
    assert_eq!(nearer.host_class("www.union.example"), HostClass::Protected, "nor one on which it is not");
    let beside = upon(&signed, &[("t.toml", &domains("confidential", "mail.help.example"))]).unwrap();
    assert_eq!(beside.host_class("x.mail.help.example"), HostClass::Confidential, "the more careful of both");
    let ordinary = upon(&signed, &[("t.toml", &domains("ordinary", "x.help.example"))]);
    let ordinary = ordinary.map(|rules| rules.host_class("x.help.example"));
    assert!(ordinary.is_err() || ordinary.is_ok_and(|class| class == HostClass::Support), "nor one looked at more");
    assert_eq!(beside.host_class("help.example"), HostClass::Support);
}

#[test]
fn a_tune_of_the_base_is_refused() {
    let own = pack("\"title\"", "match = { phrase = \"owl\" }");
    let compiler = Compiler::new().pack("t.toml", own).today("2026-11-29".parse().unwrap()).overlay(
        "local.toml",
        "[[tune]]\nrule = \"illegal_base.birds\"\nreason = \"R\"\napprover = \"A\"\nexpires = \"2026-12-24\"\nlevel = 1\n",
    );
    let signed = base("tawny kestrel", 3, &project());
    let without = compiler.compile_upon(&signed, Release::new(7), Validity::default());
    let with = compiler.pack("illegal_base.toml", illegal("tawny kestrel")).pack("hosts.toml", HOSTS);
    for refused in [without, with.compile_upon(&signed, Release::new(7), Validity::default())] {
        assert!(!codes(refused.unwrap_err()).is_empty());
    }
}

#[test]
fn rules_of_a_schools_own_push_none_of_the_base_out_of_a_verdict() {
    let own: String = (0..20)
        .map(|number| {
            let own =
                rule(&format!("a.r{number:02}"), "\"title\"", "match = { phrase = \"tawny kestrel\" }\nlevel = 5");
            own.replace("weapons", "terrorism")
        })
        .collect();
    let own = format!("[pack]\nid = \"a\"\nversion = 1\ntitle = \"A\"\nsources = [\"none\"]\n{own}");
    let rules = upon(&base("tawny kestrel", 3, &project()), &[("a.toml", &own)]).unwrap();
    let fired = fired(&rules, "a tawny kestrel");
    assert!(fired.len() == 16 && fired.contains(&"illegal_base.birds".to_owned()), "{fired:?}");
}
