use std::sync::Arc;

use lapwing_proto::Capture;
use lapwing_rules::Level;
use lapwing_rules::RuleSet;
use proptest::prelude::*;

use super::*;
use crate::actor::{Actor, Role};
use crate::store::fixture::{NINE_US, School};
use crate::subject::Kind;

const GENERIC: &str = "time,account,url,terms,category,address\n\
    2026-09-28T08:55:00Z,HILL\\amy,https://forum.example/ways?x=1,,Suicide,\n\
    2026-09-28T08:56:00Z,amy,,how to hurt myself,Self-Harm,\n\
    2026-09-28T08:56:30Z,amy,https://news.example/,,News,\n\
    28/09/2026 09:57:00,,pictures.example,,IWF child abuse,10.1.2.3\n";

fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn read_generic(text: &str) -> Result<File, Vec<String>> {
    parse(text.as_bytes(), Source::Generic, &london())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

async fn bring_in(school: &School, alerts: &[Alert]) -> BroughtIn {
    bring_in_by(school, alerts, None).await.unwrap()
}

async fn bring_in_by(
    school: &School,
    alerts: &[Alert],
    rules: Option<Arc<RuleSet>>,
) -> Result<BroughtIn, BringInError> {
    let bring_in = BringIn {
        school: school.id.clone(),
        store: school.store.clone(),
        vault: school.vault.clone(),
        rules,
        data_dir: school.folder().to_owned(),
    };
    let product = Actor::Product { school: school.id.clone() };
    bring_in.run(&product, Source::Smoothwall, alerts, NINE_US).await
}

/// A rule set that names one host of each class.
fn careful_hosts() -> Arc<RuleSet> {
    let hosts = ["support", "confidential", "protected"]
        .map(|class| format!("\n[[domains]]\nid = \"{class}\"\nclass = \"{class}\"\nhosts = [\"{class}.example\"]\n"));
    let pack = format!("[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"a test\"]\n{}", hosts.concat());
    Arc::new(lapwing_rules::Compiler::new().pack("t.toml", pack).rule_set(lapwing_rules::Release::new(1)).unwrap())
}

#[test]
fn exports_of_each_filter_are_read_by_their_columns_and_what_is_no_concern_is_left_out() {
    let file = read_generic(GENERIC).unwrap();
    assert_eq!((file.alerts.len(), file.left_out), (3, 1));
    let smoothwall = "Time,Username,Source IP,Group,Code,URL,Categories\n\
        2026-09-28 09:55:00,amy (Year 8),10.0.0.1,Pupils,403,http://a.example/x,Gambling\n";
    let safeguarding = "User (Group),Safeguarding,Date / Time,Domain / URL / Search term\n\
        amy (Year 8),Suicide,28/09/2026 09:55,how to hurt myself\n";
    let rm = "Date,Time,User,URL,Category\n28/09/2026,09:55:00,amy,a.example,Drugs\n";
    let sophos =
        "date,time,user_name,src_ip,url,category\n2026-09-28,09:55:00,amy,10.0.0.1,https://a.example/,Weapons\n";
    for (source, text) in [
        (Source::Smoothwall, smoothwall),
        (Source::Smoothwall, safeguarding),
        (Source::Rm, rm),
        (Source::Sophos, sophos),
    ] {
        let file = parse(text.as_bytes(), source, &london()).unwrap();
        let capture = file.alerts[0].capture(source, i64::MAX).unwrap();
        assert_eq!((capture.account.name.as_str(), capture.wall_us), ("amy", NINE_US - 300_000_000), "{source:?}");
        assert!(capture.app.starts_with("The filter"));
    }
}

#[test]
fn what_is_wrong_is_said_by_line_and_column() {
    assert_eq!(
        read_generic("time,account,url\n").unwrap_err(),
        ["line 1, column `category`: the column is missing: expected one of [\"category\"]"]
    );
    assert_eq!(
        read_generic("time,url,category\n").unwrap_err(),
        ["line 1, column `account`: no column says whose request it was"]
    );
    let bad = "time,account,url,category\nsoon,amy,a.example,Drugs\n2026-09-28T08:55:00Z,,a.example,Drugs\n\
        2026-09-28T08:55:00Z,amy,,Drugs\n99999999999999,amy,a.example,Drugs\n";
    let faults = read_generic(bad).unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[0].starts_with("line 2, column `time`") && faults[1].starts_with("line 3, column `account`"));
    assert!(!faults.iter().any(|fault| fault.contains("a.example") || fault.contains("amy")), "no value in a message");
}

#[test]
fn an_address_keeps_host_and_path_and_a_class_without_evidence_keeps_nothing() {
    let file = read_generic(GENERIC).unwrap();
    let captures: Vec<_> = file.alerts.iter().map(|alert| alert.capture(Source::Generic, NINE_US).unwrap()).collect();
    let texts = |at: usize| -> Vec<&str> { captures[at].excerpts.iter().map(|one| one.text.as_str()).collect() };
    assert_eq!(texts(0), ["forum.example", "/ways"]);
    assert_eq!(texts(1), ["how to hurt myself"]);
    assert_eq!(texts(2), Vec::<&str>::new());
    assert_eq!((captures[2].level(), captures[2].account.name.as_str()), (Level::Critical, "10.1.2.3"));
}

#[tokio::test]
async fn an_alert_reaches_whom_a_capture_of_the_same_pupil_would_and_a_file_twice_adds_nothing() {
    let school = School::open().await;
    school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    school.person("amy", Kind::Pupil, &[]).await;
    let alerts = read_generic(GENERIC).unwrap().alerts;
    assert_eq!(bring_in(&school, &alerts).await, BroughtIn { added: 3, ..BroughtIn::default() });
    assert_eq!(bring_in(&school, &alerts).await, BroughtIn { known: 3, ..BroughtIn::default() });
    school.triage_all().await;
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 3);
    let concerns = school.texts("SELECT category || ' ' || level FROM concerns ORDER BY category").await;
    assert_eq!(concerns, ["csam 5", "self_harm 4", "suicide 4"]);
    let told = "SELECT COUNT(*) FROM concern_recipients AS r JOIN person_roles AS p ON p.person_id = r.person_id
        JOIN concerns AS c ON c.concern_id = r.concern_id WHERE p.role = 'dsl' AND c.category <> 'csam'";
    assert_eq!(school.count(told).await, 2);
    let sealed = school.bytes("SELECT sealed FROM captures").await;
    assert!(!sealed.iter().any(|bytes| bytes.windows(13).any(|window| window == b"forum.example")));
}

#[tokio::test]
async fn an_import_that_stopped_before_delivery_is_done_again_without_a_hole() {
    let school = School::open().await;
    let alerts = read_generic(GENERIC).unwrap().alerts;
    bring_in(&school, &alerts[..1]).await;
    // As an import leaves it that ended between its places and its delivery.
    school
        .write("INSERT INTO filter_alerts SELECT school_id, device_id, x'00', lane, seq + 1, 1 FROM filter_alerts")
        .await;
    assert_eq!(bring_in(&school, &alerts).await, BroughtIn { added: 2, known: 1, careful: 0 });
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 3);
    assert_eq!(school.count("SELECT COUNT(*) FROM filter_alerts WHERE row_hash = x'00'").await, 0);
}

#[tokio::test]
async fn hosts_that_are_looked_at_with_care_are_so_here_too() {
    let school = School::open().await;
    let row = |host: &str, category: &str| format!("2026-09-28T08:55:00Z,amy,https://a.{host}.example/,,{category}\n");
    let rows = [
        row("support", "Suicide"),
        row("protected", "Weapons"),
        row("confidential", "Gambling"),
        row("confidential", "Suicide"),
        row("other", "Gambling"),
    ];
    let alerts = read_generic(&format!("time,account,url,terms,category\n{}", rows.concat())).unwrap().alerts;
    let brought_in = bring_in_by(&school, &alerts, Some(careful_hosts())).await.unwrap();
    assert_eq!(brought_in, BroughtIn { added: 2, known: 0, careful: 3 });
    school.triage_all().await;
    assert_eq!(school.texts("SELECT category FROM concerns ORDER BY category").await, ["gambling", "suicide"]);
    assert_eq!(school.count("SELECT SUM(from_filter) FROM concerns").await, 2, "and the list marks them");
}

#[tokio::test]
async fn a_large_file_is_brought_in_by_parts_and_a_second_import_at_once_is_refused() {
    let school = School::open().await;
    let minute =
        |number: usize| format!("2026-09-28T{:02}:{:02}:00Z,amy,a.example,,Drugs\n", 1 + number / 60, number % 60);
    let rows: String = (0..300).map(minute).collect();
    let alerts = read_generic(&format!("time,account,url,terms,category\n{rows}")).unwrap().alerts;
    let lock = std::fs::File::create(school.folder().join("filter-import.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(bring_in_by(&school, &alerts, None).await, Err(BringInError::Busy)));
    drop(lock);
    assert_eq!(bring_in(&school, &alerts).await, BroughtIn { added: 300, ..BroughtIn::default() });
    assert_eq!(school.count("SELECT COUNT(*) FROM captures").await, 300);
    assert_eq!(school.count("SELECT MAX(seq) FROM filter_alerts").await, 300);
    assert_eq!(bring_in(&school, &alerts).await, BroughtIn { known: 300, ..BroughtIn::default() });
}

proptest! {
    #[test]
    fn no_export_makes_it_panic_and_what_is_read_is_in_bounds(
        rows in "(time,account,url,terms,category\n)?([a-z0-9:/.@?#,\\\\ -]{0,120}\n){0,3}",
        url in "\\PC{0,700}", who in "\\PC{0,200}",
    ) {
        for source in Source::ALL {
            drop(parse(rows.as_bytes(), source, &london()));
        }
        let made = Alert::new(0, &who, &url, "words", lapwing_rules::Category::Drugs);
        if let Some(capture) = made.ok().and_then(|alert| alert.capture(Source::Generic, 1)) {
            let message = lapwing_proto::wire::Capture::from(capture.clone());
            prop_assert_eq!(Capture::try_from(message).ok(), Some(capture));
        }
    }
}
