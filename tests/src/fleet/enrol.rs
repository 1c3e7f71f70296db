//! Joining: what an agent does with its campaign token, a classroom at a time.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use lapwing_proto::{Epoch, wire};
use lapwing_rules::Digest;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::captures::Writer;
use super::connection::Connection;
use super::{Device, Site};

const JOIN: &str = "/lapwing.v1.Enrol/Join";

/// Devices behind one address.
pub(super) struct Classroom {
    pub(super) site: Site,
    pub(super) address: IpAddr,
    pub(super) seed: u64,
    /// When captures begin.
    pub(super) since_us: i64,
}

/// What TLS needs of every device alike.
struct Shared {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Classroom {
    /// Enrols the devices at `places`, over one connection.
    pub(super) async fn join(self, places: Range<usize>) -> anyhow::Result<Vec<Device>> {
        let shared = Shared::new(&self.site.authority)?;
        let tls = shared.config()?.with_no_client_auth();
        let connection = Connection::open(self.site.enrol, Some(self.address), with_h2(tls)).await;
        let connection = connection.context("failed to reach the enrol listener")?;
        let mut joined = Vec::with_capacity(places.len());
        for index in places {
            let device = self.join_one(&connection, &shared, index).await;
            joined.push(device.with_context(|| format!("device {index} did not enrol"))?);
        }
        Ok(joined)
    }

    async fn join_one(&self, connection: &Connection, shared: &Shared, index: usize) -> anyhow::Result<Device> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let hardware = *self.of_seed("hardware", index).as_bytes();
        let request = wire::JoinRequest {
            token: self.site.token.clone(),
            csr: signing_request(&key)?,
            facts: Some(wire::DeviceFacts {
                hostname: format!("fleet-{index:05}"),
                hardware_hash: hardware.to_vec(),
                os: "linux".to_owned(),
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                room: format!("Room {}", index / super::CLASSROOM + 1),
                serial_hash: Vec::new(),
            }),
            ..wire::JoinRequest::default()
        };
        let answer: wire::JoinResponse = connection.ask(JOIN, &request).await?;
        let chain = vec![CertificateDer::from(answer.certificate.clone())];
        let tls =
            shared.config()?.with_client_auth_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        let epoch = self.of_seed("epoch", index);
        Ok(Device {
            index,
            id: answer.device_id.parse()?,
            epoch: Epoch::from_bytes(*epoch.as_bytes().first_chunk().context("a digest is longer than an epoch")?),
            hardware,
            writer: Writer::new(self.seed, index, self.since_us),
            key: key.serialize_der(),
            certificate: answer.certificate,
            enrolled_us: answer.server_time_us,
            tls: with_h2(tls),
        })
    }

    /// 32 bytes that are the same for the same seed, device and purpose.
    fn of_seed(&self, what: &str, index: usize) -> Digest {
        Digest::of(format!("{what} of device {index} of fleet {}", self.seed).as_bytes())
    }
}

impl Shared {
    fn new(authority: &CertificateDer<'static>) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        Ok(Self { provider, verifier })
    }

    fn config(&self) -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        Ok(builder.with_safe_default_protocol_versions()?.with_webpki_verifier(Arc::clone(&self.verifier)))
    }
}

fn with_h2(mut tls: ClientConfig) -> Arc<ClientConfig> {
    tls.alpn_protocols = vec![b"h2".to_vec()];
    tls.resumption = Resumption::disabled();
    Arc::new(tls)
}

fn signing_request(key: &KeyPair) -> anyhow::Result<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
