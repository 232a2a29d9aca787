//! Finds keys of runs that are missing.
//!
//! A key is in its slot before the batch that opens its run is written, and is overwritten with zeros when it is forgotten. So if a slot
//! does not exist, or belongs to another run, the file of keys is older than the log: the home was copied while it was in use.

use std::io;
use std::path::Path;

use vocabulary::RunId;

use crate::key_paths::run_keys_path;
use crate::keys::{HomeKey, KeyFile, waiting_home_key};

/// How many of the keys that its log needs a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunKeys {
    /// Slots for keys that the log knows of.
    pub places: u64,
    /// Those of these slots that do not exist.
    pub lacking: u64,
    /// Runs with sealed payloads whose key was forgotten: its slot was overwritten with zeros.
    pub forgotten: u64,
    /// Runs with sealed payloads whose slot holds something other than their key.
    pub damaged: u64,
}

fn open(home: &Path) -> io::Result<Option<KeyFile>> {
    match home::open_handed(&run_keys_path(home)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some(KeyFile::new(file?))),
    }
}

/// Counts how many of these slots, and of the keys of these runs, a folder has. `None` if it has no file of keys. Without the key of the
/// home, only the owner of a slot is checked.
pub(crate) fn count(home: &Path, places: u64, needed: impl Iterator<Item = (RunId, u64)>) -> io::Result<Option<RunKeys>> {
    let Some(keys) = open(home)? else { return Ok(None) };
    let there = keys.slots()?;
    let home_key = HomeKey::load(home).ok();
    // The new key of a rotation that was cut off between its last two steps.
    let waiting = waiting_home_key(home).ok().flatten();
    let opens = |key: &HomeKey, run, slot| keys.key(key, run, slot).is_some();
    let mut found = RunKeys { places, lacking: places.saturating_sub(there), ..RunKeys::default() };
    for (run, slot) in needed.filter(|(_, slot)| *slot < there) {
        let is_key = match &home_key {
            Some(home_key) => opens(home_key, run, slot) || waiting.as_ref().is_some_and(|waiting| opens(waiting, run, slot)),
            None => keys.holds(run, slot)? && !keys.is_forgotten(slot)?,
        };
        match is_key {
            true => {}
            false if keys.is_forgotten(slot)? => found.forgotten += 1,
            false => found.damaged += 1,
        }
    }
    Ok(Some(found))
}

/// Those of these runs whose key is not in its slot, in order. Runs whose key was forgotten are not among them.
pub(crate) fn inspect(home: &Path, needed: impl Iterator<Item = (RunId, u64)>) -> io::Result<Vec<RunId>> {
    let Some(keys) = open(home)? else { return Ok(Vec::new()) };
    let mut lacking = Vec::new();
    for (run, slot) in needed {
        if !keys.holds(run, slot)? {
            lacking.push(run);
        }
    }
    lacking.sort_unstable();
    Ok(lacking)
}
