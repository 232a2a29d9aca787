//! One run, from its order to its end on the record.

use std::any::Any;
use std::sync::Arc;

use broker::{Live, LiveParts, Mounts};
use bytes::Bytes;
use effect::record::{EngineRef, Settled};
use effect::{Outcome, RunId, SafeText, Stop};
use gate::{Clock as _, Closing, Opening, Recorded, Replay, Resuming, RunGate, Snapshot, Standing};
use sandbox::{Ended, EntryPoint, Prepared, Start};
use tokio::sync::watch;

use crate::err::RunError;
use crate::event::{self, Event, Events, Teller};
use crate::house::{Going, House, held};
use crate::order::RunOrder;
use crate::report::{Claims, Evidence, RecordEvidence, Report, read_sum};

/// What runs here call themselves on the record.
pub(crate) fn engine_ref(prepared: &Prepared) -> EngineRef {
    EngineRef {
        host: SafeText::new(env!("CARGO_PKG_VERSION"), 32),
        profile: SafeText::new(&prepared.profile(), 32),
        wasmtime: SafeText::new(sandbox::WASMTIME, 32),
    }
}

/// A run that was started: what it tells, and how to end it.
pub struct Running {
    /// Which.
    pub run: RunId,
    /// What is told of it; [`Event::Closed`] or [`Event::Failed`] is the last.
    pub events: Events,
    stop: watch::Sender<Option<SafeText>>,
}

impl Running {
    pub(crate) fn new(run: RunId, events: Events, stop: watch::Sender<Option<SafeText>>) -> Self {
        Self { run, events, stop }
    }

    /// Tells it to end.
    pub fn stop(&self, by: &str) {
        self.stop.send_replace(Some(SafeText::new(by, 64)));
    }
}

/// Everything that one run needs to go on by itself.
struct Life {
    house: House,
    prepared: Prepared,
    gate: RunGate,
    world: Replay<Live>,
    teller: Arc<Teller>,
    stopped: watch::Receiver<Option<SafeText>>,
    begun: Begun,
}

/// Whether this process has seen the run from its start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Here,
    Before,
}

impl House {
    /// Starts a run. Returns when `run-opened` has its place; what follows is told by events. Compiling, where it must be, happens
    /// before that.
    ///
    /// # Errors
    /// Whatever keeps it from starting; nothing is on the record then.
    pub async fn start(&self, order: RunOrder) -> Result<Running, RunError> {
        order.check_input()?;
        let prepared = self.prepare(order.agent.digest, order.limits.stack_bytes).await?;
        let mounts = Mounts::open(&order.grants)?;
        let opened_unix_ns = self.inner.clock.unix_ns();
        let run = new_run_id(opened_unix_ns)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| RunError::Random)?;
        let standing = Standing {
            agent: order.agent,
            config: order.config,
            durable: Standing::durable(&order.grants, order.durable),
            engine: engine_ref(&prepared),
            grants: order.grants,
            limits: order.limits,
        };
        let standing = Arc::new(standing);
        let opening = Opening { args: order.args, by: order.by, input: order.input, opened_unix_ns, parent: None, run, seed, standing };
        let pool = if opening.standing.grants.http.is_empty() { None } else { Some(self.network(&order.network)?.pool()) };
        let (teller, events) = event::channel();
        let teller = Arc::new(teller);
        let gate = self.inner.gate.open_run(opening, Arc::clone(&teller) as Arc<dyn gate::Watcher>)?;
        let live = Live::new(LiveParts { gate: gate.clone(), mounts, pool, runtime: tokio::runtime::Handle::current() });
        let world = Replay::fresh(live, &gate.opening().standing.limits);
        Ok(self.launch(prepared, gate, world, (teller, events), Begun::Here))
    }

    /// Goes on with a run that was cut off: answers from the record first.
    ///
    /// # Errors
    /// A run that is not open, goes on already, or can't be rebuilt.
    pub async fn resume(
        &self,
        run: RunId,
        by: SafeText,
        settled: Option<bool>,
        network: &crate::NetworkOrder,
    ) -> Result<Running, RunError> {
        let _taken = self.take_cut_off(run)?;
        let load = |cause| RunError::Load { run, cause };
        let recorded = Recorded::load(&self.inner.journal.reader()?, run).map_err(load)?;
        let opening = recorded.opening().clone();
        // Before anything is written: a run that can't go on is left as it is.
        if !recorded.is_kept() || !opening.standing.durable {
            return Err(load(gate::LoadError::NotKept));
        }
        let limits = &opening.standing.limits;
        let prepared = self.prepare(opening.standing.agent.digest, limits.stack_bytes).await?;
        let mounts = Mounts::open(&opening.standing.grants)?;
        let pool = if opening.standing.grants.http.is_empty() { None } else { Some(self.network(network)?.pool()) };
        let settled = match settled {
            Some(did) => recorded.unsettled().into_iter().map(|(op, _)| Settled { did, op }).collect(),
            None => Vec::new(),
        };
        let (teller, events) = event::channel();
        let teller = Arc::new(teller);
        let resuming = Resuming { by, settled };
        let watcher = Arc::clone(&teller) as Arc<dyn gate::Watcher>;
        let gate = self.inner.gate.resume_run(opening, &resuming, watcher).map_err(|_| RunError::RecordBroken)?;
        let live = Live::new(LiveParts { gate: gate.clone(), mounts, pool, runtime: tokio::runtime::Handle::current() });
        let world = Replay::resume(recorded, live).map_err(load)?;
        Ok(self.launch(prepared, gate, world, (teller, events), Begun::Before))
    }

    pub(crate) async fn prepare(&self, digest: effect::Digest, stack_bytes: u64) -> Result<Prepared, RunError> {
        if let Some(prepared) = self.inner.workshop.ready(digest, stack_bytes) {
            return Ok(prepared);
        }
        let house = self.clone();
        // Compiling waits for a child process.
        let prepared = tokio::task::spawn_blocking(move || house.inner.workshop.prepare(digest, stack_bytes)).await;
        prepared.unwrap_or(Err(RunError::Holder("the task that compiles ended without a word".to_owned())))
    }

    fn launch(&self, prepared: Prepared, gate: RunGate, world: Replay<Live>, told: (Arc<Teller>, Events), begun: Begun) -> Running {
        let (teller, events) = told;
        let run = gate.opening().run;
        let (stop, stopped) = watch::channel(None);
        let agent = gate.opening().standing.agent.name.clone();
        held(&self.inner.going).insert(run, Going { agent, stop: stop.clone() });
        self.inner.count.send_modify(|count| *count += 1);
        teller.tell(Event::Opened { run });
        let life = Life { house: self.clone(), prepared, gate, world, teller, stopped, begun };
        tokio::spawn(life.live());
        Running { run, events, stop }
    }
}

fn new_run_id(unix_ns: u64) -> Result<RunId, RunError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|_| RunError::Random)?;
    Ok(RunId::from_parts(unix_ns / 1_000_000, random))
}

/// What a guest is started with, from what its run was opened with: the same for the first time and for every rebuild.
pub(crate) fn start_of(opening: &Opening) -> Start {
    let standing = &opening.standing;
    let name = standing.agent.name.as_str().to_owned();
    Start {
        args: std::iter::once(name).chain(opening.args.iter().cloned()).collect(),
        env: standing.grants.env.clone().into_iter().collect(),
        input: Bytes::from(opening.input.clone()),
        limits: standing.limits.clone(),
        mounts: standing.grants.files.iter().map(|mount| mount.guest.clone()).collect(),
    }
}

/// The world that went in, with its own type back.
pub(crate) fn world_back(world: Box<dyn effect::World>) -> Option<Box<Replay<Live>>> {
    (world as Box<dyn Any>).downcast().ok()
}

impl Life {
    async fn live(self) {
        let (house, teller, run) = (self.house.clone(), Arc::clone(&self.teller), self.gate.opening().run);
        let told = match self.until_closed().await {
            Ok(report) => Event::Closed { report: Box::new(report) },
            Err(err) => Event::Failed { exit: err.exit(), message: err.chain() },
        };
        // The place is free before the end is told: whoever hears of it may start the next run at once.
        held(&house.inner.going).remove(&run);
        house.inner.count.send_modify(|count| *count -= 1);
        // A snapshot that fails breaks the journal, which the next run finds out.
        let _ = house.inner.gate.snapshot(Snapshot::IfWanted);
        teller.tell(told);
    }

    async fn until_closed(self) -> Result<Report, RunError> {
        let opening = self.gate.opening().clone();
        let entry = self.prepared.entry();
        let handle = self.world.live().handle();
        let mut stopped = self.stopped.clone();
        let stop = async move {
            // A sender that is gone asks for nothing any more.
            match stopped.wait_for(Option::is_some).await.map(|by| by.clone()) {
                Ok(by) => {
                    handle.stop();
                    by.unwrap_or_else(|| SafeText::new("stop", 64))
                }
                Err(_) => std::future::pending().await,
            }
        };
        let ended = sandbox::enter(&self.prepared, start_of(&opening), Box::new(self.world), stop).await?;
        let closing = Self::closing(&self.gate, ended).await?;
        report(&self.house, &self.gate, closing, entry, self.begun)
    }

    /// Puts the end on the record, unless the run can't have one yet.
    async fn closing(gate: &RunGate, ended: Ended) -> Result<(Closing, gate::Tally), RunError> {
        let Ended { mut outcome, output, peak_memory, active, world, .. } = ended;
        let Some(mut world) = world_back(world) else { return Err(RunError::Holder("the world of the run was lost".to_owned())) };
        // A run that was cut off from outside, or by a limit, may end anywhere in its record: only the guest's own end is held against it.
        let by_itself = matches!(outcome, Outcome::Done | Outcome::Failed { .. } | Outcome::Trapped { .. });
        if by_itself && let Err(stop) = world.ended() {
            outcome = match stop {
                Stop::Unsettled(op) => Outcome::Unsettled { op: op.0 },
                Stop::RecordBroken => Outcome::RecordBroken,
                other => Outcome::HostFailed { message: SafeText::new(&other.to_string(), 4096) },
            };
        }
        let active_ms = u64::try_from(active.as_millis()).unwrap_or(u64::MAX);
        let output = (!output.is_empty() || outcome == Outcome::Done).then(|| output.to_vec());
        let closing = Closing { active_ms, outcome, output, peak_memory };
        match closing.outcome {
            // It stays open on the record: it can be resumed, or settled.
            Outcome::RecordBroken | Outcome::Unsettled { .. } => Ok((closing, gate::Tally::default())),
            _ => {
                let tally = gate.close(closing.clone()).await.map_err(|_| RunError::RecordBroken)?;
                Ok((closing, tally))
            }
        }
    }
}

fn output_value(output: Option<Vec<u8>>, entry: EntryPoint) -> Option<serde_json::Value> {
    let text = String::from_utf8_lossy(&output?).into_owned();
    match entry {
        // An agent that returns something else than JSON said something all the same.
        EntryPoint::Agent => Some(serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        EntryPoint::Command => Some(serde_json::Value::String(text)),
    }
}

fn report(house: &House, gate: &RunGate, closed: (Closing, gate::Tally), entry: EntryPoint, begun: Begun) -> Result<Report, RunError> {
    let (closing, tally) = closed;
    let opening = gate.opening();
    let sum = match begun {
        Begun::Here => gate.take_sum(),
        Begun::Before => read_sum(&house.inner.journal.reader()?, opening.run)?,
    };
    let record = RecordEvidence {
        first: sum.first,
        last: sum.last,
        entries: sum.entries,
        size: house.inner.journal.size(),
        root: Some(house.inner.journal.root()),
        checkpoint: house.inner.journal.checkpoint(),
    };
    let standing = &opening.standing;
    Ok(Report {
        run: opening.run,
        agent: standing.agent.clone(),
        by: opening.by.clone(),
        outcome: closing.outcome,
        active_ms: closing.active_ms,
        waited_ms: 0,
        claims: Claims { output: output_value(closing.output, entry), findings: sum.findings },
        evidence: Evidence {
            touched: sum.touched,
            mounts: standing.grants.files.iter().map(|mount| mount.guest.clone()).collect(),
            http_granted: !standing.grants.http.is_empty(),
            approvals: Vec::new(),
            leases: Vec::new(),
            limits: standing.limits.clone(),
            peak_memory: closing.peak_memory,
            resumable: tally.resumable,
            record,
        },
    })
}
