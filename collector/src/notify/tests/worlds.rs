//! Two worlds that differ only in a concern about one person send that person the same.

use super::receiver::Receiver;
use super::shared::{TRUSTED, staffed, table};
use super::*;

const HOUR_US: i64 = 3_600_000_000;

/// Everything that `reader` was sent on one day, by mail and by a channel that they and the DSL read, in order.
async fn sent_to(reader: &str, concerns_about: &[&str]) -> Vec<String> {
    sent_where("", reader, concerns_about).await
}

/// As [`sent_to`], in a school that is another by a statement.
async fn sent_where(sql: &str, reader: &str, concerns_about: &[&str]) -> Vec<String> {
    let school = staffed().await;
    if !sql.is_empty() {
        school.write(sql).await;
    }
    let (server, receiver) = (FakeServer::open(Offer::StartTls).await, Receiver::open().await);
    std::fs::write(school.path("mail-ca.pem"), server.certificate()).unwrap();
    let readers = format!("{TRUSTED}readers = [\"{reader}\", \"dana.dsl\"]\n");
    let text = format!(
        "{}{}[notify]\nall_well_to = [\"technician\", \"dsl\", \"deputy_dsl\", \"headteacher\"]\n",
        smtp(&server, "extra_ca = \"mail-ca.pem\"\n"),
        table(&school, &receiver, Kind::Webhook, &readers)
    );
    let channels = Arc::new(ArcSwap::from_pointee(channels(&school, &text).await));
    let clock = Arc::new(ManualClock::at(NINE_US));
    let notifier = notifier(&school, &clock, &channels);
    for (seq, account) in (1..).zip(concerns_about) {
        concern(&school, account, Level::Critical, seq).await;
    }
    let day = async {
        for _ in 0..8 {
            notifier.round().await.unwrap();
            for kind in Kind::ALL {
                while notifier.step(kind).await.unwrap() == Step::Worked {}
            }
            clock.advance_us(HOUR_US);
        }
    };
    tokio::select! {
        () = day => {}
        () = server.serve() => unreachable!("the server serves until it is dropped"),
        () = receiver.serve() => unreachable!("the receiver serves until it is dropped"),
    }
    let references = school.texts("SELECT reference FROM concerns").await;
    let to = format!("To: {reader}@hill.example");
    let mails = server.mails().into_iter().filter(|mail| mail.contains(&to));
    mails.chain(receiver.posts()).map(|message| masked(&message, &references)).collect()
}

/// Without what is random in every world.
fn masked(message: &str, references: &[String]) -> String {
    let random = ["Message-ID:", "webhook-id:", "webhook-signature:", "content-length:", "host:"];
    let lines = message.lines().filter(|line| !random.iter().any(|start| line.starts_with(start)));
    let text = lines.collect::<Vec<_>>().join("\n");
    references.iter().fold(text, |text, reference| text.replace(reference, "REFERENCE"))
}

#[tokio::test]
async fn whom_a_concern_is_about_is_sent_the_same_with_it_as_without() {
    for reader in ["dana.dsl", "dee.deputy", "hal.head", "tess.tech"] {
        let without = sent_to(reader, &["amy.pupil"]).await;
        let with = sent_to(reader, &["amy.pupil", reader]).await;
        assert_eq!(with, without, "{reader}");
        assert!(!without.is_empty(), "{reader}");
    }
    // The comparison sees a concern where there is one to be seen.
    assert_ne!(sent_to("dana.dsl", &["amy.pupil", "ben.pupil"]).await, sent_to("dana.dsl", &["amy.pupil"]).await);
}

#[tokio::test]
async fn whoever_reads_a_colleagues_mail_too_is_sent_the_same_with_a_concern_about_them_as_without() {
    for reader in ["dee.deputy", "hal.head"] {
        let shared = format!("UPDATE sign_ins SET mail = '{reader}@hill.example' WHERE login = 'dana.dsl'");
        let without = sent_where(&shared, reader, &["amy.pupil"]).await;
        let with = sent_where(&shared, reader, &["amy.pupil", reader]).await;
        assert_eq!(with, without, "{reader}");
        assert!(!without.is_empty(), "{reader}");
    }
}
