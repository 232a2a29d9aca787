//! The log as the gate needs it. Tests put one that fails in its place.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use journal::{Journal, Payload, Ticket};
use vocabulary::RunId;

use crate::err::RecordBroken;

/// An append-only log with a key for each run.
pub trait Log: Send + Sync {
    /// Makes the run's key. To be called before the run's first record.
    ///
    /// # Errors
    /// Nothing can be recorded any more.
    fn open_run(&self, run: RunId) -> Result<(), RecordBroken>;

    /// Appends records with their payloads, all of them or none. Returns the place of the last one.
    ///
    /// # Errors
    /// Nothing can be recorded any more.
    fn append(&self, run: RunId, entries: Vec<LogEntry>) -> Result<LoggedBatch, RecordBroken>;

    /// Whether the log has grown so much that a snapshot would make the next opening quicker.
    fn wants_snapshot(&self) -> bool;

    /// Keeps a snapshot of everything that was appended before.
    ///
    /// # Errors
    /// Nothing can be recorded any more.
    fn snapshot(&self, bytes: Vec<u8>) -> Result<(), RecordBroken>;
}

/// One record to be appended.
#[derive(Clone, Debug, Default)]
pub struct LogEntry {
    /// The record as canonical JSON.
    pub body: Vec<u8>,
    /// Bytes that are kept beside the record, sealed with the run's key.
    pub payloads: Vec<Vec<u8>>,
    /// Whether it is the run's last one.
    pub ends: bool,
    /// Whether nobody waits until it is durable.
    pub later: bool,
}

/// A fault in this program: no record was given to be appended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there was no record to append")]
struct NoLog;

/// A record that has its place, and may not be durable yet.
#[must_use = "a record is not durable before `durable` resolves"]
#[derive(Debug)]
pub struct LoggedBatch {
    /// Its index in the log, from 0.
    pub index: u64,
    /// Its number in the run, from 1.
    pub seq: u64,
    /// Resolves when the record is durable, or when it is certain that it never will be.
    pub durable: Durable,
}

/// Resolves when a record is durable, or when it is certain that it never will be.
#[derive(Debug)]
pub enum Durable {
    /// The journal decides.
    Ticket(Ticket),
    /// The result is known already.
    Decided(Result<(), RecordBroken>),
}

impl Durable {
    /// Blocks this thread until it is decided. For callers that may block their thread.
    pub(crate) fn wait(self) -> Result<(), RecordBroken> {
        match self {
            Self::Ticket(ticket) => ticket.wait_blocking().map_err(RecordBroken::new),
            Self::Decided(result) => result,
        }
    }
}

impl Future for Durable {
    type Output = Result<(), RecordBroken>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ticket(ticket) => Pin::new(ticket).poll(ctx).map_err(RecordBroken::new),
            Self::Decided(result) => Poll::Ready(result.clone()),
        }
    }
}

impl Log for Journal {
    fn open_run(&self, run: RunId) -> Result<(), RecordBroken> {
        self.open_run_key(run).map_err(RecordBroken::new)
    }

    fn append(&self, run: RunId, entries: Vec<LogEntry>) -> Result<LoggedBatch, RecordBroken> {
        let mut entries = entries.into_iter().map(|entry| {
            let payloads = entry.payloads.into_iter().map(Payload::from).collect();
            journal::Entry { run, body: entry.body, payloads, ends: entry.ends, later: entry.later }
        });
        let appended = match (entries.next(), entries.len()) {
            (None, _) => return Err(RecordBroken::new(NoLog)),
            (Some(only), 0) => self.append_entry(only).map_err(RecordBroken::new)?,
            (Some(first), _) => {
                let appended = self.append_all(std::iter::once(first).chain(entries).collect()).map_err(RecordBroken::new)?;
                appended.into_iter().next_back().ok_or_else(|| RecordBroken::new(NoLog))?
            }
        };
        Ok(LoggedBatch { index: appended.index, seq: appended.seq_in_run, durable: Durable::Ticket(appended.ticket) })
    }

    fn wants_snapshot(&self) -> bool {
        Journal::wants_snapshot(self)
    }

    fn snapshot(&self, bytes: Vec<u8>) -> Result<(), RecordBroken> {
        Journal::snapshot(self, bytes).map_err(RecordBroken::new)
    }
}
