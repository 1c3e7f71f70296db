//! The one thing that is taken from a certificate signing request: the public key.

use lapwing_proto::bounds::MAX_CSR_BYTES;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SubjectPublicKeyInfo};
use sha2::{Digest, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// A public key whose owner proved to hold its private half.
pub struct DeviceKey(SubjectPublicKeyInfo);

/// A request that no certificate is issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum CsrInvalid {
    /// Longer than 2048 bytes.
    TooLong,
    /// No PKCS #10.
    Malformed,
    /// Its signature is not by its own key.
    Signature,
    /// Neither P-256 nor Ed25519.
    Algorithm,
}

impl CsrInvalid {
    /// The reason in words, as a device is told.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the signing request is too long",
            Self::Malformed => "the signing request is not PKCS #10",
            Self::Signature => "the signing request is not signed by its own key",
            Self::Algorithm => "the signing request's key is neither P-256 nor Ed25519",
        }
    }
}

impl DeviceKey {
    /// Takes the key out of a PKCS #10 request in DER, whose signature must be by that key.
    ///
    /// # Errors
    ///
    /// When the request is too long, malformed, wrongly signed or of another kind of key.
    pub fn from_request(der: &[u8]) -> Result<Self, CsrInvalid> {
        if der.len() > MAX_CSR_BYTES {
            return Err(CsrInvalid::TooLong);
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrInvalid::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrInvalid::Malformed);
        }
        request.verify_signature().map_err(|_| CsrInvalid::Signature)?;
        let info = request.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(info).map_err(|_| CsrInvalid::Algorithm)?;
        if ![&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519].contains(&key.algorithm()) {
            return Err(CsrInvalid::Algorithm);
        }
        Ok(Self(key))
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.subject_public_key_info()).into()
    }

    pub(super) const fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};

    use super::*;

    fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_request_with_one_signed_bit_changed_is_refused_wherever_the_bit_is() {
        let good = request(&PKCS_ECDSA_P256_SHA256);
        assert!(DeviceKey::from_request(&good).is_ok());
        let (_, parsed) = X509CertificationRequest::from_der(&good).unwrap();
        let header = 3;
        let signed = header..header + parsed.certification_request_info.raw.len();

        for at in signed {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(DeviceKey::from_request(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_keys_long_requests_and_trailing_bytes_are_refused() {
        let refusal = |der: &[u8]| DeviceKey::from_request(der).err();

        assert_eq!(refusal(&request(&PKCS_ECDSA_P384_SHA384)), Some(CsrInvalid::Algorithm));
        assert_eq!(refusal(&[0; MAX_CSR_BYTES + 1]), Some(CsrInvalid::TooLong));
        assert_eq!(refusal(b""), Some(CsrInvalid::Malformed));
        let mut trailing = request(&PKCS_ECDSA_P256_SHA256);
        trailing.push(0);
        assert_eq!(refusal(&trailing), Some(CsrInvalid::Malformed));
    }
}
