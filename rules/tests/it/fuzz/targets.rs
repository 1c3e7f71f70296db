//! What is done with hostile bytes. Each function takes any, and stops at a promise that is broken.
//!
//! `fuzz.rs` replays them over the kept corpus on every run of the tests; `rules/fuzz` hands them to cargo-fuzz.

// By its path, because cargo-fuzz reads this file by its path too, and would look for it beside another folder.
#[path = "container.rs"]
pub(crate) mod container;

use std::sync::LazyLock;

use lapwing_rules::{
    Band, Base, Category, Compiler, Day, Hit, Policy, Presence, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys,
    Validity, Verdict, Watched, WeekMinute, sign, sign_policy, split_url,
};

/// Whether the bytes were what they were read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read, or something fired.
    Accepted,
    /// Refused, or nothing fired.
    Refused,
}

/// A target.
pub(crate) type Target = fn(&[u8]) -> Outcome;

/// Every target by its name, which is that of its corpus.
pub(crate) const ALL: [(&str, Target); 5] =
    [("artefact", artefact), ("fold_and_judge", fold_and_judge), ("pack", pack), ("url", url), ("policy", policy)];

/// Some of everything that can stand in a rule set.
pub(crate) const BIRDS: &str = include_str!("birds.toml");
/// An illegal base of one rule.
pub(crate) const BASE: &str = include_str!("base.toml");

/// The key that hostile artefacts are signed with: what its owner signs is no saner for that.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// What trusts [`key`].
pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![key().verifying_key()], 1).expect("one key")
}

/// An artefact as it stands, and once more with digests and signature made to hold.
pub(crate) fn artefact(data: &[u8]) -> Outcome {
    let mut outcome = Outcome::Refused;
    for bytes in [Some(data.to_vec()), container::sealed(data, &key())].into_iter().flatten() {
        if let Ok(rules) = RuleSet::load(&bytes, &trusted()) {
            outcome = Outcome::Accepted;
            for text in ["barnowl nest box", "a tawny 0w1 and a helpline", "s.w.i.f.t xx swifts"] {
                for band in [Band::ALL[0], Band::Ks3] {
                    judge(&rules, &texts(text, "a.owls.example"), band);
                }
            }
            let _ = rules.host_class("b.quiet.example");
            let _ = rules.check_base(&trusted(), Some(Release::new(2)));
        }
        if Base::load(&bytes, &trusted()).is_ok() {
            outcome = Outcome::Accepted;
        }
        if Policy::load(&bytes, &trusted()).is_ok() {
            outcome = Outcome::Accepted;
        }
    }
    outcome
}

/// A text of every scope, folded and judged. The first byte chooses the band.
pub(crate) fn fold_and_judge(data: &[u8]) -> Outcome {
    static RULES: LazyLock<RuleSet> = LazyLock::new(|| compiled(BIRDS).expect("the sample compiles"));
    let (band, text) = data.split_first().unwrap_or((&0, &[]));
    let band = Band::ALL[usize::from(*band) % Band::ALL.len()];
    let text = String::from_utf8_lossy(text);
    let verdict = judge(&RULES, &texts(&text, &text), band);
    if verdict.hits.is_empty() { Outcome::Refused } else { Outcome::Accepted }
}

/// A pack. One that compiles loads again from its bytes, and judges alike.
pub(crate) fn pack(data: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(data);
    let compiler = Compiler::new().pack("t.toml", &*text);
    let _ = compiler.check();
    let artefact = match compiler.compile(Release::new(1), Validity::default()) {
        Ok(artefact) => artefact,
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            for diagnostic in diagnostics {
                assert!(diagnostic.line() >= 1 && diagnostic.render().contains(diagnostic.code().as_str()));
            }
            return Outcome::Refused;
        }
    };
    let loaded = RuleSet::load(&sign(&artefact, &key()), &trusted()).expect("what was compiled loads");
    let compiled = compiler.rule_set(Release::new(1)).expect("what compiles once compiles twice");
    let texts = texts("a barnowl nest in a tawny box", "owls.example");
    assert_eq!(judge(&loaded, &texts, Band::Ks3).hits, judge(&compiled, &texts, Band::Ks3).hits);
    Outcome::Accepted
}

/// A URL. The host that comes out is one that goes in again.
pub(crate) fn url(data: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(data);
    let Ok(parts) = split_url(&text) else { return Outcome::Refused };
    assert!(parts.host.is_ascii() && !parts.host.is_empty() && !parts.host.ends_with('.'));
    assert!(!parts.host.bytes().any(|byte| byte.is_ascii_uppercase()), "an upper-case host");
    assert_eq!(split_url(&format!("https://{}/", parts.host)).map(|again| again.host), Ok(parts.host.clone()));
    assert!(parts.search_terms.len() <= lapwing_rules::MAX_SEARCH_TERMS);
    assert!(parts.texts().iter().all(|text| text.text.len() <= Text::MAX_BYTES));
    Outcome::Accepted
}

/// A policy as JSON. One that is read is read again from its own JSON and from its artefact.
pub(crate) fn policy(data: &[u8]) -> Outcome {
    let Ok(policy) = Policy::from_json(&String::from_utf8_lossy(data)) else { return Outcome::Refused };
    let json = serde_json::to_string(&policy).expect("a policy is JSON");
    assert_eq!(Policy::from_json(&json).as_ref(), Ok(&policy));
    if let Ok(signed) = sign_policy(&policy, &key()) {
        // One that is larger as a signed file than a device takes is refused there, and kept out by the tool.
        assert!(Policy::load(&signed, &trusted()).is_ok_and(|loaded| loaded == policy) || json.len() > 256 * 1024);
    }
    for (day, hour) in Day::ALL.into_iter().flat_map(|day| [0, 9, 23].map(|hour| (day, hour))) {
        let at = WeekMinute::new(day, hour, 30).expect("a time of day");
        let onsite = policy.decides(at, Presence::OnSite, Watched::Pupil);
        assert!(onsite.allows(Category::Csam) || !onsite.allows(Category::Gambling), "illegal rules first");
    }
    let groups: Vec<&str> = policy.group_off.keys().map(String::as_str).collect();
    assert!(!policy.is_off(Category::Csam, groups.iter().copied()), "an illegal category is off");
    Outcome::Accepted
}

/// Compiles a pack named `t`.
pub(crate) fn compiled(pack: &str) -> Option<RuleSet> {
    Compiler::new().pack("t.toml", pack).rule_set(Release::new(1)).ok()
}

/// `text` in every scope but the host's.
fn texts(text: &str, host: &str) -> Vec<Text> {
    let text = |scope: Scope| Text::new(scope, if scope == Scope::UrlHost { host } else { text });
    Scope::ALL.into_iter().map(text).collect()
}

/// Judges, and holds the verdict to what it promises.
fn judge(rules: &RuleSet, texts: &[Text], band: Band) -> Verdict {
    let verdict = rules.evaluate(texts, band);
    assert!(verdict.hits.len() <= Verdict::MAX_HITS);
    assert!(verdict.hits.is_sorted_by_key(|hit| (std::cmp::Reverse(hit.level), hit.rule.clone())), "hits in order");
    for hit in &verdict.hits {
        assert!(rules.rule(&hit.rule).is_some() && hit.spans.len() <= Hit::MAX_SPANS && hit.spans.is_sorted());
        let stretches = hit.spans.iter().map(|span| (span.text, span.start, span.end));
        let excepted = hit.excepted.iter().map(|excepted| (excepted.text, excepted.start, excepted.end));
        for (text, start, end) in stretches.chain(excepted) {
            let stretch = texts.get(text).and_then(|text| text.text.get(start..end));
            assert!(stretch.is_some_and(|stretch| !stretch.is_empty()), "a span is a stretch of a text");
        }
    }
    assert_eq!(rules.evaluate(texts, band), verdict, "the same texts, the same verdict");
    assert!(verdict.explain(texts, rules).len() > verdict.hits.len());
    verdict
}
