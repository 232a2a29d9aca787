//! Continues a run whose host went away, for the client that had started it.

use vocabulary::{Principal, RunId};

use crate::err::RunError;
use crate::event::RunEvent;
use crate::local_host::LocalHost;
use crate::order::Surroundings;
use crate::report::{RunReport, of_record};
use crate::running::Running;

/// What became of a run whose host went away.
pub enum TakenOver {
    /// It continues here, or reports its end. The guest begins once [`Running::go`] is called.
    Running(Running),
    /// It can't be continued, and none of its acts has left the host. So it may begin anew.
    Anew {
        /// Whether it is open on the record. If so, it must be closed first.
        is_on_record: bool,
    },
}

impl LocalHost {
    /// Continues a run of another process from the end of its record. A run that has ended meanwhile reports its end.
    ///
    /// INVARIANT: a run may begin anew only if none of its acts can have left the host.
    ///
    /// # Errors
    /// As [`LocalHost::resume`]; a run that is running already.
    pub async fn continue_here(&self, run: RunId, by: Principal, around: &Surroundings) -> Result<TakenOver, RunError> {
        let anew = TakenOver::Anew { is_on_record: true };
        match self.inner.gate.with_ledger(|ledger| ledger.open_run(run).map(|open| (open.durable, open.asked))) {
            Some((true, asked)) => match self.open_again(run, by, around).await {
                Err(RunError::Load { cause: gate::LoadError::NotKept, .. }) if asked == 0 => Ok(anew),
                running => running.map(TakenOver::Running),
            },
            Some((false, 0)) => Ok(anew),
            Some((false, _)) => Err(Self::not_kept(run, true)),
            None => Ok(match self.ended(run).await? {
                Some(report) => TakenOver::Running(told(run, report)),
                None => TakenOver::Anew { is_on_record: false },
            }),
        }
    }

    /// The error for a run that can be neither continued nor begun anew.
    pub fn not_kept(run: RunId, is_on_record: bool) -> RunError {
        if is_on_record { RunError::Load { run, cause: gate::LoadError::NotKept } } else { RunError::NoSuchRun(run) }
    }

    /// The report of a run that has ended; `None` if the record has no such run.
    pub(crate) async fn ended(&self, run: RunId) -> Result<Option<RunReport>, RunError> {
        let recorded = match self.recorded(run).await {
            Err(RunError::Load { cause: gate::LoadError::NoRun(_), .. }) => return Ok(None),
            recorded => recorded?,
        };
        let spec = &recorded.header().spec;
        let entry = self.prepare(spec.agent.digest, &spec.limits).await?.entry();
        of_record(&self.inner.journal, &recorded, entry)
    }
}

/// A run that has ended: its only event after `Opened` is its end.
fn told(run: RunId, report: RunReport) -> Running {
    let (running, sender, _) = Running::elsewhere(run);
    sender.tell(RunEvent::Closed { report: Box::new(report) });
    running
}
