use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, PublicKeyData as _};

use super::kept::{CERTIFICATE_FILE, KEY_FILE};
use super::*;
use crate::clock::ManualClock;
use crate::tls::device_of;

const NOW_US: i64 = 1_795_000_000_000_000;
const DAY_US: i64 = 24 * 3600 * 1_000_000;

fn school() -> SchoolId {
    "sample-school".parse().unwrap()
}

#[test]
fn a_second_opening_finds_the_same_authority_in_files_of_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let clock = ManualClock::at(NOW_US);

    let first = Authority::open_or_create(&keys, &school(), &clock).unwrap().fingerprint();
    let second = Authority::open_or_create(&keys, &school(), &clock).unwrap().fingerprint();

    assert_eq!(first, second);
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
    for file in [KEY_FILE, CERTIFICATE_FILE] {
        assert_eq!(std::fs::metadata(keys.join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    let key = folder.path().join(KEY_FILE);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();

    assert!(matches!(
        Authority::open_or_create(folder.path(), &school(), &clock),
        Err(AuthorityError::File { path, .. }) if path == key
    ));
}

#[test]
fn a_certificate_without_its_key_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();

    let refused = Authority::open_or_create(folder.path(), &school(), &clock);

    assert!(matches!(refused, Err(AuthorityError::Mismatch { .. })));
    assert!(!folder.path().join(KEY_FILE).exists());
}

#[test]
fn a_device_certificate_carries_the_device_alone_whatever_the_request_asks() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    let authority = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut asked = CertificateParams::new(vec!["collector.school.example".to_owned()]).unwrap();
    asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let csr = asked.serialize_request(&key).unwrap();
    let device = DeviceId::from_bytes([7; 16]);

    let issued = authority.issue_device(device, &DeviceKey::from_request(csr.der()).unwrap(), &clock).unwrap();

    assert_eq!(device_of(&issued.der).unwrap(), device);
    let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
    assert_eq!(parsed.public_key().raw, key.subject_public_key_info());
    assert_eq!(issued.not_after_us, NOW_US + 30 * DAY_US);
}

#[test]
fn a_device_certificate_issued_while_the_clock_was_ahead_is_valid_now() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    let authority = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    clock.advance_us(15 * DAY_US);

    let device = DeviceId::from_bytes([7; 16]);
    let issued = authority.issue_device(device, &DeviceKey::from_request(csr.der()).unwrap(), &clock).unwrap();

    let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
    assert_eq!(parsed.validity().not_before.timestamp(), (NOW_US - DAY_US) / 1_000_000);
    assert_eq!(issued.not_after_us, NOW_US + 45 * DAY_US);
}

/// Whether whoever trusts `authority` alone takes the collector's certificate for what it is.
fn is_known(server: &ServerIdentity, authority: &CertificateDer<'static>) -> bool {
    use rustls::client::danger::ServerCertVerifier as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let (own, rest) = server.chain.split_first().unwrap();
    let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_micros(NOW_US.unsigned_abs()));
    verifier.verify_server_cert(own, rest, &"collector.example".try_into().unwrap(), &[], now).is_ok()
}

#[test]
fn a_new_key_is_known_to_those_who_know_the_one_before_until_that_is_retired() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    let names = ["collector.example".to_owned()];
    let first = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    let first_certificate = first.certificate().clone();

    let rolled = Authority::roll_over(folder.path(), &school(), &clock).unwrap();
    assert!(first.is_outdated(folder.path()) && !rolled.is_outdated(folder.path()));
    assert_ne!(rolled.fingerprint(), first.fingerprint());
    assert_eq!(rolled.earlier_fingerprint(), Some(first.fingerprint()));
    assert_eq!((rolled.to_wire().len(), rolled.rolling_since_us()), (2, Some(NOW_US)));
    let server = rolled.issue_server(&names, &clock).unwrap();
    assert!(is_known(&server, &first_certificate) && is_known(&server, rolled.certificate()));
    let again = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    assert_eq!(again.fingerprint(), rolled.fingerprint());
    assert!(matches!(Authority::roll_over(folder.path(), &school(), &clock), Err(AuthorityError::RollingOver)));

    let retired = Authority::retire_earlier(folder.path(), &school(), &clock).unwrap();
    assert_eq!((retired.to_wire().len(), retired.rolling_since_us()), (1, None));
    let server = retired.issue_server(&names, &clock).unwrap();
    assert!(!is_known(&server, &first_certificate) && is_known(&server, retired.certificate()));
    let nothing = Authority::retire_earlier(folder.path(), &school(), &clock);
    assert!(matches!(nothing, Err(AuthorityError::NothingToRetire)));
    assert!(Authority::roll_over(folder.path(), &school(), &clock).is_ok(), "and once more");
}

#[test]
fn a_roll_over_that_was_cut_short_changed_nothing_and_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    let first = Authority::open_or_create(folder.path(), &school(), &clock).unwrap().fingerprint();
    let left = folder.path().join("ca.2.key.pem");
    std::fs::write(&left, "cut short").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o600)).unwrap();

    assert_eq!(Authority::open_or_create(folder.path(), &school(), &clock).unwrap().fingerprint(), first);
    assert!(Authority::roll_over(folder.path(), &school(), &clock).is_ok());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_says_which_key_is_in_force_is_read_or_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW_US);
    Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
    let file = folder.path().join("ca.generations.json");
    std::fs::write(&file, "{").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let opened = Authority::open_or_create(folder.path(), &school(), &clock);
    assert!(matches!(opened, Err(AuthorityError::Generations { path }) if path == file));
}
