//! Payloads: bytes that belong to a record and are kept sealed beside it.
//!
//! They are sealed by XChaCha20-Poly1305 with the run's key. Run, sequence, number and key slot are authenticated too, so that no payload
//! can replace another. The leaf names the SHA-256 of the sealed frame, so that the tree covers the payload although it is not readable.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload as Sealing};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use vocabulary::RunId;

use crate::frame::{HEAD_BYTES, PAYLOAD, begin, finish};
use crate::keys::RunKey;
use crate::wire::Fields;

/// Bytes to keep sealed with the run's key: a request body, an input, a seed, a file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SECURITY: the content of a payload must not reach a log line.
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// Identifies a payload of a record.
#[derive(Clone, Copy)]
pub(crate) struct PayloadPlace {
    pub(crate) run: RunId,
    pub(crate) seq: u64,
    pub(crate) number: u8,
    pub(crate) slot: u64,
}

impl PayloadPlace {
    fn additional(&self) -> Vec<u8> {
        let mut aad = b"bailiwick payload 1".to_vec();
        aad.extend_from_slice(&self.run.to_bytes());
        aad.extend_from_slice(&self.seq.to_le_bytes());
        aad.push(self.number);
        aad.extend_from_slice(&self.slot.to_le_bytes());
        aad
    }
}

/// Appends a payload's frame and returns the digest that its leaf must name.
pub(crate) fn seal(out: &mut Vec<u8>, key: &RunKey, nonce: [u8; 24], place: &PayloadPlace, plain: &[u8]) -> Option<[u8; 32]> {
    let aad = place.additional();
    let sealed =
        XChaCha20Poly1305::new(key.seal.as_slice().into()).encrypt(XNonce::from_slice(&nonce), Sealing { msg: plain, aad: &aad }).ok()?;
    let start = begin(out, PAYLOAD);
    out.extend_from_slice(&place.slot.to_le_bytes());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    finish(out, start);
    Some(digest(out.get(start + HEAD_BYTES..)?))
}

/// The digest of a payload frame's content, which its leaf names.
pub(crate) fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// The key slot that a payload frame's content names.
pub(crate) fn slot(content: &[u8]) -> Option<u64> {
    let mut fields = Fields::new(content);
    (fields.byte()? == PAYLOAD).then(|| fields.int64()).flatten()
}

/// Decrypts a payload. `None` if content, key and place do not fit together.
pub(crate) fn open(content: &[u8], key: &RunKey, place: &PayloadPlace) -> Option<Vec<u8>> {
    let mut fields = Fields::new(content);
    let _kind = fields.byte()?;
    let _slot = fields.int64()?;
    let nonce: [u8; 24] = fields.array()?;
    let aad = place.additional();
    XChaCha20Poly1305::new(key.seal.as_slice().into()).decrypt(XNonce::from_slice(&nonce), Sealing { msg: fields.rest(), aad: &aad }).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::keys::{HomeKey, Nonces, new_run_key};

    #[test]
    fn a_payload_opens_in_its_own_place_only() {
        let run = RunId::from_bytes([1; 16]);
        let (home, nonces) = (HomeKey::new(&[1; 32]), Nonces::new().unwrap());
        let (key, _) = new_run_key(&home, &nonces, run, 3).unwrap();
        let (other_key, _) = new_run_key(&home, &nonces, run, 3).unwrap();
        let place = PayloadPlace { run, seq: 7, number: 0, slot: 3 };
        let mut out = Vec::new();
        seal(&mut out, &key, nonces.next(), &place, b"plain").unwrap();
        let content = &out[HEAD_BYTES..];
        assert_eq!(slot(content), Some(3));
        assert_eq!(open(content, &key, &place).unwrap(), b"plain");
        assert_eq!(open(content, &other_key, &place), None);
        assert_eq!(open(content, &key, &PayloadPlace { run: RunId::from_bytes([2; 16]), ..place }), None);
        assert_eq!(open(content, &key, &PayloadPlace { seq: 8, ..place }), None);
        assert_eq!(open(content, &key, &PayloadPlace { number: 1, ..place }), None);
        assert_eq!(open(content, &key, &PayloadPlace { slot: 4, ..place }), None);
    }
}
