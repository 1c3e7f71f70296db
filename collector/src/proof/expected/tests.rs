use proptest::prelude::*;

use super::*;
use crate::actor::Actor;
use crate::store::fixture::{NINE_US, School};
use crate::store::seeded::{self, Enrolling};
use lapwing_proto::DeviceId;

fn faults(bytes: &[u8]) -> Vec<String> {
    parse(bytes).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn our_own_list_and_the_exports_of_intune_and_jamf_say_the_same() {
    let plain = parse(b"hostname,serial,room,group\nPC-1,5CG1,IT room,pupils\npc-2,,,\n").unwrap();
    assert_eq!((plain.source, plain.devices.len()), ("plain", 2));
    let device = &plain.devices["pc-1"];
    assert_eq!((device.hostname.as_str(), device.serial.as_str(), device.room.as_str()), ("PC-1", "5CG1", "IT room"));
    let intune = b"\xef\xbb\xbf\"Device name\",\"Enrollment date\",\"OS\",\"Serial number\",\"Category\"\n\
        PC-1,2026-09-01,Windows,5CG1,pupils\nYear 3 iPad,2026-09-01,iOS/iPadOS,DMP1,pupils\nTab,2026-09-01,Android,A1,x\n";
    let intune = parse(intune).unwrap();
    assert_eq!((intune.source, intune.devices.len(), intune.left_out), ("intune", 1, 2));
    assert_eq!(intune.devices["pc-1"].group, "pupils");
    let jamf = parse(b"Computer Name,Serial Number,Room,Department,Building\nMAC-1,C02,Art room,staff,Main\n").unwrap();
    assert_eq!((jamf.source, jamf.devices["mac-1"].room.as_str()), ("jamf", "Art room"));
}

#[test]
fn what_is_wrong_is_said_by_line_and_column_and_nothing_of_the_file_is_used() {
    assert_eq!(
        faults(b"name,serial\nx,y\n"),
        ["line 1: no column names the device: expected `hostname`, `Device name` (Intune) or `Computer Name` (Jamf)"]
    );
    assert_eq!(
        faults(b"hostname,colour\nx,y\n"),
        ["line 1: unknown column in place 2: expected hostname,serial,room,group"]
    );
    assert_eq!(
        faults(b"hostname,room\nPC-1,a\npc-1,b\n,c\n=cmd(),d\nPC-2\n"),
        [
            "line 3, column `hostname`: the device stands in line 2 already",
            "line 4, column `hostname`: it is empty",
            "line 5, column `hostname`: it begins as a formula does (= + - @)",
            "line 6: 1 fields where the header has 2",
        ]
    );
    assert_eq!(faults(b"hostname\n"), ["line 1: no device below the header"]);
    assert_eq!(faults(b"hostname,hostname\nx,y\n"), ["line 1: the column in place 2 stands twice"]);
    assert_eq!(
        faults(b"hostname\nPC-1\n\xff\n"),
        ["line 3: the text is not UTF-8 but looks like Windows-1252: save the file as CSV UTF-8"]
    );
    assert_eq!(faults(b"\xff\xfeh\0"), ["line 1: the file is UTF-16: save it as CSV UTF-8"]);
    assert_eq!(faults(&vec![b'a'; MAX_FILE_BYTES + 1]).len(), 1);
    let many: String = (0..=MAX_DEVICES).map(|number| format!("PC-{number}\n")).collect();
    assert_eq!(faults(format!("hostname\n{many}").as_bytes()), ["line 0: more than 20000 devices"]);
    let long = format!("hostname\n{}\n", "x".repeat(MAX_NAME_BYTES + 1));
    assert_eq!(faults(long.as_bytes()).len(), 1);
}

#[tokio::test]
async fn an_import_is_whole_says_what_changes_and_a_dry_run_changes_nothing() {
    let school = School::open().await;
    let product = Actor::Product { school: school.id.clone() };
    let first = parse(b"hostname,room\nPC-1,a\nPC-2,a\n").unwrap();
    let dry = import(&school.store, &product, NINE_US, &first, Mode::DryRun).await.unwrap();
    assert_eq!((dry.added, school.count("SELECT COUNT(*) FROM expected_devices").await), (2, 0));
    import(&school.store, &product, NINE_US, &first, Mode::Apply).await.unwrap();
    let second = parse(b"hostname,room\nPC-2,b\nPC-3,b\n").unwrap();
    let changes = import(&school.store, &product, NINE_US, &second, Mode::Apply).await.unwrap();
    assert_eq!(changes.lines, ["~ PC-2, b", "+ PC-3, b", "- PC-1, a"]);
    assert_eq!(school.texts("SELECT hostname FROM expected_devices ORDER BY hostname").await, ["PC-2", "PC-3"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM audit_acts").await, 2);
}

#[tokio::test]
async fn a_list_of_twenty_thousand_is_taken_and_compared_with_what_was_heard() {
    let school = School::open().await;
    let product = Actor::Product { school: school.id.clone() };
    let many: String = (0..MAX_DEVICES).map(|number| format!("PC-{number}\n")).collect();
    let list = parse(format!("hostname\n{many}").as_bytes()).unwrap();
    import(&school.store, &product, NINE_US, &list, Mode::Apply).await.unwrap();
    // Enrolled twice under one name, once heard; enrolled and never heard; not on the list.
    for (number, hostname) in [(1, "pc-7"), (2, "PC-7"), (3, "PC-8"), (4, "visitor")] {
        let device = DeviceId::from_bytes([number; 16]);
        seeded::enrol(&school, &Enrolling { device, hostname, room: "", enrolled_us: 1 }).await;
    }
    let heard = [1, 4].map(|number| (DeviceId::from_bytes([number; 16]), NINE_US, None));
    seeded::say(&school, &heard, NINE_US).await;
    let coverage = rows::coverage(&school.store, &school.id, NINE_US).await.unwrap().unwrap();
    assert_eq!((coverage.expected, coverage.enrolled, coverage.today, coverage.never), (20_000, 2, 1, 19_999));
    let missing = rows::missing(&school.store, &school.id).await.unwrap();
    assert_eq!(missing.len(), 500);
    assert!(!missing.iter().any(|device| device.hostname == "PC-7"));
    school.write("DELETE FROM expected_devices").await;
    assert_eq!(rows::coverage(&school.store, &school.id, NINE_US).await.unwrap(), None);
}

proptest! {
    #[test]
    fn no_file_makes_it_panic_and_what_is_taken_is_in_bounds(bytes in prop::collection::vec(any::<u8>(), 0..400), rows in "(hostname,room\n)?([a-z=,\"\n]{0,60})") {
        for bytes in [bytes.as_slice(), rows.as_bytes()] {
            if let Ok(list) = parse(bytes) {
                prop_assert!(!list.devices.is_empty());
                for (key, device) in list.devices {
                    prop_assert!(!key.is_empty() && device.hostname.len() <= MAX_NAME_BYTES);
                    prop_assert!(!device.hostname.starts_with('='));
                }
            }
        }
    }
}
