//! Somebody at the console, without a network between: the router answers in this process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{Request, StatusCode};
use data_encoding::BASE32;
use lapwing_collector::second_step::AuthenticatorKey;
use tower::ServiceExt as _;

const HERE: &str = "lapwing.test";
/// Beyond any page.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

pub(super) struct Browser {
    router: Router,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Signs in through the door at `now_us` of the console's clock, and with the authenticator in `phone`, which is set up
    /// where there is none.
    pub(super) async fn signed_in(
        router: Router,
        (login, password): (&str, &str),
        now_us: i64,
        phone: &OnceLock<AuthenticatorKey>,
    ) -> anyhow::Result<Self> {
        let mut browser = Self { router, cookies: BTreeMap::new() };
        let door = browser.send(Request::get("/sign-in"), String::new(), StatusCode::OK).await?;
        let (_, rest) = door.split_once("name=\"csrf\" value=\"").context("the door carries no token")?;
        let token = rest.split('"').next().unwrap_or_default();
        let form = format!("csrf={token}&login={login}&password={password}");
        browser.send(posted("/sign-in"), form, StatusCode::SEE_OTHER).await?;
        if let Some(key) = phone.get() {
            let code = key.code_at(now_us);
            browser.send(posted("/sign-in/code"), format!("csrf={token}&code={code}"), StatusCode::SEE_OTHER).await?;
            return Ok(browser);
        }
        let page = browser.send(Request::get("/sign-in/set-up"), String::new(), StatusCode::OK).await?;
        let (_, rest) = page.split_once("<p class=\"key\"><code>").context("the page offers no key")?;
        let typed: String = rest.split('<').next().unwrap_or_default().split(' ').collect();
        let key = BASE32.decode(typed.as_bytes())?.try_into().ok().context("the key is no authenticator's")?;
        let key = phone.get_or_init(|| AuthenticatorKey::from_bytes(key));
        let form = format!("csrf={token}&code={}", key.code_at(now_us));
        browser.send(posted("/sign-in/set-up"), form, StatusCode::OK).await?;
        Ok(browser)
    }

    /// The page behind `path`.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<String> {
        self.send(Request::get(path), String::new(), StatusCode::OK).await
    }

    async fn send(
        &mut self,
        request: axum::http::request::Builder,
        body: String,
        expected: StatusCode,
    ) -> anyhow::Result<String> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(HOST, HERE).header(COOKIE, cookies.join("; ")).body(Body::from(body))?;
        let path = request.uri().path().to_owned();
        let (parts, body) = self.router.clone().oneshot(request).await?.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().and_then(|pair| pair.split_once('='));
            self.cookies.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let page = String::from_utf8(to_bytes(body, MAX_PAGE_BYTES).await?.into())?;
        ensure!(parts.status == expected, "`{path}` answers {}", parts.status);
        Ok(page)
    }
}

fn posted(path: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header(ORIGIN, format!("https://{HERE}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// The references that a list links to.
pub(super) fn references(page: &str) -> Vec<String> {
    let links = page.split("href=\"/concerns/").skip(1);
    links.filter_map(|rest| rest.split(['"', '?', '#']).next()).map(str::to_owned).collect()
}
