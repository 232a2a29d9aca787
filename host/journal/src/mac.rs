//! HMAC-SHA-256 (RFC 2104): derives keys, authenticates the index, and makes digests that only a holder of the key can compare.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A key that is already absorbed into the hash states, so that a short message costs two blocks and not four.
#[derive(Clone)]
pub(crate) struct Mac {
    inner: Sha256,
    outer: Sha256,
}

impl Mac {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let pad = |with: u8| {
            let mut block = Zeroizing::new([with; 64]);
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            Sha256::new().chain_update(block.as_slice())
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.outer.chain_update(self.inner.finalize()).finalize().into()
    }

    pub(crate) fn of(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.clone();
        mac.update(bytes);
        mac.finish()
    }
}

/// Derives a key for one purpose, so that no key serves two purposes.
pub(crate) fn derive(key: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Mac::new(key).of(purpose.as_bytes()))
}

/// Compares in constant time, so that the time does not reveal where the first difference is.
pub(crate) fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter().zip(right).fold(0u8, |seen, (left, right)| seen | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;

    #[test]
    fn macs_are_those_of_rfc_4231() {
        let mut key = [0u8; 32];
        key[..20].copy_from_slice(&[0x0b; 20]);
        assert_eq!(hex(&Mac::new(&key).of(b"Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(&Mac::new(&key).of(b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
