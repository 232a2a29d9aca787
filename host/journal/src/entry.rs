//! One record to be appended, and one that was.

use vocabulary::{Digest, RunId};

use crate::err::AppendError;
use crate::frame::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOADS_MAX};
use crate::payload::Payload;
use crate::ticket::Ticket;

/// One record to be appended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose it is. The run must be open.
    pub run: RunId,
    /// Opaque here; at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Kept sealed beside the record; the run must have a key.
    pub payloads: Vec<Payload>,
    /// The run ends with this record, and takes no more until it is opened again.
    pub ends: bool,
}

impl Entry {
    /// A record without payloads that does not end its run.
    pub fn new(run: RunId, body: Vec<u8>) -> Self {
        Self { run, body, payloads: Vec::new(), ends: false }
    }

    pub(crate) fn check(&self) -> Result<usize, AppendError> {
        let fits = self.body.len() <= BODY_BYTES_MAX
            && self.payloads.len() <= PAYLOADS_MAX
            && self.payloads.iter().all(|payload| payload.0.len() <= PAYLOAD_BYTES_MAX);
        let bytes = self.payloads.iter().fold(self.body.len(), |sum, payload| sum.saturating_add(payload.0.len()));
        if fits { Ok(bytes) } else { Err(AppendError::TooLarge { run: self.run }) }
    }
}

/// A record that was taken. It is not durable before the ticket says so.
#[derive(Debug)]
pub struct Appended {
    /// Its number in the run, from 1.
    pub seq_in_run: u64,
    /// Its index in the log, from 0.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Digest,
    /// Resolves when it is durable.
    pub ticket: Ticket,
}
