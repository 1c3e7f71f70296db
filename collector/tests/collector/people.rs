//! People, whom devices ask about, whom concerns go to, and who signs in.

use std::process::Stdio;

use lapwing_proto::{band_from_wire, wire};
use lapwing_rules::Band;
use tokio::io::AsyncWriteExt;

use crate::device::{Device, batch};
use crate::school::{School, eventually, program};

pub(crate) const PEOPLE: &str = "account,name,role,class,band,mail\n\
    amy.b,Amy Brown,pupil,7B,ks3,\n\
    j.okafor,Joy Okafor,staff;dsl,,,j.okafor@hill.example\n\
    ks1-laptop,Class log-on,shared,,ks1,\n";

pub(crate) async fn import(school: &School, people: &str) -> std::process::Output {
    std::fs::write(school.path("people.csv"), people).unwrap();
    school.run(&["people", "import", &school.path("people.csv").display().to_string()]).await
}

async fn add_user(school: &School, password: &str) -> std::process::Output {
    let mut command = program();
    command.args(["user", "add", "--login", "joy", "--account", "J.Okafor", "--config"]).arg(school.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn a_device_is_told_the_band_of_an_account_and_its_own_group_for_a_stranger() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    assert!(import(&school, PEOPLE).await.status.success());
    let mut uplink = device.uplink(&school).await;
    let mut told = async |account: &str| {
        let request = wire::ResolveSessionRequest { account: account.to_owned(), groups: Vec::new() };
        let answer = uplink.resolve_session(request).await.unwrap().into_inner();
        (band_from_wire(answer.band), answer.group, answer.mapped)
    };

    assert_eq!(told("AMY.B").await, (Some(Band::Ks3), "7B".to_owned(), true));
    assert_eq!(told("j.okafor").await, (Some(Band::Staff), String::new(), true));
    assert_eq!(told("ks1-laptop").await, (Some(Band::Shared), String::new(), true));
    assert_eq!(told("nobody").await, (None, "ict-suite".to_owned(), false));
}

#[tokio::test]
async fn a_bad_list_imports_nobody_and_names_the_line() {
    let school = School::open().await;

    let output = import(&school, &format!("{PEOPLE}x,Somebody,wizard,,,\n")).await;

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(said.contains("people.csv") && said.contains("line 5"), "{said}");
    assert_eq!(school.count("SELECT COUNT(*) FROM persons").await, 0);
}

#[tokio::test]
async fn a_sign_in_needs_a_person_of_the_list_and_a_password_that_is_long_enough() {
    let school = School::open().await;

    assert_eq!(add_user(&school, "a long pass phrase\n").await.status.code(), Some(64));
    assert!(import(&school, PEOPLE).await.status.success());
    assert_eq!(add_user(&school, "short\n").await.status.code(), Some(64));
    assert_eq!(school.count("SELECT COUNT(*) FROM sign_ins").await, 0);
    assert!(add_user(&school, "a long pass phrase\n").await.status.success());
    assert_eq!(school.count("SELECT COUNT(*) FROM sign_ins WHERE login = 'joy'").await, 1);
}

#[tokio::test]
async fn what_a_device_delivers_becomes_a_concern_of_the_safeguarding_lead() {
    let school = School::open().await;
    assert!(import(&school, PEOPLE).await.status.success());
    assert!(add_user(&school, "a long pass phrase").await.status.success());
    let device = Device::enrol(&school).await;

    let (mut delivery, _) = device.deliver(&school, &[]).await;
    delivery.acknowledged(batch(1, 3)).await;

    let concerns = "SELECT COUNT(DISTINCT r.concern_id) FROM concern_recipients AS r
        JOIN sign_ins AS i ON i.person_id = r.person_id WHERE i.login = 'joy'";
    eventually("the concern", async || (school.count(concerns).await == 1).then_some(())).await;
    eventually("the last capture's triage", async || {
        (school.count("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await == 0).then_some(())
    })
    .await;
    assert_eq!(school.count("SELECT captures FROM concerns").await, 3);
}
