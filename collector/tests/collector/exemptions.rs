//! Exemptions: agreed on at the collector, announced to a device, fetched, believed, and counted.

use std::io::Read;
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use lapwing_collector::actor::{Actor, PersonId, Role};
use lapwing_collector::clock::Clock;
use lapwing_collector::exemption::Plan;
use lapwing_collector::requests::{Answer, Approvals, Change, State};
use lapwing_collector::store::Store;
use lapwing_proto::wire::control_down::Directive;
use lapwing_proto::{ExemptionId, ExemptionList, wire};
use lapwing_rules::{Category, Digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::Notify;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::control::{Control, status};
use crate::device::Device;
use crate::school::School;

const MINUTE_US: i64 = 60_000_000;

/// The people of the school, and where they agree.
struct Office {
    store: Store,
    desk: Approvals,
    teacher: Actor,
    dsl: Actor,
    technician: Actor,
}

impl Office {
    async fn open(school: &School) -> Self {
        let store = Store::open(&school.path("data/lapwing.db")).await.unwrap();
        let desk = Approvals::new(store.clone(), school.clock.clone(), Arc::new(Notify::new()));
        let mut actors = Vec::new();
        for (number, role) in [(1, None), (2, Some(Role::Dsl)), (3, Some(Role::Technician))] {
            let person = PersonId::from_bytes([number; 16]);
            add(school, person, role).await;
            let roles = role.into_iter().collect();
            actors.push(Actor::Person { school: "sample-school".parse().unwrap(), person, roles });
        }
        let [teacher, dsl, technician] = actors.try_into().unwrap();
        Self { store, desk, teacher, dsl, technician }
    }

    /// Agrees on an hour in the devices' group that begins now.
    async fn agree(&self, now_us: i64, id: u8) {
        let exemption = Plan {
            id: ExemptionId::from_bytes([id; 16]),
            categories: [Category::Drugs].into(),
            whole_school: false,
            groups: ["ict-suite".to_owned()].into(),
            rooms: [].into(),
            from_us: now_us,
            until_us: now_us + 60 * MINUTE_US,
            lesson_minutes: 60,
            risks: "The teacher walks round.".to_owned(),
        };
        let reference = self.desk.ask(&self.teacher, Change::Exempt { exemption }, "a lesson").await.unwrap();
        self.desk.answer(&self.technician, &reference, Answer::Seen).await.unwrap();
        assert_eq!(self.desk.answer(&self.dsl, &reference, Answer::Approved).await.unwrap(), State::Done);
    }
}

async fn add(school: &School, person: PersonId, role: Option<Role>) {
    let id = person.as_bytes().as_slice();
    let person = "INSERT INTO persons (school_id, person_id, name, kind, band, class)
         VALUES ('sample-school', $1, 'Somebody', 'staff', 'staff', '')";
    school.write(sqlx::query(person).bind(id)).await;
    let Some(role) = role else { return };
    let roles = "INSERT INTO person_roles (school_id, person_id, role) VALUES ('sample-school', $1, $2)";
    school.write(sqlx::query(roles).bind(id).bind(role.as_str())).await;
    let sign_in = "INSERT INTO sign_ins (school_id, login, person_id, mail, password)
         VALUES ('sample-school', $2, $1, '', '')";
    school.write(sqlx::query(sign_in).bind(id).bind(role.as_str())).await;
}

/// Fetches what was announced, and reads it as a device does that trusts the school's authority.
async fn fetched(school: &School, device: &Device, announced: &wire::Available) -> ExemptionList {
    let request = wire::FetchRequest { artefact: wire::Artefact::Exemptions.into(), release: announced.release };
    let mut chunks = device.uplink(school).await.fetch(request).await.unwrap().into_inner();
    let (mut compressed, mut bytes) = (Vec::new(), Vec::new());
    while let Some(chunk) = chunks.message().await.unwrap() {
        compressed.extend(chunk.data);
    }
    ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
    assert_eq!(announced.digest, Digest::of(&bytes).as_bytes());
    let pem = school.authority().await;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let key = certificate.public_key().subject_public_key.data.to_vec();
    let list = ExemptionList::open(&bytes, |message, signature| {
        let provider = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        provider.all.iter().any(|algorithm| algorithm.verify_signature(&key, message, signature).is_ok())
    });
    list.unwrap()
}

async fn announced(control: &mut Control) -> wire::Available {
    match control.directive().await {
        Some(Directive::Exemptions(available)) => available,
        other => panic!("no announcement: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_agreed_on_is_announced_fetched_and_believed_and_its_hits_are_counted() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let office = Office::open(&school).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;
    let now_us = school.clock.wall_us();

    office.agree(now_us, 1).await;
    let available = announced(&mut control).await;
    let list = fetched(&school, &device, &available).await;

    assert_eq!((list.number, list.exemptions.len()), (available.release, 1));
    let lesson = &list.exemptions[0];
    assert_eq!((lesson.from_us, lesson.until_us), (now_us, now_us + 60 * MINUTE_US));
    assert!(lesson.groups.is_empty(), "it is the device's own group");
    let held = wire::Status { exemptions_number: available.release, ..status(wire::Health::Working) };
    let day = u32::try_from(now_us / 86_400_000_000).unwrap();
    let counted = |key: String| wire::Count { key, day, count: 3 };
    let counts = vec![counted(format!("exempted:{}:drugs", lesson.id)), counted("exempted:exm-00:drugs".into())];
    control.received(wire::Status { counts, ..held.clone() }).await;
    assert_eq!(school.count("SELECT SUM(hits) FROM exemption_hits").await, 3);
    assert_eq!(school.count("SELECT COUNT(*) FROM anonymous_counts").await, 0, "nothing else is kept of it");
    office.agree(now_us + 2 * 60 * MINUTE_US, 2).await;
    let newer = announced(&mut control).await;
    assert!(newer.release > available.release);
    assert_eq!(fetched(&school, &device, &newer).await.exemptions.len(), 2);
    office.store.close().await;
}

#[tokio::test]
async fn a_device_that_started_anew_is_told_again_and_one_that_knows_is_not() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    let office = Office::open(&school).await;
    office.agree(school.clock.wall_us(), 1).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;
    let available = announced(&mut control).await;
    let held = wire::Status { exemptions_number: available.release, ..status(wire::Health::Working) };

    let mut knows = Control::open(&device, &school).await;
    knows.received(held.clone()).await;
    knows.received(held).await;
    let mut anew = Control::open(&device, &school).await;
    anew.received(status(wire::Health::Working)).await;

    assert_eq!(announced(&mut anew).await.release, available.release);
    office.store.close().await;
}
