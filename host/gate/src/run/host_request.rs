//! Records how host requests end.

use effects::HostEnd;
use vocabulary::Stop;
use vocabulary::record::{HostAnswered, HttpOutcome, RecordKind, VERSION};

use super::LockedRun;
use crate::settling::detail_beside;

impl LockedRun<'_> {
    pub(crate) fn host_answered(&mut self, number: u64, outcome: HttpOutcome, end: HostEnd) -> Result<(), Stop> {
        if !self.inner.own.remove(&number) {
            return Ok(());
        }
        let (peer, sent) = end.going.unzip();
        // As for an act of the run: a request that was sent and not answered may have happened.
        let outcome = if outcome == HttpOutcome::Failed && sent.is_some() { HttpOutcome::Unknown } else { outcome };
        let record = HostAnswered {
            at: self.now_ms(),
            bytes: end.bytes,
            detail: detail_beside(end.reason.as_ref(), end.detail),
            fault: end.fault,
            kind: RecordKind::HostAnswered,
            number,
            outcome,
            peer: end.peer.or(peer),
            reason: end.reason,
            sent,
            status: end.status,
            v: VERSION,
        };
        self.put(record, Vec::new())
    }

    /// Records host requests whose outcome stays unknown: requests of a process that died, and requests still under way at the end.
    pub(crate) fn end_host_asks(&mut self) -> Result<(), Stop> {
        let left = self.shared().book.host_unanswered(self.run());
        for number in left {
            let outcome = if self.inner.own.insert(number) { HttpOutcome::Unknown } else { HttpOutcome::Abandoned };
            self.host_answered(number, outcome, HostEnd::default())?;
        }
        Ok(())
    }
}
