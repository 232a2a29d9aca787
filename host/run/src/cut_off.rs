//! Runs that were cut off: one at a time may go on with a run or end it, and one that nobody can go on with can be ended all the same.

use std::sync::Arc;

use effect::{Outcome, RunId, SafeText};
use gate::{Closing, Nobody, OpenRun, Recorded, Resuming, Stage};

use crate::err::RunError;
use crate::house::{House, held};

/// That nobody else goes on with this run, or ends it, meanwhile.
pub(crate) struct Taken {
    house: House,
    run: RunId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        held(&self.house.inner.taken).remove(&self.run);
    }
}

impl House {
    /// Takes a run that has not ended and does not go on.
    pub(crate) fn take_cut_off(&self, run: RunId) -> Result<Taken, RunError> {
        if !held(&self.inner.taken).insert(run) {
            return Err(RunError::Running(run));
        }
        let taken = Taken { house: self.clone(), run };
        if held(&self.inner.going).contains_key(&run) {
            return Err(RunError::Running(run));
        }
        if self.inner.gate.with_ledger(|ledger| ledger.open_run(run).is_none()) {
            return Err(RunError::NoSuchRun(run));
        }
        Ok(taken)
    }

    /// Ends a run: one that goes on is told to; one that was cut off is closed on the record, if nothing was under way in it of which
    /// nobody knows the end. Whether there was something to end.
    ///
    /// # Errors
    /// The record can't be read or written.
    pub async fn end(&self, run: RunId, by: &str) -> Result<bool, RunError> {
        if self.stop(run, by) {
            return Ok(true);
        }
        let _taken = match self.take_cut_off(run) {
            Ok(taken) => taken,
            // It began to go on just now, or somebody else ends it.
            Err(RunError::Running(_)) => return Ok(self.stop(run, by)),
            Err(RunError::NoSuchRun(_)) => return Ok(false),
            Err(err) => return Err(err),
        };
        let is_settled = |open: &OpenRun| open.pending.values().all(|pending| pending.stage == Stage::Answered);
        if !self.inner.gate.with_ledger(|ledger| ledger.open_run(run).is_some_and(is_settled)) {
            return Ok(false);
        }
        let recorded = Recorded::load(&self.inner.journal.reader()?, run).map_err(|cause| RunError::Load { run, cause })?;
        let by = SafeText::new(by, 64);
        let resuming = Resuming { by: by.clone(), settled: Vec::new() };
        let gate =
            self.inner.gate.resume_run(recorded.opening().clone(), &resuming, Arc::new(Nobody)).map_err(|_| RunError::RecordBroken)?;
        let closing = Closing { active_ms: 0, outcome: Outcome::Stopped { by }, output: None, peak_memory: 0 };
        gate.close(closing).await.map_err(|_| RunError::RecordBroken)?;
        Ok(true)
    }
}
