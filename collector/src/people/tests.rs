use lapwing_rules::{Category, Level};

use super::*;
use crate::actor::Actor;
use crate::audit;
use crate::store::fixture::{NINE_US, School, delivery, title};

const HEADER: &str = "account,name,role,class,band,mail\n";

fn rows(rows: &str) -> Result<Vec<Listed>, Vec<RowFault>> {
    parse(format!("{HEADER}{rows}").as_bytes())
}

fn faults(text: &[u8]) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

async fn imported(school: &School, text: &str, mode: Mode) -> Result<Imported, ImportError> {
    let actor = Actor::Product { school: school.id.clone() };
    Ok(import(&school.store, &actor, NINE_US, &rows(text).unwrap(), mode).await?.counts)
}

#[test]
fn a_row_may_have_several_accounts_and_roles() {
    let people = rows("AMY.b; abrown,Amy Brown,pupil,7B,ks3,\nj,Joy,\"Staff;DSL; chair\",,,J@Hill.example\n").unwrap();
    let [amy, joy] = people.as_slice() else { panic!("two people") };
    assert_eq!(amy.accounts, BTreeSet::from(["amy.b".to_owned(), "abrown".to_owned()]));
    assert_eq!((amy.kind, amy.band), (Kind::Pupil, Band::Ks3));
    assert_eq!(joy.roles, BTreeSet::from([Role::Dsl, Role::Chair]));
    assert_eq!((joy.kind, joy.band, joy.mail.as_str()), (Kind::Staff, Band::Staff, "j@hill.example"));
}

#[test]
fn columns_may_stand_in_any_order_and_mail_may_be_left_out() {
    let people = parse(b"\xef\xbb\xbfname,account,band,class,role\r\nKS1,ks1,,,shared\r\n").unwrap();
    assert_eq!(people.first().unwrap().kind, Kind::Shared);
}

#[test]
fn every_fault_names_line_and_column() {
    let text = format!(
        "{HEADER}amy,Amy,wizard,7B,ks3,\nben,Ben,pupil,7B,ks9,\ncy,,pupil,7B,ks3,\n,Di,pupil,7B,ks3,\nfay,Fay,pupil,7B,,\n\
         gus,Gus,pupil;dsl,7B,ks3,\nhal,Hal,pupil;staff,7B,ks3,\nida,Ida,staff,,,nowhere\njo,Jo\n\
         amy2,A,staff,,,\nAMY2,B,staff,,,\n"
    );
    let places: Vec<_> = parse(text.as_bytes()).unwrap_err().iter().map(|one| (one.line, one.column)).collect();
    let expected = [
        (2, "role"),
        (3, "band"),
        (4, "name"),
        (5, "account"),
        (6, "band"),
        (7, "role"),
        (8, "role"),
        (9, "mail"),
        (10, ""),
        (12, "account"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn other_encodings_headers_and_sizes_are_refused_in_words() {
    assert_eq!(faults(b"\xff\xfea\0"), ["line 1: the file is UTF-16: save it as CSV UTF-8"]);
    let latin = [HEADER.as_bytes(), b"amy,Am\xe9lie,pupil,7B,ks3,\n"].concat();
    assert_eq!(faults(&latin), ["line 2: the text is not UTF-8: save the file as CSV UTF-8"]);
    assert_eq!(faults(b"account,name,role,class\n"), ["line 1, column `band`: the column is missing"]);
    assert_eq!(faults(b"name,name\n"), ["line 1, column `name`: the column stands twice"]);
    assert!(faults(b"account,password\n").first().unwrap().starts_with("line 1: unknown column in place 2"));
    assert_eq!(faults(HEADER.as_bytes()), ["line 1: no people below the header"]);
    assert!(faults(&vec![b'a'; MAX_FILE_BYTES + 1]).first().unwrap().contains("larger"));
    assert!(!faults(b"").is_empty());
}

#[test]
fn a_fault_never_repeats_what_the_field_says() {
    let text = format!("{HEADER}amy,Amy\u{7} Brown,secret-role,7B,secret-band,secret\n");
    assert!(faults(text.as_bytes()).iter().all(|fault| !fault.contains("secret") && !fault.contains("Brown")));
}

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
async fn a_row_of_two_known_people_imports_nothing() {
    let school = School::open().await;
    imported(&school, "amy,Amy,pupil,7B,ks3,\nben,Ben,pupil,7B,ks3,\n", Mode::Apply).await.unwrap();
    let error = imported(&school, "cy,Cy,pupil,7B,ks3,\namy;ben,Both,pupil,7B,ks3,\n", Mode::Apply).await.unwrap_err();
    assert_eq!(error.to_string(), "line 3: accounts or address belong to different people; split the row");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 2);
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
