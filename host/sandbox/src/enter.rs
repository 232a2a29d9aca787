//! Runs a guest from its first instruction to its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use vocabulary::{Limit, Limits, Outcome, SafeText, Stop, Stopping, World};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::admit::{Prepared, YIELD_TICKS};
use crate::engine_words::limit_met;
use crate::err::SandboxError;
use crate::exit::Exit;
use crate::guest::Guest;
use crate::guest_threads::guest_threads;
use crate::start::{EntryPoint, Start};

/// How a guest ended, with the world that was passed in.
pub struct RunEnded {
    /// The outcome.
    pub outcome: Outcome,
    /// Why the world ended the guest, if it did.
    pub stop: Option<Stop>,
    /// What the agent returned or the command printed.
    pub output: Bytes,
    /// The largest sum of all linear memories, in bytes.
    pub peak_memory: u64,
    /// For how long the guest was inside the engine.
    pub active: Duration,
    /// The world, to be closed by its owner.
    pub world: Box<dyn World>,
}

/// The record `failure` of `types.wit`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct GuestFailure {
    code: String,
    message: String,
}

/// Runs a guest until it returns, traps, reaches a limit, or `stop` resolves to the order to end. The guest computes on the guest threads.
/// The caller's runtime only waits for it.
///
/// # Errors
/// Only if the guest could not run at all, or if the host's own code failed. In both cases the world is lost.
pub async fn enter(
    prepared: &Prepared,
    start: Start,
    world: Box<dyn World>,
    stop: impl Future<Output = Stopping> + Send,
) -> Result<RunEnded, SandboxError> {
    let mut stop = pin!(stop);
    // A guest that waits for a slot has not run yet, and can still be ended.
    let slot = tokio::select! {
        biased;
        stopping = &mut stop => return Ok(never_entered(world, stopping)),
        slot = prepared.engine.slot() => slot?,
    };
    let mut active = ActiveTime::of(&start);
    let mut rebuilt = pin!(rebuilt(start.rebuilt.clone()));
    let (_, call_limit) = bytes_a_call(prepared.entry, &start.limits);
    let guest = Guest::new(world, start, prepared.entry);
    // The guest also ends if the caller goes away, because this sender is dropped then.
    let (cut_off, is_cut_off) = oneshot::channel::<()>();
    let (ended, mut end) = oneshot::channel();
    let used_up = Arc::new(AtomicBool::new(false));
    let inside = inside(prepared.clone(), guest, Arc::clone(&used_up), (slot, is_cut_off));
    let job = guest_threads().start(Box::pin(async move { drop(ended.send(inside.await)) }), used_up);

    let cut = loop {
        tokio::select! {
            biased;
            stopping = &mut stop => break CutShort::Stopped(stopping),
            () = tokio::time::sleep(active.left()) => break CutShort::ActiveTime,
            () = &mut rebuilt, if active.since.is_none() => active.begin(),
            end = &mut end => return finish(end, None, (active.spent(), call_limit)),
        }
    };
    job.ends();
    drop(cut_off);
    let end = end.await;
    finish(end, Some(cut), (active.spent(), call_limit))
}

/// Returns when the guest has come to the end of its record.
async fn rebuilt(rebuilt: Option<watch::Receiver<bool>>) {
    let Some(mut rebuilt) = rebuilt else { return };
    // If the sender is gone, the world is gone, and the guest ends.
    if rebuilt.wait_for(|is_rebuilt| *is_rebuilt).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// BOUND: a rebuild may take this many times as long as the whole run may be active. Many runs may be rebuilt at once on a busy machine.
const REBUILD_TIMES: u32 = 10;

/// For how long a run was active. A rebuild is not counted.
struct ActiveTime {
    entered: Instant,
    /// When it began to count.
    since: Option<Instant>,
    before: Duration,
    max: Duration,
}

#[expect(clippy::disallowed_methods, reason = "door: active time is measured where the guest is entered; no guest sees it")]
impl ActiveTime {
    fn of(start: &Start) -> Self {
        let (entered, max) = (Instant::now(), Duration::from_millis(start.limits.active_timeout_ms));
        let since = start.rebuilt.is_none().then_some(entered);
        Self { entered, since, before: start.spent, max }
    }

    fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// How much is left of it.
    fn left(&self) -> Duration {
        match self.since {
            Some(_) => self.max.saturating_sub(self.spent()),
            None => (self.max * REBUILD_TIMES).saturating_sub(self.entered.elapsed()),
        }
    }

    fn spent(&self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// What is left of a guest that has ended: its data, and what it returned unless it was cut off.
type GuestEnd = (Guest, Option<wasmtime::Result<Returned>>);

/// The future that runs the guest. Its slot in the pool becomes free after everything that it took from the pool is free.
async fn inside(
    prepared: Prepared,
    guest: Guest,
    used_up: Arc<AtomicBool>,
    (_slot, is_cut_off): (OwnedSemaphorePermit, oneshot::Receiver<()>),
) -> GuestEnd {
    let (call_bytes, _) = bytes_a_call(prepared.entry, &guest.limits);
    let handles = guest.limits.handles;
    let mut store = Store::new(&prepared.engine.inner, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(usize::try_from(call_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(handles).unwrap_or(usize::MAX));
    store.set_epoch_deadline(YIELD_TICKS);
    store.epoch_deadline_callback(move |_| {
        used_up.store(true, Ordering::Release);
        Ok(UpdateDeadline::Yield(YIELD_TICKS))
    });
    let called = {
        let call = pin!(call(&mut store, &prepared));
        tokio::select! {
            biased;
            _ = is_cut_off => None,
            called = call => Some(called),
        }
    };
    (store.into_data(), called)
}

fn finish(
    end: Result<GuestEnd, oneshot::error::RecvError>,
    cut: Option<CutShort>,
    (active, call_limit): (Duration, Limit),
) -> Result<RunEnded, SandboxError> {
    let (mut guest, called) = end.map_err(|_| SandboxError::Lost)?;
    // A rebuilt guest continues its open lines. If they were on the record, it would differ from it.
    let said = if is_to_be_rebuilt(&called) { Ok(()) } else { guest.say_open_lines() };
    let (outcome, stop, output) = match (cut, called) {
        (Some(CutShort::ActiveTime), _) => (limit(Limit::ActiveTimeout), Some(Stop::Limit(Limit::ActiveTimeout)), Bytes::new()),
        (Some(CutShort::Stopped(stopping)), _) => (Outcome::Stopped(stopping), Some(Stop::Ordered), Bytes::new()),
        (None, Some(Ok(returned))) => judge(returned, &mut guest),
        (None, Some(Err(err))) => explain(&err, &mut guest, call_limit),
        (None, None) => return Err(SandboxError::Lost),
    };
    let (outcome, stop) = match said {
        Err(stop) if outcome == Outcome::Done => (outcome_of(&stop), Some(stop)),
        _ => (outcome, stop),
    };
    Ok(RunEnded { outcome, stop, output, peak_memory: guest.limiter.peak_memory, active, world: guest.world })
}

/// Whether the guest ended because its run is continued elsewhere or later.
fn is_to_be_rebuilt(called: &Option<wasmtime::Result<Returned>>) -> bool {
    let stop = called.as_ref().and_then(|called| called.as_ref().err()?.downcast_ref::<Stop>());
    matches!(stop, Some(Stop::Leaving | Stop::Suspended))
}

fn never_entered(world: Box<dyn World>, stopping: Stopping) -> RunEnded {
    let (outcome, stop) = (Outcome::Stopped(stopping), Some(Stop::Ordered));
    RunEnded { outcome, stop, output: Bytes::new(), peak_memory: 0, active: Duration::ZERO, world }
}

/// The reason why a call is ended from outside.
enum CutShort {
    Stopped(Stopping),
    ActiveTime,
}

/// How many bytes a guest may pass to the host in one call, and the limit that bounds it. An agent's output is passed in the same way. If
/// more is allowed for the output, this applies to all calls of the agent, because the engine has only one number.
fn bytes_a_call(entry: EntryPoint, limits: &Limits) -> (u64, Limit) {
    match entry {
        EntryPoint::Agent if limits.output_bytes > limits.hostcall_bytes => (limits.output_bytes, Limit::OutputBytes),
        EntryPoint::Agent | EntryPoint::Command => (limits.hostcall_bytes, Limit::HostcallBytes),
    }
}

/// What a guest returned.
enum Returned {
    Agent(Result<String, GuestFailure>),
    Command(Result<(), ()>),
}

async fn call(store: &mut Store<Guest>, prepared: &Prepared) -> wasmtime::Result<Returned> {
    let instance = prepared.pre.instantiate_async(&mut *store).await?;
    match prepared.entry {
        EntryPoint::Agent => {
            let run = instance.get_typed_func::<(&str,), (Result<String, GuestFailure>,)>(&mut *store, prepared.function)?;
            let input = std::mem::take(&mut store.data_mut().input_text);
            let (returned,) = run.call_async(&mut *store, (&input,)).await?;
            Ok(Returned::Agent(returned))
        }
        EntryPoint::Command => {
            let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, prepared.function)?;
            let (returned,) = run.call_async(&mut *store, ()).await?;
            Ok(Returned::Command(returned))
        }
    }
}

type Judged = (Outcome, Option<Stop>, Bytes);

fn limit(limit: Limit) -> Outcome {
    Outcome::Limit { limit }
}

fn failed(code: &str, message: &str) -> Outcome {
    Outcome::Failed { code: SafeText::new(code, 64), message: SafeText::new(message, 4096) }
}

fn judge(returned: Returned, guest: &mut Guest) -> Judged {
    match returned {
        Returned::Agent(Ok(output)) if output.len() as u64 > guest.limits.output_bytes => {
            (limit(Limit::OutputBytes), Some(Stop::Limit(Limit::OutputBytes)), Bytes::new())
        }
        Returned::Agent(Ok(output)) => (Outcome::Done, None, output.into()),
        Returned::Agent(Err(failure)) => (failed(&failure.code, &failure.message), None, Bytes::new()),
        Returned::Command(Ok(())) => (Outcome::Done, None, std::mem::take(&mut guest.printed).into()),
        Returned::Command(Err(())) => (failed("exit", "exit with status 1"), None, std::mem::take(&mut guest.printed).into()),
    }
}

/// The outcome of a run that the world, or a limit in this room, has stopped.
fn outcome_of(stop: &Stop) -> Outcome {
    match stop {
        Stop::Limit(name) => limit(*name),
        Stop::RecordBroken => Outcome::RecordBroken,
        // A run does not end in one of these ways. An order to end has its own outcome, and a run that has not ended or is only compared
        // with its record is not closed.
        Stop::Ordered | Stop::Leaving | Stop::Suspended | Stop::Ended | Stop::RecordEnds => {
            Outcome::HostFailed { message: SafeText::new(&stop.to_string(), 64) }
        }
        // Only the gate knows which acts these are.
        Stop::Unsettled(_) => Outcome::Unsettled { acts: Vec::new() },
        Stop::Diverged(divergence) => Outcome::HostFailed { message: SafeText::new(&divergence.to_string(), 4096) },
        Stop::Stuck => Outcome::Trapped { message: SafeText::new(&stop.to_string(), 256) },
    }
}

fn explain(err: &wasmtime::Error, guest: &mut Guest, call_limit: Limit) -> Judged {
    if let Some(stop) = err.downcast_ref::<Stop>() {
        return (outcome_of(stop), Some(stop.clone()), Bytes::new());
    }
    if let Some(Exit(status)) = err.downcast_ref::<Exit>() {
        let output = std::mem::take(&mut guest.printed).into();
        return match status {
            0 => (Outcome::Done, None, output),
            _ => (failed("exit", &format!("exit with status {status}")), None, output),
        };
    }
    if let Some(name) = limit_met(err, call_limit) {
        return (limit(name), Some(Stop::Limit(name)), Bytes::new());
    }
    (trapped(err, guest), None, Bytes::new())
}

/// The trap in the engine's words. If the guest panicked, its own last message is added, which names file and line.
fn trapped(err: &wasmtime::Error, guest: &Guest) -> Outcome {
    let trap = err.downcast_ref::<Trap>().map_or_else(|| err.root_cause().to_string(), ToString::to_string);
    let last = String::from_utf8_lossy(&guest.last_words);
    let panic = last.rfind("panicked at ").and_then(|at| last.get(at..));
    let message = match panic {
        Some(panic) => format!("{} ({trap})", panic.trim_end().replace('\n', " ")),
        None => trap,
    };
    Outcome::Trapped { message: SafeText::new(&message, 4096) }
}
