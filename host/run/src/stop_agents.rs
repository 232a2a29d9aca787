//! Stops agents as a whole, and enables them again.
//!
//! INVARIANT: that an agent is stopped is durable on the record before the first of its runs is ended. From then on none of its runs starts,
//! is resumed, or is permitted an act (`gate`).

use gate::{OpenRun, StoppedThing};
use serde::{Deserialize, Serialize};
use vocabulary::record::{AgentsEnabled, AgentsStopped, Record, RecordKind, VERSION};
use vocabulary::{Clock as _, Digest, Means, Principal, RunId, SafeText, Stoppable, Stopping};

use crate::err::{RunError, chain};
use crate::local_host::LocalHost;
use crate::revoke::Revoking;
use crate::run_channel::RunChannel;
use crate::running::order_end;

/// BOUND: how often the runs of an agent are looked for. Runs that were just starting are found in a later look.
const LOOKS: u32 = 1000;
/// BOUND: bytes of a reason why a run could not be ended.
const WHY_BYTES_MAX: usize = 512;
/// The time between two looks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// What became of an order to stop agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReport {
    /// The runs that have ended.
    pub ended: Vec<RunId>,
    /// The leases that were ended with them, as `RUN/NAME`.
    pub leases: Vec<SafeText>,
    /// The runs that could not be ended, each with the reason. They are not continued either.
    pub left: Vec<LeftRun>,
    /// Whether it was stopped before.
    pub was_stopped: bool,
}

/// A run that could not be ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftRun {
    /// The run.
    pub run: RunId,
    /// Why it could not be ended.
    pub why: SafeText,
}

impl LocalHost {
    /// What people have stopped, and not enabled since.
    pub fn stopped(&self) -> Vec<StoppedThing> {
        self.inner.gate.with_ledger(|ledger| ledger.stopped().to_vec())
    }

    /// Checks that nobody has stopped this agent.
    ///
    /// # Errors
    /// [`RunError::Stopped`] with who did, and what enables it.
    pub(crate) fn check_enabled(&self, agent: &SafeText, digest: &Digest) -> Result<(), RunError> {
        let stopped = self.inner.gate.with_ledger(|ledger| ledger.stopped_by(agent, digest).cloned());
        stopped.map_or(Ok(()), |stopped| Err(RunError::Stopped(Box::new(stopped))))
    }

    /// Ends a run at its beginning if its agent was stopped after that was checked, and before the run was on the record.
    pub(crate) fn end_if_stopped(&self, gate: &gate::RunGate, channel: &RunChannel) {
        let agent = &gate.header().spec.agent;
        if let Err(RunError::Stopped(stopped)) = self.check_enabled(&agent.name, &agent.digest) {
            order_end(&channel.stop, Stopping { by: stopped.by, means: Means::Stop });
        }
    }

    /// Stops agents: it is recorded, their leases are ended, their requests are cut, and their runs are ended, also those that are suspended or
    /// were cut off.
    ///
    /// # Errors
    /// The record can't be written. A run that can't be ended is in the report.
    pub async fn stop_agents(&self, what: &Stoppable, by: &Principal) -> Result<StopReport, RunError> {
        let mut report = StopReport { was_stopped: self.stopped().iter().any(|stopped| stopped.what == *what), ..StopReport::default() };
        if !report.was_stopped {
            let (at, kind) = (self.inner.clock.unix_ms(), RecordKind::AgentsStopped);
            let record: Record = AgentsStopped { at, by: by.clone(), kind, v: VERSION, what: what.clone() }.into();
            self.inner.gate.append_log(&record)?.durable.await?;
        }
        for _ in 0..LOOKS {
            let open = self.open_runs_of(what);
            let mut waits = false;
            for run in &open {
                if report.left.iter().any(|left| left.run == *run) {
                    continue;
                }
                waits = true;
                if !report.ended.contains(run) {
                    self.stop_one(*run, by, &mut report).await?;
                }
            }
            if !waits {
                break;
            }
            // A run that is ending has a few things to write.
            tokio::time::sleep(LOOK).await;
        }
        let open = self.open_runs_of(what);
        let late = |run: &RunId| open.contains(run) && !report.left.iter().any(|left| left.run == *run);
        let late: Vec<RunId> = report.ended.iter().copied().filter(late).collect();
        report.ended.retain(|run| !late.contains(run));
        let why = SafeText::new("it has not ended yet; `bailiwick ps` shows it", WHY_BYTES_MAX);
        report.left.extend(late.into_iter().map(|run| LeftRun { run, why: why.clone() }));
        Ok(report)
    }

    async fn stop_one(&self, run: RunId, by: &Principal, report: &mut StopReport) -> Result<(), RunError> {
        // The leases first: the connections under them are closed, and nothing streams until the run has ended.
        let revoking = Revoking { agent: None, credential: None, run: Some(run) };
        match self.take_back(&revoking, None, by).await {
            Ok(leases) => report.leases.extend(leases),
            Err(err @ RunError::RecordBroken { .. }) => return Err(err),
            // It was cut off, or has just ended: then it has no lease.
            Err(_) => {}
        }
        match self.end(run, Stopping { by: by.clone(), means: Means::Stop }).await {
            Ok(_) => report.ended.push(run),
            Err(err @ RunError::RecordBroken { .. }) => return Err(err),
            Err(err) => report.left.push(LeftRun { run, why: SafeText::new(&chain(&err), WHY_BYTES_MAX) }),
        }
        Ok(())
    }

    fn open_runs_of(&self, what: &Stoppable) -> Vec<RunId> {
        // A run whose component a snapshot of an older version does not name is ended too: stopping too much is the safe mistake.
        let is_meant = |open: &OpenRun| {
            open.digest
                .map_or_else(|| !matches!(what, Stoppable::Agent(name) if *name != open.agent), |digest| what.is(&open.agent, &digest))
        };
        self.inner.gate.with_ledger(|ledger| ledger.open_runs().filter(|(_, open)| is_meant(open)).map(|(run, _)| run).collect())
    }

    /// Lets agents run again that somebody has stopped. Returns whether they were stopped.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn enable_agents(&self, what: &Stoppable, by: &Principal) -> Result<bool, RunError> {
        if self.stopped().iter().all(|stopped| stopped.what != *what) {
            return Ok(false);
        }
        let (at, kind) = (self.inner.clock.unix_ms(), RecordKind::AgentsEnabled);
        let record: Record = AgentsEnabled { at, by: by.clone(), kind, v: VERSION, what: what.clone() }.into();
        self.inner.gate.append_log(&record)?.durable.await?;
        Ok(true)
    }
}
