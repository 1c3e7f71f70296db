//! A collector that does as its script says, and remembers what it was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use lapwing_proto::{DeviceId, Incarnation, MINOR, wire};
use prost::Message;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use wire::enrol_server::EnrolServer;
use wire::uplink_server::UplinkServer;
use wire::{control_down, control_up, deliver_down, deliver_up};

use super::book::Book;
use super::{CollectorUrl, Fingerprint, PATIENCE};
use crate::identity::{DeviceKey, Identity};

mod service;

pub(super) const TOKEN: &str = "lwt-the-token";
const DEVICE: DeviceId = DeviceId::from_bytes([5; 16]);
/// What a copy becomes.
pub(super) const COPY: DeviceId = DeviceId::from_bytes([6; 16]);
const NONCE: [u8; 32] = [9; 32];

/// What goes wrong, and what is published.
#[derive(Default)]
pub(super) struct Script {
    /// Delivery streams to cut, each after committing this many batches and before acknowledging the last.
    pub(super) cuts: Vec<usize>,
    /// What a Hello is refused with, first come first.
    pub(super) refuse_hello: Vec<wire::Refusal>,
    /// What an incarnation that is held is refused with, first come first.
    pub(super) refuse_held: Vec<wire::Refusal>,
    /// A capture with this tag is malformed.
    pub(super) malformed: Option<u64>,
    /// What enrolment is refused with.
    pub(super) refuse_join: Option<wire::ErrorCode>,
    /// What the first Join that could be answered is refused with all the same.
    pub(super) refuse_after_join: Option<wire::ErrorCode>,
    /// An artefact: release and bytes.
    pub(super) rule_set: Option<(u64, Vec<u8>)>,
    /// A list of exemptions: number and bytes.
    pub(super) exemptions: Option<(u64, Vec<u8>)>,
    /// Nothing that is asked for is there any more.
    pub(super) gone: bool,
    /// Ask for renewal.
    pub(super) renew: bool,
    /// What a status is answered with.
    pub(super) trouble: i32,
    /// Captures that may be in flight; 0 stands for many.
    pub(super) credit: u32,
}

/// What it was told.
#[derive(Default)]
pub(super) struct Told {
    script: Script,
    pub(super) book: Book,
    pub(super) hellos: Vec<wire::Hello>,
    pub(super) incarnations: Vec<Vec<u8>>,
    pub(super) statuses: Vec<wire::Status>,
    pub(super) goodbyes: Vec<wire::GoodbyeReason>,
    pub(super) joins: Vec<wire::DeviceFacts>,
    /// Every Join that came with a token or proof that holds.
    pub(super) asked: Vec<wire::JoinRequest>,
    /// Incarnations said to be held.
    pub(super) held: usize,
    pub(super) largest_batch: usize,
    pub(super) resolved: usize,
    pub(super) renewals: usize,
    pub(super) fetches: usize,
}

/// Serves a service on a port of its own, and answers where.
macro_rules! listen {
    ($config:expr, $service:expr) => {{
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, service) = (TlsAcceptor::from(Arc::new($config)), $service);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let server = auto::Builder::new(TokioExecutor::new()).http2_only();
                    // A client that went away is no news.
                    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
                });
            }
        });
        address
    }};
}

#[expect(clippy::disallowed_methods, reason = "a test's own server")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    devices_of: Option<CertificateDer<'static>>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = match devices_of {
        None => builder.unwrap().with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.unwrap().with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// A running fake.
pub(super) struct Collector {
    told: Arc<Mutex<Told>>,
    changed: watch::Receiver<u64>,
    addresses: [SocketAddr; 2],
    fingerprint: Fingerprint,
}

#[derive(Clone)]
struct Fake {
    told: Arc<Mutex<Told>>,
    change: watch::Sender<u64>,
    authority: Arc<Issuer<'static, KeyPair>>,
    authority_der: Vec<u8>,
}

impl Collector {
    pub(super) async fn start(script: Script) -> Self {
        let (authority, issuer) = authority();
        let told = Arc::new(Mutex::new(Told { script, ..Told::default() }));
        let (change, changed) = watch::channel(0);
        let fake = Fake {
            told: Arc::clone(&told),
            change,
            authority: Arc::new(issuer),
            authority_der: authority.der().to_vec(),
        };
        let server_key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(vec!["localhost".into()]).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.signed_by(&server_key, fake.authority.as_ref()).unwrap();
        let chain = vec![server.der().clone(), authority.der().clone()];
        let config = |mutual| server_config(chain.clone(), &server_key, mutual);
        let enrol = listen!(config(None), EnrolServer::new(fake.clone()));
        let uplink = listen!(config(Some(authority.der().clone())), UplinkServer::new(fake));
        let fingerprint = Fingerprint::of(authority.der());
        Self { told, changed, addresses: [enrol, uplink], fingerprint }
    }

    pub(super) fn enrol_url(&self) -> CollectorUrl {
        format!("https://localhost:{}", self.addresses[0].port()).parse().unwrap()
    }

    pub(super) fn uplink_url(&self) -> CollectorUrl {
        format!("https://localhost:{}", self.addresses[1].port()).parse().unwrap()
    }

    pub(super) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().unwrap())
    }

    /// Goes by another script from now on.
    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.told.lock().unwrap().script);
    }

    /// Waits until what it was told fulfils `wish`.
    pub(super) async fn eventually(&self, wish: impl Fn(&Told) -> bool) {
        let mut changed = self.changed.clone();
        let fulfilled = async {
            loop {
                changed.mark_unchanged();
                if self.told(&wish) {
                    return;
                }
                // An acknowledgement changes the device a moment after the collector: look again then.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(20), changed.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, fulfilled).await.expect("it never came");
    }
}

impl Fake {
    fn note<T>(&self, note: impl FnOnce(&mut Told) -> T) -> T {
        let result = note(&mut self.told.lock().unwrap());
        self.change.send_modify(|changes| *changes += 1);
        result
    }
}

/// An identity as a collector of these tests issues it.
pub(super) fn identity() -> Identity {
    let (authority, issuer) = authority();
    let key = DeviceKey::generate().unwrap();
    let certificate = issue(&issuer, &key.signing_request().unwrap(), DEVICE);
    Identity::new(key, certificate, vec![authority.der().to_vec()], 1).unwrap()
}

fn authority() -> (Certificate, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    (authority, Issuer::new(params, key))
}

fn issue(authority: &Issuer<'static, KeyPair>, csr: &[u8], device: DeviceId) -> Vec<u8> {
    let mut request = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
    request.params.subject_alt_names = vec![SanType::URI(device.to_uri().try_into().unwrap())];
    request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    request.signed_by(authority).unwrap().der().to_vec()
}

fn refused(refusal: wire::Refusal) -> Status {
    Status::with_details(tonic::Code::FailedPrecondition, "refused", refusal.encode_to_vec().into())
}

pub(super) fn refusal(code: wire::ErrorCode) -> wire::Refusal {
    wire::Refusal { code: code.into(), detail: String::new(), retry_delay_ms: 0 }
}

impl Fake {
    fn take(&self, message: deliver_up::Message) -> Option<deliver_down::Message> {
        self.note(|told| match message {
            deliver_up::Message::Hello(hello) => {
                told.hellos.push(hello);
                if !told.script.refuse_hello.is_empty() {
                    return Some(deliver_down::Message::Refusal(told.script.refuse_hello.remove(0)));
                }
                let incarnation = Incarnation::random().unwrap().as_bytes().to_vec();
                told.incarnations.push(incarnation.clone());
                Some(deliver_down::Message::Welcome(wire::Welcome {
                    incarnation,
                    server_time_us: super::fake_now_us(),
                    credit: told.credit(),
                    high_water: told.book.marks(),
                    minor: MINOR,
                }))
            }
            deliver_up::Message::Held(wire::Held {}) => {
                told.held += 1;
                if !told.script.refuse_held.is_empty() {
                    return Some(deliver_down::Message::Refusal(told.script.refuse_held.remove(0)));
                }
                Some(deliver_down::Message::Ack(told.ack(Vec::new())))
            }
            deliver_up::Message::Batch(batch) => Some(told.commit(batch)),
            deliver_up::Message::Goodbye(goodbye) => {
                told.goodbyes.push(goodbye.reason());
                Some(deliver_down::Message::Ack(wire::Ack { goodbye: true, ..told.ack(Vec::new()) }))
            }
        })
    }

    fn direct(&self, message: control_up::Message) -> Vec<control_down::Directive> {
        self.note(|told| match message {
            control_up::Message::Status(status) => {
                let received =
                    wire::StatusReceived { server_time_us: super::fake_now_us(), trouble: told.script.trouble };
                let mut directives = vec![control_down::Directive::Received(received)];
                let newer = |artefact: &Option<(u64, Vec<u8>)>, held: u64| {
                    artefact.as_ref().filter(|(release, _)| *release > held).map(|(release, bytes)| wire::Available {
                        release: *release,
                        digest: lapwing_rules::Digest::of(bytes).as_bytes().to_vec(),
                        size_bytes: bytes.len() as u64,
                    })
                };
                let rule_set = newer(&told.script.rule_set, status.rule_set_release);
                directives.extend(rule_set.map(control_down::Directive::RuleSet));
                let exemptions = newer(&told.script.exemptions, status.exemptions_number);
                directives.extend(exemptions.map(control_down::Directive::Exemptions));
                if std::mem::take(&mut told.script.renew) {
                    directives.push(control_down::Directive::Renew(wire::RenewNow {}));
                }
                told.statuses.push(status);
                directives
            }
            control_up::Message::Goodbye(goodbye) => {
                told.goodbyes.push(goodbye.reason());
                Vec::new()
            }
        })
    }
}

impl Told {
    const fn credit(&self) -> u32 {
        if self.script.credit == 0 { 1024 } else { self.script.credit }
    }

    fn ack(&self, through: Vec<wire::LaneMark>) -> wire::Ack {
        wire::Ack {
            through,
            server_time_us: super::fake_now_us(),
            credit: self.credit(),
            retry_delay_ms: 0,
            goodbye: false,
        }
    }

    fn commit(&mut self, batch: wire::Batch) -> deliver_down::Message {
        self.largest_batch = self.largest_batch.max(batch.captures.len());
        if batch.captures.iter().any(|capture| Some(capture.boot_us) == self.script.malformed) {
            return deliver_down::Message::Refusal(refusal(wire::ErrorCode::Malformed));
        }
        match self.book.commit(batch) {
            Ok(mark) => deliver_down::Message::Ack(self.ack(vec![mark])),
            Err(code) => deliver_down::Message::Refusal(refusal(code)),
        }
    }
}
