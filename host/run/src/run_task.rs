//! The life of one run, from its order to its end on the record.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerParts, Mounts};
use gate::{BookSnapshot, Closing, Live, LiveParts, Recorded, Resuming, RunGate, RunHeader, RunWorld, Sum};
use sandbox::{EntryPoint, Prepared, RunEnded, Start};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use vocabulary::{Clock, Outcome, Principal, RunId, RunSpec, SafeText, Stop};

use crate::change::notes;
use crate::cut_off::Taken;
use crate::err::RunError;
use crate::event::RunEvent;
use crate::guest_start::{engine_ref, start_of, world_back};
use crate::hand_over::{Left, left};
use crate::local_host::{Attending, LiveRun, LocalHost};
use crate::order::{NetworkOrder, RunOrder, Surroundings};
use crate::place::held;
use crate::report::{Claims, Evidence, RecordEvidence, RunReport, output_value, read_sum};
use crate::run_channel::{Resumer, RunChannel};
use crate::running::Running;

/// The run's entry among the active runs. It is removed when the run's task ends, in whatever way.
struct Launch {
    host: LocalHost,
    run: RunId,
    _attending: Attending,
}

impl Launch {
    /// Keeps the entry until this process ends. No end is reported, because the run has not ended.
    async fn kept_to_the_end(self) {
        pending::<()>().await;
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        held(&self.host.inner.going).remove(&self.run);
        self.host.inner.waits_changed.notify_one();
    }
}

/// What a run is started or resumed with.
struct Parts {
    prepared: Prepared,
    gate: RunGate,
    world: RunWorld<Live>,
    begun: Begun,
    network: NetworkOrder,
}

/// Why a run is no longer in memory.
enum Unloaded {
    /// It has ended.
    Closed(Box<RunReport>),
    /// It was suspended.
    Suspended,
}

/// Everything that the task of one run needs.
struct RunTask {
    host: LocalHost,
    prepared: Prepared,
    gate: RunGate,
    world: RunWorld<Live>,
    channel: RunChannel,
    network: NetworkOrder,
    begun: Begun,
    /// Resolves when the guest may begin.
    gone: oneshot::Receiver<()>,
}

/// Whether this process has started the run, or for how long the run was active before this process resumed it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Here,
    Before(Duration),
}

impl LocalHost {
    /// Starts a run. The component is compiled first, if necessary. Returns when `run-opened` has its place on the record; events report
    /// what follows.
    ///
    /// # Errors
    /// Anything that keeps the run from starting. In that case it has no record.
    pub async fn start(&self, order: RunOrder, by: Principal) -> Result<Running, RunError> {
        self.open_run(order, by).await.map(Running::gone_ahead)
    }

    /// As [`LocalHost::start`], but the guest begins only once [`Running::go`] is called.
    ///
    /// # Errors
    /// As [`LocalHost::start`].
    pub async fn open_run(&self, order: RunOrder, by: Principal) -> Result<Running, RunError> {
        order.check_grants()?;
        order.check_input()?;
        self.check_destinations(&order.grants).await?;
        let attending = self.attend().ok_or(RunError::Leaving)?;
        let prepared = self.prepare(order.agent.digest, &order.limits).await?;
        let mounts = Mounts::open(&order.grants)?;
        let opened_unix_ns = self.inner.clock.unix_ns();
        let run = new_run_id(opened_unix_ns)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| RunError::Random)?;
        let spec = RunSpec {
            agent: order.agent,
            config: order.config,
            durable: RunSpec::durable(&order.grants, order.durable),
            engine: engine_ref(&prepared),
            grants: order.grants,
            limits: order.limits,
        };
        let spec = Arc::new(spec);
        let header = RunHeader { args: order.args, by, input: order.input, opened_unix_ns, parent: None, run, seed, spec };
        let network = needs_network(&header.spec.grants).then(|| self.network(&order.network)).transpose()?;
        let (channel, events) = RunChannel::new();
        let gate = self.inner.gate.open_run(header, order.policies.as_ref(), Arc::clone(&channel.sender) as Arc<dyn gate::Watcher>)?;
        let live = self.live_world(&gate, mounts, network);
        let world = RunWorld::fresh(live, &gate.header().spec.limits);
        let gate_run = gate.header().run;
        let parts = Parts { prepared, gate, world, begun: Begun::Here, network: order.network };
        let (run, stop) = (gate_run, channel.stop.clone());
        channel.sender.tell(RunEvent::Opened { run });
        let go = self.launch(attending, parts, channel);
        Ok(Running::new(run, events, stop).waiting(go))
    }

    /// Resumes a run that was cut off: its record answers first.
    ///
    /// # Errors
    /// A run that is not open, is running already, or can't be rebuilt; [`RunError::Unsettled`] if acts are known to need a settlement.
    pub async fn resume(&self, run: RunId, by: Principal, around: &Surroundings) -> Result<Running, RunError> {
        self.open_again(run, by, around).await.map(Running::gone_ahead)
    }

    /// As [`LocalHost::resume`], but the guest begins only once [`Running::go`] is called. A suspended run that must wait longer is resumed
    /// when its wait is over.
    ///
    /// # Errors
    /// As [`LocalHost::resume`].
    pub async fn open_again(&self, run: RunId, by: Principal, around: &Surroundings) -> Result<Running, RunError> {
        if self.is_parked(run) || held(&self.inner.going).contains_key(&run) {
            return Err(RunError::Running(run));
        }
        if held(&self.inner.taken).contains_key(&run) {
            return Err(RunError::Taken(run));
        }
        if self.must_wait(run) {
            return Ok(self.listen(run, &around.network));
        }
        let (channel, events) = RunChannel::new();
        let stop = channel.stop.clone();
        channel.sender.tell(RunEvent::Opened { run });
        let go = self.load_again(self.take_cut_off(run)?, Resumer { by, unattended: false }, (channel, around.clone())).await?;
        Ok(Running::new(run, events, stop).waiting(go))
    }

    /// Loads a run again from its record. Its guest begins when the returned sender is used.
    ///
    /// # Errors
    /// As [`LocalHost::resume`].
    pub(crate) async fn load_again(
        &self,
        taken: Taken,
        Resumer { by, unattended }: Resumer,
        (channel, Surroundings { network, policies }): (RunChannel, Surroundings),
    ) -> Result<oneshot::Sender<()>, RunError> {
        let run = taken.run();
        // SECURITY: the run may have done more after the copy was made, and this record does not show it.
        if self.inner.gate.with_ledger(|ledger| ledger.open_run(run).is_some_and(|open| open.restored)) {
            return Err(RunError::Restored(run));
        }
        let load = |cause| RunError::Load { run, cause };
        self.check_settled(run)?;
        let recorded = self.recorded(run).await?;
        let header = recorded.header().clone();
        // Checked before anything is written, so that a run that can't be resumed is left as it is.
        if !recorded.is_kept() || !header.spec.durable {
            return Err(load(gate::LoadError::NotKept));
        }
        // SECURITY: a run that began under policies continues only under policies that are trusted now.
        if header.spec.grants.policy.is_some() && policies.is_none() {
            return Err(RunError::NoPolicies(run));
        }
        let prepared = self.prepare(header.spec.agent.digest, &header.spec.limits).await?;
        let mounts = Mounts::open(&header.spec.grants)?;
        let opened = needs_network(&header.spec.grants).then(|| self.network(&network)).transpose()?;
        let attending = self.attend().ok_or(RunError::Leaving)?;
        let begun = Begun::Before(Duration::from_millis(recorded.spent().ms()));
        let watcher = Arc::clone(&channel.sender) as Arc<dyn gate::Watcher>;
        let resuming = Resuming { policies, unattended, ..Resuming::of(&recorded, by) };
        let resumed = self.inner.gate.resume_run(header, &resuming, watcher);
        let gate = resumed.map_err(|_| self.record_broken(Some(run)))?;
        let live = self.live_world(&gate, mounts, opened);
        let world = RunWorld::resume(recorded, live).map_err(load)?;
        Ok(self.launch(attending, Parts { prepared, gate, world, begun, network }, channel))
    }

    /// The live world of a run, with the broker that carries out its permits.
    fn live_world(&self, gate: &RunGate, mounts: Mounts, network: Option<net::Network>) -> Live {
        let runtime = tokio::runtime::Handle::current();
        let header = gate.header();
        let broker = Broker::new(BrokerParts {
            spec: Arc::clone(&header.spec),
            seed: header.seed,
            mounts,
            clock: Arc::clone(&self.inner.clock) as Arc<dyn Clock>,
            network,
            vault: self.vault(),
            runtime: runtime.clone(),
        });
        Live::new(LiveParts {
            gate: gate.clone(),
            effects: Arc::new(broker),
            notes: notes(&self.inner.place),
            runtime,
            long_wait: self.inner.long_wait,
        })
    }

    pub(crate) async fn prepare(&self, digest: vocabulary::Digest, limits: &vocabulary::Limits) -> Result<Prepared, RunError> {
        if let Some(prepared) = self.inner.component_cache.ready(digest, limits.stack_bytes) {
            return Ok(prepared);
        }
        let (host, limits) = (self.clone(), limits.clone());
        // Compiling waits for a child process.
        let prepared = tokio::task::spawn_blocking(move || host.inner.component_cache.prepare(digest, &limits)).await;
        prepared.unwrap_or(Err(RunError::TaskLost("compiles")))
    }

    /// Starts the task of a run. Its guest begins when the returned sender is used.
    fn launch(&self, attending: Attending, parts: Parts, channel: RunChannel) -> oneshot::Sender<()> {
        let Parts { prepared, gate, world, begun, network } = parts;
        let run = gate.header().run;
        let agent = gate.header().spec.agent.name.clone();
        held(&self.inner.going).insert(run, LiveRun { agent, live: world.live().handle(), stop: channel.stop.clone() });
        // The host may have begun to leave the home while this run was being prepared.
        if self.is_leaving() {
            world.live().handle().ask_no_more();
        }
        let entry = Launch { host: self.clone(), run, _attending: attending };
        let (go, gone) = oneshot::channel();
        let task = RunTask { host: self.clone(), prepared, gate, world, channel, network, begun, gone };
        let span = task.gate.span().clone();
        tokio::spawn(task.live(entry).instrument(span));
        go
    }

    /// Reads a run's records on a thread that may block.
    pub(crate) async fn recorded(&self, run: RunId) -> Result<Recorded, RunError> {
        let reader = self.inner.journal.reader()?.proving();
        let loaded = tokio::task::spawn_blocking(move || Recorded::load(&reader, run)).await;
        let loaded = loaded.map_err(|_| RunError::TaskLost("reads the record"))?;
        loaded.map_err(|cause| RunError::Load { run, cause })
    }
}

fn new_run_id(unix_ns: u64) -> Result<RunId, RunError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|_| RunError::Random)?;
    Ok(RunId::from_parts(unix_ns / 1_000_000, random))
}

/// Whether any grant may need a connection.
fn needs_network(grants: &vocabulary::Grants) -> bool {
    !grants.http.is_empty() || !grants.may.is_empty()
}

impl RunTask {
    async fn live(self, entry: Launch) {
        let (host, run, channel, network) = (self.host.clone(), entry.run, self.channel.clone(), self.network.clone());
        let told = match self.until_unloaded().await {
            Ok(Unloaded::Closed(report)) => Some(RunEvent::Closed { report }),
            Ok(Unloaded::Suspended) => host.ordered_meanwhile(run, &channel).await,
            // The run has not ended, and another process continues it. Its client notices that when this process ends.
            Err(_) if host.is_leaving() => return entry.kept_to_the_end().await,
            Err(err) => Some(RunEvent::failed(&err)),
        };
        // Until its channel is kept, nobody else may resume or end a suspended run.
        let taken = told.is_none().then(|| host.take(run));
        // The entry is removed before the end is reported, because a listener may start the next run at once.
        drop(entry);
        let is_due = host.inner.journal.wants_snapshot();
        // If a snapshot fails, the journal breaks, and the next run notices that.
        let _ = host.inner.gate.snapshot(BookSnapshot::IfWanted);
        match told {
            Some(told) => channel.sender.tell(told),
            None => host.park(run, channel, network),
        }
        drop(taken);
        host.inner.waits_changed.notify_one();
        if is_due {
            // This saves later readers from waiting. If it does not finish, a later reader does the rest.
            drop(tokio::task::spawn_blocking(move || host.index()));
        }
    }

    async fn until_unloaded(mut self) -> Result<Unloaded, RunError> {
        // If the sender was dropped, nobody waits for the run, and it is about to be stopped.
        let _ = (&mut self.gone).await;
        let header = self.gate.header().clone();
        let entry = self.prepared.entry();
        let (handle, finishing) = (self.world.live().handle(), self.world.live().handle());
        let mut stopped = self.channel.stop.subscribe();
        let stop = async move {
            // If the sender is gone, no order can come any more.
            match stopped.wait_for(Option::is_some).await.map(|stopping| stopping.clone()) {
                Ok(Some(stopping)) => {
                    handle.stop();
                    stopping
                }
                Ok(None) | Err(_) => pending().await,
            }
        };
        let spent = if let Begun::Before(spent) = self.begun { spent } else { Duration::ZERO };
        let rebuilt = matches!(self.begun, Begun::Before(_)).then(|| self.gate.rebuilt());
        let start = Start { spent, rebuilt, ..start_of(&header) };
        let ended = sandbox::enter(&self.prepared, start, Box::new(self.world), stop).await;
        // SECURITY: a suspended run writes nothing further, even if an order or a limit arrived before its guest had ended.
        let left = if self.gate.is_suspended() {
            Some(Left::Suspended)
        } else {
            ended.as_ref().ok().and_then(|ended| left(ended, self.host.is_leaving()))
        };
        match left {
            // `ended` holds the world. So acts under way continue as long as this process exists.
            Some(Left::ByThisProcess) => pending::<()>().await,
            Some(Left::Suspended) => {
                let durable = self.host.inner.journal.durable().await;
                return durable.map(|()| Unloaded::Suspended).map_err(|_| self.host.record_broken(Some(header.run)));
            }
            None => {}
        }
        finishing.finished().await;
        let ended = ended?;
        // The run stays open: with the engine and the files that it began with, it may still be resumed.
        if let Some(Stop::Diverged(divergence)) = ended.stop {
            return Err(RunError::Diverged { run: header.run, divergence: *divergence });
        }
        let closing = Self::closing(&self.host, &self.gate, ended).await?;
        let sum = match self.begun {
            Begun::Here if closing.0.outcome != Outcome::RecordBroken => self.gate.take_sum(),
            // This process has not written all records of the run, or not all that it wrote is on the record.
            Begun::Here | Begun::Before(_) => sum_on_record(&self.host, header.run).await?,
        };
        Ok(Unloaded::Closed(Box::new(report(&self.host, &self.gate, closing, entry, sum))))
    }

    /// Records the end of the run, unless the run has to stay open.
    async fn closing(host: &LocalHost, gate: &RunGate, ended: RunEnded) -> Result<(Closing, gate::Tally), RunError> {
        let RunEnded { mut outcome, output, peak_memory, active, world, .. } = ended;
        let Some(mut world) = world_back(world) else { return Err(RunError::TaskLost("runs the guest")) };
        // A run that was ended from outside or by a limit may end anywhere in its record. Only the guest's own end is compared with it.
        let by_itself = matches!(outcome, Outcome::Done | Outcome::Failed { .. } | Outcome::Trapped { .. });
        if by_itself && let Err(stop) = world.ended() {
            outcome = match stop {
                Stop::Unsettled(_) => Outcome::Unsettled { acts: Vec::new() },
                Stop::RecordBroken => Outcome::RecordBroken,
                Stop::Diverged(divergence) => {
                    return Err(RunError::Diverged { run: gate.header().run, divergence: *divergence });
                }
                other => Outcome::HostFailed { message: SafeText::new(&other.to_string(), 4096) },
            };
        }
        if matches!(outcome, Outcome::Unsettled { .. }) {
            outcome = Outcome::Unsettled { acts: gate.unsettled() };
        }
        let active_ms = u64::try_from(active.as_millis()).unwrap_or(u64::MAX);
        let mut output = output.to_vec();
        world.live().redact_end(&mut outcome, &mut output);
        let output = (!output.is_empty() || outcome == Outcome::Done).then_some(output);
        let closing = Closing { active_ms, outcome, output, peak_memory };
        match closing.outcome {
            // The run stays open on the record: it can be resumed or settled.
            Outcome::RecordBroken | Outcome::Unsettled { .. } => Ok((closing, gate::Tally::default())),
            _ => match gate.close(closing.clone()).await {
                Ok(tally) => Ok((closing, tally)),
                Err(_) => Err(host.record_broken(on_record(host, gate.header().run).await)),
            },
        }
    }
}

/// The run's id if the run has any record. Only then can it be resumed.
async fn on_record(host: &LocalHost, run: RunId) -> Option<RunId> {
    sum_on_record(host, run).await.ok().filter(|sum| sum.entries > 0).map(|_| run)
}

/// What the records of a run add up to.
async fn sum_on_record(host: &LocalHost, run: RunId) -> Result<Sum, RunError> {
    let (reader, size) = (host.inner.journal.reader()?, host.inner.journal.size());
    let read = tokio::task::spawn_blocking(move || read_sum(&reader, run, size)).await;
    read.map_err(|_| RunError::TaskLost("reads the record"))?
}

fn report(host: &LocalHost, gate: &RunGate, closed: (Closing, gate::Tally), entry: EntryPoint, sum: Sum) -> RunReport {
    let (closing, tally) = closed;
    let (header, waited_ms) = (gate.header(), sum.waited_ms);
    let changes = host.inner.gate.with_ledger(|ledger| ledger.clock_changes.clone());
    let record = RecordEvidence {
        clock_changes: changes.into_iter().filter(|(index, _)| *index > sum.first).map(|(_, change)| change).collect(),
        first: sum.first,
        last: sum.last,
        entries: sum.entries,
        ..RecordEvidence::now(&host.inner.journal)
    };
    let spec = &header.spec;
    let broken = (closing.outcome == Outcome::RecordBroken).then(|| host.told_broken(header.run, sum.entries > 0));
    RunReport {
        run: header.run,
        broken,
        agent: spec.agent.clone(),
        by: header.by.clone(),
        outcome: closing.outcome,
        active_ms: closing.active_ms,
        waited_ms,
        claims: Claims { output: output_value(closing.output, entry), findings: sum.findings, findings_more: sum.findings_more },
        evidence: Evidence::new(spec, (sum.touched, closing.peak_memory, tally.resumable), record),
    }
}
