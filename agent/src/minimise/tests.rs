use lapwing_proto::{Media, wire};
use lapwing_rules::{Band, Category};
use proptest::prelude::*;

use super::*;
use crate::sample::{NOON_US, account, at, rules, title, url};

const BOOT: BootId = BootId::from_bytes([1; 16]);

/// The capture of a signal as it comes out at the other end of the wire; `None` where no rule fires.
fn capture(signal: &Signal, keep: Keep) -> Option<Capture> {
    let rules = rules();
    let verdict = rules.evaluate(&signal.texts, Band::Ks4);
    if verdict.hits.is_empty() {
        return None;
    }
    let capture = minimise(signal.clone(), Found { verdict, risen: BTreeMap::new(), repeats: 3 }, &rules, keep, BOOT);
    let wire = wire::Capture::from(capture);
    Some(Capture::try_from(wire).expect("a capture keeps the contract's bounds"))
}

fn texts(capture: &Capture) -> Vec<&str> {
    capture.excerpts.iter().map(|excerpt| excerpt.text.as_str()).collect()
}

#[test]
fn a_title_is_cut_to_what_matched() {
    let signal = title("Sam Smith, 12 Elm Road: i want to own a zorble - Chromium", None);
    let capture = capture(&signal, Keep::Explanation).unwrap();
    assert_eq!(texts(&capture), ["i want to own a zorble"]);
    assert_eq!(capture.repeats, 3);
}

#[test]
fn an_address_keeps_host_path_and_the_term_that_matched() {
    let signal = url("https://search.example/find?q=flimwager+odds&query=sam+smith&session=secret#private");
    let capture = capture(&signal, Keep::Explanation).unwrap();
    assert_eq!(texts(&capture), ["search.example", "/find", "flimwager odds"]);
    assert_eq!(capture.verdict.hits[0].spans[0].text, 2);
}

#[test]
fn a_confidential_page_keeps_the_matched_words_alone() {
    let page = capture(&url("https://mail.example/inbox?q=flimwager+odds"), Keep::SpansAlone).unwrap();
    assert_eq!(texts(&page), ["flimwager"]);
}

#[test]
fn a_no_evidence_class_keeps_no_text_at_all() {
    let signal = title("my quuxfile archive and a flimwager", Some("host.example"));
    let capture = capture(&signal, Keep::Explanation).unwrap();
    assert!(capture.excerpts.is_empty() && capture.sealed_reference.is_empty() && capture.media.is_none());
    assert!(capture.verdict.hits.iter().all(|hit| hit.spans.is_empty() && hit.excepted.is_empty()));
    let class = lapwing_proto::Category::Known(Category::Csam);
    assert!(capture.verdict.hits.iter().any(|hit| hit.category == class));
}

#[test]
fn a_stick_keeps_its_label_which_its_facts_hold_too() {
    let facts = Media { label: "BACKUP".to_owned(), ..Media::default() };
    let capture = capture(&Signal::media(at(NOON_US), account(&[]), facts), Keep::Explanation).unwrap();
    assert_eq!(texts(&capture), ["BACKUP"]);
    assert_eq!(capture.media.map(|media| media.label), Some("BACKUP".to_owned()));
}

#[test]
fn a_match_far_into_a_long_path_keeps_its_place() {
    let path = "a".repeat(900);
    let capture = capture(&url(&format!("https://h.example/{path}/how to zorble")), Keep::Explanation).unwrap();
    let hit = &capture.verdict.hits[0];
    assert_eq!(hit.spans.len(), 2);
    assert!(capture.excerpts.iter().all(|excerpt| excerpt.text.len() <= bounds::MAX_EXCERPT_BYTES));
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("i want".to_owned()),
        Just("zorble".to_owned()),
        Just("flimwager".to_owned()),
        Just("glorp".to_owned()),
        Just("snib".to_owned()),
        Just("join the brambit front".to_owned()),
        "[a-zé日 ]{1,12}",
    ];
    prop::collection::vec(word, 1..24).prop_map(|words| words.join(" "))
}

proptest! {
    /// On what is kept the same rules fire at the same levels, each span marks the same words, and nothing is kept
    /// beyond what the signal held.
    #[test]
    fn the_same_rules_fire_on_what_is_kept(text in words(), is_title in any::<bool>()) {
        let mut signal = title(&text, None);
        if !is_title {
            signal = Signal::file(at(NOON_US), account(&[]), &text, None);
        }
        if let Some(capture) = capture(&signal, Keep::Explanation) {
            let rules = rules();
            let before = rules.evaluate(&signal.texts, Band::Ks4);
            let kept: Vec<Text> = capture.excerpts.iter().cloned().filter_map(Option::from).collect();
            let after = rules.evaluate(&kept, Band::Ks4);
            let fired = |verdict: &Verdict| verdict.hits.iter().map(|h| (h.rule.clone(), h.level)).collect::<Vec<_>>();
            prop_assert_eq!(fired(&before), fired(&after));
            for (hit, moved) in before.hits.iter().zip(&capture.verdict.hits) {
                let words = |texts: &[Text], span: &Span| texts[span.text].text.get(span.start..span.end).map(str::to_owned);
                let old: Vec<_> = hit.spans.iter().map(|span| words(&signal.texts, span)).collect();
                let new: Vec<_> = moved.spans.iter().map(|span| words(&kept, span)).collect();
                prop_assert_eq!(old, new);
            }
            prop_assert!(kept.iter().all(|excerpt| text.contains(&excerpt.text)));
        }
    }
}
