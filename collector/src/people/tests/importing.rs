//! What an import changes.

use std::collections::BTreeMap;

use lapwing_rules::{Category, Level};
use proptest::prelude::*;

use super::*;
use crate::audit;
use crate::people::changes::begin;
use crate::people::privileged::Grants;
use crate::store::fixture::{delivery, title};
use crate::store::people::known;

#[tokio::test]
async fn an_import_can_be_repeated_and_a_dry_run_writes_nothing() {
    let school = School::open().await;
    let file = "amy,Amy,pupil,7B,ks3,\nj,Joy,staff;dsl,,,j@hill.example\n";
    let all_new = Imported { added: 2, ..Imported::default() };
    assert_eq!(imported(&school, file, Mode::DryRun).await.unwrap(), all_new);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 0);
    assert_eq!(imported(&school, file, Mode::Apply).await.unwrap(), all_new);
    assert_eq!(imported(&school, file, Mode::Apply).await.unwrap(), Imported { same: 2, ..Imported::default() });
    let changed = imported(&school, "amy;amy2,Amy B,pupil,8B,ks3,\n", Mode::Apply).await.unwrap();
    assert_eq!(changed, Imported { changed: 1, absent: 1, ..Imported::default() });
    assert_eq!(school.texts("SELECT name FROM persons ORDER BY name").await, ["Amy B", "Joy"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM accounts").await, 3);
    assert_eq!(school.count("SELECT COUNT(*) FROM person_roles").await, 1);
    let acts = school.texts("SELECT act FROM audit_acts").await;
    assert!(acts.len() == 3 && acts.iter().all(|act| !act.contains("Amy") && !act.contains("hill.example")));
}

#[tokio::test]
async fn rows_that_fit_nobody_are_all_named_and_import_nothing() {
    let school = School::open().await;
    imported(&school, "amy,Amy,pupil,7B,ks3,\nben,Ben,pupil,7B,ks3,b@x.example\n", Mode::Apply).await.unwrap();
    let both = "cy,Cy,pupil,7B,ks3,\namy;ben,Both,pupil,7B,ks3,\namy,Amy,pupil,7B,ks3,b@x.example\n";
    let listed = parse(format!("{HEADER}{}", both.replace("amy,Amy", "amy3;amy,Amy")).as_bytes());
    assert!(listed.is_err(), "an account that stands twice");
    let listed = rows("cy,Cy,pupil,7B,ks3,\namy;ben,Both,pupil,7B,ks3,\n").unwrap();
    let Err(ImportError::Rows(faults)) = brought_in(&school, &listed, APPLY).await else { panic!("refused") };
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["line 3, column `account`: the accounts belong to different people; split the row"]
    );
    let listed = rows("amy,Amy,pupil,7B,ks3,b@x.example\nben2,Ben,pupil,7B,ks3,\n").unwrap();
    assert!(matches!(brought_in(&school, &listed, APPLY).await, Err(ImportError::Rows(_))));
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 2);
}

#[tokio::test]
async fn a_reference_finds_somebody_whose_account_name_and_address_are_new() {
    let school = School::open().await;
    let first = whole("amy,Amy Brown,pupil,7B,,,R1,,7,,\nold,Known Before,pupil,7B,,,,,7,,\n");
    brought_in(&school, &first, APPLY).await.unwrap();
    let amy = person(&school, "amy").await;
    // A name never finds anybody; an account finds whoever had no reference yet.
    let next = whole(
        "amelia,Amelia Green,pupil,8B,,,R1,,8,,\nold,Known Before,pupil,7B,,,R2,,7,,\nnew,Amy Brown,pupil,7B,,,R3,,7,,\n",
    );
    let changes = brought_in(&school, &next, APPLY).await.unwrap();
    assert_eq!((changes.counts.added, changes.counts.changed), (1, 2));
    assert_eq!(person(&school, "amelia").await, amy);
    assert!(changes.lines.iter().any(|line| line
        == "~ Amy Brown [amy]: name \"Amy Brown\" -> \"Amelia Green\"; class \"7B\" -> \"8B\"; year \"7\" -> \"8\"; accounts +amelia"));
}

#[tokio::test]
async fn an_account_of_somebody_who_is_here_goes_to_nobody_else() {
    let school = School::open().await;
    brought_in(&school, &whole("amy,Amy,pupil,7B,,,R1,,7,,\n"), APPLY).await.unwrap();
    let other = whole("amy,Adam,pupil,7B,,,R2,,7,,\n");
    let Err(ImportError::Rows(faults)) = brought_in(&school, &other, APPLY).await else { panic!("refused") };
    assert!(faults[0].to_string().contains("belongs to somebody else"), "{faults:?}");
}

#[tokio::test]
async fn what_a_column_would_say_stays_where_the_file_lacks_it() {
    let school = School::open().await;
    let first = whole("amy,Amy,pupil,7B,,,R1,Female,7,yes,\ntom,Tom,staff;class_teacher,,,t@x.example,S1,,,,7B\n");
    brought_in(&school, &first, APPLY).await.unwrap();
    let short = "amy,Amy,pupil,7B,ks3,\ntom,Tom,staff;class_teacher,,,\n";
    assert_eq!(imported(&school, short, Mode::Apply).await.unwrap().same, 2);
    let emptied = whole("amy,Amy,pupil,7B,ks3,,,,,,\ntom,Tom,staff;class_teacher,,,,,,,,\n");
    let changes = brought_in(&school, &emptied, APPLY).await.unwrap();
    assert_eq!((changes.counts.changed, changes.counts.unmarked), (2, 1));
    let row = school
        .texts("SELECT reference || '/' || gender || '/' || year_group || '/' || mail FROM persons ORDER BY name")
        .await;
    assert_eq!(row, ["R1///", "S1///t@x.example"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM person_classes").await, 0);
}

#[tokio::test]
async fn who_is_marked_as_vulnerable_is_told_in_numbers_alone() {
    let school = School::open().await;
    let file = |mark: &str, class: &str| {
        whole(&format!("amy,Amy,pupil,{class},,,R1,,7,{mark},\nben,Ben,pupil,7B,,,R2,,7,,\n"))
    };
    brought_in(&school, &file("", "7B"), APPLY).await.unwrap();
    let dry = Wanted { mode: Mode::DryRun, ..APPLY };
    let only_marked = brought_in(&school, &file("yes", "7B"), dry).await.unwrap();
    assert_eq!((only_marked.counts.marked, only_marked.counts.changed), (1, 1));
    assert_eq!(only_marked.lines, [""; 0]);
    let marked = brought_in(&school, &file("yes", "7C"), APPLY).await.unwrap();
    assert_eq!(marked.lines, ["~ Amy [amy]: class \"7B\" -> \"7C\""]);
    let added = brought_in(&school, &whole("cy,Cy,pupil,,,,R3,,7,yes,\n"), APPLY).await.unwrap();
    assert_eq!(added.lines, ["+ Cy [cy] pupil, ks3, year 7"]);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE vulnerable = 1").await, 2);
    let log = school.texts("SELECT act FROM audit_acts").await.join("\n");
    assert!(!log.contains("vulnerable") && !log.contains("per-"));
}

/// A capture under an account nobody mapped, taken by triage.
async fn unmapped_capture(school: &School, account: &str) {
    let mut capture = title(account, Category::Drugs, Level::Moderate, "words");
    capture.account.groups.clear();
    school.intake().take(delivery(Level::Moderate, 1, vec![capture])).await.unwrap();
    school.triage_all().await;
}

#[tokio::test]
async fn somebody_new_in_a_role_sees_what_nobody_decided() {
    let school = School::open().await;
    unmapped_capture(&school, "somebody").await;
    assert_eq!(school.count("SELECT COUNT(*) FROM concern_recipients").await, 0);
    imported(&school, "h,Head,headteacher,,,h@hill.example\n", Mode::Apply).await.unwrap();
    assert_eq!(school.count("SELECT COUNT(*) FROM concern_recipients").await, 1);
    assert!(audit::verify(&school.store, &school.id).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn whoever_loses_a_role_no_longer_sees_what_it_showed_them() {
    let school = School::open().await;
    imported(&school, "h,Head,headteacher,,,\n", Mode::Apply).await.unwrap();
    unmapped_capture(&school, "somebody").await;
    assert_eq!(school.count("SELECT COUNT(*) FROM concern_recipients").await, 1);
    imported(&school, "h,Head,staff,,,\n", Mode::Apply).await.unwrap();
    assert_eq!(school.count("SELECT COUNT(*) FROM concern_recipients").await, 0);
}

#[tokio::test]
async fn whoever_teaches_the_class_sees_what_its_pupils_do_while_they_are_in_it() {
    let school = School::open().await;
    let file = |class: &str, taught: &str| {
        whole(&format!(
            "amy,Amy,pupil,{class},,,R1,,7,,\ntom,Tom,staff;class_teacher,,,,S1,,,,{taught}\n\
             sue,Sue,staff;class_teacher,,,,S2,,,,7C\nd,Dsl,dsl,,,,S3,,,,\n"
        ))
    };
    brought_in(&school, &file("7B", "7B"), APPLY).await.unwrap();
    for (category, state) in [(Category::Profanity, "new"), (Category::Gambling, "closed")] {
        let capture = title("amy", category, Level::Low, "words");
        let next = school.through(crate::store::fixture::EPOCH, Level::Low).await.next().number();
        school.intake().take(delivery(Level::Low, next, vec![capture])).await.unwrap();
        school.triage_all().await;
        school.write(&format!("UPDATE concerns SET state = '{state}' WHERE category = '{category}'")).await;
    }
    let seen = async |account: &str| {
        let sql = "SELECT a.account || ' ' || c.category FROM concern_recipients AS r
            JOIN concerns AS c ON c.concern_id = r.concern_id JOIN accounts AS a ON a.person_id = r.person_id ORDER BY 1";
        let seen = school.texts(sql).await;
        seen.iter()
            .filter_map(|row| row.strip_prefix(account)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen("tom").await, ["gambling", "profanity"]);
    assert!(seen("sue").await.is_empty());
    brought_in(&school, &file("7C", "7B"), APPLY).await.unwrap();
    assert!(seen("tom").await.is_empty(), "not what is decided either");
    assert_eq!(seen("sue").await, ["profanity"], "what nobody decided");
    brought_in(&school, &file("7B", "7B"), APPLY).await.unwrap();
    assert_eq!(seen("tom").await, ["profanity"]);
    brought_in(&school, &file("7B", "8A"), APPLY).await.unwrap();
    assert!(seen("tom").await.is_empty(), "who teaches another class");
    brought_in(&school, &file("7C", "8A"), APPLY).await.unwrap();
    school.write("UPDATE persons SET left_us = 1 WHERE name = 'Amy'").await;
    let rest = whole("tom,Tom,staff;class_teacher,,,,S1,,,,7C\n");
    brought_in(&school, &rest, APPLY).await.unwrap();
    assert!(seen("sue").await.is_empty() && seen("tom").await.is_empty(), "a pupil who left is in no class");
}

#[tokio::test]
async fn an_address_goes_to_nobody_while_somebody_else_keeps_it() {
    let school = School::open().await;
    let first = whole("d,Dee,staff,,,d@x.example,S1,,,,\ne,Eve,staff,,,e@x.example,S2,,,,\n");
    brought_in(&school, &first, APPLY).await.unwrap();
    let taken = whole("e,Eve,staff,,,d@x.example,S2,,,,\n");
    let Err(ImportError::Rows(faults)) = brought_in(&school, &taken, APPLY).await else { panic!("refused") };
    assert_eq!(faults[0].to_string(), "line 2, column `mail`: the address belongs to somebody else, who keeps it");
    let kept = whole("d,Dee,staff,,,,S1,,,,\ne,Eve,staff,,,d@x.example,S2,,,,\n");
    assert!(matches!(brought_in(&school, &kept, APPLY).await, Err(ImportError::Rows(_))), "an empty field keeps it");
    let swapped = whole("d,Dee,staff,,,e@x.example,S1,,,,\ne,Eve,staff,,,d@x.example,S2,,,,\n");
    assert_eq!(brought_in(&school, &swapped, APPLY).await.unwrap().counts.changed, 2);
}

#[tokio::test]
async fn who_turns_out_to_be_the_subject_never_sees_it() {
    let school = School::open().await;
    imported(&school, "h,Head,headteacher,,,\nc,Chair,chair,,,\n", Mode::Apply).await.unwrap();
    unmapped_capture(&school, "head.private").await;
    let visible = "SELECT COUNT(*) FROM concern_recipients AS r JOIN accounts AS a ON a.person_id = r.person_id
        JOIN concerns AS c ON c.concern_id = r.concern_id JOIN subjects AS s ON s.subject_id = c.subject_id
        WHERE a.account = 'h' AND s.person_id IS DISTINCT FROM r.person_id";
    assert_eq!(school.count(visible).await, 1);
    imported(&school, "h;head.private,Head,headteacher,,,\n", Mode::Apply).await.unwrap();
    assert_eq!(school.count(visible).await, 0);
    let chair = "SELECT COUNT(*) FROM concern_recipients AS r JOIN accounts AS a ON a.person_id = r.person_id
        WHERE a.account = 'c'";
    assert_eq!(school.count(chair).await, 1);
}

const SENIORS: &str = "d,Dsl,dsl,,,\np,Deputy,deputy_dsl,,,\nh,Head,headteacher,,,\nc,Chair,chair,,,\n";

pub(super) async fn set_up(school: &School) -> PersonId {
    imported(school, SENIORS, Mode::Apply).await.unwrap();
    sign_in(school, "p").await;
    sign_in(school, "h").await;
    sign_in(school, "c").await;
    sign_in(school, "d").await
}

#[tokio::test]
async fn once_two_could_approve_an_import_grants_and_takes_no_privileged_role() {
    let school = School::open().await;
    set_up(&school).await;
    let file = "d,Dsl,dsl,,,\nx,New Deputy,deputy_dsl;class_teacher,,,\np,Deputy,staff,,,\n";
    let Err(ImportError::TakesTwo(asked)) = brought_in(&school, &rows(file).unwrap(), APPLY).await else {
        panic!("refused")
    };
    assert_eq!(
        asked.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["line 3, column `role`: somebody gets deputy_dsl", "line 4, column `role`: somebody loses deputy_dsl"]
    );
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 4);
    let others = "d,Dsl,dsl;governor,,,\ny,Yes,technician,,,\n";
    assert_eq!(imported(&school, others, Mode::Apply).await.unwrap().added, 1);
}

#[tokio::test]
async fn with_somebody_who_asks_the_rest_is_imported_and_the_roles_are_asked_for_once() {
    let school = School::open().await;
    let dsl = set_up(&school).await;
    let file = rows("h,New Name,headteacher,,,\nx,New Deputy,deputy_dsl;class_teacher,,,\n").unwrap();
    let asking = Wanted { asked_by: Some(dsl), ..APPLY };
    for _ in 0..2 {
        let changes = brought_in(&school, &file, asking).await.unwrap();
        assert_eq!(changes.asked.len(), 1);
    }
    assert_eq!(school.count("SELECT COUNT(*) FROM requests WHERE state = 'waiting'").await, 1);
    assert_eq!(
        school
            .texts(
                "SELECT role FROM person_roles AS r JOIN accounts AS a ON a.person_id = r.person_id
        WHERE a.account = 'x'"
            )
            .await,
        ["class_teacher"]
    );
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE name = 'New Name'").await, 1);
}

#[tokio::test]
async fn a_role_that_cannot_be_asked_for_imports_nothing() {
    let school = School::open().await;
    set_up(&school).await;
    imported(&school, "t,Tech,technician,,,\n", Mode::Apply).await.unwrap();
    let tech = sign_in(&school, "t").await;
    let file = rows("x,New Deputy,deputy_dsl,,,\n").unwrap();
    let error = brought_in(&school, &file, Wanted { asked_by: Some(tech), ..APPLY }).await.unwrap_err();
    assert_eq!(error.to_string(), "line 2, column `role`: somebody gets deputy_dsl: this actor may not ask for that");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE name LIKE 'New%'").await, 0);
}

#[tokio::test]
async fn a_long_list_is_written_whole_and_grows_nothing_the_second_time() {
    const MANY: usize = 5_000;
    let school = School::open().await;
    let text: String = (0..MANY).map(|n| format!("a{n};b{n},Name {n},pupil,7B,,m{n}@x.example,R{n},,7,,\n")).collect();
    let listed = whole(&text);
    assert_eq!(brought_in(&school, &listed, APPLY).await.unwrap().counts.added, MANY);
    assert_eq!(brought_in(&school, &listed, APPLY).await.unwrap().counts.same, MANY);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 5_000);
    assert_eq!(school.count("SELECT COUNT(*) FROM accounts").await, 10_000);
}

#[tokio::test]
async fn what_was_planned_on_people_who_changed_meanwhile_is_not_written() {
    let school = School::open().await;
    let actor = Actor::Product { school: school.id.clone() };
    let before = known(&school.store, &school.id).await.unwrap();
    let begin = async || begin(&school.store, &actor, &before, Grants::ByImport, NINE_US).await.unwrap().is_some();
    assert!(begin().await);
    imported(&school, SENIORS, Mode::DryRun).await.unwrap();
    assert!(begin().await);
    imported(&school, SENIORS, Mode::Apply).await.unwrap();
    assert!(!begin().await);
    // A sign-in that makes the school able to approve changes no person, and the plan all the same.
    let before = known(&school.store, &school.id).await.unwrap();
    for account in ["d", "p", "h"] {
        sign_in(&school, account).await;
    }
    let planned = begin_as(&school, &actor, &before).await;
    assert_eq!(planned, (false, true));
}

/// Whether it is begun as planned while an import granted roles, and as planned while it does not.
async fn begin_as(school: &School, actor: &Actor, known: &crate::store::people::Known) -> (bool, bool) {
    let by_import = begin(&school.store, actor, known, Grants::ByImport, NINE_US).await.unwrap().is_some();
    (by_import, begin(&school.store, actor, known, Grants::ByRequest, NINE_US).await.unwrap().is_some())
}

/// Everything that is known, by reference; ids left out.
async fn picture(school: &School) -> BTreeMap<String, String> {
    let people = known(&school.store, &school.id).await.unwrap().people;
    let fields = |row: &crate::store::people::Row| {
        format!("{} {:?} {} {} {:?} {:?}", row.name, row.kind, row.class, row.vulnerable, row.accounts, row.roles)
    };
    people.values().map(|row| (row.reference.clone(), fields(row))).collect()
}

fn person_row() -> impl Strategy<Value = (u8, String, String, bool, bool)> {
    (0_u8..12, "[A-Z][a-z]{1,6}", "[78][A-C]", any::<bool>(), any::<bool>())
}

fn file(rows: &[(u8, String, String, bool, bool)]) -> Vec<Listed> {
    let distinct: BTreeMap<u8, _> = rows.iter().map(|row| (row.0, row)).collect();
    let line = |(n, name, class, marked, second): &(u8, String, String, bool, bool)| {
        let second = if *second { format!(";s{n}") } else { String::new() };
        let mark = if *marked { "yes" } else { "" };
        format!("a{n}{second},{name},pupil,{class},,,R{n},,7,{mark},\n")
    };
    let text: String = distinct.into_values().map(line).collect();
    whole(&text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_file_twice_changes_nothing_and_the_order_of_rows_does_not_matter(
        first in proptest::collection::vec(person_row(), 1..12),
        second in proptest::collection::vec(person_row(), 1..12),
        seed in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (one, other) = (School::open().await, School::open().await);
            let (first, second) = (file(&first), file(&second));
            let mut turned = second.clone();
            turned.rotate_left(usize::try_from(seed % second.len() as u64).unwrap());
            turned.reverse();
            brought_in(&one, &first, APPLY).await.unwrap();
            brought_in(&other, &first, APPLY).await.unwrap();
            let before = picture(&one).await;
            brought_in(&one, &second, APPLY).await.unwrap();
            brought_in(&other, &turned, APPLY).await.unwrap();
            assert_eq!(picture(&one).await, picture(&other).await);
            let again = brought_in(&one, &turned, APPLY).await.unwrap();
            assert_eq!(again.counts, Imported { same: second.len(), absent: again.counts.absent, ..Imported::default() });
            assert!(again.lines.is_empty());
            // The reverse file puts back what it names; accounts only add up.
            brought_in(&one, &first, APPLY).await.unwrap();
            let after = picture(&one).await;
            let without_accounts = |row: &String| row.split(" {").next().unwrap().to_owned();
            assert!(before.iter().all(|(who, row)| without_accounts(&after[who]) == without_accounts(row)));
        });
    }
}
