//! What every page says where messages do not go out: nobody is to rely on one that never comes.

use super::words::Present;
use crate::store::channels::{MOST_COUNTED, Trouble};

/// The sentences, the most pressing first; none where all is well.
pub(super) fn sentences(trouble: &Trouble, present: &Present) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(since_us) = trouble.mail_since_us {
        said.push(format!("Mail cannot be sent since {}. Look at your list yourself.", present.when(since_us)));
    }
    if trouble.mail_is_not_set_up {
        said.push(
            "No mail server is set up: nobody is told of anything by mail. Look at your list yourself.".to_owned(),
        );
    }
    match trouble.undelivered {
        0 => {}
        1 => said.push("1 message that you should know of was not delivered. Look at your list yourself.".to_owned()),
        many => {
            let or_more = if many >= MOST_COUNTED { " or more" } else { "" };
            said.push(format!(
                "{many}{or_more} messages that you should know of were not delivered. Look at your list yourself."
            ));
        }
    }
    match trouble.shared {
        0 => {}
        1 => said.push("1 shared channel for messages cannot be used.".to_owned()),
        many => said.push(format!("{many} shared channels for messages cannot be used.")),
    }
    said
}

#[cfg(test)]
mod tests {
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;
    use crate::store::fixture::NINE_US;

    const HOUR_US: i64 = 3_600_000_000;

    /// A school whose channel `name` has failed with `code` for an hour.
    async fn failing(name: &str, code: &str) -> Seeded {
        let seeded = Seeded::open().await;
        let since_us = NINE_US - HOUR_US;
        let row = format!(
            "INSERT INTO channels (school_id, name, kind, has_readers, failing_since_us, code)
             VALUES ('hill-school', '{name}', 'mail', 0, {since_us}, '{code}')"
        );
        seeded.school.write(&row).await;
        seeded
    }

    #[tokio::test]
    async fn every_page_says_that_mail_cannot_be_sent_and_since_when() {
        let seeded = failing("mail", "timeout").await;
        for (person, path) in [("dsl", "/queue"), ("tech", "/devices"), ("governor", "/counts"), ("head", "/queue")] {
            let page = seeded.visitor(person).await.get(path).await.body;
            assert!(page.contains("Mail cannot be sent since 09:00. Look at your list yourself."), "{person}: {page}");
        }
        seeded.school.write("UPDATE channels SET failing_since_us = NULL").await;
        assert!(!seeded.visitor("dsl").await.get("/queue").await.body.contains("cannot be sent"));
    }

    #[tokio::test]
    async fn without_a_mail_server_every_page_says_so() {
        let seeded = failing("mail", "not_set_up").await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("No mail server is set up") && !page.contains("Mail cannot be sent"), "{page}");
    }

    #[tokio::test]
    async fn a_shared_channel_that_fails_is_the_technicians_to_know() {
        let seeded = failing("pager", "tls").await;
        assert!(seeded.visitor("tech").await.get("/devices").await.body.contains("1 shared channel for messages"));
        assert!(!seeded.visitor("dsl").await.get("/queue").await.body.contains("shared channel"));
    }

    #[tokio::test]
    async fn an_undelivered_message_is_shown_to_its_reader_and_never_to_whom_it_is_about() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        let without = technician.get("/devices").await.body;
        // About the technician: the head and the DSL are told, and one of the messages is given up.
        seeded.concern("tech", Category::MalwareHacking, Level::High, "words").await;
        seeded.school.write(&format!("UPDATE outbox SET dead_us = {NINE_US}, last_error = 'no_address'")).await;
        assert!(seeded.visitor("dsl").await.get("/queue").await.body.contains("that you should know of"));
        assert!(!seeded.visitor("governor").await.get("/counts").await.body.contains("that you should know of"));
        assert_eq!(technician.get("/devices").await.body, without);
        seeded
            .school
            .write(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 150)
                 INSERT INTO outbox (school_id, message_id, channel, person_id, kind, reference, level, created_us, due_us, dead_us)
                 SELECT school_id, randomblob(16), channel, person_id, kind, reference, level, created_us, due_us, dead_us
                 FROM outbox, n WHERE dead_us IS NOT NULL",
            )
            .await;
        let many = "100 or more messages that you should know of were not delivered";
        assert!(seeded.visitor("dsl").await.get("/queue").await.body.contains(many));
    }
}
