//! Which query keys hold what somebody searched for.

/// A known search engine.
enum Site {
    /// This host and its subdomains.
    Host(&'static str),
    /// A label followed by a public suffix of one or two labels, for engines with a host a country.
    Brand(&'static str),
}

/// Keys of a host that is not in the table.
const GENERIC: &[&str] = &["q", "query", "search", "search_query"];

const TABLE: &[(Site, &[&str])] = &[
    (Site::Brand("google"), &["q"]),
    (Site::Host("bing.com"), &["q"]),
    (Site::Host("duckduckgo.com"), &["q"]),
    (Site::Host("youtube.com"), &["search_query"]),
    (Site::Host("yahoo.com"), &["p"]),
    (Site::Brand("yahoo"), &["p"]),
    (Site::Host("ecosia.org"), &["q"]),
    (Site::Host("search.brave.com"), &["q"]),
    (Site::Host("startpage.com"), &["query"]),
    (Site::Host("wikipedia.org"), &["search"]),
    (Site::Brand("amazon"), &["k"]),
    (Site::Host("tiktok.com"), &["q"]),
    (Site::Host("reddit.com"), &["q"]),
];

/// The keys that hold search terms on `host` (ASCII lower case).
pub(super) fn keys(host: &str) -> &'static [&'static str] {
    TABLE.iter().find(|(site, _)| site.holds(host)).map_or(GENERIC, |(_, keys)| keys)
}

impl Site {
    fn holds(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => {
                host.strip_suffix(name).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            }
            Self::Brand(brand) => {
                let labels: Vec<&str> = host.rsplit('.').take(3).collect();
                match labels.as_slice() {
                    [_, label] => label == brand,
                    [_, second, third] => second == brand || (third == brand && second.len() <= 3),
                    _ => false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_holds_under_every_country_and_nowhere_else() {
        for host in ["google.com", "www.google.com", "google.co.uk", "www.google.com.au", "images.google.de"] {
            assert_eq!(keys(host), ["q"], "{host}");
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
