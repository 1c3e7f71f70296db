//! The authority's files in the keys folder, readable by their owner alone.
//!
//! ```text
//! ca.key.pem, ca.cert.pem        the first key (PKCS #8) and its certificate
//! ca.N.key.pem, ca.N.cert.pem    the N-th, from the second on
//! ca.N.cross.pem                 the N-th key, vouched for by the one before it
//! ca.generations.json            {"current": N, "earlier": N or null, "since_us": when N took over}; absent: the first
//! ```
//!
//! A key is written first, so that a certificate never stands without its key, and the last file last: until it says so,
//! nothing has changed.

use std::path::{Path, PathBuf};

use lapwing_proto::SchoolId;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rcgen::{PublicKeyData as _, SerialNumber};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    AUTHORITY_LIFE, Authority, AuthorityError, Earlier, Signer, micros, named, private_file, serial, validity,
};
use crate::clock::Clock;

pub(super) const KEY_FILE: &str = "ca.key.pem";
pub(super) const CERTIFICATE_FILE: &str = "ca.cert.pem";
const GENERATIONS_FILE: &str = "ca.generations.json";
const FIRST: u32 = 1;

/// Which keys are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generations {
    pub(super) current: u32,
    earlier: Option<u32>,
    /// When the current one took over, microseconds of UTC.
    pub(super) since_us: Option<i64>,
}

/// One generation's files.
struct Files {
    key: PathBuf,
    certificate: PathBuf,
    cross: PathBuf,
}

impl Files {
    fn of(folder: &Path, generation: u32) -> Self {
        let file = |name: &str| folder.join(format!("ca.{generation}.{name}.pem"));
        if generation == FIRST {
            let (key, certificate) = (folder.join(KEY_FILE), folder.join(CERTIFICATE_FILE));
            return Self { key, certificate, cross: file("cross") };
        }
        Self { key: file("key"), certificate: file("cert"), cross: file("cross") }
    }
}

/// What the folder says now.
pub(super) fn generations(folder: &Path) -> Result<Generations, AuthorityError> {
    let path = folder.join(GENERATIONS_FILE);
    match private_file::read(&path)? {
        Some(text) => serde_json::from_str(&text).map_err(|_| AuthorityError::Generations { path }),
        None => Ok(Generations { current: FIRST, earlier: None, since_us: None }),
    }
}

pub(super) fn open_or_create(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Authority, AuthorityError> {
    private_file::make_folder(folder)?;
    let generations = generations(folder)?;
    let current = match generations.current {
        FIRST => open_or_create_first(folder, school, clock)?,
        later => open(folder, later)?,
    };
    let earlier = match generations.earlier {
        Some(earlier) => {
            let cross = certificate(folder, &Files::of(folder, generations.current).cross)?;
            Some(Earlier { signer: open(folder, earlier)?, cross })
        }
        None => None,
    };
    Ok(Authority { current, earlier, generations })
}

pub(super) fn roll_over(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Authority, AuthorityError> {
    let authority = open_or_create(folder, school, clock)?;
    if authority.earlier.is_some() {
        return Err(AuthorityError::RollingOver);
    }
    let before = authority.generations.current;
    let next = before.saturating_add(1);
    let files = Files::of(folder, next);
    // What a roll-over that was cut short left behind says nothing.
    for left in [&files.key, &files.certificate, &files.cross] {
        private_file::remove(left)?;
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    private_file::write(&files.key, key.serialize_pem().as_bytes())?;
    let params = |serial| -> Result<_, AuthorityError> {
        let mut params = ca(&format!("Lapwing authority {next} of {school}"), clock, serial);
        params.not_before = authority.current.begins.min(params.not_before);
        Ok(params)
    };
    let own = params(serial()?)?.self_signed(&key)?;
    private_file::write(&files.certificate, own.pem().as_bytes())?;
    let mut vouched = params(serial()?)?;
    vouched.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let cross = vouched.signed_by(&key, &authority.current.issuer)?;
    private_file::write(&files.cross, cross.pem().as_bytes())?;
    let since_us = Some(clock.wall_us());
    set(folder, Generations { current: next, earlier: Some(before), since_us })?;
    open_or_create(folder, school, clock)
}

pub(super) fn retire(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Authority, AuthorityError> {
    let held = generations(folder)?;
    if held.earlier.is_none() {
        return Err(AuthorityError::NothingToRetire);
    }
    set(folder, Generations { earlier: None, ..held })?;
    open_or_create(folder, school, clock)
}

fn set(folder: &Path, generations: Generations) -> Result<(), AuthorityError> {
    let path = folder.join(GENERATIONS_FILE);
    let text = serde_json::to_vec(&generations).map_err(|_| AuthorityError::Generations { path: path.clone() })?;
    private_file::write(&path, &text)
}

fn open_or_create_first(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Signer, AuthorityError> {
    let files = Files::of(folder, FIRST);
    let key = match (private_file::read(&files.key)?, files.certificate.try_exists().unwrap_or(true)) {
        (Some(_), true) => return open(folder, FIRST),
        (None, true) => return Err(AuthorityError::Mismatch { folder: folder.to_owned() }),
        (Some(key), false) => KeyPair::from_pem(&key)?,
        (None, false) => {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            private_file::write(&files.key, key.serialize_pem().as_bytes())?;
            key
        }
    };
    let params = ca(&format!("Lapwing authority of {school}"), clock, serial()?);
    let certificate = params.self_signed(&key)?;
    private_file::write(&files.certificate, certificate.pem().as_bytes())?;
    open(folder, FIRST)
}

/// An authority that may vouch for the one after it.
fn ca(name: &str, clock: &dyn Clock, serial: [u8; 16]) -> CertificateParams {
    let mut params = validity(CertificateParams::default(), clock, AUTHORITY_LIFE);
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

fn open(folder: &Path, generation: u32) -> Result<Signer, AuthorityError> {
    let files = Files::of(folder, generation);
    let mismatch = || AuthorityError::Mismatch { folder: folder.to_owned() };
    let key = KeyPair::from_pem(&private_file::read(&files.key)?.ok_or_else(mismatch)?)?;
    let certificate = certificate(folder, &files.certificate)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(|_| mismatch())?;
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err(mismatch());
    }
    let (begins, ends) = (parsed.validity().not_before.to_datetime(), parsed.validity().not_after.to_datetime());
    let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
    Ok(Signer {
        issuer,
        certificate,
        begins: OffsetDateTime::max(begins, OffsetDateTime::UNIX_EPOCH),
        ends_us: micros(ends),
    })
}

fn certificate(folder: &Path, file: &Path) -> Result<CertificateDer<'static>, AuthorityError> {
    let mismatch = || AuthorityError::Mismatch { folder: folder.to_owned() };
    let pem = private_file::read(file)?.ok_or_else(mismatch)?;
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| mismatch())
}
