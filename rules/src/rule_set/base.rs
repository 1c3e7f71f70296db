//! The illegal base: rules and protected hosts that the project signs, carried whole in every school's rule set.
//!
//! It is an artefact of its own with signatures of its own, and judged beside the school's rules: whatever those say, they
//! only add. So whoever holds a school's keys can neither take a rule out of it nor name a host on which it is silent.

use ed25519_dalek::VerifyingKey;

use super::layer::Layer;
use crate::artefact::Verified;
use crate::program;
use crate::{Artefact, ArtefactError, Digest, Kind, Release, TrustedKeys};

/// The pack without which a school's device has nothing to say about illegal content.
pub(crate) const ILLEGAL_BASE: &str = "illegal_base";
/// The one pack of a set for devices that may name hosts on which nothing is captured.
pub(crate) const PROTECTED_HOSTS: &str = "hosts";
/// Packs that the project signs together.
pub(crate) const BASE_PACKS: [&str; 2] = [ILLEGAL_BASE, PROTECTED_HOSTS];
/// The section of a rule set that holds the base.
pub(crate) const SECTION: u16 = 36;

/// The illegal base that a rule set carries.
#[derive(Debug)]
pub struct Base {
    release: Release,
    digest: Digest,
    signers: Vec<VerifyingKey>,
    pub(super) layer: Layer,
}

/// Why the illegal base of a rule set does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// There is none.
    #[error("it lacks the illegal base")]
    Missing,
    /// Fewer trusted keys than needed signed it.
    #[error("its illegal base has {found} of the {needed} trusted signatures it needs")]
    Untrusted {
        /// Valid signatures of distinct trusted keys.
        found: usize,
        /// The threshold.
        needed: usize,
    },
    /// Another of a later release was in force before.
    #[error("its illegal base is release {found}, and release {held} was in force already")]
    Older {
        /// The release of this one.
        found: Release,
        /// The release held.
        held: Release,
    },
}

impl Base {
    /// Verifies a base that stands by itself, reads it, and runs the cases embedded in it.
    ///
    /// # Errors
    ///
    /// As [`super::RuleSet::load`].
    pub fn load(artefact: &[u8], keys: &TrustedKeys) -> Result<Self, ArtefactError> {
        Verified::open(artefact, Kind::Base, keys)?;
        Self::open(artefact)
    }

    /// Reads a base as it stands in a rule set whose signatures hold. Its own are looked at by [`Base::check`].
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let signers = Artefact::read(bytes, Kind::Base)?.signers();
        let verified = Verified::open_enclosed(bytes, Kind::Base)?;
        let layer = Layer::new(program::decode(&verified)?)?;
        layer.self_test()?;
        Ok(Self { release: verified.release, digest: Digest::of(bytes), signers, layer })
    }

    /// Its release; it has nothing to do with that of the rule set.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// SHA-256 of its artefact.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Distinct keys whose signature on it holds, trusted or not.
    #[must_use]
    pub fn signers(&self) -> &[VerifyingKey] {
        &self.signers
    }

    /// That enough of `keys` signed it, and that it is not older than the release held before, if any.
    ///
    /// # Errors
    ///
    /// [`BaseError::Untrusted`], [`BaseError::Older`].
    pub fn check(&self, keys: &TrustedKeys, held: Option<Release>) -> Result<(), BaseError> {
        let found = self.signers.iter().filter(|signer| keys.keys().contains(signer)).count();
        if found < keys.threshold() {
            return Err(BaseError::Untrusted { found, needed: keys.threshold() });
        }
        match held.filter(|held| self.release < *held) {
            Some(held) => Err(BaseError::Older { found: self.release, held }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::{Encoding, Section};
    use crate::program::encode;
    use crate::{Compiler, RuleSet, SigningKey, Validity, sign};

    fn pack(id: &str, rule: &str, more: &str) -> String {
        format!(
            "[pack]\nid = \"{id}\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n\
             [[rule]]\nid = \"{id}.{rule}\"\ntitle = \"A\"\ncategory = \"terrorism\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
             match = {{ phrase = \"owl nest\" }}\nexamples = {{}}\n{more}"
        )
    }

    /// What somebody with a school's keys and a compiler of their own can make.
    fn crafted(id: &str, own: &str) -> Result<RuleSet, ArtefactError> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let base = Compiler::new().pack("illegal_base.toml", pack(ILLEGAL_BASE, "birds", ""));
        let base = base.base(Release::new(1), Validity::default()).unwrap().to_bytes();
        let own = Compiler::new().pack(format!("{id}.toml"), own).program().unwrap();
        let mut sections = encode(&own);
        sections.push(Section { id: SECTION, encoding: Encoding::Plain, plain: base });
        let artefact = Artefact::build(Kind::RuleSet, Release::new(1), Validity::default(), &sections);
        RuleSet::load(&sign(&artefact, &key), &TrustedKeys::new(vec![key.verifying_key()], 1).unwrap())
    }

    #[test]
    fn a_crafted_set_neither_shadows_its_base_nor_silences_it() {
        assert!(crafted("t", &pack("t", "birds", "")).is_ok());
        let shadowing = crafted(ILLEGAL_BASE, &pack(ILLEGAL_BASE, "birds", "")).map(|_| ()).unwrap_err();
        assert_eq!(
            shadowing,
            ArtefactError::Damaged { what: "its own rules, which are named as those of its illegal base" }
        );
        let hosts = "[[domains]]\nid = \"d\"\nclass = \"protected\"\nhosts = [\"search.example\"]\n";
        let silencing = crafted("t", &pack("t", "birds", hosts)).map(|_| ()).unwrap_err();
        assert_eq!(
            silencing,
            ArtefactError::Damaged { what: "its protected hosts, which only its illegal base names" }
        );
    }
}
