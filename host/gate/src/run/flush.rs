//! Notes what a run looks at, sees and says, and its end, while the run is locked. Writes it in order.

use std::time::Duration;

use effects::Observation;
use sha2::Digest as _;
use vocabulary::record::{Delivered, Object, Observed, Record, RecordKind, RunClosed, RunSuspended, VERSION, WaitsFor};
use vocabulary::{Ask, FileAsk, GuestEvent, OpId, Release, Stop};

use super::suspension::Wait;
use super::{Closing, LockedRun, OpState};
use crate::log::LoggedBatch;
use crate::payload_codec::{in_pieces, put_observation};
use crate::settling::Settling;
use crate::trace::content_bytes;

/// BOUND: bytes of all payloads of one record together.
pub(super) const PAYLOAD_RECORD_BYTES: usize = 24 << 20;

/// At which moment buffers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A moment that the guest determines. Sums are closed.
    Guest,
    /// Any other moment. Sums stay open.
    Host,
}

impl LockedRun<'_> {
    pub(super) fn note_observation(&mut self, ask: &FileAsk, observation: &Observation) -> Result<(), Stop> {
        self.check_open()?;
        if self.inner.resumable {
            let mut bytes = Vec::new();
            put_observation(&mut bytes, ask, observation);
            if self.keep(bytes.len()) {
                self.inner.trace.observation(bytes);
            } else {
                self.inner.trace.unkept();
            }
        }
        match &observation.refused {
            Some(reason) => self.refused(OpId(0), &Ask::File(ask.clone()), (reason.clone(), None), Moment::Guest)?,
            None => self.inner.observed.note(ask, &observation.answer),
        }
        if self.inner.observed.is_due() { self.flush(Moment::Guest) } else { self.flush_if_due() }
    }

    /// Whether this number of further bytes may be kept.
    fn keep(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let allowed = self.shared().header.spec.limits.payload_bytes;
        if self.inner.resumable && self.inner.kept_bytes + bytes <= allowed && bytes <= PAYLOAD_RECORD_BYTES as u64 {
            self.inner.kept_bytes += bytes;
            return true;
        }
        if std::mem::take(&mut self.inner.resumable) {
            self.shared().watcher.on_not_resumable();
        }
        false
    }

    pub(super) fn delivered(&mut self, release: &Release, empty: u64) -> Result<(), Stop> {
        self.check_open()?;
        let bytes = content_bytes(&release.event);
        let keep = bytes > 0 && self.keep(bytes);
        self.inner.trace.delivered(release, empty, keep);
        if let Some(op) = self.inner.ops.get_mut(&release.op.0) {
            match &release.event {
                GuestEvent::Head(head) => op.seen.status = Some(head.status),
                GuestEvent::Chunk(chunk) => {
                    op.seen.bytes += chunk.len() as u64;
                    op.seen.hash.update(chunk);
                }
                GuestEvent::End(_) | GuestEvent::Answer(_) | GuestEvent::Failed(_) | GuestEvent::Timer { .. } | GuestEvent::Clock => {}
            }
            if release.event.is_last() {
                self.end_op(release.op, matches!(release.event, GuestEvent::End(_) | GuestEvent::Answer(_)))?;
            }
        }
        self.flush_if_due()
    }

    pub(super) fn flush_if_due(&mut self) -> Result<(), Stop> {
        if self.inner.trace.is_due() { self.flush(Moment::Host) } else { Ok(()) }
    }

    /// Writes the trace and, at a moment that the guest determines, the sums of what it looked at.
    pub(crate) fn flush(&mut self, moment: Moment) -> Result<(), Stop> {
        let mut lists = if moment == Moment::Guest { self.inner.observed.take() } else { Vec::new() }.into_iter();
        while let Some(draft) = self.inner.trace.next() {
            let digest = draft.payload.as_ref().map(|bytes| self.keyed(bytes));
            let record: Record = match draft.record {
                Record::Delivered(delivered) => Delivered { payload: digest, ..delivered }.into(),
                Record::Observed(observed) => {
                    // The last looks and the first sums are written in one record.
                    let objects = if self.inner.trace.is_empty() { lists.next().unwrap_or_default() } else { Vec::new() };
                    Observed { objects, payload: digest, ..observed }.into()
                }
                other => other,
            };
            let payload = draft.payload.as_deref().unwrap_or_default();
            self.put(record, in_pieces(payload).collect())?;
        }
        for objects in lists {
            self.write_objects(objects)?;
        }
        Ok(())
    }

    pub(crate) fn write_objects(&mut self, objects: Vec<Object>) -> Result<(), Stop> {
        self.put(Observed { kind: RecordKind::Observed, objects, payload: None, unkept: false, v: VERSION }, Vec::new())
    }

    /// Writes what is still buffered, and that the run is unloaded from memory for this long.
    pub(super) fn suspend(&mut self, clock_ms: u64, wait: Wait) -> Result<(), Stop> {
        self.flush(Moment::Host)?;
        let at = self.now_ms();
        let end = |wait: Duration| at.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let waits_for = match wait {
            Wait::Time(wait) => WaitsFor::Time { until: end(wait) },
            Wait::Person(wait) => WaitsFor::Person { until: end(wait) },
        };
        tracing::info!(parent: self.gate.span(), ?waits_for, "suspended");
        let record = RunSuspended {
            at,
            clock_ms,
            kind: RecordKind::RunSuspended,
            spent_ms: self.spent_ms(),
            uptime: self.shared().clock.uptime(),
            v: VERSION,
            waits_for,
        };
        self.append_one(record).map(drop)
    }

    /// Writes what is still buffered together with the end of the run, all or nothing. So a run that was cut off never has only a part of
    /// it.
    pub(super) fn close(&mut self, closing: Closing) -> Result<LoggedBatch, Stop> {
        self.inner.closed.get_or_insert(Stop::Ended);
        if self.inner.sealed {
            return Err(Stop::Ended);
        }
        self.flush(Moment::Host)?;
        self.inner.together = Some(Vec::new());
        let written = self.last_words(closing);
        let together = self.inner.together.take().unwrap_or_default();
        written?;
        self.append(together)
    }

    fn last_words(&mut self, closing: Closing) -> Result<(), Stop> {
        let ops: Vec<u64> = self.inner.ops.keys().copied().collect();
        // A resumed run may end before the live world has taken over. Then it leaves acts behind whose outcome is unknown.
        let left = self.shared().book.unanswered(self.run()).into_iter().filter(|(op, _)| !ops.contains(op)).collect::<Vec<_>>();
        for (op, kind) in left {
            self.inner.ops.insert(op, OpState::new(kind));
            self.settle(OpId(op), Settling::Unknown(None))?;
            self.inner.ops.remove(&op);
        }
        for op in ops {
            self.settle(OpId(op), Settling::Abandoned)?;
            self.end_op(OpId(op), false)?;
        }
        self.end_host_asks()?;
        if let Some(claim) = self.inner.progress.last() {
            self.inner.trace.said(claim);
        }
        self.flush(Moment::Guest)?;
        let several = self.inner.alike.take();
        self.write_several(several)?;
        tracing::info!(parent: self.gate.span(), outcome = closing.outcome.word(), "closed");
        let output = closing.output.as_ref().map(|output| self.keyed(output));
        let kept = closing.output.as_deref().filter(|output| output.len() <= PAYLOAD_RECORD_BYTES).unwrap_or_default();
        let record = RunClosed {
            active_ms: closing.active_ms,
            at: self.now_ms(),
            kind: RecordKind::RunClosed,
            obstacle: None,
            outcome: closing.outcome,
            output,
            peak_memory: closing.peak_memory,
            v: VERSION,
        };
        self.put(record, in_pieces(kept).collect())
    }
}
