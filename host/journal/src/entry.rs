//! A record to be appended, and the result of appending it.

use vocabulary::{Digest, RunId};

use crate::err::AppendError;
use crate::frame::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOADS_MAX};
use crate::payload::Payload;
use crate::ticket::Ticket;

/// A record to be appended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The run of the record. It must be open.
    pub run: RunId,
    /// The content of the record, at most [`BODY_BYTES_MAX`]. The journal does not interpret it.
    pub body: Vec<u8>,
    /// Bytes that are kept sealed beside the record. If there are any, the run must have a key.
    pub payloads: Vec<Payload>,
    /// Whether the run ends with this record. Then it accepts no more records until it is opened again.
    pub ends: bool,
    /// Whether nobody waits for the record. It may then stay in memory for a millisecond, so that it is synced together with the next one.
    pub later: bool,
}

impl Entry {
    /// A record without payloads that does not end its run.
    pub fn new(run: RunId, body: Vec<u8>) -> Self {
        Self { run, body, payloads: Vec::new(), ends: false, later: false }
    }

    pub(crate) fn check(&self) -> Result<usize, AppendError> {
        let fits = self.body.len() <= BODY_BYTES_MAX
            && self.payloads.len() <= PAYLOADS_MAX
            && self.payloads.iter().all(|payload| payload.0.len() <= PAYLOAD_BYTES_MAX);
        let bytes = self.payloads.iter().fold(self.body.len(), |sum, payload| sum.saturating_add(payload.0.len()));
        if fits { Ok(bytes) } else { Err(AppendError::TooLarge { run: self.run }) }
    }
}

/// A record that was accepted. It is not durable before the ticket says so.
#[derive(Debug)]
pub struct Appended {
    /// The number of the record in its run, from 1.
    pub seq_in_run: u64,
    /// The index of the record in the log, from 0.
    pub index: u64,
    /// The leaf hash of the record.
    pub leaf: Digest,
    /// Resolves when the record is durable.
    pub ticket: Ticket,
}
