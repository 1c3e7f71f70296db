//! People who leave, and come back.

use super::importing::set_up;
use super::*;

const LEAVERS: Wanted = Wanted { absentees: Absentees::Leave, ..APPLY };
const MANY: Wanted = Wanted { absentees: Absentees::LeaveHoweverMany, ..APPLY };

fn pupils(numbers: std::ops::Range<u8>) -> Vec<Listed> {
    whole(&numbers.map(|n| format!("a{n},Pupil {n},pupil,7B,,,R{n},,7,,\n")).collect::<String>())
}

#[tokio::test]
async fn whoever_is_not_in_a_complete_file_leaves_and_comes_back_as_the_same_person() {
    let school = School::open().await;
    brought_in(&school, &pupils(0..10), APPLY).await.unwrap();
    let ninth = person(&school, "a9").await;
    let changes = brought_in(&school, &pupils(0..9), LEAVERS).await.unwrap();
    assert_eq!((changes.counts.left, changes.counts.absent, changes.counts.same), (1, 0, 9));
    assert_eq!(changes.lines, ["- Pupil 9 [a9] leaves"]);
    assert_eq!(brought_in(&school, &pupils(0..9), LEAVERS).await.unwrap().counts.left, 0);
    let back = whole("a99,Pupil Nine,pupil,8B,,,R9,,8,,\n");
    let changes = brought_in(&school, &back, APPLY).await.unwrap();
    assert_eq!(changes.counts.changed, 1);
    assert!(changes.lines[0].starts_with("~ Pupil 9 [a9]: comes back; name"), "{:?}", changes.lines);
    assert_eq!(person(&school, "a99").await, ninth);
}

#[tokio::test]
async fn a_part_of_a_list_lets_nobody_leave() {
    let school = School::open().await;
    brought_in(&school, &pupils(0..10), APPLY).await.unwrap();
    let error = brought_in(&school, &pupils(0..7), LEAVERS).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 of 10 people of kind `pupil` are not in the file: a part of a list lets nobody leave"
    );
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE left_us IS NOT NULL").await, 0);
    assert_eq!(brought_in(&school, &pupils(0..8), LEAVERS).await.unwrap().counts.left, 2);
    assert_eq!(brought_in(&school, &pupils(0..1), MANY).await.unwrap().counts.left, 7);
}

#[tokio::test]
async fn a_log_on_never_leaves() {
    let school = School::open().await;
    imported(&school, "ks1,Class log-on,shared,,ks1,\n", Mode::Apply).await.unwrap();
    let counts = brought_in(&school, &pupils(0..1), MANY).await.unwrap().counts;
    assert_eq!((counts.left, counts.absent), (0, 1));
}

#[tokio::test]
async fn an_account_of_somebody_who_left_may_be_another_persons() {
    let school = School::open().await;
    brought_in(&school, &whole("abrown,Amy Brown,pupil,7B,,,R1,,7,,\nb,Ben,pupil,7B,,,R2,,7,,\n"), APPLY)
        .await
        .unwrap();
    let amy = person(&school, "abrown").await;
    brought_in(&school, &whole("b,Ben,pupil,7B,,,R2,,7,,\n"), MANY).await.unwrap();
    let adam = whole("abrown,Adam Brown,pupil,7B,,,R3,,7,,\n");
    assert_eq!(brought_in(&school, &adam, APPLY).await.unwrap().counts.added, 1);
    assert_ne!(person(&school, "abrown").await, amy);
    // Amy comes back under an account of her own, and stays who she was.
    brought_in(&school, &whole("abrown2,Amy Brown,pupil,8B,,,R1,,8,,\n"), APPLY).await.unwrap();
    assert_eq!(person(&school, "abrown2").await, amy);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 3);
}

#[tokio::test]
async fn a_leaver_loses_roles_sessions_and_the_use_of_a_sign_in() {
    let school = School::open().await;
    imported(&school, "t,Tech,technician,,,\nu,Ursula,staff,,,\n", Mode::Apply).await.unwrap();
    sign_in(&school, "t").await;
    school
        .write(
            "INSERT INTO web_sessions (school_id, session_hash, person_id, csrf, created_us, used_us)
             SELECT school_id, x'00', person_id, x'00', 1, 1 FROM accounts WHERE account = 't'",
        )
        .await;
    let login = "t".parse().unwrap();
    let find = async || crate::store::sign_ins::find(&school.store, &school.id, &login).await.unwrap().is_some();
    assert!(find().await);
    brought_in(&school, &rows("u,Ursula,staff,,,\n").unwrap(), MANY).await.unwrap();
    assert!(!find().await);
    for table in ["SELECT COUNT(*) FROM person_roles", "SELECT COUNT(*) FROM web_sessions"] {
        assert_eq!(school.count(table).await, 0);
    }
    imported(&school, "t,Tech,technician,,,\n", Mode::Apply).await.unwrap();
    assert!(find().await);
}

#[tokio::test]
async fn whoever_holds_a_privileged_role_stays_until_two_took_it_from_them() {
    let school = School::open().await;
    let dsl = set_up(&school).await;
    imported(&school, "p2,Second Deputy,deputy_dsl,,,\n", Mode::Apply).await.unwrap_err();
    school
        .write("INSERT INTO person_roles SELECT school_id, person_id, 'deputy_dsl' FROM accounts WHERE account = 'd'")
        .await;
    let without_deputy = rows("d,Dsl,dsl;deputy_dsl,,,\nh,Head,headteacher,,,\nc,Chair,chair,,,\n").unwrap();
    let Err(ImportError::TakesTwo(asked)) = brought_in(&school, &without_deputy, MANY).await else { panic!("refused") };
    assert_eq!(asked[0].to_string(), "somebody who is not in the file loses deputy_dsl");
    let changes = brought_in(&school, &without_deputy, Wanted { asked_by: Some(dsl), ..MANY }).await.unwrap();
    assert_eq!((changes.counts.left, changes.asked.len()), (0, 1));
    assert_eq!(school.count("SELECT COUNT(*) FROM requests").await, 1);
    assert_eq!(school.count("SELECT COUNT(*) FROM persons WHERE left_us IS NOT NULL").await, 0);
}

#[tokio::test]
async fn an_address_of_an_office_makes_nobody_their_predecessor() {
    let school = School::open().await;
    imported(&school, "old,Old Head,staff,,,head@x.example\nu,Ursula,staff,,,\n", Mode::Apply).await.unwrap();
    brought_in(&school, &rows("u,Ursula,staff,,,\n").unwrap(), MANY).await.unwrap();
    imported(&school, "new,New Head,staff,,,head@x.example\n", Mode::Apply).await.unwrap();
    assert_eq!(
        school.texts("SELECT name FROM persons WHERE left_us IS NULL ORDER BY name").await,
        ["New Head", "Ursula"]
    );
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 3);
}
