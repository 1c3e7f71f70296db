//! Concerns decided at the console in a real browser: by keys alone, by the mouse alone, and without script.

use std::fmt::Write as _;

use e2e::{AtConsole, School};
use serde_json::Value;

use crate::console::{is_clean, pictures};

/// Concerns that are decided by keys.
const ROUTINE: usize = 20;
/// Topics that are everyday: each is decided by one press.
const TOPICS: [&str; 4] = ["Gambling", "Profanity", "Drugs", "Proxy avoidance"];

/// A school whose filter reported `count` pupils, each for one thing.
async fn reported(folder: &std::path::Path, count: usize) -> School {
    let account = |number: usize| format!("pupil{number:02}");
    let accounts: Vec<[String; 5]> = (0..count)
        .map(|number| {
            // Names come from the school's own list, and are text all the same.
            let name = format!("<img src=x onerror=alert({number})> {number:02} Sample");
            [account(number), name, "pupil".to_owned(), "8B".to_owned(), "ks3".to_owned()]
        })
        .collect();
    let mut school = School::open(folder, &accounts).await.expect("a school");
    let now = jiff::Timestamp::now();
    let mut export = "time,account,url,category\n".to_owned();
    for (number, topic) in (0..count).zip(TOPICS.iter().cycle()) {
        let at = now - jiff::SignedDuration::from_mins(i64::try_from(number).expect("few") + 1);
        writeln!(export, "{at:.0},{},https://site{number}.example/page,{topic}", account(number)).expect("a string");
    }
    let file = folder.join("alerts.csv");
    std::fs::write(&file, export).expect("the export");
    // What the command brings in is triaged when the collector comes up.
    school.stop_collector().await.expect("the collector stops");
    school.collect(&["filter", "import"], &[&file]).expect("the alerts are imported");
    school.start_collector().expect("the collector starts");
    school
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn rows(answer: &Value) -> usize {
    answer.get("rows").and_then(Value::as_u64).and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX)
}

/// Whoever has no mouse comes through the page: nothing holds the focus, and what has it can be seen.
fn is_walked(person: &mut AtConsole) {
    let walked = person.does("walk").expect("the page is walked by Tab");
    assert_eq!(walked.get("unseen"), Some(&Value::Array(Vec::new())), "{walked}");
    assert_eq!(walked.get("returned").and_then(Value::as_bool), Some(true), "no trap: {walked}");
}

async fn dsl(school: &School) -> AtConsole {
    let mut dsl = AtConsole::start(&school.console_url(), &pictures(), "dsl").expect("a browser");
    let code = school.code("dsl").await.expect("a code");
    dsl.does(&format!("sign-in {code}")).expect("the DSL signs in");
    dsl
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_routine_concerns_are_decided_by_two_keys_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = reported(folder.path(), ROUTINE + 2).await;
    let mut dsl = dsl(&school).await;
    assert_eq!(rows(&dsl.does("go /queue").and_then(|_| dsl.does("at")).expect("the list")), ROUTINE + 2);

    // To the first row: the skip link, the page, the list.
    let mut presses = 0;
    let mut at = dsl.does("at").expect("the page");
    while !text(&at, "focus").starts_with("A ") || !text(&at, "focus").contains("8B") {
        at = dsl.does("press Tab").expect("a key");
        presses += 1;
        assert!(presses < 60, "the list is reached by Tab: {at}");
    }
    dsl.does("press j").expect("a key");
    at = dsl.does("press k").expect("a key");
    assert!(text(&at, "focus").contains("8B"), "{at}");
    at = dsl.does("press-on Enter").expect("the first opens");
    let mut keys = 0;
    for number in 0..ROUTINE {
        assert!(text(&at, "path").starts_with("/concerns/"), "{number}: {at}");
        let outcome = 1 + number % 6;
        at = dsl.does(&format!("press-on c {outcome}")).expect("two keys");
        keys += 2;
        assert!(text(&at, "said").ends_with("is closed."), "{number}: {at}");
        assert!(text(&at, "focus").contains("8B"), "the list has the focus again: {at}");
    }
    println!("{ROUTINE} concerns decided by {keys} keys; the list was reached by {presses}");
    assert_eq!(keys, 2 * ROUTINE, "three keys at most");
    assert_eq!(rows(&at), 2, "{at}");

    // Undo brings the last back; a note and its way out again, by keys.
    at = dsl.does("press-on u").expect("undo");
    assert_eq!((rows(&at), text(&at, "said")), (3, "That was taken back. The concern stands as it did."), "{at}");
    at = dsl.does("press n").expect("a note");
    assert!(text(&at, "focus").contains("note-text"), "{at}");
    at = dsl.does("press j u Escape").expect("letters of a note");
    assert!(
        text(&at, "focus").contains("note-text"),
        "no key acts while somebody types, nor loses what they wrote: {at}"
    );
    at = dsl.does("press Control+a Delete Escape").expect("the note is cleared");
    assert!(text(&at, "focus").contains("8B"), "Escape leads back to the list: {at}");
    at = dsl.does("press-on a").expect("acknowledge");
    assert!(text(&at, "said").contains("You acknowledged"), "{at}");
    at = dsl.does("press-on s 2").expect("put off");
    assert!(text(&at, "said").contains("hidden from your list"), "{at}");
    assert_eq!(rows(&at), 2, "{at}");
    dsl.does("press ?").and_then(|_| dsl.does("wait dialog.help")).expect("help");
    is_clean(&mut dsl, "keys-dialog");
    dsl.does("press Escape").expect("closed");

    // Switched off, no key does anything.
    dsl.does("go /keys").expect("the page of keys");
    is_clean(&mut dsl, "keys");
    dsl.does("click Switch keys off in this browser").expect("a switch");
    dsl.does("go /queue").expect("the list");
    dsl.does("row 0").expect("a concern");
    let before = dsl.does("press Escape").expect("nothing");
    let after = dsl.does("press c 1").expect("nothing");
    assert_eq!(text(&before, "path"), text(&after, "path"));
    assert_eq!(rows(&after), 2, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_five_hundred_is_read_by_whoever_cannot_see_it_and_walked_by_whoever_has_no_mouse() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = reported(folder.path(), 500).await;
    let mut dsl = dsl(&school).await;
    dsl.does("go /queue").expect("the list");
    assert_eq!(rows(&dsl.does("at").expect("the list")), 200, "the most urgent, and a sentence about the rest");
    is_clean(&mut dsl, "queue-500");
    is_walked(&mut dsl);
    let narrow = dsl.does("look narrow").expect("320 px");
    assert_eq!(narrow.get("overflow").and_then(Value::as_i64), Some(0), "nothing is cut off at 400 %");
    for name in ["dark", "print"] {
        dsl.does(&format!("look {name}")).expect("another look");
        is_clean(&mut dsl, &format!("queue-500-{name}"));
        dsl.does("wait a.row >> nth=0").expect("a row is there to be seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concerns_are_decided_by_the_mouse_and_without_script_and_several_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let school = reported(folder.path(), 12).await;
    let mut mouse = dsl(&school).await;
    mouse.does("go /queue").expect("the list");
    mouse.does("row 0").expect("a concern");
    for left in (9..12).rev() {
        let at = mouse.does("click Real, talked with the child").expect("one press");
        assert_eq!((rows(&at), text(&at, "said").ends_with("is closed.")), (left, true), "{at}");
    }
    let mut at = mouse.does("click Undo").expect("undo");
    assert_eq!(rows(&at), 10, "{at}");
    for name in ["light", "dark", "print", "phone"] {
        mouse.does(&format!("look {name}")).expect("another look");
        is_clean(&mut mouse, &format!("concern-quick-{name}"));
    }
    mouse.does("look light").expect("as it was");
    let narrow = mouse.does("look narrow").expect("320 px");
    assert_eq!(narrow.get("overflow").and_then(Value::as_i64), Some(0), "nothing is cut off at 400 %");
    is_clean(&mut mouse, "concern-narrow");
    is_walked(&mut mouse);
    mouse.does("look desk").expect("as it was");
    is_walked(&mut mouse);

    let mut plain = AtConsole::without_script(&school.console_url(), &pictures(), "dsl").expect("a browser");
    let code = school.code("dsl").await.expect("a code");
    plain.does(&format!("sign-in {code}")).expect("the DSL signs in");
    plain.does("go /queue").expect("the list");
    plain.does("row 0").expect("a concern");
    at = plain.does("click False alarm").expect("one press");
    assert_eq!((rows(&at), text(&at, "said").ends_with("is closed.")), (9, true), "{at}");
    at = plain.does("click Undo").expect("undo");
    assert_eq!(rows(&at), 10, "{at}");

    plain.does("go /queue?choose=several").expect("boxes");
    for number in 0..3 {
        plain.does(&format!("tick {number}")).expect("a box");
    }
    plain.does("click Show what would be done").expect("the preview");
    plain.does("click Acknowledge").expect("all of them");
    at = plain.does("at").expect("the list");
    assert!(text(&at, "said").starts_with("3 concerns acknowledged."), "{at}");
    mouse.does("go /queue?choose=several").expect("boxes");
    is_clean(&mut mouse, "queue-several");
    is_walked(&mut mouse);
    mouse.does("tick 0").expect("a box");
    mouse.does("click Show what would be done").expect("the preview");
    is_clean(&mut mouse, "several");
    for page in ["local-help", "queue?show=all", "queue?show=put-off"] {
        mouse.does(&format!("go /{page}")).expect("the page opens");
        is_clean(&mut mouse, &page.replace(['?', '='], "-"));
    }
    mouse.does("go /queue").expect("the list");
    mouse.does("row 0").expect("a concern");
    mouse.does("open-link Chronology").expect("the chronology");
    is_clean(&mut mouse, "chronology");
}
