//! Going on with a run whose host went away, for the client that had started it.

use vocabulary::{Means, Principal, RunId, Stopping};

use crate::err::RunError;
use crate::event::{self, RunEvent};
use crate::local_host::LocalHost;
use crate::order::{NetworkOrder, RunOrder};
use crate::report::{RunReport, of_record};
use crate::run_task::Running;

impl LocalHost {
    /// Goes on with a run that another process had, as far as its record goes. A run that only looked, and of which nothing was kept, begins
    /// anew, as does one that had not come onto the record. One that has ended meanwhile tells its end.
    ///
    /// INVARIANT: a run is begun anew only if nothing of it can have left the host.
    ///
    /// # Errors
    /// As [`LocalHost::resume`] and [`LocalHost::start`]; a run that goes on already.
    pub(crate) async fn continue_here(
        &self,
        run: RunId,
        order: Option<RunOrder>,
        by: Principal,
        network: &NetworkOrder,
    ) -> Result<Running, RunError> {
        let open = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).map(|open| (open.durable, open.asked)));
        match open {
            Some((true, _)) => match (self.open_again(run, by.clone(), network).await, open, order) {
                (Err(RunError::Load { cause: gate::LoadError::NotKept, .. }), Some((_, 0)), Some(order)) => self.anew(run, order, by).await,
                (running, ..) => running,
            },
            Some((false, 0)) => match order {
                Some(order) => self.anew(run, order, by).await,
                None => Err(RunError::Load { run, cause: gate::LoadError::NotKept }),
            },
            Some((false, _)) => Err(RunError::Load { run, cause: gate::LoadError::NotKept }),
            None => match (self.ended(run).await?, order) {
                (Some(report), _) => Ok(told(run, report)),
                (None, Some(order)) => self.open_run(order, by).await,
                (None, None) => Err(RunError::NoSuchRun(run)),
            },
        }
    }

    /// Closes a run of which nothing left the host, and begins it anew.
    async fn anew(&self, run: RunId, order: RunOrder, by: Principal) -> Result<Running, RunError> {
        self.end(run, Stopping { by: by.clone(), means: Means::HolderGone }).await?;
        self.open_run(order, by).await
    }

    /// The report of a run that has ended; `None` if the record has no such run.
    async fn ended(&self, run: RunId) -> Result<Option<RunReport>, RunError> {
        let recorded = match self.recorded(run).await {
            Err(RunError::Load { cause: gate::LoadError::NoRun(_), .. }) => return Ok(None),
            recorded => recorded?,
        };
        let spec = &recorded.header().spec;
        let entry = self.prepare(spec.agent.digest, &spec.limits).await?.entry();
        of_record(&self.inner.journal, &recorded, entry)
    }
}

/// A run that tells nothing but its end.
fn told(run: RunId, report: RunReport) -> Running {
    let (sender, events) = event::channel();
    sender.tell(RunEvent::Opened { run });
    sender.tell(RunEvent::Closed { report: Box::new(report) });
    Running::new(run, events, tokio::sync::watch::channel(None).0)
}
