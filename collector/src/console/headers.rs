//! What every answer carries, and where a form may come from.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName};
use http::{HeaderValue, Method};

use super::refusal::Refusal;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const PROTECTION: [(HeaderName, &str); 9] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), display-capture=()"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Sets the security headers of every answer; what says nothing else is never kept.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses what would change something unless it comes from a page of this console.
///
/// A page that tells no referrer has its browser send `Origin: null` with forms (Fetch standard, "append a request
/// `Origin` header"): there `Sec-Fetch-Site` tells, which no script can set.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_own(&request) {
        return next.run(request).await;
    }
    Refusal::Forged.into_response()
}

fn is_own(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(http::uri::Authority::as_str).or(named);
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    match (host, origin) {
        (Some(_), Some("null") | None) => {
            request.headers().get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"same-origin")
        }
        (Some(host), Some(origin)) => origin.strip_prefix("https://") == Some(host),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn is_own_with(headers: &[(&str, &str)]) -> bool {
        let request = Request::post("/sign-out").header("host", "lapwing.test:8443");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        is_own(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_form_comes_from_this_console_or_is_refused() {
        assert!(is_own_with(&[("origin", "https://lapwing.test:8443")]));
        assert!(is_own_with(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        for origin in ["https://lapwing.test", "http://lapwing.test:8443", "https://evil.test", "null"] {
            assert!(!is_own_with(&[("origin", origin)]), "{origin}");
        }
        assert!(!is_own_with(&[("origin", "https://evil.test"), ("sec-fetch-site", "same-origin")]));
        assert!(!is_own_with(&[("origin", "null"), ("sec-fetch-site", "cross-site")]));
        assert!(!is_own_with(&[]));
    }
}
