//! The web that pupils visit: every host, answered on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A page that mirrors what is typed into its title and its address, as single-page searches do.
const MIRROR: &str = r#"<!doctype html><meta charset="utf-8"><title>Search</title>
<input id="q" autofocus aria-label="Search"><script>
const q = document.getElementById("q");
q.addEventListener("input", () => {
  document.title = q.value;
  history.pushState({}, "", "/search?q=" + encodeURIComponent(q.value));
});
window.addEventListener("load", () => q.focus());
</script>"#;

/// A web server that plays every host there is.
#[derive(Debug)]
pub struct Pages {
    address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

impl Pages {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    ///
    /// When there is no port or no certificate.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("failed to listen")?;
        let address = listener.local_addr()?;
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let server = serve(listener, TlsAcceptor::from(Arc::new(config)));
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the story")]
        let server = AbortOnDropHandle::new(tokio::spawn(server));
        Ok(Self { address, _server: server })
    }

    /// What a browser takes to find every host here.
    #[must_use]
    pub fn resolver_rule(&self) -> String {
        format!("MAP * {}, EXCLUDE 127.0.0.1, EXCLUDE localhost", self.address)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let visit = async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = service_fn(async |request| Ok::<_, Infallible>(answer(&request)));
            // A browser that goes away in mid-answer is nobody's concern.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        };
        #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
        tokio::spawn(visit);
    }
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let page = match request.uri().path() {
        "/mirror" => MIRROR.to_owned(),
        path => format!(
            "<!doctype html><meta charset=\"utf-8\"><title>{}</title><h1>A page of {}</h1>",
            escape(&title(path, request.uri().query().unwrap_or_default())),
            escape(host)
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(page)));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// The title a page names in its `title=` parameter, otherwise a plain one that repeats nothing of its address.
fn title(path: &str, query: &str) -> String {
    let named = query.split('&').find_map(|pair| pair.strip_prefix("title="));
    match named {
        Some(title) => decode(title),
        None if path == "/" => "Welcome".to_owned(),
        None => "Results".to_owned(),
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.extend(std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()));
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
