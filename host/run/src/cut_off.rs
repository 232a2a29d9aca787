//! Runs that were cut off. Only one caller at a time may resume or end a run. A run that can't be resumed can still be ended.

use std::sync::Arc;

use effect::{Outcome, RunId, Stopping};
use gate::{Closing, Nobody, Resuming};

use crate::err::RunError;
use crate::house::{House, held};
use crate::life::{Word, act_words, settled};

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

    /// Ends a run: one that goes on is told to; one that was cut off is closed on the record, with a person's word on what was under way
    /// in it and may not be asked again unasked. Whether there was something to end.
    ///
    /// # Errors
    /// [`RunError::Unsettled`] where such a word is missing; the record can't be read or written.
    pub async fn end(&self, run: RunId, stopping: Stopping, word: Option<Word>) -> Result<bool, RunError> {
        if self.stop(run, &stopping) {
            return Ok(true);
        }
        let _taken = match self.take_cut_off(run) {
            Ok(taken) => taken,
            // It began to go on just now, or somebody else ends it.
            Err(RunError::Running(_)) => return Ok(self.stop(run, &stopping)),
            Err(RunError::NoSuchRun(_)) => return Ok(false),
            Err(err) => return Err(err),
        };
        let recorded = self.recorded(run).await?;
        let settled = settled(&recorded, word)?;
        let open = recorded.unsettled().into_iter().filter(|(op, _)| !settled.iter().any(|it| it.op == *op));
        let acts: Vec<String> = open.map(|act| act_words(&act)).collect();
        if !acts.is_empty() {
            return Err(RunError::Unsettled { acts });
        }
        let by = stopping.by.clone();
        let resuming = Resuming { by, settled, leases: recorded.leases().clone(), recorded_bytes: recorded.recorded_bytes() };
        let gate =
            self.inner.gate.resume_run(recorded.opening().clone(), &resuming, Arc::new(Nobody)).map_err(|_| RunError::RecordBroken)?;
        let closing = Closing { active_ms: recorded.spent_ms(), outcome: Outcome::Stopped(stopping), output: None, peak_memory: 0 };
        gate.close(closing).await.map_err(|_| RunError::RecordBroken)?;
        Ok(true)
    }
}
