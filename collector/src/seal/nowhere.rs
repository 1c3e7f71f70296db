//! Evidence is nowhere on disk but under its seal, and nowhere at all once its key is gone. The search first shows that
//! it finds what it looks for.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use lapwing_proto::{Capture, Media};
use lapwing_rules::{Category, Excepted, Level};
use tokio::sync::broadcast;

use super::*;
use crate::actor::{Actor, Role};
use crate::clock::ManualClock;
use crate::ids::ConcernId;
use crate::store::fixture::{NINE_US, School, delivery, title};
use crate::subject::Kind;
use crate::triage::commands::{Desk, Evidence, Judgement, Outcome, Verdict};

const SEEN: &str = "quokka lantern 7391 söckchen";
const NOTED: &str = "marzipan ferry 2846 händel";

/// Every form that `text` might stand in, by name.
fn forms(text: &str) -> Vec<(String, Vec<u8>)> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let percent: String = text
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let mut forms = vec![
        ("utf-8".to_owned(), text.as_bytes().to_vec()),
        ("utf-16le".to_owned(), utf16(u16::to_le_bytes)),
        ("utf-16be".to_owned(), utf16(u16::to_be_bytes)),
        ("percent".to_owned(), percent.clone().into_bytes()),
        ("plus".to_owned(), percent.replace("%20", "+").into_bytes()),
        ("hex".to_owned(), HEXLOWER.encode(text.as_bytes()).into_bytes()),
        ("HEX".to_owned(), HEXUPPER.encode(text.as_bytes()).into_bytes()),
    ];
    for shift in 0..3 {
        for (name, base) in [("base64", BASE64_NOPAD), ("base64url", BASE64URL_NOPAD)] {
            forms.push((format!("{name} shifted by {shift}"), shifted(&base, shift, text)));
        }
    }
    forms
}

/// The part of a base64 text that does not depend on what stands around `text`, `shift` bytes into a group.
fn shifted(base: &data_encoding::Encoding, shift: usize, text: &str) -> Vec<u8> {
    let bytes = [&vec![0; shift], text.as_bytes()].concat();
    let encoded = base.encode(&bytes);
    encoded.bytes().take(bytes.len() * 8 / 6).skip((shift * 8).div_ceil(6)).collect()
}

/// Files under `folder` that hold `needle`.
fn holding(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn assert_nowhere(folder: &Path) {
    for text in [SEEN, NOTED] {
        for (form, needle) in forms(text) {
            assert_eq!(holding(folder, &needle), Vec::<String>::new(), "{form}");
        }
    }
}

/// A pupil's capture that says [`SEEN`] wherever a device may say something.
fn telling() -> Capture {
    let capture = title("amy", Category::SelfHarm, Level::High, SEEN);
    let mut verdict = capture.verdict;
    for hit in &mut verdict.hits {
        hit.excepted.push(Excepted { phrase: SEEN.to_owned(), text: 0, start: 0, end: 1 });
    }
    let media = Some(Media { label: SEEN.to_owned(), ..Media::default() });
    Capture { verdict, media, app: SEEN.to_owned(), ..capture }
}

struct Case {
    school: School,
    desk: Desk,
    dsl: Actor,
    concern: ConcernId,
}

/// A concern that has been through everything that writes.
async fn case() -> Case {
    let school = School::open().await;
    let person = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    school.person("amy", Kind::Pupil, &[]).await;
    school.intake().take(delivery(Level::High, 1, vec![telling()])).await.unwrap();
    school.triage_all().await;
    let dsl = school.actor(person, &[Role::Dsl]);
    let (events, _) = broadcast::channel(4);
    let clock = Arc::new(ManualClock::at(NINE_US));
    let desk = Desk::new(school.store.clone(), school.vault.clone(), clock, Arc::default(), events);
    let concern = *school.concerns().await.first().unwrap();
    desk.acknowledge(&dsl, concern).await.unwrap();
    desk.note(&dsl, concern, NOTED).await.unwrap();
    let judgement = Judgement::new(Verdict::True, Outcome::Talked).unwrap();
    desk.judge(&dsl, concern, judgement, "", &BTreeMap::new()).await.unwrap();
    Case { school, desk, dsl, concern }
}

#[test]
fn the_search_finds_every_form_it_looks_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    let file = folder.path().join("deep/control");
    for (form, needle) in forms(SEEN) {
        fs::write(&file, [b"\0around\xff", needle.as_slice(), b"\xffit\0"].concat()).unwrap();
        assert_eq!(holding(folder.path(), &needle).len(), 1, "{form}");
    }
    // a form is what an encoder writes, wherever the text begins in it
    for before in ["", "a", "ab"] {
        let written = BASE64_NOPAD.encode(format!("{before}{SEEN} and more").as_bytes());
        fs::write(&file, written).unwrap();
        assert!(forms(SEEN).iter().any(|(_, needle)| !holding(folder.path(), needle).is_empty()), "{before}");
    }
    assert!(holding(folder.path(), b"never written").is_empty());
}

#[tokio::test]
async fn evidence_is_nowhere_in_database_log_outbox_audit_or_keys() {
    let case = case().await;
    let folder = case.school.folder();
    // the search reaches the database, its log, and the keys, and what is no evidence stands there
    assert!(!holding(folder, b"self_harm.words").is_empty());
    assert!(!holding(folder, b"concern_judged").is_empty());
    assert!(!holding(folder, b"lapwing-school-key-1").is_empty());
    assert!(folder.join("lapwing.db-wal").metadata().unwrap().len() > 0);
    assert_eq!(case.school.count("SELECT COUNT(*) FROM outbox").await, 1);
    assert_nowhere(folder);
    let opened = case.desk.open(&case.dsl, case.concern).await.unwrap();
    let shown = opened.captures.first().map(|capture| &capture.evidence);
    assert!(matches!(shown, Some(Evidence::Shown(capture)) if capture.app == SEEN));
    assert_eq!(opened.notes.first().and_then(|note| note.text.as_deref()), Some(NOTED));
    assert_nowhere(folder);
    case.school.store.close().await;
    assert_nowhere(folder);
}

#[tokio::test]
async fn a_deleted_key_is_nowhere_and_nothing_it_sealed_opens_again() {
    let case = case().await;
    let (school, folder) = (&case.school, case.school.folder());
    let keys = school.bytes("SELECT DISTINCT key_id FROM captures").await;
    let id = KeyId::try_from(keys.first().unwrap().as_slice()).unwrap();
    let (_, wrapped) = school.vault.file.wrapped(&school.id, &[id]).await.unwrap().remove(0);
    let key = school.vault.key(id).await.unwrap().unwrap();
    assert!(!holding(folder, &wrapped).is_empty());
    assert!(holding(folder, key.bytes.as_slice()).is_empty());
    assert!(school.vault.erase(id).await.unwrap());
    assert!(holding(folder, &wrapped).is_empty());
    let opened = case.desk.open(&case.dsl, case.concern).await.unwrap();
    assert!(opened.captures.iter().all(|capture| matches!(capture.evidence, Evidence::Erased)));
    assert!(opened.notes.iter().all(|note| note.text.is_none()));
    let again = Vault::open(&folder.join("keys"), school.id.clone()).await.unwrap();
    assert!(again.key(id).await.unwrap().is_none());
}
