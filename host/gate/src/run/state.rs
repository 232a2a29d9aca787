//! What a run keeps while it goes on: its acts that are under way, and how far the disk is behind.

use std::sync::Arc;

use effects::Trail;
use vocabulary::{ActKind, SafeText};

use crate::log::Durable;
use crate::resume_point::SeenAnswer;

/// BOUND: bytes that one run may have written without their being durable. Beyond that it waits for the disk.
const BEHIND_BYTES_MAX: usize = 256 << 10;

/// How far the disk is behind what a run writes.
#[derive(Default)]
pub(super) struct Behind {
    bytes: usize,
    /// Resolves when all of it is durable.
    last: Option<Durable>,
}

impl Behind {
    pub(super) fn note(&mut self, bytes: usize, durable: Durable) {
        self.bytes += bytes;
        self.last = Some(durable);
    }

    /// What to wait for, if the disk is too far behind.
    pub(super) fn take_if_far(&mut self) -> Option<Durable> {
        if self.bytes <= BEHIND_BYTES_MAX {
            return None;
        }
        self.bytes = 0;
        self.last.take()
    }
}

/// An act that was permitted and whose end the guest has not seen.
pub(crate) struct OpState {
    pub(crate) answered: bool,
    /// Its answer, its fault and its settled record are of this kind.
    pub(crate) kind: ActKind,
    /// The credential that is sent with it.
    pub(crate) credential: Option<String>,
    /// What of it was handed to a connection, once it was begun.
    pub(crate) trail: Option<Arc<Trail>>,
    /// A response came: what the guest is given of it is put on the record at its end.
    pub(crate) responded: bool,
    /// Secrets that were taken out of it.
    pub(crate) redactions: u64,
    pub(crate) seen: SeenAnswer,
    pub(crate) source: SafeText,
}

impl OpState {
    pub(crate) fn new(kind: ActKind) -> Self {
        Self {
            answered: false,
            kind,
            credential: None,
            trail: None,
            responded: false,
            redactions: 0,
            seen: SeenAnswer::default(),
            source: SafeText::default(),
        }
    }
}
