//! Runs that were cut off. Only one caller at a time may resume, settle or end such a run. A run that can't be resumed can still be ended.

use std::error::Error;
use std::time::Duration;

use broker::Mounts;
use gate::{OpenRun, RunHeader};
use vocabulary::{Outcome, RunId, SafeText, Stopping};

use crate::err::{RunError, chain};
use crate::local_host::LocalHost;
use crate::place::held;

/// While this value exists, no other caller can resume, settle or end the run.
pub(crate) struct Taken {
    host: LocalHost,
    run: RunId,
}

impl Taken {
    pub(crate) fn run(&self) -> RunId {
        self.run
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = held(&self.host.inner.taken);
        if let Some(owners) = taken.get_mut(&self.run) {
            *owners -= 1;
            if *owners == 0 {
                taken.remove(&self.run);
            }
        }
        drop(taken);
        self.host.inner.waits_changed.notify_one();
    }
}

impl LocalHost {
    /// Takes a run whose task is about to leave it.
    pub(crate) fn take(&self, run: RunId) -> Taken {
        *held(&self.inner.taken).entry(run).or_default() += 1;
        Taken { host: self.clone(), run }
    }

    /// Takes a run that is open and not running.
    pub(crate) fn take_cut_off(&self, run: RunId) -> Result<Taken, RunError> {
        let mut all = held(&self.inner.taken);
        if all.contains_key(&run) {
            return Err(RunError::Taken(run));
        }
        all.insert(run, 1);
        drop(all);
        let taken = Taken { host: self.clone(), run };
        if held(&self.inner.going).contains_key(&run) {
            return Err(RunError::Running(run));
        }
        if self.inner.gate.with_ledger(|ledger| ledger.open_run(run).is_none()) {
            return Err(RunError::NoSuchRun(run));
        }
        Ok(taken)
    }

    /// Closes a suspended run, which is neither loaded nor rebuilt for that.
    pub(crate) async fn close_suspended(&self, run: RunId, stopping: Stopping) -> Result<(), RunError> {
        let open = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).cloned()).ok_or(RunError::NoSuchRun(run))?;
        let closed = self.inner.gate.close_cut_off(run, open.spent.ms(), Outcome::Stopped(stopping), None)?;
        Ok(closed.durable.await?)
    }

    /// As [`LocalHost::take_cut_off`]. Waits if another caller is just resuming, settling or ending the run.
    pub(crate) async fn take_when_free(&self, run: RunId) -> Result<Taken, RunError> {
        for _ in 0..TAKEN_LOOKS {
            match self.take_cut_off(run) {
                Err(RunError::Taken(_)) => tokio::time::sleep(TAKEN_LOOK).await,
                taken => return taken,
            }
        }
        self.take_cut_off(run)
    }

    /// Ends a run. A running one gets the order to end. One that was cut off is closed on the record, with the reason why it could not have
    /// been resumed, if that is plain. This needs only the ledger. Returns whether there was a run to end.
    ///
    /// # Errors
    /// [`RunError::Unsettled`] if an act needs to be settled first; the record can't be written.
    pub async fn end(&self, run: RunId, stopping: Stopping) -> Result<bool, RunError> {
        if self.stop(run, &stopping) {
            return Ok(true);
        }
        let _taken = match self.take_when_free(run).await {
            Ok(taken) => taken,
            // Another caller has just resumed it.
            Err(RunError::Running(_)) => return Ok(self.stop(run, &stopping)),
            Err(RunError::NoSuchRun(_)) => return Ok(false),
            Err(err) => return Err(err),
        };
        let open = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).cloned()).ok_or(RunError::NoSuchRun(run))?;
        let acts = open.unsettled();
        if !acts.is_empty() {
            return Err(RunError::Unsettled { run, acts });
        }
        let active_ms = open.spent.ms();
        let host = self.clone();
        let obstacle = tokio::task::spawn_blocking(move || host.obstacle(run, &open)).await.unwrap_or_default();
        let obstacle = obstacle.map(|words| SafeText::new(&words, OBSTACLE_BYTES_MAX));
        self.inner.gate.close_cut_off(run, active_ms, Outcome::Stopped(stopping), obstacle)?.durable.await?;
        self.tell_end(run).await;
        Ok(true)
    }

    /// Why a run can't be resumed, as far as this can be seen without a rebuild.
    fn obstacle(&self, run: RunId, open: &OpenRun) -> Option<String> {
        if !open.durable {
            return Some("what it saw was not kept, because it was not started as durable".to_owned());
        }
        if !open.kept {
            return Some("what it saw was not kept, because it was more than `payload-bytes`".to_owned());
        }
        let header = match self.header(run) {
            Ok(header) => header,
            Err(err) => return Some(chain(&*err)),
        };
        let spec = &header.spec;
        let component = package::store::get(&self.inner.place.home, spec.agent.digest).err().map(|err| chain(&err));
        let mount = || Mounts::open(&spec.grants).err().map(|err| chain(&err));
        let grant = || policy::grants::check(&spec.grants).into_iter().next().map(|problem| RunError::Grant(problem).to_string());
        component.or_else(mount).or_else(grant)
    }

    /// As [`LocalHost::header`], on a thread that may block.
    pub(crate) async fn header_of(&self, run: RunId) -> Result<RunHeader, RunError> {
        let host = self.clone();
        let header = tokio::task::spawn_blocking(move || host.header(run).map_err(|err| chain(&*err))).await;
        let header = header.map_err(|_| RunError::TaskLost("reads the record"))?;
        header.map_err(|why| RunError::Unreadable { run, why })
    }

    /// The header of a run: what it was opened with. Reads one record.
    fn header(&self, run: RunId) -> Result<RunHeader, Box<dyn Error>> {
        let reader = self.inner.journal.reader()?;
        let part = gate::runs(&reader)?.into_iter().find(|part| part.run == run).ok_or(RunError::NoSuchRun(run))?;
        Ok(RunHeader::load(&reader, &reader.fetch(part.at.into())?)?)
    }
}

/// BOUND: how often it is looked whether another caller is done with a run, and the time between two looks.
pub(crate) const TAKEN_LOOKS: u32 = 500;
pub(crate) const TAKEN_LOOK: Duration = Duration::from_millis(20);
/// BOUND: length of the reason on the record, in bytes.
const OBSTACLE_BYTES_MAX: usize = 512;
