//! The end of a run that changed something beneath its mounts: each commit is asked for like any other act, after the guest has ended.

use std::future::poll_fn;

use gate::{Live, LiveHandle, RunWorld};
use sandbox::RunEnded;
use tokio::sync::watch;
use vocabulary::{Act, CommitAsk, Door as _, Fault, FilesFault, GuestEvent, OpId, Outcome, SafeText, Stop, Stopping, Timeline as _};

use crate::err::RunError;
use crate::guest_start::world_back;

/// BOUND: bytes of the message.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Asks for the commits of a run whose guest was done. A run that ended otherwise commits nothing.
///
/// # Errors
/// A fault of this program.
pub(crate) async fn commit(
    ended: RunEnded,
    handle: &LiveHandle,
    mut stopped: watch::Receiver<Option<Stopping>>,
) -> Result<RunEnded, RunError> {
    if ended.outcome != Outcome::Done || ended.stop.is_some() {
        return Ok(ended);
    }
    let mut world = world_back(ended.world).ok_or(RunError::TaskLost("runs the guest"))?;
    let (committed, stopping) = {
        let mut all = std::pin::pin!(all(&mut world));
        let order = async move { stopped.wait_for(Option::is_some).await.ok().and_then(|stopping| stopping.clone()) };
        let stopping = tokio::select! {
            biased;
            committed = &mut all => Err(committed),
            stopping = order => Ok(stopping),
        };
        match stopping {
            Err(committed) => (committed, None),
            Ok(stopping) => {
                // A commit that is under way is finished: its end has to be on the record. One that waits for people is given up.
                if stopping.is_some() && !handle.is_under_way() {
                    handle.stop();
                }
                (all.await, stopping)
            }
        }
    };
    if let (Err(Stop::Ordered), Some(stopping)) = (&committed, stopping) {
        let (outcome, stop) = (Outcome::Stopped(stopping), Some(Stop::Ordered));
        return Ok(RunEnded { outcome, stop, world, ..ended });
    }
    Ok(match committed {
        Ok(None) => RunEnded { world, ..ended },
        Ok(Some(outcome)) => RunEnded { outcome, world, ..ended },
        Err(stop) => RunEnded { outcome: outcome_of(&stop), stop: Some(stop), world, ..ended },
    })
}

/// Asks for all commits, one after the other. Returns the outcome of the run if one was not done: those after it are not asked for.
async fn all(world: &mut RunWorld<Live>) -> Result<Option<Outcome>, Stop> {
    let commits = match world.live().commits() {
        Ok(commits) => commits,
        Err(why) => return Ok(Some(not_committed(&format!("nothing was put into the folder of {why}")))),
    };
    let is_dry = world.live().gate().is_some_and(|gate| gate.header().spec.grants.dry_run);
    for ask in commits {
        let CommitAsk { guest, .. } = &ask;
        let said = format!("the changes beneath `{guest}` were not put into its folder");
        let op = world.submit(Act::Files(ask))?;
        // A dry run decides about all commits and does none.
        if let Some(fault) = end_of(world, op).await?.filter(|_| !is_dry) {
            return Ok(Some(not_committed(&format!("{said}: {}", word(fault)))));
        }
    }
    Ok(None)
}

/// In an audit: passes over the commits on the record. Whether they were done is part of the record too.
pub(crate) async fn pass_over(world: &mut RunWorld<Live>) -> Result<(), Stop> {
    while let Some(op) = world.recorded_commit()? {
        end_of(world, op).await?;
    }
    Ok(())
}

/// Waits for the end of an act; events of other operations, which nobody needs any more, are passed over. Returns its fault.
async fn end_of(world: &mut RunWorld<Live>, op: OpId) -> Result<Option<Fault>, Stop> {
    loop {
        let release = poll_fn(|ctx| world.poll_release(ctx)).await?;
        match release.event {
            _ if release.op != op => world.read_on(release.op),
            GuestEvent::Failed(fault) | GuestEvent::Refused { fault, .. } => return Ok(Some(fault)),
            GuestEvent::Answer(_) | GuestEvent::End(_) => return Ok(None),
            GuestEvent::Head(_) | GuestEvent::Chunk(_) | GuestEvent::Timer { .. } | GuestEvent::Clock => {}
        }
    }
}

/// Whether a run ended in this way because its changes were not taken.
pub(crate) fn is_not_committed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotCommitted { .. })
}

fn not_committed(message: &str) -> Outcome {
    Outcome::NotCommitted { message: SafeText::new(message, MESSAGE_BYTES_MAX) }
}

fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Files(FilesFault::Conflict) => "somebody else has changed the folder meanwhile, so the run must be made again",
        Fault::Files(FilesFault::Failed) => "the folder can't take them, or the disk failed",
        Fault::Files(FilesFault::Denied) | Fault::Credential(_) | Fault::Http(_) => "the commit was refused",
    }
}

fn outcome_of(stop: &Stop) -> Outcome {
    match stop {
        Stop::Limit(limit) => Outcome::Limit { limit: *limit },
        Stop::RecordBroken => Outcome::RecordBroken,
        Stop::Unsettled(_) => Outcome::Unsettled { acts: Vec::new() },
        // A run does not end in one of these ways, or the caller looks at the reason itself.
        Stop::Ordered | Stop::Leaving | Stop::Suspended | Stop::Ended | Stop::RecordEnds | Stop::Diverged(_) | Stop::Stuck => {
            Outcome::HostFailed { message: SafeText::new(&stop.to_string(), MESSAGE_BYTES_MAX) }
        }
    }
}
