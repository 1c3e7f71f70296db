//! The device's private key: the one module that holds one. What others need of it is a signature, so that a key in a
//! TPM can take its place.

use std::sync::Arc;

use lapwing_proto::bounds;
use lapwing_proto::joining::{POINT_BYTES, point_of};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::CertificateError;

/// A P-256 key that never leaves the device. `Debug` prints nothing of it.
pub struct DeviceKey {
    pkcs8: Zeroizing<Vec<u8>>,
    /// SubjectPublicKeyInfo, DER.
    public: Vec<u8>,
}

impl DeviceKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When there is no randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { pkcs8: Zeroizing::new(pair.serialize_der()), public: pair.subject_public_key_info() })
    }

    /// One that was kept, PKCS #8.
    pub(super) fn of_kept(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, CertificateError> {
        let public = KeyPair::try_from(pkcs8.as_slice())?.subject_public_key_info();
        Ok(Self { pkcs8, public })
    }

    /// As it is kept: PKCS #8 today, what a TPM wraps where one holds it. Whoever keeps it reads nothing in it.
    pub(super) fn to_keep(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Its SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn public_key_info(&self) -> &[u8] {
        &self.public
    }

    /// Its point, as it travels; `None` where it is of another kind.
    #[must_use]
    pub fn point(&self) -> Option<[u8; POINT_BYTES]> {
        point_of(&self.public)
    }

    /// A certificate signing request, PKCS #10 in DER, at most [`bounds::MAX_CSR_BYTES`]. It names nobody: the
    /// collector takes the public key alone from it.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn signing_request(&self) -> Result<Vec<u8>, CertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&KeyPair::try_from(self.pkcs8.as_slice())?)?;
        if request.der().len() > bounds::MAX_CSR_BYTES {
            return Err(CertificateError::Certificate("the signing request is too long"));
        }
        Ok(request.der().to_vec())
    }

    /// Signs with ECDSA and SHA-256: r, then s.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CertificateError> {
        let unusable = CertificateError::Certificate("the key cannot sign");
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8, &random);
        let signed = pair.ok().and_then(|pair| pair.sign(&random, message).ok());
        signed.map(|signature| signature.as_ref().to_vec()).ok_or(unusable)
    }

    /// What signs TLS handshakes.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub(crate) fn for_tls(&self) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        any_ecdsa_type(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice())))
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKey(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn what_it_signs_is_told_from_anything_else_by_its_point() {
        let key = DeviceKey::generate().unwrap();
        let point = [[4].as_slice(), &key.point().unwrap()].concat();
        let verify = |message: &[u8], signature: &[u8]| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).verify(message, signature)
        };
        let signature = key.sign(b"message").unwrap();
        assert_eq!(signature.len(), POINT_BYTES);
        assert!(verify(b"message", &signature).is_ok() && verify(b"other", &signature).is_err());
        assert!(verify(b"message", &DeviceKey::generate().unwrap().sign(b"message").unwrap()).is_err());
    }

    #[test]
    fn nothing_of_it_is_printed_and_a_kept_one_is_the_same() {
        let key = DeviceKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "DeviceKey(<redacted>)");
        let kept = DeviceKey::of_kept(Zeroizing::new(key.to_keep().to_vec())).unwrap();
        assert_eq!(kept.public_key_info(), key.public_key_info());
        assert!(DeviceKey::of_kept(Zeroizing::new(vec![1])).is_err());
    }
}
