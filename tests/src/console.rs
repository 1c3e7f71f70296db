//! A person at the console, through its own pages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use lapwing_rules::Category;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::Authenticator;

/// A signed-in person. Follows no redirect by itself; keeps cookies. A clone is another window of the same session.
#[derive(Clone)]
pub struct Console {
    address: SocketAddr,
    tls: TlsConnector,
    cookies: BTreeMap<String, String>,
}

/// A page as it came.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTTP status.
    pub status: StatusCode,
    /// Where it redirects to.
    pub location: Option<String>,
    /// The text of the page.
    pub body: String,
}

/// One row of the queue, as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Path of the concern's page.
    pub path: String,
    /// Level, 1 to 5.
    pub level: u8,
    /// Category id.
    pub category: String,
    /// How often it was seen, in the page's words: "Once, 10:00".
    pub how_often: String,
}

impl Console {
    /// Somebody who has not signed in yet; trusts the authority in `authority` (PEM).
    ///
    /// # Errors
    ///
    /// When the authority cannot be read.
    pub fn visit(address: SocketAddr, authority: &Path) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).context("failed to read the authority")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { address, tls: TlsConnector::from(Arc::new(config)), cookies: BTreeMap::new() })
    }

    /// The same person, where a copy of their console answers at another address.
    #[must_use]
    pub fn moved_to(&self, address: SocketAddr) -> Self {
        Self { address, tls: self.tls.clone(), cookies: self.cookies.clone() }
    }

    /// Signs in with a password and a phone; whoever has none yet sets one up.
    ///
    /// # Errors
    ///
    /// When the console does not let them in.
    pub async fn sign_in(
        &mut self,
        login: &str,
        password: &str,
        phone: &mut Option<Authenticator>,
    ) -> anyhow::Result<()> {
        let door = self.get("/sign-in").await?;
        let answer = self.submit(&door, "/sign-in", &[("login", login), ("password", password)]).await?;
        let next = answer.location.with_context(|| format!("`{login}` could not sign in: {}", answer.status))?;
        let page = self.get(&next).await?;
        if next.starts_with("/sign-in/set-up") {
            let key = between(&page.body, "<p class=\"key\"><code>", "<").context("a key to set up")?;
            *phone = Some(Authenticator::holding(key));
        }
        let phone = phone.as_mut().with_context(|| format!("`{login}` has a phone that is not here"))?;
        let code = phone.code().await?;
        let answer = self.submit(&page, &next, &[("code", &code)]).await?;
        if !answer.status.is_redirection() && !answer.body.contains("Keep these recovery codes") {
            bail!("`{login}` could not sign in: {} to a code", answer.status);
        }
        Ok(())
    }

    /// Whether there is an open session.
    ///
    /// # Errors
    ///
    /// When the console cannot be reached.
    pub async fn is_signed_in(&mut self) -> anyhow::Result<bool> {
        let first = self.get("/").await?;
        Ok(!first.location.is_some_and(|location| location.starts_with("/sign-in")))
    }

    /// Fetches a page.
    ///
    /// # Errors
    ///
    /// When the console cannot be reached.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Page> {
        self.send(Method::GET, path, String::new()).await
    }

    /// Sends a form.
    ///
    /// # Errors
    ///
    /// When the console cannot be reached.
    pub async fn post(&mut self, path: &str, form: &[(String, String)]) -> anyhow::Result<Page> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, path, body).await
    }

    /// Sends the form of `page` that goes to `action`, with `fields` filled in.
    ///
    /// # Errors
    ///
    /// When the page has no such form, or the console cannot be reached.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let form = page
            .body
            .split("<form")
            .find(|form| form.contains(&format!("action=\"{action}\"")))
            .with_context(|| format!("the page has no form for {action}"))?;
        let mut values = hidden_fields(form.split("</form").next().unwrap_or_default());
        values.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(action, &values).await
    }

    /// The rows of the queue page at `path`.
    ///
    /// # Errors
    ///
    /// When the console cannot be reached or refuses the page.
    pub async fn rows(&mut self, path: &str) -> anyhow::Result<Vec<Row>> {
        let page = self.get(path).await?;
        if page.status != StatusCode::OK {
            bail!("{path} answered {}", page.status);
        }
        page.body.split("data-reference=\"").skip(1).map(row).collect()
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> anyhow::Result<Page> {
        let stream = TcpStream::connect(self.address).await.context("failed to reach the console")?;
        let stream = self.tls.connect(ServerName::try_from("localhost")?, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the request")]
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let host = format!("localhost:{}", self.address.port());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ORIGIN, format!("https://{host}"))
            .header(header::HOST, host)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie has a value")?;
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        Ok(Page { status: head.status, location, body })
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Console({})", self.address)
    }
}

/// Reads a row from what follows `data-reference="`.
fn row(rest: &str) -> anyhow::Result<Row> {
    let html = rest.split("</li>").next().unwrap_or_default();
    let reference = html.split('"').next().unwrap_or_default();
    let level = between(html, "class=\"level level-", "\"").context("a row has a level")?;
    let what = between(html, "class=\"what\">", "<").context("a row says what")?;
    let category = Category::all()
        .find(|category| category.name() == what)
        .with_context(|| format!("a row is about `{what}`, which is no category"))?;
    let how_often = between(html, "class=\"line sub\">", "</span></span>").and_then(|line| line.rsplit('>').next());
    Ok(Row {
        path: format!("/concerns/{reference}"),
        level: level.parse()?,
        category: category.id().to_owned(),
        how_often: how_often.context("a row says how often")?.to_owned(),
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split(before).nth(1)?.split(after).next()
}

/// The hidden fields of a form, such as its CSRF token.
fn hidden_fields(html: &str) -> Vec<(String, String)> {
    let value_of = |tag: &str, name: &str| between(tag, &format!("{name}=\""), "\"").map(str::to_owned);
    html.split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter(|tag| tag.contains("type=\"hidden\""))
        .filter_map(|tag| Some((value_of(tag, "name")?, value_of(tag, "value")?)))
        .collect()
}
