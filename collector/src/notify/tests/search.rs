//! Every message of every purpose and level, by every kind of channel, searched for what must never be in one.

use super::receiver::Receiver;
use super::shared::{TRUSTED, staffed, table};
use super::*;
use crate::store::outbox::Message;
use crate::store::seeded;

const READERS: &str = "readers = [\"dana.dsl\"]\n";
/// Seeded all over the school: names, classes, accounts, hosts, rooms, titles, groups, notes of the collector's keys.
const SEEDED: [&str; 13] = [
    "self",
    "quokka",
    "8zeta",
    "potoroo",
    "bilby",
    "numbat",
    "the words of a window",
    "amy",
    "pupil",
    "tess",
    "self_harm",
    "self-harm",
    "name of",
];

async fn seed(school: &School) {
    seeded::add_device(school).await;
    for sql in [
        "UPDATE persons SET name = 'Amy Quokka', class = '8Zeta', gender = 'bilby', reference = 'numbat'
         WHERE kind = 'pupil'",
        "UPDATE devices SET hostname = 'POTOROO-PC', room = 'Bilby room', device_group = 'numbat'",
        "UPDATE persons SET name = 'Tess Quokka' WHERE kind = 'staff'",
    ] {
        school.write(sql).await;
    }
}

async fn put_everything(school: &School) {
    let dana = school.bytes("SELECT person_id FROM sign_ins WHERE login = 'dana.dsl'").await;
    let person = crate::actor::PersonId::try_from(dana[0].as_slice()).unwrap();
    let concern = school.texts("SELECT reference FROM concerns").await.concat();
    school.write(&format!("UPDATE channels SET failing_since_us = {NINE_US} WHERE name = 'mail'")).await;
    let mut tx = school.store.begin().await.unwrap();
    for (number, (purpose, level)) in
        (0..).zip(Purpose::ALL.into_iter().flat_map(|one| Level::ALL.map(|level| (one, level))))
    {
        let reference = match (purpose.bond(), purpose) {
            (Bond::None, Purpose::CannotSend) => "mail",
            (Bond::None, _) => "2026-09-28",
            (Bond::Sees | Bond::NotTheSubject, _) => concern.as_str(),
        };
        let message = Message { person, purpose, reference, level };
        outbox::insert(&mut tx, &school.id, &message, NINE_US + number).await.unwrap();
        if purpose.bond() == Bond::None {
            let notice = Notice { purpose, reference, level };
            outbox::insert_shared(&mut tx, &school.id, notice, "", NINE_US).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn no_message_of_any_purpose_by_any_channel_says_who_or_what() {
    let school = staffed().await;
    concern(&school, "amy.pupil", Level::High, 1).await;
    school.write("DELETE FROM outbox").await;
    seed(&school).await;
    let (server, pager, room) =
        (FakeServer::open(Offer::StartTls).await, Receiver::open().await, Receiver::open().await);
    std::fs::write(school.path("mail-ca.pem"), server.certificate()).unwrap();
    let of_pager = table(&school, &pager, Kind::Webhook, &format!("{TRUSTED}{READERS}")).replace("hook-ca", "pager-ca");
    std::fs::rename(school.path("hook-ca.pem"), school.path("pager-ca.pem")).unwrap();
    let of_room = table(&school, &room, Kind::Teams, &format!("{TRUSTED}{READERS}"));
    let text = format!("{}{of_pager}{of_room}", smtp(&server, "extra_ca = \"mail-ca.pem\"\n"));
    let channels = Arc::new(ArcSwap::from_pointee(channels(&school, &text).await));
    put_everything(&school).await;

    let notifier = notifier(&school, &Arc::new(ManualClock::at(NINE_US)), &channels);
    let send = async {
        for kind in Kind::ALL {
            while notifier.step(kind).await.unwrap() == Step::Worked {}
        }
    };
    tokio::select! {
        () = send => {}
        () = server.serve() => {}
        () = pager.serve() => {}
        () = room.serve() => {}
    }

    assert_eq!(school.count("SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL").await, 0);
    let reference = school.texts("SELECT reference FROM concerns").await.concat();
    let levels = Level::ALL.len();
    let shared = Purpose::ALL.iter().filter(|one| one.is_shared()).count();
    // The digest is a person's alone.
    assert_eq!(server.mails().len(), Purpose::ALL.len() * levels);
    assert_eq!((pager.posts().len(), room.posts().len()), ((shared + 2) * levels, (shared + 2) * levels));
    for message in server.mails().into_iter().chain(pager.posts()).chain(room.posts()) {
        // A signature is random, and may spell anything; a reference too.
        let message = message.replace(&reference, "");
        let lines = message.lines().filter(|line| !line.starts_with("webhook-signature:"));
        let message = lines.collect::<Vec<_>>().join(" ").to_lowercase();
        for unsaid in SEEDED {
            assert!(!message.contains(unsaid), "`{unsaid}` is in {message}");
        }
    }
}
