//! Bounds how far the disk may be behind what a run has written.

use crate::log::Durable;

/// BOUND: bytes that one run may have written that are not durable yet. Beyond that it waits for the disk.
const BEHIND_BYTES_MAX: usize = 256 << 10;

/// How far the disk is behind what a run writes.
#[derive(Default)]
pub(super) struct Behind {
    bytes: usize,
    /// Resolves when everything that was written is durable.
    last: Option<Durable>,
}

impl Behind {
    pub(super) fn note(&mut self, bytes: usize, durable: Durable) {
        self.bytes += bytes;
        self.last = Some(durable);
    }

    /// The future to wait for, if the disk is too far behind.
    pub(super) fn take_if_far(&mut self) -> Option<Durable> {
        if self.bytes <= BEHIND_BYTES_MAX {
            return None;
        }
        self.bytes = 0;
        self.last.take()
    }
}
