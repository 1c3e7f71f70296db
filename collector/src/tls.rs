//! TLS of the three listeners: who they are, whom they let in, and a swap for new certificates without a restart.
//!
//! There is no plaintext and no optional client certificate: the uplink's verifier requires one of the authority's.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lapwing_proto::DeviceId;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use crate::authority::{Authority, AuthorityError, ServerIdentity};
use crate::clock::Clock;
use crate::config::{CertificateFiles, Config};

const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP11: &[u8] = b"http/1.1";

/// The three listeners' configurations, each swapped whole.
#[derive(Clone)]
pub struct TlsConfigs {
    /// Enrolment: no client certificate is asked for.
    pub enrol: Arc<ArcSwap<ServerConfig>>,
    /// Devices: a client certificate of the authority is required.
    pub uplink: Arc<ArcSwap<ServerConfig>>,
    /// People.
    pub console: Arc<ArcSwap<ServerConfig>>,
    ends: Arc<ArcSwap<Ends>>,
}

/// Three configurations that are ready to be swapped in.
pub struct Prepared([ServerConfig; 3], Ends);

/// When server certificates end, microseconds of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Those that the authority issued.
    pub issued_us: i64,
    /// The console's own, where it has one.
    pub console_us: Option<i64>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority issues no certificate.
    #[error("cannot issue the server certificate")]
    Authority(#[from] AuthorityError),
    /// The console's own certificate or key cannot be read.
    #[error("cannot read `{path}` as PEM")]
    Console {
        /// The file.
        path: String,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not make a server.
    #[error("certificate and key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificate cannot verify clients.
    #[error("the authority's certificate cannot verify devices")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A certificate that names no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate names no device")]
pub struct NoDevice;

/// What a device's certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the key's SubjectPublicKeyInfo.
    pub public_key_digest: [u8; 32],
    /// When the certificate ends, microseconds of UTC.
    pub not_after_us: i64,
}

impl TlsConfigs {
    /// Issues server certificates and sets up the three listeners.
    ///
    /// # Errors
    ///
    /// When a certificate cannot be issued or read.
    pub fn new(config: &Config, authority: &Authority, clock: &Arc<dyn Clock>) -> Result<Self, TlsError> {
        let Prepared([enrol, uplink, console], ends) = server_configs(config, authority, clock)?;
        let swap = |config| Arc::new(ArcSwap::from_pointee(config));
        let ends = Arc::new(ArcSwap::from_pointee(ends));
        Ok(Self { enrol: swap(enrol), uplink: swap(uplink), console: swap(console), ends })
    }

    /// When the certificates in use end.
    #[must_use]
    pub fn ends(&self) -> Ends {
        **self.ends.load()
    }

    /// Issues and reads everything anew, for connections from now on; on an error the old ones stay.
    ///
    /// # Errors
    ///
    /// As [`TlsConfigs::new`].
    pub fn reload(&self, config: &Config, authority: &Authority, clock: &Arc<dyn Clock>) -> Result<(), TlsError> {
        self.adopt(Self::prepare(config, authority, clock)?);
        Ok(())
    }

    /// Issues and reads everything that [`TlsConfigs::adopt`] takes.
    ///
    /// # Errors
    ///
    /// As [`TlsConfigs::new`].
    pub fn prepare(config: &Config, authority: &Authority, clock: &Arc<dyn Clock>) -> Result<Prepared, TlsError> {
        server_configs(config, authority, clock)
    }

    /// Serves connections from now on by `prepared`.
    pub fn adopt(&self, Prepared([enrol, uplink, console], ends): Prepared) {
        self.ends.store(Arc::new(ends));
        self.enrol.store(Arc::new(enrol));
        self.uplink.store(Arc::new(uplink));
        self.console.store(Arc::new(console));
    }
}

fn server_configs(config: &Config, authority: &Authority, clock: &Arc<dyn Clock>) -> Result<Prepared, TlsError> {
    let identity = || authority.issue_server(&config.host_names, clock.as_ref());
    let [enrol, uplink] = [identity()?, identity()?];
    let issued_us = enrol.ends_us.min(uplink.ends_us);
    let (console, console_us) = match &config.console_certificate {
        Some(files) => read_identity(files).map(|own| {
            let ends_us = own.ends_us;
            (own, Some(ends_us))
        })?,
        None => (identity()?, None),
    };
    let mut uplink = server_config(uplink, Some(authority), clock, &[ALPN_H2])?;
    // A session that is taken up again shows no certificate: one that has run out since would go on.
    uplink.session_storage = Arc::new(NoServerSessionStorage {});
    uplink.send_tls13_tickets = 0;
    let configs = [
        server_config(enrol, None, clock, &[ALPN_H2])?,
        uplink,
        server_config(console, None, clock, &[ALPN_H2, ALPN_HTTP11])?,
    ];
    Ok(Prepared(configs, Ends { issued_us, console_us }))
}

fn server_config(
    identity: ServerIdentity,
    devices_of: Option<&Authority>,
    clock: &Arc<dyn Clock>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let time: Arc<dyn TimeProvider> = Arc::new(ClockTime(Arc::clone(clock)));
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match devices_of {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for trusted in authority.trusted() {
                roots.add(trusted)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn read_identity(files: &CertificateFiles) -> Result<ServerIdentity, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        |source| TlsError::Console { path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let ends_us = chain.first().and_then(|own| {
        let (_, parsed) = x509_parser::parse_x509_certificate(own).ok()?;
        Some(parsed.validity().not_after.timestamp().saturating_mul(1_000_000))
    });
    Ok(ServerIdentity { ends_us: ends_us.unwrap_or(0), chain, key })
}

/// The device that a certificate names: its only subject alternative name, a URI.
///
/// # Errors
///
/// When it is no certificate, or its names are anything else.
pub fn device_of(certificate: &CertificateDer<'_>) -> Result<DeviceId, NoDevice> {
    peer_of(certificate).map(|peer| peer.device)
}

/// What a device's certificate says, which TLS has verified before.
///
/// # Errors
///
/// As [`device_of`].
pub fn peer_of(certificate: &CertificateDer<'_>) -> Result<Peer, NoDevice> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| NoDevice)?;
    let names = parsed.subject_alternative_name().map_err(|_| NoDevice)?.ok_or(NoDevice)?;
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return Err(NoDevice) };
    Ok(Peer {
        device: DeviceId::from_uri(uri).map_err(|_| NoDevice)?,
        public_key_digest: Sha256::digest(parsed.public_key().raw).into(),
        not_after_us: parsed.validity().not_after.timestamp().saturating_mul(1_000_000),
    })
}

/// The collector's clock as rustls asks for it.
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970 = u64::try_from(self.0.wall_us()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(since_1970)))
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}
