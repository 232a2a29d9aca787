//! Checks a home as opening it does, without locking or changing anything.

use std::path::Path;

use crate::base::Base;
use crate::base::base_of;
use crate::custody::{self, Custody};
use crate::err::{FaultKind, LogFault, OpenError};
use crate::hold::{inspect_locks, io_at};
use crate::ids::Position;
use crate::index;
use crate::key_paths;
use crate::keys::{self, KeyFile};
use crate::memory::{check_home, known_by_state};
use crate::open::{Lies, recover, whole};
use crate::segment;

/// The result of inspecting a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// Nothing was recorded yet.
    NoLog,
    /// Another process holds the home. It checked the log when it opened it.
    Held,
    /// The log would open.
    Opens {
        /// How many records it has.
        size: u64,
        /// How many keys of runs are known and missing.
        keys_lacking: u64,
    },
}

/// Checks a log as opening it does: everything that the index does not cover. Makes and changes nothing.
///
/// # Errors
/// The error with which opening it would fail.
pub fn inspect(home: &Path, state: Option<&Path>) -> Result<Inspection, OpenError> {
    let folder = segment::folder(home);
    let has_log = std::fs::exists(&folder).map_err(io_at(&folder))?;
    let mut numbers = if has_log { segment::list(&folder).map_err(io_at(&folder))? } else { Vec::new() };
    if numbers.is_empty() && !custody::has_run_keys(home)? && !std::fs::exists(index::path(home)).map_err(io_at(home))? {
        // Second state may know that the home had another log.
        check_home(state, home, keys::load_public(home).map(|key| key.log()))?;
        let known = keys::load_public(home).map(|key| known_by_state(state, key.log())).transpose()?.flatten();
        return match known.filter(|known| known.size > 0) {
            Some(_) => Err(OpenError::Fault(LogFault { at: Position::start(), what: FaultKind::SegmentMissing })),
            None => Ok(Inspection::NoLog),
        };
    }
    // Held until this returns: a process that writes meanwhile would look like damage.
    let Some(_locks) = inspect_locks(home)? else { return Ok(Inspection::Held) };
    let Custody { signer, home_key } = custody::inspect_checked(home, state, &numbers)?;
    let base = base_of(home, signer.public())?;
    numbers.retain(|number| *number >= Base::first(base.as_ref()));
    whole(&numbers, base.as_ref())?;
    let known = known_by_state(state, signer.public().log())?;
    let lies = Lies { home, folder: &folder, numbers: &numbers, base: base.as_ref() };
    let found = recover(&lies, signer.public(), &home_key.index, known)?;
    if numbers.is_empty() && custody::knows_runs(home)? {
        return Err(OpenError::Fault(LogFault { at: Position::start(), what: FaultKind::SegmentMissing }));
    }
    let keys = KeyFile::open(home).map_err(io_at(home))?;
    if keys.is_none() && found.key_slots > 0 {
        return Err(OpenError::KeysGone { path: key_paths::run_keys_path(home), known: found.key_slots });
    }
    let slots = keys.map_or(Ok(0), |keys| keys.slots()).map_err(io_at(home))?;
    Ok(Inspection::Opens { size: found.tree.size(), keys_lacking: found.key_slots.saturating_sub(slots) })
}
