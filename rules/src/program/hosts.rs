//! Named hosts by keyed fingerprints.
//!
//! A host decides whether a page is captured at all, so whoever owns a domain must not easily find one that is taken for
//! another: hosts are known by SipHash-1-3 (Aumasson and Bernstein, 2012). The key is no secret from whoever can read the
//! rule set; to be taken for one of n hosts takes about 2^64 / n trials, and another key with each change of the names.

use std::hash::Hasher as _;

use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher13;

use super::{HostPurpose, HostUse};
use crate::HostClass;
use crate::host::{self, Reach};
use crate::index::Index;

/// Longer names are no hosts (RFC 1035), and are not looked for.
const MAX_HOST_BYTES: usize = 253;

/// A key for SipHash.
pub(crate) type HostKey = [u8; 16];

/// Hosts and what each is named for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    key: HostKey,
    names: Index,
    /// Which of `uses` is for each name: most of a long list share one.
    use_of: Vec<u32>,
    uses: Vec<Vec<HostUse>>,
}

impl Hosts {
    /// Takes hosts with what they are named for, in order of the hosts, each once; `None` when two share a fingerprint.
    ///
    /// The key is derived from the names, so that the same packs give the same bytes.
    pub(crate) fn new(named: &[(&str, Vec<HostUse>)]) -> Option<Self> {
        let key = key_of(named.iter().map(|(name, _)| *name));
        let mut uses: Vec<Vec<HostUse>> = named.iter().map(|(_, uses)| uses.clone()).collect();
        uses.sort();
        uses.dedup();
        let row = |(name, of): &(&str, Vec<HostUse>)| {
            let number = uses.binary_search(of).ok().and_then(|number| u32::try_from(number).ok())?;
            Some((fingerprint(&key, name), number))
        };
        let mut rows = named.iter().map(row).collect::<Option<Vec<(u64, u32)>>>()?;
        rows.sort_unstable();
        let (names, use_of) = rows.into_iter().unzip();
        Self::from_parts(key, names, use_of, uses)
    }

    /// Takes what [`Hosts::parts`] gave; `None` when it is not that.
    pub(crate) fn from_parts(key: HostKey, names: Vec<u64>, use_of: Vec<u32>, uses: Vec<Vec<HostUse>>) -> Option<Self> {
        let names = Index::new(names)?;
        let known = |number: &u32| usize::try_from(*number).is_ok_and(|number| number < uses.len());
        let whole = names.keys().len() == use_of.len() && use_of.iter().all(known);
        whole.then_some(Self { key, names, use_of, uses })
    }

    /// Key, fingerprints ascending, which use is for each, and the uses.
    pub(crate) fn parts(&self) -> (&HostKey, &[u64], &[u32], &[Vec<HostUse>]) {
        (&self.key, self.names.keys(), &self.use_of, &self.uses)
    }

    /// What `host` is named for: one list for each named domain at or above it, nearest first.
    pub(crate) fn purposes<'a>(
        &'a self,
        host: &'a str,
    ) -> impl Iterator<Item = impl Iterator<Item = HostPurpose> + 'a> {
        self.reaching(host).map(|uses| uses.map(|of| of.purpose))
    }

    /// The class of the nearest named domain at or above `host` that has one, the most careful of several; protected where any
    /// of them is.
    pub(crate) fn class_of(&self, host: &str) -> Option<HostClass> {
        let class = |of: &HostUse| match of.purpose {
            HostPurpose::Class(class) => Some(class),
            HostPurpose::Rule(_) | HostPurpose::Exception(_) => None,
        };
        let of_domains = self.reaching(host).filter_map(|uses| uses.filter_map(class).max());
        let (mut nearest, mut is_protected) = (None, false);
        for class in of_domains {
            nearest = nearest.or(Some(class));
            is_protected |= class == HostClass::Protected;
        }
        if is_protected { Some(HostClass::Protected) } else { nearest }
    }

    /// Whether any host at all has this class.
    pub(crate) fn has_class(&self, class: HostClass) -> bool {
        self.uses.iter().flatten().any(|of| of.purpose == HostPurpose::Class(class))
    }

    /// The uses that reach `host` of each named domain at or above it, nearest first.
    fn reaching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = impl Iterator<Item = &'a HostUse> + 'a> + 'a {
        let domains = host::domains(host).enumerate().filter(|_| !self.use_of.is_empty());
        domains.filter_map(|(above, domain)| {
            let reached = move |of: &&HostUse| above == 0 || of.reach == Reach::Subtree;
            Some(self.uses_of(domain)?.iter().filter(reached))
        })
    }

    fn uses_of(&self, domain: &str) -> Option<&[HostUse]> {
        if domain.len() > MAX_HOST_BYTES {
            return None;
        }
        let place = self.names.place(fingerprint(&self.key, domain))?;
        self.uses.get(usize::try_from(*self.use_of.get(place)?).ok()?).map(Vec::as_slice)
    }
}

fn fingerprint(key: &HostKey, host: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(host.as_bytes());
    hasher.finish()
}

fn key_of<'a>(names: impl Iterator<Item = &'a str>) -> HostKey {
    let mut hasher = Sha256::new();
    hasher.update(b"lapwing host key, v1\0");
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update(b"\0");
    }
    let mut key = HostKey::default();
    key.iter_mut().zip(hasher.finalize()).for_each(|(byte, of)| *byte = of);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(reach: Reach) -> HostUse {
        HostUse { reach, purpose: HostPurpose::Class(HostClass::Protected) }
    }

    fn found(hosts: &Hosts, host: &str) -> Vec<Vec<HostPurpose>> {
        hosts.purposes(host).map(Iterator::collect).collect()
    }

    #[test]
    fn the_nearest_named_domain_comes_first() {
        let rule = HostUse { reach: Reach::Subtree, purpose: HostPurpose::Rule(3) };
        let hosts = Hosts::new(&[("a.example", vec![protected(Reach::Subtree)]), ("b.a.example", vec![rule])]).unwrap();
        let class = HostPurpose::Class(HostClass::Protected);
        assert_eq!(found(&hosts, "c.b.a.example"), [vec![HostPurpose::Rule(3)], vec![class]]);
        assert_eq!(found(&hosts, "x.a.example"), [vec![class]]);
        assert!(found(&hosts, "example").is_empty() && found(&hosts, "aa.example").is_empty());
        assert!(found(&Hosts::default(), "a.example").is_empty());
    }

    #[test]
    fn an_exact_host_does_not_reach_below_itself() {
        let hosts = Hosts::new(&[("a.example", vec![protected(Reach::Exact)])]).unwrap();
        assert_eq!(found(&hosts, "a.example").concat().len(), 1);
        assert!(found(&hosts, "b.a.example").concat().is_empty());
    }

    #[test]
    fn the_key_depends_on_the_names_alone() {
        let key = |names: &[&str]| {
            *Hosts::new(&names.iter().map(|name| (*name, vec![])).collect::<Vec<_>>()).unwrap().parts().0
        };
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(Hosts::from_parts([0; 16], vec![1], vec![1], vec![vec![]]).is_none(), "an unknown use");
        assert!(Hosts::from_parts([0; 16], vec![1], vec![], vec![vec![]]).is_none(), "a use too few");
        assert!(Hosts::from_parts([0; 16], vec![2, 1], vec![0, 0], vec![vec![]]).is_none(), "out of order");
    }
}
