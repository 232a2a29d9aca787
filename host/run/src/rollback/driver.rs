//! Carries out a rollback: submits its requests one after the other through the same door as a guest, and stops at the first that was not done.
//!
//! INVARIANT: what it does depends only on its plan and on what is released to it. So a rebuild does the same.

use std::future::{Future, poll_fn};
use std::time::Duration;

use bytes::Bytes;
use sandbox::{RunEnded, Start};
use serde::Serialize;
use tokio::time::Instant;
use vocabulary::{Act, Fault, GuestEvent, Limit, OpId, Outcome, RunId, SafeText, Stop, Stopping, UndoPlan, UndoStep, World};

use crate::err::RunError;
use crate::now::now;

/// What was done, as the output of the run.
#[derive(Serialize)]
struct Done {
    /// The undos that were done, in order.
    done: Vec<u64>,
    /// The run that is rolled back.
    of: RunId,
}

/// Where it stopped before its end.
struct Stuck {
    id: u64,
    why: String,
}

/// Carries out the plan. `stop` resolves to an order to end.
///
/// # Errors
/// The task that does it has ended without a result.
pub(crate) async fn drive(
    plan: UndoPlan,
    start: Start,
    world: Box<dyn World>,
    stop: impl Future<Output = Stopping> + Send + 'static,
) -> Result<RunEnded, RunError> {
    let handle = tokio::runtime::Handle::current();
    // A world may block its thread until the disk has caught up.
    let driven = tokio::task::spawn_blocking(move || handle.block_on(drive_here(&plan, &start, world, stop))).await;
    driven.map_err(|_| RunError::TaskLost("carries out the rollback"))
}

async fn drive_here(plan: &UndoPlan, start: &Start, mut world: Box<dyn World>, stop: impl Future<Output = Stopping>) -> RunEnded {
    let began = now();
    let left = Duration::from_millis(start.limits.active_timeout_ms).saturating_sub(start.spent);
    let ended = tokio::select! {
        biased;
        stopping = stop => Err((Outcome::Stopped(stopping), Stop::Ordered)),
        ended = steps(plan, &mut *world) => ended.map_err(|stop| (outcome_of(&stop), stop)),
        () = tokio::time::sleep_until(deadline(began, left)) => {
            Err((Outcome::Limit { limit: Limit::ActiveTimeout }, Stop::Limit(Limit::ActiveTimeout)))
        }
    };
    let active = start.spent + began.elapsed();
    let (outcome, stop, output) = match ended {
        Ok(outcome) => (outcome.0, None, outcome.1),
        Err((outcome, stop)) => (outcome, Some(stop), Bytes::new()),
    };
    RunEnded { outcome, stop, output, peak_memory: 0, active, world }
}

/// BOUND: no wait is longer than a year.
fn deadline(began: Instant, left: Duration) -> Instant {
    began + left.min(Duration::from_secs(366 * 24 * 3600))
}

async fn steps(plan: &UndoPlan, world: &mut dyn World) -> Result<(Outcome, Bytes), Stop> {
    let mut done = Vec::new();
    for step in &plan.steps {
        match one(step, world).await? {
            Ok(()) => done.push(step.id),
            Err(stuck) => return Ok((failed(&stuck, done.len(), plan.steps.len()), Bytes::new())),
        }
    }
    let output = vocabulary::canon::to_vec(&Done { done, of: plan.of });
    Ok((Outcome::Done, output.into()))
}

/// Sends the request of one step, and reads its answer to the end.
async fn one(step: &UndoStep, world: &mut dyn World) -> Result<Result<(), Stuck>, Stop> {
    let stuck = |why: &str| Ok(Err(Stuck { id: step.id, why: why.to_owned() }));
    let Some(request) = step.request() else { return stuck("its request is damaged") };
    let op = world.submit(Act::Http(request))?;
    let (status, fault) = answer(op, world).await?;
    match (status, fault) {
        (Some(status), _) if step.is_done_at(status) => Ok(Ok(())),
        (Some(status), _) => stuck(&format!("its server answered with status {status}")),
        (None, Some(fault)) => stuck(&format!("it got no answer: {}", fault.word())),
        (None, None) => stuck("it got no answer"),
    }
}

async fn answer(op: OpId, world: &mut dyn World) -> Result<(Option<u16>, Option<Fault>), Stop> {
    let mut status = None;
    loop {
        let release = poll_fn(|ctx| world.poll_release(ctx)).await?;
        if release.op != op {
            continue;
        }
        match release.event {
            GuestEvent::Head(head) => status = Some(head.status),
            GuestEvent::Chunk(_) => world.read_on(op),
            GuestEvent::End(_) | GuestEvent::Answer(_) => return Ok((status, None)),
            GuestEvent::Failed(fault) | GuestEvent::Refused { fault, .. } => return Ok((status, Some(fault))),
            GuestEvent::Timer { .. } | GuestEvent::Clock => {}
        }
    }
}

fn failed(stuck: &Stuck, done: usize, all: usize) -> Outcome {
    let message = format!("undo {}: {}; {done} of {all} undos are done, and the rest was not begun", stuck.id, stuck.why);
    Outcome::Failed { code: SafeText::new("not-undone", 64), message: SafeText::new(&message, 4096) }
}

/// The outcome of a run that its world has stopped.
fn outcome_of(stop: &Stop) -> Outcome {
    match stop {
        Stop::Limit(limit) => Outcome::Limit { limit: *limit },
        Stop::RecordBroken => Outcome::RecordBroken,
        // Only the gate knows which acts these are.
        Stop::Unsettled(_) => Outcome::Unsettled { acts: Vec::new() },
        Stop::Ordered | Stop::Leaving | Stop::Suspended | Stop::Ended | Stop::RecordEnds | Stop::Diverged(_) | Stop::Stuck => {
            Outcome::HostFailed { message: SafeText::new(&stop.to_string(), 4096) }
        }
    }
}
