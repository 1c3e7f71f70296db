//! Mail servers that hang, hang up, or refuse: a code, nothing half-done, nothing lost.

use super::server::{STAGES, Trap};
use super::*;

#[tokio::test]
async fn a_server_that_hangs_anywhere_delays_a_mail_and_loses_none() {
    let hang = async |stage| {
        let mut post = post(Offer::StartTls).await;
        post.notifier.within = Duration::from_secs(2);
        post.server.set_trap(Some((stage, Trap::Hang)));
        assert_eq!(post.step().await, Step::Worked, "{stage}");
        assert_eq!(post.outcome().await, "waits timeout", "{stage}");
        post.server.set_trap(None);
        post.clock.advance_us(15_000_000);
        post.step().await;
        assert_eq!((post.outcome().await.as_str(), post.server.mails().len()), ("sent ", 1), "{stage}");
    };
    futures_util::future::join_all(STAGES.map(hang)).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_anywhere_delays_a_mail_and_loses_none() {
    for stage in STAGES {
        let post = post(Offer::StartTls).await;
        post.server.set_trap(Some((stage, Trap::HangUp)));
        post.step().await;
        let outcome = post.outcome().await;
        assert!(["waits connection", "waits protocol"].contains(&outcome.as_str()), "{stage}: {outcome}");
        post.server.set_trap(None);
        post.clock.advance_us(15_000_000);
        post.step().await;
        assert_eq!((post.outcome().await.as_str(), post.server.mails().len()), ("sent ", 1), "{stage}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_for_a_week_loses_nothing() {
    let post = post(Offer::StartTls).await;
    post.server.answer(Answer::Later);
    for _ in 0..2 * MAX_ATTEMPTS {
        assert_eq!(post.step().await, Step::Worked);
        post.clock.advance_us(5 * 3_600_000_000);
    }
    assert_eq!(post.outcome().await, "waits smtp_451");
    post.server.answer(Answer::Accept);
    post.step().await;
    assert_eq!(post.outcome().await, "sent ");
}

#[tokio::test]
async fn a_full_disk_in_the_middle_sends_again_under_the_same_id_and_loses_nothing() {
    let post = post(Offer::StartTls).await;
    // From the mark on nothing can be written.
    post.school
        .write("CREATE TRIGGER full BEFORE UPDATE OF sent_us ON outbox BEGIN SELECT RAISE(FAIL, 'full'); END")
        .await;
    let failed = tokio::select! {
        step = post.notifier.step(Mail) => step,
        () = post.server.serve() => unreachable!("the server serves until it is dropped"),
    };
    assert!(failed.is_err());
    assert_eq!(post.outcome().await, "waits ");
    post.school.write("DROP TRIGGER full").await;
    post.clock.advance_us(i64::try_from(LEASE.as_micros()).unwrap());
    post.step().await;
    assert_eq!(post.outcome().await, "sent ");
    let ids = post.server.mails().iter().map(|mail| message_id(mail)).collect::<Vec<_>>();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

fn message_id(mail: &str) -> String {
    mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned()
}

#[tokio::test]
async fn of_a_mail_that_is_given_up_the_others_who_may_see_the_concern_are_told_once() {
    let post = post(Offer::StartTls).await;
    post.school.person("dee.deputy", Sort::Staff, &[Role::DeputyDsl]).await;
    post.school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
    concern(&post.school, "ben.pupil", Level::Critical, 1).await;
    post.school.write("UPDATE sign_ins SET mail = '' WHERE login = 'dana.dsl'").await;

    post.send_all().await;

    let told_of =
        "SELECT i.login || ' ' || o.kind || CASE WHEN o.dead_us IS NULL THEN '' ELSE ' dead' END FROM outbox AS o
        JOIN sign_ins AS i ON i.person_id = o.person_id WHERE o.level = 5 ORDER BY 1";
    let told = post.school.texts(told_of).await;
    assert_eq!(told, ["dana.dsl concern dead", "dee.deputy concern", "dee.deputy undelivered"]);
    let mails = post.server.mails().concat().replace('\n', " ");
    assert!(mails.contains("did not reach one of its readers"), "{mails}");

    // Another message to her about the same concern dies: the deputy knows already.
    post.school
        .write("UPDATE outbox SET dead_us = NULL, attempts = 0, leased_until_us = 0 WHERE dead_us IS NOT NULL")
        .await;
    post.send_all().await;
    assert_eq!(post.school.texts(told_of).await, told);
}
