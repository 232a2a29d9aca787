//! Accepts a log as it is, although another log, or more of this one, is known. A person decides that, and it is recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::Base;
use crate::base::base_of;
use crate::custody::{self, Missing};
use crate::disk::RealDisk;
use crate::err::OpenError;
use crate::hold::{held, hold, inspect_locks, io_at};
use crate::ids::{LogId, log_run};
use crate::index;
use crate::keys::load_public;
use crate::memory::{log_of_home, remember_home};
use crate::open::{OpenPlan, whole};
use crate::options::Options;
use crate::seat::{other_seat, take_seat};
use crate::segment;
use crate::state::{Remembered, StateFile, remembered, state_path};
use crate::walk::{Signatures, Walker, walk};

/// What accepting a log as it is has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedRollback {
    /// The home from which the record was continued until now, if that is another home and still has the record.
    pub was_home: Option<PathBuf>,
    /// The log that the home had, if it was another log.
    pub was_log: Option<LogId>,
    /// What was remembered of the log that the home had, if anything.
    pub was: Option<Remembered>,
    /// What the home has, and what is remembered from now on.
    pub now: Remembered,
}

/// Accepts a log as it is, although it is behind what is remembered of it, or is not the log that this home had: the deliberate last step
/// of restoring a backup, or of beginning anew. The log itself must be whole. `record` makes the record of this, which is durable before
/// anything is remembered. Until then the home is still refused, and this can be repeated.
///
/// # Errors
/// As for [`crate::Journal::open`], except for what is accepted.
pub fn accept_rollback(
    home: &Path,
    state: Option<&Path>,
    options: Options,
    record: impl FnOnce(&AcceptedRollback) -> Vec<u8>,
) -> Result<AcceptedRollback, OpenError> {
    let accepted = inspect_ignoring_memory(home, state)?;
    let opening = OpenPlan { disk: Arc::new(RealDisk), home, state: None, options, missing: Missing::Accepted };
    let (journal, _) = opening.open()?;
    let written = journal.append(log_run(), record(&accepted), Vec::new()).map_err(OpenError::Unrecorded)?;
    written.ticket.wait_blocking().map_err(|broken| OpenError::Unrecorded(broken.into()))?;
    let now = Remembered { log: accepted.now.log, size: journal.size(), root: journal.root() };
    // The journal holds the home until this is done, so that no other process changes it after the record was made.
    if let Some(state) = state {
        StateFile::begin(&RealDisk, state, &now).map_err(io_at(state))?;
        remember_home(&RealDisk, state, home, now.log).map_err(io_at(state))?;
        take_seat(&RealDisk, state, home, now.log).map_err(io_at(state))?;
    }
    journal.close().map_err(|broken| OpenError::Unrecorded(broken.into()))?;
    Ok(accepted)
}

/// Checks that no process uses the other home, if this home is a copy: its runs would be cut off.
fn nobody_in_the_other(home: &Path, state: Option<&Path>) -> Result<(), OpenError> {
    let (Some(state), Some(key)) = (state, load_public(home)) else { return Ok(()) };
    match other_seat(state, home, key.log()) {
        Ok(Some(other)) if inspect_locks(&other)?.is_none() => Err(held(&other)),
        _ => Ok(()),
    }
}

/// Compares what is remembered of a home's log with what the log is. Removes the index, which also remembers the log.
fn inspect_ignoring_memory(home: &Path, state: Option<&Path>) -> Result<AcceptedRollback, OpenError> {
    let held = hold(home)?;
    let mut numbers = segment::list(&held.folder).map_err(io_at(&held.folder))?;
    nobody_in_the_other(home, state)?;
    let custody = custody::take(&RealDisk, home, (state, &numbers), Missing::Accepted)?;
    let key = custody.signer.public();
    let base = base_of(home, key)?;
    numbers.retain(|number| *number >= Base::first(base.as_ref()));
    whole(&numbers, base.as_ref())?;
    let mut walker = Walker::new(key, Signatures::Last, Vec::new());
    let from = walker.begin(&held.folder, base.as_ref()).map_err(OpenError::Fault)?;
    let mut newer = None;
    let walked = walk(&held.folder, &numbers, from, &mut walker, &mut |leaf| newer = newer.or_else(|| leaf.newer()));
    walked.map_err(OpenError::Fault)?;
    if let Some(newer) = newer {
        return Err(OpenError::Newer(newer));
    }
    let now = Remembered { log: key.log(), size: walker.tree.size(), root: walker.tree.root() };
    index::put_away(&RealDisk, home)?;
    // Memory that can't be read is ignored: only the log itself is accepted.
    let was_home = state.and_then(|state| other_seat(state, home, now.log).ok().flatten());
    let was_log = state.and_then(|state| log_of_home(state, home).ok().flatten());
    let was = state.and_then(|state| remembered(&state_path(state, was_log.unwrap_or(now.log))).ok().flatten());
    Ok(AcceptedRollback { was_home, was_log: was_log.filter(|log| *log != now.log), was, now })
}
