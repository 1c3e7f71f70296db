//! Which query keys hold what somebody searched for.

/// Where a known search engine is found.
enum Site {
    /// On this host and its subdomains.
    Host(&'static str),
    /// Under the label followed by a public suffix of one or two labels, for engines with a host a country.
    EveryCountry,
}

/// Keys of a host that is not in the table.
const GENERIC: &[&str] =
    &["q", "query", "search", "search_query", "s", "keyword", "keywords", "term", "searchterm", "search_term", "text"];

/// By the label people know the site by, which is the second or third from the end.
const TABLE: &[(&str, Site, &[&str])] = &[
    ("google", Site::EveryCountry, &["q", "as_q", "as_epq", "as_oq"]),
    ("bing", Site::Host("bing.com"), &["q"]),
    ("duckduckgo", Site::Host("duckduckgo.com"), &["q"]),
    ("youtube", Site::Host("youtube.com"), &["search_query"]),
    ("yahoo", Site::Host("yahoo.com"), &["p"]),
    ("yahoo", Site::EveryCountry, &["p"]),
    ("ecosia", Site::Host("ecosia.org"), &["q"]),
    ("brave", Site::Host("search.brave.com"), &["q"]),
    ("startpage", Site::Host("startpage.com"), &["query"]),
    ("wikipedia", Site::Host("wikipedia.org"), &["search"]),
    ("amazon", Site::EveryCountry, &["k", "field-keywords"]),
    ("ebay", Site::EveryCountry, &["_nkw"]),
    ("yandex", Site::EveryCountry, &["text"]),
    ("baidu", Site::Host("baidu.com"), &["wd", "word"]),
    ("tiktok", Site::Host("tiktok.com"), &["q"]),
    ("reddit", Site::Host("reddit.com"), &["q"]),
];

/// The keys that hold search terms on `host` (ASCII lower case).
pub(super) fn keys(host: &str) -> &'static [&'static str] {
    let mut labels = host.rsplit('.').skip(1);
    let (second, third) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let known = |(label, site, _): &&(&str, Site, _)| match site {
        Site::Host(name) => (*label == second || *label == third) && is_at_or_below(host, name),
        Site::EveryCountry => *label == second || (*label == third && second.len() <= 3),
    };
    TABLE.iter().find(known).map_or(GENERIC, |(_, _, keys)| keys)
}

fn is_at_or_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_holds_under_every_country_and_nowhere_else() {
        for host in ["google.com", "www.google.com", "google.co.uk", "www.google.com.au", "images.google.de"] {
            assert_eq!(keys(host).first(), Some(&"q"), "{host}");
            assert_ne!(keys(host), GENERIC, "{host}");
        }
        for host in ["google.example.org", "notgoogle.com", "google"] {
            assert_eq!(keys(host), GENERIC, "{host}");
        }
    }

    #[test]
    fn a_host_holds_its_subdomains_and_no_look_alike() {
        assert_eq!(keys("m.youtube.com"), ["search_query"]);
        assert_eq!(keys("fakeyoutube.com"), GENERIC);
    }
}
