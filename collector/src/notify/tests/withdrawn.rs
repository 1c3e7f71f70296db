//! Who may be told is asked when a message is sent.

use super::*;
use crate::store::outbox::Message;

async fn put(post: &Post, purpose: Purpose, person: &str, reference: &str) {
    let ids = post.school.bytes("SELECT person_id FROM sign_ins ORDER BY login").await;
    let logins = post.school.texts("SELECT login FROM sign_ins ORDER BY login").await;
    let place = logins.iter().position(|login| login == person).unwrap();
    let person = crate::actor::PersonId::try_from(ids[place].as_slice()).unwrap();
    let message = Message { person, purpose, reference, level: Level::High };
    let mut tx = post.school.store.begin().await.unwrap();
    outbox::insert(&mut tx, &post.school.id, &message, NINE_US).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn who_became_the_subject_since_is_told_of_nothing() {
    let post = post(Offer::StartTls).await;
    post.school
        .write("UPDATE subjects SET person_id = (SELECT person_id FROM sign_ins WHERE login = 'dana.dsl')")
        .await;
    assert_eq!(post.step().await, Step::Worked);
    assert_eq!(post.school.count("SELECT COUNT(*) FROM outbox").await, 0);
    assert!(post.server.mails().is_empty());
}

#[tokio::test]
async fn who_may_not_see_a_concern_any_more_is_not_told_of_it() {
    let post = post(Offer::StartTls).await;
    post.school.write("DELETE FROM concern_recipients").await;
    post.send_all().await;
    assert!(post.server.mails().is_empty());
}

#[tokio::test]
async fn what_only_the_subject_must_not_know_reaches_others_and_never_the_subject() {
    for purpose in [Purpose::ReadAlone, Purpose::Request] {
        let post = post(Offer::StartTls).await;
        post.school.write("DELETE FROM outbox").await;
        post.school.person("hal.head", Sort::Staff, &[Role::Headteacher]).await;
        let reference = post.school.texts("SELECT reference FROM concerns").await.concat();
        // A request has a reference of its own, and names the concern.
        let own = if purpose == Purpose::Request { "R7-3F2P" } else { &reference };
        post.school
            .write(
                "INSERT INTO requests (school_id, request_id, reference, change, reason, concern_id, person_id, asked_us,
                 lapses_us, state) SELECT school_id, concern_id, 'R7-3F2P', '{}', '', concern_id, concern_id, 1, 2,
                 'waiting' FROM concerns",
            )
            .await;
        put(&post, purpose, "hal.head", own).await;
        post.send_all().await;
        assert_eq!(post.server.mails().len(), 1, "{purpose:?}");

        post.school
            .write("UPDATE subjects SET person_id = (SELECT person_id FROM sign_ins WHERE login = 'hal.head')")
            .await;
        put(&post, purpose, "hal.head", own).await;
        post.send_all().await;
        assert_eq!(post.server.mails().len(), 1, "{purpose:?}");
        assert_eq!(post.school.count("SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL").await, 0);
    }
}

#[tokio::test]
async fn an_address_that_the_subject_reads_too_gets_nothing_and_the_others_are_told() {
    let post = post(Offer::StartTls).await;
    post.school.person("dee.deputy", Sort::Staff, &[Role::DeputyDsl]).await;
    post.school.write("UPDATE persons SET mail = 'dana.dsl@hill.example' WHERE kind = 'pupil'").await;
    post.school
        .write(
            "INSERT INTO concern_recipients (school_id, concern_id, person_id, reason, since_us)
        SELECT c.school_id, c.concern_id, i.person_id, 'pupil', 1 FROM concerns AS c, sign_ins AS i
        WHERE i.login = 'dee.deputy'",
        )
        .await;
    post.send_all().await;
    let codes = "SELECT COALESCE(last_error, 'sent') FROM outbox ORDER BY created_us, kind";
    assert_eq!(post.school.texts(codes).await, ["shared_address", "sent"]);
    let [mail] = post.server.mails().try_into().unwrap();
    assert!(mail.contains("To: dee.deputy@hill.example"), "{mail}");
}

#[tokio::test]
async fn nobody_is_told_that_a_concern_waits_which_somebody_acknowledged_meanwhile() {
    let post = post(Offer::StartTls).await;
    post.send_all().await;
    let reference = post.school.texts("SELECT reference FROM concerns").await.concat();
    for purpose in [Purpose::Climbed, Purpose::Again] {
        put(&post, purpose, "dana.dsl", &reference).await;
    }
    post.step().await;
    assert_eq!(post.server.mails().len(), 2);
    post.school.write("UPDATE concerns SET state = 'acknowledged'").await;
    post.send_all().await;
    assert_eq!(post.server.mails().len(), 2);
    assert_eq!(post.school.count("SELECT COUNT(*) FROM outbox").await, 2);
}

#[tokio::test]
async fn a_message_says_who_is_watching_when_it_is_sent() {
    let post = post(Offer::StartTls).await;
    post.server.answer(Answer::Later);
    post.step().await;
    post.clock.advance_us(12 * 3_600_000_000);
    post.server.answer(Answer::Accept);
    post.step().await;
    let said = post.server.mails().concat().replace('\n', " ");
    assert!(said.contains("outside school hours, and nobody is promised to be watching"), "{said}");
}
