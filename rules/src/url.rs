//! URLs as rules see them: host, path and search terms.

mod plain;
mod search;

use std::borrow::Cow;
use std::fmt;

use url::Url;

use crate::{Scope, Text};

/// Longest URL looked at, in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;
/// Most search terms taken out of one URL.
pub const MAX_SEARCH_TERMS: usize = 8;

/// The matchable parts of an `http` or `https` URL. User information, port, fragment and every query value that is
/// no search term are left behind. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlParts {
    /// Host in ASCII (punycode) lower case, without a trailing dot.
    pub host: String,
    /// Percent-decoded path, at most [`Text::MAX_BYTES`].
    pub path: String,
    /// Decoded search terms in order of appearance, without repeats: at most [`MAX_SEARCH_TERMS`], the first half and the
    /// last half of more, each at most [`Text::MAX_BYTES`].
    pub search_terms: Vec<String>,
}

impl UrlParts {
    /// The parts as texts to judge: host, path unless it is the root, search terms.
    #[must_use]
    pub fn texts(&self) -> Vec<Text> {
        self.clone().into_texts()
    }

    /// As [`UrlParts::texts`], without a copy.
    #[must_use]
    pub fn into_texts(self) -> Vec<Text> {
        let mut texts = Vec::with_capacity(2 + self.search_terms.len());
        texts.push(Text::new(Scope::UrlHost, self.host));
        if self.path.len() > 1 {
            texts.push(Text::new(Scope::UrlPath, self.path));
        }
        texts.extend(self.search_terms.into_iter().map(|term| Text::new(Scope::Query, term)));
        texts
    }
}

impl fmt::Debug for UrlParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlParts:<redacted>")
    }
}

/// Why a URL has no matchable parts. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("url is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Neither `http` nor `https`.
    #[error("url scheme is neither http nor https")]
    NotWeb,
    /// No valid URL with a host.
    #[error("url cannot be parsed")]
    Malformed,
}

/// Splits a URL as every device does.
///
/// Parsing follows the WHATWG URL Standard; international hosts become punycode. Search terms come from a table of
/// (domain, key) for known search engines and, on any other host, from the keys that most sites use, such as `q`, `s` and
/// `search`.
///
/// # Errors
///
/// When the URL is too long, no web URL, or has no valid host.
pub fn split_url(url: &str) -> Result<UrlParts, UrlError> {
    if url.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    match plain::parts(url) {
        Some(parts) => Ok(UrlParts::new(parts.host, if parts.path.is_empty() { "/" } else { parts.path }, parts.query)),
        None => split_any(url),
    }
}

fn split_any(url: &str) -> Result<UrlParts, UrlError> {
    let url = Url::parse(url).map_err(|_| UrlError::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::NotWeb);
    }
    let host = url.host_str().map(|host| host.trim_end_matches('.')).filter(|host| !host.is_empty());
    Ok(UrlParts::new(host.ok_or(UrlError::Malformed)?, url.path(), url.query().unwrap_or_default()))
}

impl UrlParts {
    fn new(host: &str, path: &str, query: &str) -> Self {
        Self { host: host.to_owned(), path: cut(percent_decoded(path)), search_terms: search_terms(query, host) }
    }
}

/// Of more terms than are kept, the first and the last: what stands between others hides nothing by their number.
fn search_terms(query: &str, host: &str) -> Vec<String> {
    let keys = search::keys(host);
    let mut terms: Vec<String> = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !keys.contains(&&*form_decoded(key)) {
            continue;
        }
        let value = form_decoded(value);
        let value = value.trim();
        if !value.is_empty() && !terms.iter().any(|term| term == value) {
            if terms.len() == MAX_SEARCH_TERMS {
                terms.remove(MAX_SEARCH_TERMS / 2);
            }
            terms.push(cut(value.to_owned()));
        }
    }
    terms
}

/// A key or value of a query, as forms write them.
fn form_decoded(text: &str) -> Cow<'_, str> {
    match text.contains(['%', '+']) {
        true => Cow::Owned(percent_decoded(&text.replace('+', " "))),
        false => Cow::Borrowed(text),
    }
}

/// Decodes `%XX`, reading what is no UTF-8 as replacement characters.
fn percent_decoded(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if let Some((byte, after)) = escaped(first, tail) {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn escaped(first: u8, tail: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = tail.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()));
    (first == b'%').then_some((high? << 4 | low?, after))
}

fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(Text::MAX_BYTES);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_address_is_split_as_any_other(
            url in "https?://[a-z0-9-]{1,8}(\\.[a-z0-9-]{1,4}){0,3}(:[0-9]{0,5})?(/[a-z0-9.%2eE~é \"<>_-]{0,12}){0,3}(\\?[qs=&+%2a é'-]{0,16})?(#[a-z?/]{0,4})?",
        ) {
            if plain::parts(&url).is_some() {
                prop_assert_eq!(split_url(&url), split_any(&url));
            }
        }

        #[test]
        fn any_text_is_split_as_the_parser_does(url in "(https?://)?\\PC{0,30}|https://[ -~]{0,30}") {
            prop_assert_eq!(split_url(&url), split_any(&url));
        }
    }

    #[test]
    fn everyday_addresses_are_plain() {
        for url in ["https://www.example.org/a/b.html?q=1#x", "http://localhost:8080/", "https://a.example"] {
            assert!(plain::parts(url).is_some(), "{url}");
        }
        for url in ["https://me@a.example/", "https://A.example/", "https://a.example/../b", "https://1.2.3.4/"] {
            assert!(plain::parts(url).is_none(), "{url}");
        }
    }

    fn terms(url: &str) -> Vec<String> {
        split_url(url).unwrap().search_terms
    }

    #[test]
    fn fragment_user_port_and_other_values_are_left_behind() {
        let parts = split_url("https://me:secret@Example.ORG:8443/a%20b/c?session=1#private").unwrap();
        assert_eq!(parts.host, "example.org");
        assert_eq!(parts.path, "/a b/c");
        assert!(parts.search_terms.is_empty());
        assert_eq!(format!("{parts:?}"), "UrlParts:<redacted>");
    }

    #[test]
    fn search_terms_come_from_the_engines_own_key() {
        assert_eq!(terms("https://www.google.co.uk/search?q=river+wye&oq=riv"), ["river wye"]);
        assert_eq!(terms("https://search.yahoo.com/search?p=tudor%20kings&q=no"), ["tudor kings"]);
        assert_eq!(terms("https://m.youtube.com/results?search_query=volcano"), ["volcano"]);
        assert_eq!(terms("https://www.amazon.de/s?k=ruler"), ["ruler"]);
        assert_eq!(terms("https://en.wikipedia.org/w/index.php?search=bees&title=x"), ["bees"]);
        assert_eq!(terms("https://www.startpage.com/do/search?query=moss"), ["moss"]);
    }

    #[test]
    fn any_other_host_is_read_by_the_generic_keys() {
        assert_eq!(terms("http://127.0.0.1:8080/find?search=caf%C3%A9&q=tea&page=2"), ["café", "tea"]);
        assert_eq!(terms("https://googled.example/?q=one"), ["one"]);
    }

    #[test]
    fn repeated_and_empty_terms_are_kept_once_or_not_at_all() {
        assert_eq!(terms("https://duckduckgo.com/?q=a&q=a&q=+&q=b"), ["a", "b"]);
        let many: String = (0..50).map(|n| format!("q={n}&")).collect();
        assert_eq!(terms(&format!("https://bing.com/?{many}")), ["0", "1", "2", "3", "46", "47", "48", "49"]);
        assert_eq!(terms(&format!("https://bing.com/?{}q=owl", "a&".repeat(1000))), ["owl"]);
    }

    #[test]
    fn international_hosts_become_punycode() {
        assert_eq!(split_url("https://BÜCHER.example./").unwrap().host, "xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_web_page_is_refused() {
        assert_eq!(split_url("file:///etc/passwd"), Err(UrlError::NotWeb));
        assert_eq!(split_url("chrome://settings"), Err(UrlError::NotWeb));
        assert_eq!(split_url("not a url"), Err(UrlError::Malformed));
        assert_eq!(split_url(&format!("https://a.example/{}", "a".repeat(MAX_URL_BYTES))), Err(UrlError::TooLong));
    }

    #[test]
    fn broken_escapes_are_kept_as_they_stand() {
        assert_eq!(split_url("https://a.example/100%/%zz/%ff").unwrap().path, "/100%/%zz/\u{fffd}");
    }

    #[test]
    fn long_parts_are_cut_at_a_character() {
        let parts = split_url(&format!("https://a.example/{}", "é".repeat(1300))).unwrap();
        assert!(parts.path.len() <= Text::MAX_BYTES);
    }
}
