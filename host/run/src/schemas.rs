//! Asks a component that was just built for the schemas of its input and output, in a world that grants nothing and records nothing.
//!
//! This is the only way in which a guest runs off the record. It can reach nothing, so there is nothing to record.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::task::{Context, Poll};

use bytes::Bytes;
use sandbox::{Cache, Engine, EngineOptions, EntryPoint, Prepared, Start};
use vocabulary::{
    Act, Claim, ClosedAsk, Door, Fault, FileAnswer, FileAsk, FileFault, GuestEvent, Limits, OpId, Outcome, Release, Stop, Stopping,
    Timeline,
};

use crate::err::RunError;
use crate::place::{HomePlace, HostOptions};

/// BOUND: milliseconds that a component may compute. An agent made with the SDK answers at once.
const ACTIVE_MS_MAX: u64 = 20_000;
/// BOUND: operations of a component that does something other than answer.
const OPS_MAX: u64 = 1000;

/// The answer of an agent to [`package::build::SCHEMAS_INPUT`]; `None` for a command, and for an agent that does not answer.
///
/// # Errors
/// A component that can't be compiled or linked.
pub async fn schemas(place: &HomePlace, options: &HostOptions, component: Vec<u8>, limits: &Limits) -> Result<Option<String>, RunError> {
    let folder = place.at(&format!("schemas-{}", std::process::id()));
    let (compiler, stack_bytes, kept) = (options.compiler.clone(), limits.stack_bytes, folder.clone());
    let prepared = tokio::task::spawn_blocking(move || prepare(kept, compiler, stack_bytes, &component)).await;
    remove(&folder);
    let prepared = prepared.unwrap_or(Err(RunError::TaskLost("compiles")))?;
    if prepared.entry() == EntryPoint::Command {
        return Ok(None);
    }
    let start = Start {
        input: Bytes::from_static(package::build::SCHEMAS_INPUT.as_bytes()),
        limits: Limits { active_timeout_ms: limits.active_timeout_ms.min(ACTIVE_MS_MAX), ..limits.clone() },
        ..Start::default()
    };
    let ended = sandbox::enter(&prepared, start, Box::new(NoWorld::default()), std::future::pending::<Stopping>()).await?;
    Ok((ended.outcome == Outcome::Done).then(|| String::from_utf8_lossy(&ended.output).into_owned()))
}

/// Compiles the component for this one use: under a key that is then forgotten, in a folder that is then removed.
fn prepare(
    folder: PathBuf,
    (program, arguments): (PathBuf, Vec<String>),
    stack_bytes: u64,
    component: &[u8],
) -> Result<Prepared, RunError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| RunError::Random)?;
    let engine = Engine::new(&EngineOptions { slots: 1, stack_bytes, ..EngineOptions::default() })?;
    let cache = Cache::new(folder, key, program, arguments);
    let compiled = cache.load(&engine, vocabulary::Digest::of(component), component)?;
    Ok(Prepared::new(&engine, &compiled)?)
}

fn remove(folder: &std::path::Path) {
    // A folder that can't be removed is harmless: its key is gone, so nothing in it can be loaded.
    let _ = std::fs::remove_dir_all(folder);
}

/// A world that grants nothing. Time stands still except for the guest's own timers and clock jumps.
#[derive(Default)]
struct NoWorld {
    mono_ns: u64,
    ops: u64,
    due: VecDeque<Release>,
}

impl NoWorld {
    fn op(&mut self) -> Result<OpId, Stop> {
        self.ops += 1;
        if self.ops > OPS_MAX { Err(Stop::Limit(vocabulary::Limit::Asks)) } else { Ok(OpId(self.ops)) }
    }

    fn next(&mut self) -> Option<Release> {
        let release = self.due.pop_front()?;
        self.mono_ns = self.mono_ns.max(release.mono_ns);
        Some(Release { mono_ns: self.mono_ns, ..release })
    }
}

impl Door for NoWorld {
    fn submit(&mut self, act: Act) -> Result<OpId, Stop> {
        let op = self.op()?;
        self.due.push_back(Release { op, event: GuestEvent::Failed(Fault::denied(act.kind())), mono_ns: self.mono_ns });
        Ok(op)
    }

    fn observe(&mut self, _: FileAsk) -> Result<FileAnswer, Stop> {
        Ok(FileAnswer::Fault(FileFault::NotPermitted))
    }

    fn refuse(&mut self, _: ClosedAsk) -> Result<(), Stop> {
        Ok(())
    }

    fn read_on(&mut self, _: OpId) {}

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        self.due.retain(|release| release.op != op);
        Ok(())
    }

    fn say(&mut self, _: Claim) -> Result<(), Stop> {
        Ok(())
    }
}

impl Timeline for NoWorld {
    fn mono_ns(&self) -> u64 {
        self.mono_ns
    }

    fn opened_unix_ns(&self) -> u64 {
        0
    }

    fn seed(&self) -> [u8; 32] {
        [0; 32]
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        let op = self.op()?;
        self.due.push_back(Release { op, event: GuestEvent::Timer { deadline_ns }, mono_ns: deadline_ns });
        Ok(op)
    }

    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        Ok(self.next())
    }

    fn poll_release(&mut self, _: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        Poll::Ready(self.next().ok_or(Stop::Stuck))
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        self.op()?;
        self.mono_ns = self.mono_ns.saturating_add(1_000_000);
        Ok(Release { op: OpId(0), event: GuestEvent::Clock, mono_ns: self.mono_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_answers_each_wait_and_then_ends_it() {
        let mut world = NoWorld::default();
        let timer = world.timer(5);
        let mut ctx = Context::from_waker(std::task::Waker::noop());
        let first = world.poll_release(&mut ctx);
        let release = Release { op: OpId(1), event: GuestEvent::Timer { deadline_ns: 5 }, mono_ns: 5 };
        assert_eq!((timer, first), (Ok(OpId(1)), Poll::Ready(Ok(release))));
        assert_eq!(world.poll_release(&mut ctx), Poll::Ready(Err(Stop::Stuck)));
    }

    #[test]
    fn a_component_that_never_stops_asking_is_ended() {
        let mut world = NoWorld::default();
        assert!((0..OPS_MAX).all(|_| world.jump().is_ok()));
        assert_eq!(world.jump(), Err(Stop::Limit(vocabulary::Limit::Asks)));
    }
}
