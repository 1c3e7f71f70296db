//! The two layers of a set for devices: what a school has, and the illegal base that the project signs.

use std::sync::Arc;

use super::{Compiler, overlay, sorted, tables};
use crate::artefact::{Encoding, Section, Verified};
use crate::diagnostic::{Diagnostic, Source};
use crate::program::{Program, encode};
use crate::rule_set::{BASE_PACKS, BASE_SECTION, Base, ILLEGAL_BASE};
use crate::{Artefact, ArtefactError, Digest, Kind, Release, RuleSet, Validity};

/// Why packs and a signed illegal base make no rule set.
#[derive(Debug, thiserror::Error)]
pub enum UponError {
    /// Mistakes in the packs.
    #[error("the packs do not compile")]
    Packs(Vec<Diagnostic>),
    /// What was given is no illegal base.
    #[error("the illegal base cannot be read: {0}")]
    Base(#[from] ArtefactError),
    /// The packs that make it up are others than those that were signed.
    #[error(
        "the packs `{}` are not those of the signed illegal base, release {release}: take the packs that came with it, or \
         leave them out", BASE_PACKS.join("` and `")
    )]
    Differs {
        /// The release of the signed base.
        release: Release,
    },
}

/// Programs that are judged beside each other.
pub(super) struct Layers {
    own: Program,
    base: Option<Program>,
}

impl Compiler {
    /// Compiles the illegal base alone, unsigned: the project signs it, and schools carry it in their rule sets.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack, by file and place; a base without its pack is one.
    pub fn base(&self, release: Release, validity: Validity) -> Result<Artefact, Vec<Diagnostic>> {
        let base = self.layers()?.base.ok_or_else(|| self.no_base())?;
        Ok(Artefact::build(Kind::Base, release, validity, &encode(&base)))
    }

    /// Compiles the packs into an unsigned artefact that carries this signed illegal base. Packs of the base may be among
    /// them, and have to be those that were signed.
    ///
    /// # Errors
    ///
    /// [`UponError`].
    pub fn compile_upon(&self, base: &[u8], release: Release, validity: Validity) -> Result<Artefact, UponError> {
        let signed = Verified::open_enclosed(base, Kind::Base)?;
        let layers = Self { upon_base: true, ..self.clone() }.layers().map_err(UponError::Packs)?;
        if layers.base.is_some_and(|program| !signed.holds(&encode(&program))) {
            return Err(UponError::Differs { release: signed.release });
        }
        Ok(artefact(&layers.own, Some(base.to_vec()), release, validity))
    }

    pub(super) fn layered(&self, release: Release, validity: Validity) -> Result<Artefact, Vec<Diagnostic>> {
        let Layers { own, base } = self.layers()?;
        Ok(artefact(&own, base.as_ref().map(unsigned), release, validity))
    }

    pub(super) fn layered_set(&self, release: Release) -> Result<RuleSet, Vec<Diagnostic>> {
        let Layers { own, base } = self.layers()?;
        let base = base.as_ref().map(unsigned);
        let digest = artefact(&own, base.clone(), release, Validity::default()).digest();
        let assemble = || -> Result<RuleSet, ArtefactError> {
            let base = base.as_deref().map(Base::open).transpose()?;
            Ok(RuleSet::assemble(own, release, digest, Validity::default())?.upon(base))
        };
        assemble().map_err(|_| self.too_large())
    }

    /// Checks all packs together, then numbers each layer by itself.
    fn layers(&self) -> Result<Layers, Vec<Diagnostic>> {
        let whole = self.program()?;
        let is_base = |source: &Arc<Source>| BASE_PACKS.contains(&source.stem());
        let (base, own): (Vec<_>, Vec<_>) = self.sources.iter().cloned().partition(is_base);
        let has_base = base.iter().any(|source| source.stem() == ILLEGAL_BASE) || (self.upon_base && !base.is_empty());
        if !has_base {
            return Ok(Layers { own: whole, base: None });
        }
        let own = Self { sources: own, ..self.clone() }.proven()?;
        let base = Self { sources: base, overlays: Vec::new(), ..self.clone() }.proven()?;
        Ok(Layers { own, base: Some(base) })
    }

    /// The program of packs whose examples were found to hold.
    fn proven(&self) -> Result<Program, Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        let packs = self.read(&mut diagnostics);
        let mut drafts = self.drafts(&packs, &mut diagnostics);
        let tunes = self.tunes(&drafts, &mut diagnostics);
        overlay::apply(&tunes, &mut drafts, &mut diagnostics);
        diagnostics.retain(|diagnostic| !diagnostic.code().is_warning());
        if !diagnostics.is_empty() {
            return Err(sorted(diagnostics));
        }
        let program = tables::program(super::facts(&packs), &packs, &drafts);
        let program = if tunes.is_empty() { program } else { program.and_then(super::judged_anew) };
        program.ok_or_else(|| self.too_large())
    }
}

/// The base as tools judge by it, without anybody's word that it is the project's.
fn unsigned(base: &Program) -> Vec<u8> {
    Artefact::build(Kind::Base, Release::new(1), Validity::default(), &encode(base)).to_bytes()
}

fn artefact(own: &Program, base: Option<Vec<u8>>, release: Release, validity: Validity) -> Artefact {
    let mut sections = encode(own);
    sections.extend(base.map(|plain| Section { id: BASE_SECTION, encoding: Encoding::Plain, plain }));
    Artefact::build(Kind::RuleSet, release, validity, &sections)
}

impl Program {
    /// A rule set that is only asked for verdicts.
    pub(super) fn into_rule_set(self) -> Option<RuleSet> {
        RuleSet::assemble(self, Release::new(1), Digest::of(&[]), Validity::default()).ok()
    }
}
