//! Keys of runs that should be here and are not.
//!
//! A key is in its place before the batch that opens its run, and is overwritten with zeros when it is forgotten. So a place that does not exist, or
//! that another run has, means that the file of keys is older than the log beside it: the home was copied while it was in use.

use std::io;
use std::path::Path;

use effect::RunId;

use crate::keys::{KeyFile, run_keys_path};

/// What a folder has of the keys that its log needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunKeys {
    /// Places for keys that the log knows of.
    pub places: u64,
    /// Those of them that are not here.
    pub lacking: u64,
}

fn open(home: &Path) -> io::Result<Option<KeyFile>> {
    match home::open_handed(&run_keys_path(home)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some(KeyFile::new(file?))),
    }
}

/// What a folder has of so many places. `None` where it has no file of keys at all.
pub(crate) fn count(home: &Path, places: u64) -> io::Result<Option<RunKeys>> {
    let Some(keys) = open(home)? else { return Ok(None) };
    Ok(Some(RunKeys { places, lacking: places.saturating_sub(keys.slots()?) }))
}

/// Those of these runs whose key is not in its place, in order. One that was forgotten is not among them.
pub(crate) fn look(home: &Path, needed: impl Iterator<Item = (RunId, u64)>) -> io::Result<Vec<RunId>> {
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
