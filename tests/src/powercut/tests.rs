//! The model itself, by recordings written by hand.

use std::path::Path;

use super::*;

const ROOT: &str = "/root-of-it";

/// strace's own way to write a text.
fn hex(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// A recording of lines; `{name}` is a path below the root and `'text'` a text.
fn recording(lines: &[&str]) -> Recording {
    let mut written = String::new();
    for line in lines {
        let mut line = (*line).to_owned();
        while let Some((before, rest)) = line.split_once('{') {
            let (name, after) = rest.split_once('}').unwrap();
            line = format!("{before}{}{after}", hex(&format!("{ROOT}/{name}")));
        }
        while let Some((before, rest)) = line.split_once('\'') {
            let (text, after) = rest.split_once('\'').unwrap();
            line = format!("{before}{}{after}", hex(text));
        }
        written.push_str(&format!("7 {line}\n"));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), written).unwrap();
    Recording::follow(Path::new(ROOT), &Image::default(), strace::read(file.path()).unwrap()).unwrap()
}

/// What `name` holds after each of many cuts after line `at`; none where it is not there.
fn outcomes(recording: &Recording, at: u64, name: &str) -> std::collections::BTreeSet<Option<String>> {
    let content = |seed| {
        let image = recording.image(Cut::seeded(at, seed));
        let found = image.entries().find(|(path, _)| *path == name);
        found.map(|(_, content)| String::from_utf8(content.unwrap().to_vec()).unwrap())
    };
    (0..400).map(content).collect()
}

fn texts(texts: &[Option<&str>]) -> std::collections::BTreeSet<Option<String>> {
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

const CREATE: &str = "openat(AT_FDCWD, {log}, O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 3";
const FOLDER: &str = "openat(AT_FDCWD, '/root-of-it', O_RDONLY|O_CLOEXEC) = 4";

#[test]
fn what_was_synced_with_its_name_survives_every_cut() {
    let recording = recording(&[CREATE, "write(3, 'kept', 4) = 4", "fsync(3) = 0", FOLDER, "fsync(4) = 0"]);
    assert_eq!(outcomes(&recording, 5, "log"), texts(&[Some("kept")]));
}

#[test]
fn a_missing_fsync_of_the_file_loses_its_content() {
    let recording = recording(&[CREATE, FOLDER, "fsync(4) = 0", "write(3, 'lost', 4) = 4", "write(1, 'told', 4) = 4"]);
    assert_eq!(outcomes(&recording, 5, "log"), texts(&[Some("lost"), Some(""), Some("\0\0\0\0")]));
}

#[test]
fn a_missing_fsync_of_the_folder_loses_the_file() {
    let recording = recording(&[CREATE, "write(3, 'kept', 4) = 4", "fdatasync(3) = 0"]);
    assert_eq!(outcomes(&recording, 3, "log"), texts(&[Some("kept"), None]));
}

#[test]
fn sync_file_range_and_a_sync_that_has_not_ended_promise_nothing() {
    let ranged =
        recording(&[CREATE, FOLDER, "fsync(4) = 0", "write(3, 'lost', 4) = 4", "sync_file_range(3, 0, 4, 7) = 0"]);
    assert!(outcomes(&ranged, 5, "log").contains(&Some(String::new())));
    let unfinished = recording(&[
        CREATE,
        FOLDER,
        "fsync(4) = 0",
        "write(3, 'lost', 4) = 4",
        "fsync(3 <unfinished ...>",
        "write(1, 'told', 4) = 4",
        "<... fsync resumed>) = 0",
    ]);
    assert!(outcomes(&unfinished, 6, "log").contains(&Some(String::new())));
    assert_eq!(outcomes(&unfinished, 7, "log"), texts(&[Some("lost")]));
}

#[test]
fn a_sync_covers_only_what_had_ended_before_it_began() {
    let lines = [
        CREATE,
        FOLDER,
        "fsync(4) = 0",
        "write(3, 'lost', 4 <unfinished ...>",
        "fsync(5) = 0",
        "<... write resumed>) = 4",
    ];
    let mut with_sync = lines.to_vec();
    with_sync.insert(3, "dup(3) = 5");
    assert!(outcomes(&recording(&with_sync), 7, "log").contains(&Some(String::new())));
}

#[test]
fn a_handle_that_syncs_each_write_needs_no_fsync() {
    let open = "openat(AT_FDCWD, {log}, O_WRONLY|O_CREAT|O_DSYNC, 0600) = 3";
    let recording = recording(&[open, FOLDER, "fsync(4) = 0", "pwrite64(3, 'kept', 4, 0) = 4"]);
    assert_eq!(outcomes(&recording, 4, "log"), texts(&[Some("kept")]));
}

#[test]
fn unsynced_writes_come_back_in_any_part_and_later_ones_stay_later() {
    let lines = [CREATE, FOLDER, "fsync(4) = 0", "write(3, 'aa', 2) = 2", "pwrite64(3, 'b', 1, 1) = 1"];
    let found = outcomes(&recording(&lines), 5, "log");
    assert!(texts(&[Some("aa"), Some("ab"), Some("\0b"), Some("")]).is_subset(&found), "{found:?}");
    assert!(!found.contains(&Some("ba".to_owned())));
}

#[test]
fn large_writes_tear_at_sectors() {
    let large = format!("write(3, '{}', 2048) = 2048", "x".repeat(2048));
    let recording = recording(&[CREATE, FOLDER, "fsync(4) = 0", large.as_str()]);
    let torn = outcomes(&recording, 4, "log");
    let torn: Vec<_> = torn.iter().flatten().filter(|text| text.contains('\0') && text.contains('x')).collect();
    assert!(!torn.is_empty());
    for text in torn {
        for sector in text.as_bytes().chunks(512) {
            assert!(sector.iter().all(|byte| byte == &sector[0]), "a sector of two minds");
        }
    }
}

#[test]
fn a_rename_is_whole_and_durable_with_its_folder() {
    let lines = [
        "openat(AT_FDCWD, {new}, O_WRONLY|O_CREAT, 0600) = 3",
        "write(3, 'new', 3) = 3",
        "fsync(3) = 0",
        FOLDER,
        "fsync(4) = 0",
        "rename({new}, {old}) = 0",
        "fsync(4) = 0",
    ];
    let recording = recording(&lines);
    assert_eq!(outcomes(&recording, 6, "old"), texts(&[Some("new"), None]));
    assert_eq!(outcomes(&recording, 7, "old"), texts(&[Some("new")]));
    assert_eq!(outcomes(&recording, 7, "new"), texts(&[None]));
}

#[test]
fn a_recording_that_misses_a_write_is_noticed() {
    let recording = recording(&[CREATE, "write(3, 'seen', 4) = 4"]);
    let mut live = Image::default();
    live.add_file("log", b"seen and unseen".to_vec(), false);
    assert!(recording.check_whole(&live).unwrap_err().to_string().contains("`log`"));
    let mut live = Image::default();
    live.add_file("log", b"seen".to_vec(), false);
    recording.check_whole(&live).unwrap();
}

#[test]
fn what_is_told_counts_from_the_message_that_may_have_told_it() {
    let recording = recording(&[
        "accept4(8, NULL, NULL, SOCK_CLOEXEC) = 9",
        "sendto(9, 'ack', 3, MSG_NOSIGNAL, NULL, 0) = 3",
        CREATE,
        "write(1, 'told', 4) = 4",
        "write(1, 'more', 4) = 4",
    ]);
    assert_eq!(recording.told_at(), [2, 5]);
    assert_eq!(recording.told(4).collect::<Vec<_>>(), ["told"]);
}
