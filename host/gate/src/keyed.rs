//! Keyed digests, which only a reader that can open a run's first payload can make or compare.
//!
//! The key is derived from the run's seed, which is sealed with the run's key. So forgetting the run makes these digests useless too, and
//! an auditor needs only the payload. HMAC-SHA-256 (RFC 2104).

use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

/// A hash state that has absorbed the key.
#[derive(Clone)]
pub struct Keyed {
    inner: Sha256,
    outer: Sha256,
}

fn with(key: &[u8; 32]) -> Keyed {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to ^= from;
        }
        Sha256::new().chain_update(block)
    };
    Keyed { inner: pad(0x36), outer: pad(0x5c) }
}

impl Keyed {
    /// The digests of the run with this seed.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        with(with(seed).digest(b"bailiwick correlation 1").as_bytes())
    }

    /// The digest of these bytes.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let inner = self.inner.clone().chain_update(bytes).finalize();
        Digest::from_bytes(self.outer.clone().chain_update(inner).finalize().into())
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed")
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyed, with};

    #[test]
    fn digests_are_those_of_rfc_4231() {
        let mut key = [0; 32];
        key[..20].copy_from_slice(&[0x0b; 20]);
        let digest = with(&key).digest(b"Hi There").to_string();
        assert_eq!(digest, "sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn another_seed_gives_other_digests() {
        assert_ne!(Keyed::of_seed(&[1; 32]).digest(b"x"), Keyed::of_seed(&[2; 32]).digest(b"x"));
    }
}
