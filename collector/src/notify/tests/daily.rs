//! What the clock does: a digest and an "all well" a school day, and looking whether channels work.

use super::receiver::{Receiver, Reply};
use super::server::Trap;
use super::shared::{TRUSTED, table};
use super::*;
use crate::store::channels as rows;
use crate::store::seeded;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

fn kinds_sql(kind: &str) -> &'static str {
    match kind {
        "digest" => "SELECT COUNT(*) FROM outbox WHERE kind = 'digest'",
        "all_well" => "SELECT COUNT(*) FROM outbox WHERE kind = 'all_well'",
        _ => "SELECT COUNT(*) FROM outbox WHERE kind = 'cannot_send'",
    }
}

async fn made(post: &Post, kind: &str) -> i64 {
    post.school.count(kinds_sql(kind)).await
}

/// The mails so far whose subject begins so.
fn subjects(post: &Post, begins: &str) -> Vec<String> {
    let begins = format!("Subject: Lapwing: {begins}");
    post.server.mails().into_iter().filter(|mail| mail.lines().any(|line| line.starts_with(&begins))).collect()
}

#[tokio::test]
async fn a_digest_comes_once_a_school_day_to_whoever_something_waits_for() {
    let post = post(Offer::StartTls).await;
    post.school.person("hal.head", Sort::Staff, &[Role::Headteacher]).await;
    concern(&post.school, "ben.pupil", Level::Moderate, 1).await;
    post.round().await;
    assert_eq!(made(&post, "digest").await, 0, "not before its time");
    // 13:00 in school time.
    post.clock.advance_us(3 * HOUR_US);
    for _ in 0..3 {
        post.round().await;
        post.send_all().await;
    }
    let [digest] = subjects(&post, "2 concerns wait for you").try_into().unwrap();
    assert!(digest.contains("To: dana.dsl@hill.example"));
    for reference in post.school.texts("SELECT reference FROM concerns").await {
        assert!(digest.contains(&reference), "{digest}");
    }
    // The head may see none: nothing went to them.
    assert!(!post.server.mails().iter().any(|mail| mail.contains("hal.head")));
    post.clock.advance_us(DAY_US);
    post.round().await;
    post.send_all().await;
    assert_eq!(subjects(&post, "2 concerns wait for you").len(), 2);
}

#[tokio::test]
async fn a_clock_that_goes_back_and_a_second_collector_send_no_second_digest() {
    let post = post(Offer::StartTls).await;
    post.clock.advance_us(4 * HOUR_US);
    let other = notifier(&post.school, &post.clock, &post.channels);
    let both = async { tokio::join!(post.notifier.round(), other.round()) };
    tokio::select! {
        (one, two) = both => { one.unwrap(); two.unwrap(); }
        () = post.server.serve() => unreachable!("the server serves until it is dropped"),
    }
    assert_eq!(made(&post, "digest").await, 1);
    for back_us in [HOUR_US, DAY_US, -DAY_US] {
        post.clock.advance_us(-back_us);
        post.round().await;
    }
    // The Sunday before has none, and the Monday had its own.
    assert_eq!(made(&post, "digest").await, 1);
}

#[tokio::test]
async fn a_digest_never_holds_a_concern_about_its_reader() {
    let post = post(Offer::StartTls).await;
    post.school
        .write("UPDATE subjects SET person_id = (SELECT person_id FROM sign_ins WHERE login = 'dana.dsl')")
        .await;
    post.clock.advance_us(4 * HOUR_US);
    post.round().await;
    assert_eq!(made(&post, "digest").await, 1, "made with the concern as without");
    post.send_all().await;
    assert!(post.server.mails().is_empty());
}

#[tokio::test]
async fn the_weeks_last_digest_counts_what_waits_for_the_sign_off() {
    let post = post(Offer::StartTls).await;
    concern(&post.school, "ben.pupil", Level::Low, 1).await;
    post.school.write("UPDATE concerns SET state = 'closed'").await;
    // Thursday, then Friday.
    for (days, digests) in [(3, 0), (1, 1)] {
        post.clock.advance_us(days * DAY_US + if days == 3 { 4 * HOUR_US } else { 0 });
        post.round().await;
        post.send_all().await;
        assert_eq!(subjects(&post, "the week's concerns").len(), digests);
    }
    assert!(
        subjects(&post, "the week's")[0].replace("\n", " ").contains("1 concern of levels 1 and 2 came up this week")
    );
}

#[tokio::test]
async fn all_well_goes_to_the_technician_each_school_day_and_says_when_it_is_not() {
    let post = post(Offer::StartTls).await;
    post.school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
    seeded::add_device(&post.school).await;
    post.clock.advance_us(HOUR_US);
    post.school.write(&format!("UPDATE devices SET heard_us = {}", NINE_US + HOUR_US)).await;
    for _ in 0..2 {
        post.round().await;
        post.send_all().await;
    }
    let [mail] = subjects(&post, "not all is well, 1 of 1 device heard today").try_into().unwrap();
    assert!(mail.contains("To: tess.tech@hill.example"), "{mail}");
    let words = mail.replace('\n', " ");
    for sentence in ["1 device is partly blind", "No device is silent without an explanation.", "Messages can be sent."]
    {
        assert!(words.contains(sentence), "{sentence} in {mail}");
    }

    post.school.write("DELETE FROM device_sensors").await;
    post.clock.advance_us(DAY_US);
    post.school.write(&format!("UPDATE devices SET heard_us = {}", NINE_US + HOUR_US + DAY_US)).await;
    post.round().await;
    post.send_all().await;
    assert_eq!(subjects(&post, "all well, 1 of 1 device heard today").len(), 1);
    // Saturday: nothing.
    post.clock.advance_us(4 * DAY_US);
    post.round().await;
    assert_eq!(made(&post, "all_well").await, 2);
}

#[tokio::test]
async fn all_well_is_the_same_to_a_technician_with_a_concern_about_them_as_without() {
    let mut said = Vec::new();
    for subject in ["amy.pupil", "tess.tech"] {
        let post = post(Offer::StartTls).await;
        post.school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
        seeded::add_device(&post.school).await;
        post.school.write("DELETE FROM outbox").await;
        // Its message was given up, and another one has waited for hours.
        concern(&post.school, subject, Level::High, 1).await;
        post.school.write(&format!("UPDATE outbox SET dead_us = {NINE_US}")).await;
        concern(&post.school, subject, Level::Critical, 1).await;
        post.school.write("UPDATE outbox SET created_us = 1").await;
        post.clock.advance_us(HOUR_US);
        post.school.write(&format!("UPDATE devices SET heard_us = {}", NINE_US + HOUR_US)).await;
        post.round().await;
        post.school.write("DELETE FROM outbox WHERE kind <> 'all_well'").await;
        post.send_all().await;
        let [mail] = subjects(&post, "not all is well").try_into().unwrap();
        said.push(mail.split_once("\n\n").unwrap().1.to_owned());
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn yesterdays_message_is_not_sent_today() {
    let post = post(Offer::StartTls).await;
    post.clock.advance_us(4 * HOUR_US);
    post.round().await;
    post.school.write("DELETE FROM outbox WHERE kind = 'concern'").await;
    post.clock.advance_us(DAY_US);
    post.send_all().await;
    assert!(post.server.mails().is_empty());
    assert_eq!(made(&post, "digest").await, 0);
}

async fn trouble(post: &Post, roles: &[Role]) -> rows::Trouble {
    let actor = post.school.actor(crate::actor::PersonId::from_bytes([9; 16]), roles);
    let now_us = Clock::wall_us(&*post.clock);
    rows::trouble(&post.school.store, &actor, now_us).await.unwrap()
}

#[tokio::test]
async fn mail_that_fails_for_a_quarter_of_an_hour_is_shown_to_everybody_until_it_works() {
    let post = post(Offer::StartTls).await;
    post.round().await;
    post.server.set_trap(Some(("greeting", Trap::HangUp)));
    for (minutes, shown) in [(5, false), (5, false), (5, false), (5, true)] {
        post.clock.advance_us(minutes * 60_000_000);
        post.round().await;
        assert_eq!(trouble(&post, &[Role::Governor]).await.mail_since_us.is_some(), shown);
    }
    // It was found five minutes after the look before.
    assert_eq!(trouble(&post, &[]).await.mail_since_us, Some(NINE_US + 300_000_000));
    post.server.set_trap(None);
    post.clock.advance_us(300_000_000);
    post.round().await;
    assert_eq!(trouble(&post, &[Role::Technician]).await, rows::Trouble::default());
}

#[tokio::test]
async fn a_channel_that_fails_is_told_by_those_that_work() {
    let post = post(Offer::StartTls).await;
    post.school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
    let receiver = Receiver::open().await;
    let text = format!(
        "{}{}",
        smtp(&post.server, "extra_ca = \"mail-ca.pem\"\n"),
        table(&post.school, &receiver, Kind::Webhook, TRUSTED)
    );
    post.channels.store(Arc::new(channels(&post.school, &text).await));
    post.server.set_trap(Some(("greeting", Trap::HangUp)));
    let round = async || {
        tokio::select! {
            round = post.notifier.round() => round.unwrap(),
            () = post.server.serve() => unreachable!("the server serves until it is dropped"),
            () = receiver.serve() => unreachable!("the receiver serves until it is dropped"),
        }
    };
    for _ in 0..6 {
        round().await;
        post.clock.advance_us(5 * 60_000_000);
    }
    assert_eq!(made(&post, "cannot_send").await, 1, "once, by the webhook alone");
    let step = async || {
        tokio::select! {
            step = post.notifier.step(Kind::Webhook) => step.unwrap(),
            () = receiver.serve() => unreachable!("the receiver serves until it is dropped"),
        }
    };
    step().await;
    let [posted] = receiver.posts().try_into().unwrap();
    assert!(posted.contains("messages by mail cannot be sent"), "{posted}");
    assert!(posted.contains("since 10:00 on Monday 28 September 2026"), "{posted}");

    // Now mail works, and the webhook hangs.
    post.server.set_trap(None);
    receiver.reply(Reply::Hang);
    drop(receiver);
    for _ in 0..5 {
        post.round().await;
        post.clock.advance_us(5 * 60_000_000);
    }
    assert_eq!(trouble(&post, &[Role::Technician]).await.shared, 1);
    assert_eq!(trouble(&post, &[Role::Dsl]).await.shared, 0);
    post.send_all().await;
    let [mail] = subjects(&post, "messages by pager cannot be sent").try_into().unwrap();
    assert!(mail.contains("To: tess.tech@hill.example"));
}

#[tokio::test]
async fn what_was_not_delivered_is_shown_to_whoever_may_see_its_concern_alone() {
    let post = post(Offer::StartTls).await;
    post.school.forget_addresses().await;
    post.send_all().await;
    assert_eq!(post.outcome().await, "dead no_address");
    let person = async |login: &str| {
        let sql = id_of(login);
        let id = crate::actor::PersonId::try_from(post.school.bytes(sql).await[0].as_slice()).unwrap();
        let actor = post.school.actor(id, &[Role::Technician]);
        rows::trouble(&post.school.store, &actor, NINE_US).await.unwrap().undelivered
    };
    post.school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
    assert_eq!((person("dana.dsl").await, person("tess.tech").await), (1, 0));
}

fn id_of(login: &str) -> &'static str {
    match login {
        "dana.dsl" => "SELECT person_id FROM sign_ins WHERE login = 'dana.dsl'",
        _ => "SELECT person_id FROM sign_ins WHERE login = 'tess.tech'",
    }
}

#[tokio::test]
async fn without_any_mail_server_everybody_is_shown_that() {
    let post = post(Offer::StartTls).await;
    post.channels.store(Arc::new(channels(&post.school, "").await));
    for _ in 0..5 {
        post.round().await;
        post.clock.advance_us(5 * 60_000_000);
    }
    let trouble = trouble(&post, &[Role::Governor]).await;
    assert!(trouble.mail_is_not_set_up && trouble.mail_since_us.is_none());
    assert_eq!(made(&post, "digest").await + made(&post, "all_well").await, 0, "mails do not heap up");
}
