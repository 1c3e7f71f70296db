//! A device: keys, a certificate, and the streams it opens.

use lapwing_proto::joining::{point_of, proof_message};
use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::wire::enrol_client::EnrolClient;
use lapwing_proto::wire::uplink_client::UplinkClient;
use lapwing_proto::{BootId, Capture, Category, Epoch, Excerpt, Hit, MINOR, Open, Signal, Verdict, wire};
use lapwing_rules::{Band, Digest, Level, Mark, Release, Scope, Span};
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Status, Streaming};

use crate::school::School;

/// An enrolled device.
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) epoch: Epoch,
    pub(crate) hardware_hash: Vec<u8>,
    key: KeyPair,
    identity: Identity,
    authority: String,
}

/// An open delivery.
pub(crate) struct Delivery {
    pub(crate) up: mpsc::Sender<wire::DeliverUp>,
    pub(crate) down: Streaming<wire::DeliverDown>,
}

/// A key and the request made with it.
pub(crate) fn key_and_request() -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
    (key, request)
}

/// A join with `token`; what is in it otherwise is sound.
pub(crate) fn join(token: &str, csr: Vec<u8>) -> wire::JoinRequest {
    let facts = wire::DeviceFacts {
        hostname: "pc-12".into(),
        hardware_hash: vec![3; 32],
        os: "linux".into(),
        agent_version: "0.1.0".into(),
        room: "Room 12".into(),
        serial_hash: Vec::new(),
    };
    wire::JoinRequest { token: token.to_owned(), csr, facts: Some(facts), proof: None, spool: None }
}

/// A client of the enrolment listener, without a certificate.
pub(crate) async fn enrolment(school: &School) -> EnrolClient<Channel> {
    let address = school.collector().addresses().enrol;
    EnrolClient::new(connect(&format!("https://{address}"), &school.authority().await, None).await.unwrap())
}

/// A TLS connection that trusts `authority`.
pub(crate) async fn connect(
    url: &str,
    authority: &str,
    identity: Option<Identity>,
) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).domain_name("localhost");
    let tls = match identity {
        Some(identity) => tls.identity(identity),
        None => tls,
    };
    Channel::from_shared(url.to_owned()).unwrap().tls_config(tls)?.connect().await
}

/// The code of a refusal, which details and metadata have to agree on.
pub(crate) fn code_of(status: &Status) -> wire::ErrorCode {
    let refusal = wire::Refusal::decode(status.details()).unwrap();
    let metadata = status.metadata().get(lapwing_collector::ingest::ERROR_CODE_KEY);
    let metadata = metadata.unwrap_or_else(|| panic!("no refusal: {status:?}"));
    assert_eq!(metadata.to_str().unwrap(), refusal.code.to_string());
    refusal.code()
}

impl Device {
    pub(crate) async fn enrol(school: &School) -> Self {
        let (key, csr) = key_and_request();
        let joined = enrolment(school).await.join(join(&school.token(1).await, csr)).await.unwrap().into_inner();
        Self {
            id: joined.device_id,
            epoch: Epoch::random().unwrap(),
            hardware_hash: vec![3; 32],
            identity: identity(&joined.certificate, &key),
            key,
            authority: school.authority().await,
        }
    }

    /// The proof that it holds its key, over a nonce.
    pub(crate) fn proof(&self, nonce: &[u8], csr: &[u8], reason: wire::JoinReason) -> wire::Proof {
        let point = point_of(&self.key.subject_public_key_info()).unwrap();
        let message = proof_message(&nonce.try_into().unwrap(), csr, self.id.parse().unwrap(), reason);
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key.serialize_der(), &random);
        wire::Proof {
            device_id: self.id.clone(),
            public_key: point.to_vec(),
            nonce: nonce.to_vec(),
            signature: pair.unwrap().sign(&random, &message).unwrap().as_ref().to_vec(),
            reason: reason.into(),
        }
    }

    /// Joins again by its key, as a PC with these facts.
    pub(crate) async fn rejoin(
        &self,
        school: &School,
        csr: Vec<u8>,
        reason: wire::JoinReason,
    ) -> Result<wire::JoinResponse, wire::ErrorCode> {
        let mut enrolment = enrolment(school).await;
        let challenge = enrolment.challenge(wire::ChallengeRequest {}).await.unwrap().into_inner();
        let proof = Some(self.proof(&challenge.nonce, &csr, reason));
        let answer = enrolment.join(wire::JoinRequest { proof, ..join("", csr) }).await;
        answer.map(tonic::Response::into_inner).map_err(|status| code_of(&status))
    }

    /// What it is after it joined again with `key`.
    pub(crate) fn joined(&self, response: wire::JoinResponse, key: KeyPair) -> Self {
        Self {
            id: response.device_id,
            epoch: self.epoch,
            hardware_hash: self.hardware_hash.clone(),
            identity: identity(&response.certificate, &key),
            key,
            authority: self.authority.clone(),
        }
    }

    /// Whether the uplink answers it.
    pub(crate) async fn is_served(&self, school: &School) -> bool {
        let Ok(channel) = self.channel(school, None).await else { return false };
        let ask = wire::ResolveSessionRequest { account: "amy.b".into(), groups: Vec::new() };
        UplinkClient::new(channel).resolve_session(ask).await.is_ok()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// A connection with the device's certificate, its windows of `window_bytes` where given.
    pub(crate) async fn channel(
        &self,
        school: &School,
        window_bytes: Option<u32>,
    ) -> Result<Channel, tonic::transport::Error> {
        let url = format!("https://{}", school.collector().addresses().uplink);
        let tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority)).domain_name("localhost");
        let endpoint = Channel::from_shared(url).unwrap().tls_config(tls.identity(self.identity()))?;
        endpoint.initial_stream_window_size(window_bytes).connect().await
    }

    pub(crate) async fn uplink(&self, school: &School) -> UplinkClient<Channel> {
        self.uplink_as(school, self.identity()).await
    }

    /// With another certificate than its own.
    pub(crate) async fn uplink_as(&self, school: &School, identity: Identity) -> UplinkClient<Channel> {
        let url = format!("https://{}", school.collector().addresses().uplink);
        UplinkClient::new(connect(&url, &self.authority, Some(identity)).await.unwrap())
    }

    pub(crate) fn hello(&self, incarnation: &[u8]) -> wire::Hello {
        wire::Hello {
            epoch: self.epoch.as_bytes().to_vec(),
            hardware_hash: self.hardware_hash.clone(),
            boot_id: vec![1; 16],
            incarnation: incarnation.to_vec(),
            minor: MINOR,
            agent_version: "0.1.0".into(),
            lanes: Vec::new(),
            boot_us: 0,
            earlier_boots: Vec::new(),
        }
    }

    /// Of a PC that the device's state was copied to, and whose firmware names nobody.
    pub(crate) fn hello_of_copy(&self, incarnation: &[u8]) -> wire::Hello {
        wire::Hello { boot_id: vec![2; 16], hardware_hash: Vec::new(), ..self.hello(incarnation) }
    }

    /// Opens a delivery and says Hello; what comes back is a Welcome or a refusal.
    pub(crate) async fn greet(&self, school: &School, hello: wire::Hello) -> (Delivery, Down) {
        let mut delivery = Delivery::open(self.uplink(school).await).await;
        let answer = delivery.send(Up::Hello(hello)).await.unwrap();
        (delivery, answer)
    }

    /// Opens a delivery that is welcome.
    pub(crate) async fn deliver(&self, school: &School, incarnation: &[u8]) -> (Delivery, wire::Welcome) {
        match self.greet(school, self.hello(incarnation)).await {
            (delivery, Down::Welcome(welcome)) => (delivery, welcome),
            (_, other) => panic!("not welcome: {other:?}"),
        }
    }
}

impl Delivery {
    pub(crate) async fn open(mut uplink: UplinkClient<Channel>) -> Self {
        let (up, sent) = mpsc::channel(4);
        let down = uplink.deliver(ReceiverStream::new(sent)).await.unwrap().into_inner();
        Self { up, down }
    }

    /// Sends one message and takes the answer; none when the collector ended the stream.
    pub(crate) async fn send(&mut self, message: Up) -> Option<Down> {
        self.up.send(wire::DeliverUp { message: Some(message) }).await.unwrap();
        self.down.message().await.unwrap().map(|down| down.message.unwrap())
    }

    /// The high-water mark that a batch is acknowledged with.
    pub(crate) async fn acknowledged(&mut self, batch: wire::Batch) -> u64 {
        match self.send(Up::Batch(batch)).await {
            Some(Down::Ack(ack)) => ack.through.first().unwrap().through,
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// The code that a batch is refused with; the stream ends after it.
    pub(crate) async fn refused(&mut self, batch: wire::Batch) -> wire::ErrorCode {
        match self.send(Up::Batch(batch)).await {
            Some(Down::Refusal(refusal)) => {
                assert!(self.down.message().await.unwrap().is_none());
                refusal.code()
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}

pub(crate) fn identity(certificate: &[u8], key: &KeyPair) -> Identity {
    let certificate = rcgen_pem(&CertificateDer::from(certificate.to_vec()));
    Identity::from_pem(certificate, key.serialize_pem())
}

fn rcgen_pem(der: &CertificateDer<'_>) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// `count` captures of level 3 from `first` on.
pub(crate) fn batch(first: u64, count: usize) -> wire::Batch {
    wire::Batch { lane: 3, first_seq: first, captures: vec![capture(); count], gaps: Vec::new() }
}

pub(crate) fn capture() -> wire::Capture {
    let span = Span { text: 0, start: 0, end: 4, mark: Mark::Topic, weight: 0 };
    let hit = Hit {
        rule: "drugs.sample".parse().unwrap(),
        category: Category::Known(lapwing_rules::Category::Drugs),
        level: Level::Moderate,
        spans: vec![span],
        excepted: Vec::new(),
        weight: 0,
    };
    let capture = Capture {
        signal: Open::Known(Signal::Title),
        wall_us: 1_790_586_000_000_000,
        boot_us: 5,
        boot_id: BootId::from_bytes([1; 16]),
        account: lapwing_proto::Account { name: "amy.b".into(), session: "2".into(), groups: vec!["pupils".into()] },
        app: "editor".into(),
        private_window: false,
        excerpts: vec![Excerpt { scope: Open::Known(Scope::Title), text: "word in a title".into() }],
        verdict: Verdict {
            release: Release::new(1),
            rule_set: Digest::from_bytes([2; 32]),
            band: Open::Known(Band::Ks3),
            hits: vec![hit],
        },
        sealed_reference: Vec::new(),
        repeats: 0,
        media: None,
        url_blind: false,
        burst: 1,
    };
    capture.into()
}
