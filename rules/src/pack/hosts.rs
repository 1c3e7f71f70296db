//! Hosts, and what the public suffix list says of them.
//!
//! Below a public suffix (`co.uk`, `github.io`) anybody can have a name. The list is asked when packs are read and by
//! nothing else, so that a program that only judges does not carry it.

use std::net::Ipv4Addr;

use psl::{List, Psl as _};
use toml::Spanned;

use super::reader::Reader;
use crate::diagnostic::Code;
use crate::host::{HostPattern, Reach};

/// A host as a pack writes it. A public suffix stands for itself and all below it only where `*.` says so.
pub(super) fn pattern(reader: &mut Reader<'_>, text: Spanned<String>) -> Option<Spanned<HostPattern>> {
    let span = text.span();
    let written = text.into_inner();
    let below = written.strip_prefix("*.");
    let host = Spanned::new(span.clone(), below.unwrap_or(&written).to_owned());
    let pattern = reader.parsed::<HostPattern>(host)?;
    let HostPattern { host, reach } = pattern.get_ref();
    let is_suffix = *reach == Reach::Subtree && is_public_suffix(host);
    if below.is_none() && is_suffix {
        let message = format!("`{host}` is a public suffix: the sites below it have many owners");
        let help = format!("name the sites below it, `={host}` for that host alone, or `*.{host}` for all of them");
        reader.report(Code::PublicSuffix, span, message, "all of them", Some(help));
        return None;
    }
    if below.is_some() && !is_suffix {
        let message = format!("`{host}` is not a public suffix");
        let help = "`*.` stands before a public suffix alone: any other host means what is below it too".to_owned();
        reader.report(Code::InvalidValue, span, message, "needs no `*.`", Some(help));
        return None;
    }
    Some(pattern)
}

/// A host of a list that means whole sites: the domain its owner registered, and what is below.
pub(super) fn registrable(reader: &mut Reader<'_>, text: Spanned<String>) -> Option<Spanned<HostPattern>> {
    let (span, is_plain) = (text.span(), !text.get_ref().starts_with(['=', '*']));
    if !is_plain {
        let message = "a list of registrable domains has whole sites in it";
        let help = "take the sign out, or move the host to another list".to_owned();
        reader.report(Code::InvalidValue, span, message, "not one whole site", Some(help));
        return None;
    }
    let HostPattern { host, reach } = pattern(reader, text)?.into_inner();
    let host = registrable_domain(&host).map_or(host.clone(), str::to_owned);
    Some(Spanned::new(span, HostPattern { host, reach }))
}

fn is_public_suffix(host: &str) -> bool {
    let suffix = List.suffix(host.as_bytes()).filter(|suffix| suffix.is_known());
    suffix.is_some_and(|suffix| suffix.as_bytes() == host.as_bytes())
}

/// The domain of `host` that its owner registered: a public suffix and one label before it. An address has none.
fn registrable_domain(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let domain = List.domain(host.as_bytes())?;
    std::str::from_utf8(domain.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrable_domain_is_a_suffix_and_one_label() {
        for (host, domain) in [
            ("www.owl.co.uk", Some("owl.co.uk")),
            ("owl.co.uk", Some("owl.co.uk")),
            ("a.b.owls.github.io", Some("owls.github.io")),
            ("a.b.owl.example", Some("owl.example")),
            ("xn--85x722f.xn--55qx5d.cn", Some("xn--85x722f.xn--55qx5d.cn")),
            ("co.uk", None),
            ("127.0.0.1", None),
            ("[::1]", None),
        ] {
            assert_eq!(registrable_domain(host), domain, "{host}");
        }
    }

    #[test]
    fn public_suffixes_are_those_of_the_list() {
        for suffix in ["co.uk", "github.io", "xn--55qx5d.cn"] {
            assert!(is_public_suffix(suffix), "{suffix}");
        }
        for host in ["owl.co.uk", "owls.github.io", "owl.example", "10.0.0.1", "[::1]"] {
            assert!(!is_public_suffix(host), "{host}");
        }
    }
}
