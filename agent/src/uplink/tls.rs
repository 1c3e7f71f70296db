//! TLS towards the collector: pinned by fingerprint while enrolling, mutual afterwards. There is no plaintext.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hyper_util::rt::TokioIo;
use lapwing_rules::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use url::Url;

use super::trusted_time::TrustedTime;
use crate::identity::Identity;

mod expiry;

pub(super) use expiry::Expiry;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection that says nothing for this long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// Where a collector listens: `https://host:port` and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct CollectorUrl {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// A text that is no collector's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a collector's address: expected `https://host:port`")]
pub struct InvalidUrl;

impl FromStr for CollectorUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(|_| InvalidUrl)?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || !plain || !anonymous {
            return Err(InvalidUrl);
        }
        let host = url.host_str().ok_or(InvalidUrl)?.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| InvalidUrl)?;
        Ok(Self { host, port: url.port_or_known_default().ok_or(InvalidUrl)?, name })
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "https://[{}]:{}", self.host, self.port);
        }
        write!(f, "https://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of the collector's authority certificate, as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(Digest);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: expected `sha256:` and 64 hexadecimal digits")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Digest::of(certificate))
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidFingerprint)?.to_ascii_lowercase().replace(':', "");
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| InvalidFingerprint)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| InvalidFingerprint)?;
        Ok(Self(Digest::from_bytes(bytes)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", HEXLOWER.encode(self.0.as_bytes()))
    }
}

/// Trusts the collector whose authority has the fingerprint, and shows no certificate.
pub(super) fn pinned(fingerprint: Fingerprint, time: &Arc<TrustedTime>) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = Arc::new(Pinned { fingerprint, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_details(provider, Arc::clone(time) as Arc<dyn TimeProvider>)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(with_alpn(config))
}

/// Trusts the identity's authorities and shows its certificate.
pub(super) fn mutual(identity: &Identity, time: &Arc<TrustedTime>) -> Result<ClientConfig, rustls::Error> {
    let chain = vec![CertificateDer::from(identity.certificate().to_vec())];
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, identity.key().for_tls()?));
    Ok(with_alpn(of_authorities(identity, time)?.with_client_cert_resolver(Arc::new(shown))))
}

/// Trusts the identity's authorities, and shows no certificate.
pub(super) fn anonymous(identity: &Identity, time: &Arc<TrustedTime>) -> Result<ClientConfig, rustls::Error> {
    Ok(with_alpn(of_authorities(identity, time)?.with_no_client_auth()))
}

fn of_authorities(
    identity: &Identity,
    time: &Arc<TrustedTime>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in identity.authorities() {
        roots.add(CertificateDer::from(authority.clone()))?;
    }
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(ClientConfig::builder_with_details(provider, Arc::clone(time) as Arc<dyn TimeProvider>)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(InTime { verifier, time: Arc::clone(time) })))
}

fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Bytes both ways.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection being made.
pub(super) type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// How connections are made. A parameter, so that tests can put a network of their own there.
pub(super) type Dial = Arc<dyn Fn(CollectorUrl, Arc<ClientConfig>) -> Dialling + Send + Sync>;

/// TLS over TCP.
pub(super) fn over_tcp() -> Dial {
    Arc::new(|url, config| {
        Box::pin(async move {
            let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(config).connect(url.name, stream).await?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    })
}

/// A channel that connects when it is first used, and anew after each break.
pub(super) fn channel(
    url: &CollectorUrl,
    config: ClientConfig,
    dial: &Dial,
    expiry: &Expiry,
) -> Result<Channel, tonic::transport::Error> {
    // The scheme is for tonic, which would else want to do TLS itself: the connector below does it.
    let endpoint = Endpoint::from_shared(url.to_string().replacen("https", "http", 1))?
        .connect_timeout(CONNECT_WITHIN)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .keep_alive_while_idle(true);
    let (url, config, dial, expiry) = (url.clone(), Arc::new(config), Arc::clone(dial), expiry.clone());
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let (dialling, expiry) = (dial(url.clone(), Arc::clone(&config)), expiry.clone());
        async move { Ok::<_, io::Error>(TokioIo::new(expiry.noting(dialling).await?)) }
    })))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Accepts a chain that leads to the one authority with the fingerprint, which has to be in the chain.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|der| Fingerprint::of(der) == self.fingerprint).ok_or(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider));
        let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

/// Accepts a chain that is valid at one of the times it may be. A device whose clock was set years ahead while it was
/// off goes by the last time the collector told, and delivers on.
#[derive(Debug)]
struct InTime {
    verifier: Arc<WebPkiServerVerifier>,
    time: Arc<TrustedTime>,
}

impl ServerCertVerifier for InTime {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let at = |time| self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        at(now).or_else(|error| match self.time.otherwise() {
            Some(time) if is_about_time(&error) => at(time),
            Some(_) | None => Err(error),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Whether a certificate was refused for the time alone: it has run out, or is not valid yet.
pub(super) fn is_about_time(error: &rustls::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
    )
}

/// Why TLS failed, where `error` is about that.
pub(super) fn failure<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Whether a certificate was refused since nobody knows who issued it.
pub(super) const fn is_of_a_stranger(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

const fn says_expired(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(AlertDescription::CertificateExpired))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_host_and_port_alone() {
        let url: CollectorUrl = "https://collector.example:8443".parse().unwrap();
        assert_eq!(url.to_string(), "https://collector.example:8443");
        assert_eq!("https://[::1]:1".parse::<CollectorUrl>().unwrap().to_string(), "https://[::1]:1");
        for wrong in ["http://a:1", "https://u@a:1", "https://a:1/path", "https://a:1?q", "a:1", ""] {
            assert_eq!(wrong.parse::<CollectorUrl>(), Err(InvalidUrl), "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_has_one_text_form() {
        let fingerprint = Fingerprint::of(b"der");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!("sha256:00".parse::<Fingerprint>(), Err(InvalidFingerprint));
        assert_eq!("00".repeat(32).parse::<Fingerprint>(), Err(InvalidFingerprint));
    }
}
