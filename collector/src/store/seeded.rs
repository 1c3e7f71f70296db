//! Rows that pages of the console show: for tests.

use lapwing_proto::DeviceId;

use super::devices::{self, NewDevice};
use super::fixture::{DEVICE, NINE_US, School};
use crate::actor::PersonId;

/// The reference of the concern that was made last.
pub(crate) async fn last_reference(school: &School) -> String {
    sqlx::query_scalar("SELECT reference FROM concerns ORDER BY rowid DESC LIMIT 1")
        .fetch_one(school.store.reader())
        .await
        .unwrap()
}

/// Moves a concern to `state`.
pub(crate) async fn set_state(school: &School, reference: &str, state: &str) {
    let mut tx = school.store.begin().await.unwrap();
    sqlx::query("UPDATE concerns SET state = $2 WHERE reference = $1")
        .bind(reference)
        .bind(state)
        .execute(tx.connection())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Adds a person with an account of that name, and roles.
pub(crate) async fn add_person(school: &School, person: PersonId, facts: [&str; 5], roles: &[&str]) {
    let [account, name, kind, band, class] = facts;
    let mut tx = school.store.begin().await.unwrap();
    sqlx::query("INSERT INTO persons (school_id, person_id, name, kind, band, class) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(school.id.as_str())
        .bind(person.as_bytes().as_slice())
        .bind(name)
        .bind(kind)
        .bind(band)
        .bind(class)
        .execute(tx.connection())
        .await
        .unwrap();
    sqlx::query("INSERT INTO accounts (school_id, account, person_id) VALUES ($1, $2, $3)")
        .bind(school.id.as_str())
        .bind(account)
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await
        .unwrap();
    if kind == "staff" {
        let sign_in = "INSERT INTO sign_ins (school_id, login, person_id, mail, password) VALUES ($1, $2, $3, '', '')";
        sqlx::query(sign_in)
            .bind(school.id.as_str())
            .bind(format!("{account}.another"))
            .bind(person.as_bytes().as_slice())
            .execute(tx.connection())
            .await
            .unwrap();
    }
    for role in roles {
        sqlx::query("INSERT INTO person_roles (school_id, person_id, role) VALUES ($1, $2, $3)")
            .bind(school.id.as_str())
            .bind(person.as_bytes().as_slice())
            .bind(role)
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

/// Adds the device, one sensor of which is blind.
pub(crate) async fn add_device(school: &School) {
    let mut tx = school.store.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO devices (school_id, device_id, hostname, room, device_group, os, agent_version, enrolled_us,
         heard_us, rule_set_release) VALUES ($1, $2, 'PC-12', 'IT room', 'pupils', 'linux', '0.1.0', 1, $3, 1)",
    )
    .bind(school.id.as_str())
    .bind(DEVICE.as_bytes().as_slice())
    .bind(NINE_US)
    .execute(tx.connection())
    .await
    .unwrap();
    let sensor = "INSERT INTO device_sensors (school_id, device_id, sensor, session, health, reason, detail, since_us)
         VALUES ($1, $2, $3, '3', $4, $5, '', 1)";
    for (name, health, reason) in [("titles", 1, ""), ("urls", 2, "extension_silent")] {
        sqlx::query(sensor)
            .bind(school.id.as_str())
            .bind(DEVICE.as_bytes().as_slice())
            .bind(name)
            .bind(health)
            .bind(reason)
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

/// A device that enrols.
pub(crate) struct Enrolling<'a> {
    pub(crate) device: DeviceId,
    pub(crate) hostname: &'a str,
    pub(crate) room: &'a str,
    pub(crate) enrolled_us: i64,
}

/// Enrols a device.
pub(crate) async fn enrol(school: &School, new: &Enrolling<'_>) {
    let mut tx = school.store.begin().await.unwrap();
    let new = NewDevice {
        device: new.device,
        hostname: new.hostname,
        room: new.room,
        device_group: "pupils",
        hardware_hash: &[],
        os: "linux",
        agent_version: "0.1.0",
        enrolled_us: new.enrolled_us,
        copied_from: None,
    };
    devices::insert(&mut tx, &school.id, &new).await.unwrap();
    tx.commit().await.unwrap();
}

/// Devices were heard, and some said goodbye after it.
pub(crate) async fn say(school: &School, words: &[(DeviceId, i64, Option<i64>)], now_us: i64) {
    let heard: Vec<_> = words.iter().map(|(device, heard_us, _)| (*device, *heard_us)).collect();
    devices::heard(&school.store, &school.id, &heard, now_us).await.unwrap();
    let mut tx = school.store.begin().await.unwrap();
    for (device, _, goodbye_us) in words {
        if let Some(goodbye_us) = goodbye_us {
            devices::goodbye(&mut tx, &school.id, *device, "shutdown", *goodbye_us).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}
