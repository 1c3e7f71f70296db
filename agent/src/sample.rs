//! A small school for tests: rules of each kind, a policy, signals.

use std::sync::Arc;

use lapwing_proto::{Account, ExemptionList};
use lapwing_rules::{
    Compiler, Policy, Release, RuleSet, SigningKey, TrustedKeys, Validity, sign, sign_policy, split_url,
};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};

use crate::scope::InForce;
use crate::signal::{Moment, Signal};

/// A Wednesday, 12:00 in London.
pub(crate) const NOON_US: i64 = 1_700_049_600_000_000;
pub(crate) const MINUTE_US: i64 = 60_000_000;

const PACK: &str = include_str!("sample/sample.toml");
const HOSTS: &str = include_str!("sample/hosts.toml");
const ILLEGAL_BASE: &str = include_str!("sample/illegal_base.toml");

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// Whoever signs the illegal base.
pub(crate) fn project_key() -> SigningKey {
    SigningKey::from_bytes(&[10; 32])
}

pub(crate) fn trusted_project() -> TrustedKeys {
    TrustedKeys::new(vec![project_key().verifying_key()], 1).unwrap()
}

pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![signing_key().verifying_key()], 1).unwrap()
}

/// On the day of [`NOON_US`].
fn compiler() -> Compiler {
    Compiler::new().today("2023-11-15".parse().unwrap())
}

/// A signed rule set.
pub(crate) fn artefact(release: u64) -> Vec<u8> {
    artefact_upon(&project_key(), 1, release)
}

/// A signed rule set upon an illegal base of this release and key.
pub(crate) fn artefact_upon(base_key: &SigningKey, base_release: u64, release: u64) -> Vec<u8> {
    signed(&whole(), base_key, (base_release, release), Validity::default())
}

/// A signed rule set that is to be replaced by this Unix second.
pub(crate) fn artefact_until(release: u64, second: u64) -> Vec<u8> {
    signed(&whole(), &project_key(), (1, release), Validity { not_before: 0, expires: Some(second) })
}

fn whole() -> Compiler {
    compiler().pack("sample.toml", PACK).pack("hosts.toml", HOSTS).pack("illegal_base.toml", ILLEGAL_BASE)
}

/// The rule set of `compiler`, signed, upon the illegal base in it.
pub(crate) fn signed(
    compiler: &Compiler,
    base_key: &SigningKey,
    (base, release): (u64, u64),
    validity: Validity,
) -> Vec<u8> {
    let told = |error: &dyn std::fmt::Debug| panic!("{error:?}");
    let base = compiler.base(Release::new(base), Validity::default()).unwrap_or_else(|error| told(&error));
    let artefact = compiler.compile_upon(&sign(&base, base_key), Release::new(release), validity);
    sign(&artefact.unwrap_or_else(|error| told(&error)), &signing_key())
}

/// A signed rule set without the illegal base pack.
pub(crate) fn artefact_without_base(release: u64) -> Vec<u8> {
    let compiler = compiler().pack("sample.toml", PACK);
    sign(&compiler.compile(Release::new(release), Validity::default()).unwrap(), &signing_key())
}

pub(crate) fn rules() -> Arc<RuleSet> {
    Arc::new(RuleSet::load(&artefact(1), &trusted()).unwrap())
}

/// A policy: weekdays 08:30 to 16:00 in London, with `more` fields.
pub(crate) fn policy(release: u64, staff_watched: bool, sites: &str) -> Policy {
    Policy::from_json(&format!(
        r#"{{"release": {release}, "school": "sample", "zone": "Europe/London", "staff_watched": {staff_watched},
            "hours": {{"weekly": [{{"day": "wed", "from": "08:30", "to": "16:00"}}]}}, "sites": {sites},
            "group_off": {{"sixth": ["gambling"]}}, "notice_version": 4}}"#
    ))
    .unwrap()
}

pub(crate) fn signed_policy(release: u64) -> Vec<u8> {
    sign_policy(&policy(release, false, r#""any""#), &signing_key()).unwrap()
}

pub(crate) fn in_force(staff_watched: bool, sites: &str) -> InForce {
    InForce::new(policy(1, staff_watched, sites)).unwrap()
}

pub(crate) fn at(wall_us: i64) -> Moment {
    Moment { boot_us: u64::try_from(wall_us - NOON_US + 100 * 60 * MINUTE_US).unwrap(), wall_us }
}

pub(crate) fn account(groups: &[&str]) -> Account {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Account { name: "kim".to_owned(), session: "7-1000".to_owned(), groups }
}

pub(crate) fn title(text: &str, host: Option<&str>) -> Signal {
    Signal::title(at(NOON_US), account(&[]), "chromium", text, host.map(str::to_owned))
}

pub(crate) fn url(url: &str) -> Signal {
    Signal::url(at(NOON_US), account(&[]), "chromium", &split_url(url).unwrap())
}

/// Whom a device trusts its collector by.
pub(crate) struct Authority {
    key: KeyPair,
    /// Its certificate.
    pub(crate) der: Vec<Vec<u8>>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let der = vec![CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().der().to_vec()];
        Self { key, der }
    }

    pub(crate) fn sign(&self, list: &ExemptionList) -> Vec<u8> {
        list.sign(|message| self.answer_for(message)).unwrap()
    }

    pub(crate) fn answer_for(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message)
    }
}
