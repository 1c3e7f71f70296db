//! The year roll-over.

use jiff::civil::date;

use super::*;
use crate::people::roll_over::{Classes, RollOverError, RolledOver, SchoolYear, Wanted as Rolling, roll_over};

async fn rolled(school: &School, into: i16, classes: &Classes, mode: Mode) -> Result<RolledOver, RollOverError> {
    let actor = Actor::Product { school: school.id.clone() };
    let into = SchoolYear::entered_on(date(into, 9, 1));
    let wanted = Rolling { into, last: YearGroup::LAST, classes, mode };
    roll_over(&school.store, &actor, NINE_US, &wanted).await
}

const PEOPLE: &str = "r,Rae,pupil,RB,,,1,,R,,\ntwo,Tom,pupil,2B,,,2,,2,,\nsix,Sue,pupil,6A,,,3,,6,,\n\
    last,Lou,pupil,13A,,,4,,13,,\nold,Pat,pupil,P19,post19,,5,,,,\nt,Teacher,staff;class_teacher,,,,6,,,,2B;6A\n\
    ks1,Log-on,shared,2B,ks1,,,,,,\n";

async fn years(school: &School) -> Vec<String> {
    let sql = "SELECT name || ' ' || year_group || ' ' || band || ' ' || class || ' ' || (left_us IS NOT NULL)
        FROM persons WHERE kind = 'pupil' ORDER BY name";
    school.texts(sql).await
}

#[tokio::test]
async fn pupils_move_up_once_a_school_year_and_the_oldest_leave() {
    let school = School::open().await;
    brought_in(&school, &whole(PEOPLE), APPLY).await.unwrap();
    let none = Classes::default();
    let counts = RolledOver { moved: 3, left: 1, yearless: 1 };
    assert_eq!(rolled(&school, 2026, &none, Mode::DryRun).await.unwrap(), counts);
    assert_eq!(school.count("SELECT COUNT(*) FROM roll_overs").await, 0);
    assert_eq!(rolled(&school, 2026, &none, Mode::Apply).await.unwrap(), counts);
    let moved =
        ["Lou 13 ks5 13A 1", "Pat  post19 P19 0", "Rae 1 ks1  0", "Sue 7 ks3  0", "Tom 3 ks2  0"].map(str::to_owned);
    assert_eq!(years(&school).await, moved);
    assert_eq!(school.count("SELECT COUNT(*) FROM person_classes").await, 0);
    for again in [2026, 2025] {
        let said = rolled(&school, again, &none, Mode::Apply).await.unwrap_err().to_string();
        assert_eq!(said, "pupils have moved up into the school year 2026/27 already; nothing was changed");
    }
    assert_eq!(years(&school).await, moved);
    assert_eq!(rolled(&school, 2027, &none, Mode::Apply).await.unwrap().moved, 3);
    assert!(school.texts("SELECT act FROM audit_acts").await.join("").contains("people_rolled_over"));
}

#[tokio::test]
async fn classes_follow_a_file_and_log_ons_stay() {
    let school = School::open().await;
    brought_in(&school, &whole(PEOPLE), APPLY).await.unwrap();
    let classes = Classes::parse(b"from,to\n2B,3B\n6A,\n").unwrap();
    rolled(&school, 2026, &classes, Mode::Apply).await.unwrap();
    assert_eq!(
        school.texts("SELECT class FROM persons WHERE name IN ('Tom', 'Sue', 'Log-on') ORDER BY name").await,
        ["2B", "", "3B"]
    );
    assert_eq!(school.texts("SELECT class FROM person_classes").await, ["3B"]);
}

#[test]
fn a_bad_file_of_classes_is_refused_by_line() {
    let faults = Classes::parse(b"from,to\n7A,8A\n7A,8B\n,8C\n7D,=8D\n").unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(3, "from"), (4, "from"), (5, "to")]);
}

#[test]
fn a_school_year_is_entered_from_july_on() {
    let named = |date| SchoolYear::entered_on(date).to_string();
    assert_eq!(named(date(2027, 6, 30)), "2026/27");
    assert_eq!(named(date(2027, 7, 1)), "2027/28");
    assert_eq!(named(date(2099, 9, 1)), "2099/00");
}
