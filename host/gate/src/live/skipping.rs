//! Skips the part of a body that the guest has seen before, if it is the same.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::resume_point::SeenAnswer;

/// Skips what the guest has seen of a body.
pub(super) struct Skipping {
    seen: SeenAnswer,
    hash: Sha256,
    left: u64,
}

pub(super) enum Skipped {
    More,
    Done,
    Differs,
}

impl Skipping {
    pub(super) fn new(seen: SeenAnswer) -> Self {
        Self { hash: Sha256::new(), left: seen.bytes, seen }
    }

    /// What the guest has seen.
    pub(super) fn seen(&self) -> &SeenAnswer {
        &self.seen
    }

    /// Removes from a piece the part that the guest has seen.
    pub(super) fn take(&mut self, piece: &mut Bytes) -> Skipped {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        let known = piece.split_to(len);
        self.hash.update(&known);
        self.left -= known.len() as u64;
        if self.left > 0 {
            Skipped::More
        } else if self.hash.clone().finalize() == self.seen.hash.clone().finalize() {
            Skipped::Done
        } else {
            Skipped::Differs
        }
    }
}
