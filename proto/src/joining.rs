//! Joining again: what a device signs with its earlier key, and that key as it travels.

use lapwing_rules::Digest;

use crate::{DeviceId, wire};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;
/// Bytes of a point of P-256, x then y, and of a signature, r then s.
pub const POINT_BYTES: usize = 64;
/// How long after its end a certificate is still renewed by its key: a summer closure, and a while.
pub const RENEWABLE_DAYS: u32 = 90;

const CONTEXT: &[u8] = b"lapwing join again, v1\0";
/// A SubjectPublicKeyInfo of P-256 up to its point (RFC 5480), the mark of an uncompressed one included.
const P256_HEADER: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What the earlier key signs: nobody else's nonce, request, device or reason has the same.
#[must_use]
pub fn proof_message(nonce: &[u8; NONCE_BYTES], csr: &[u8], device: DeviceId, reason: wire::JoinReason) -> Vec<u8> {
    let reason = u8::try_from(i32::from(reason)).unwrap_or(0);
    [CONTEXT, nonce, Digest::of(csr).as_bytes(), device.as_bytes(), &[reason]].concat()
}

/// The SubjectPublicKeyInfo of a point, DER.
#[must_use]
pub fn public_key_info(point: &[u8; POINT_BYTES]) -> Vec<u8> {
    [P256_HEADER.as_slice(), point].concat()
}

/// The point of a SubjectPublicKeyInfo in DER; `None` where it is of another kind of key.
#[must_use]
pub fn point_of(public_key_info: &[u8]) -> Option<[u8; POINT_BYTES]> {
    public_key_info.strip_prefix(&P256_HEADER)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_travels_without_its_header() {
        let point = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(point_of(&public_key_info(&point)), Some(point));
        assert_eq!(point_of(&point), None);
        assert_eq!(point_of(&public_key_info(&point)[..90]), None);
    }

    #[test]
    fn each_part_changes_what_is_signed() {
        let device = DeviceId::from_bytes([1; 16]);
        let (copy, expired) = (wire::JoinReason::Copy, wire::JoinReason::Expired);
        let one = proof_message(&[0; 32], b"csr", device, copy);
        for other in [
            proof_message(&[1; 32], b"csr", device, copy),
            proof_message(&[0; 32], b"other", device, copy),
            proof_message(&[0; 32], b"csr", DeviceId::from_bytes([2; 16]), copy),
            proof_message(&[0; 32], b"csr", device, expired),
        ] {
            assert_ne!(one, other);
        }
    }
}
