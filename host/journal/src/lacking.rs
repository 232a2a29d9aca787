//! Keys of runs that should be here and are not.
//!
//! A key is in its place before the batch that opens its run, and is overwritten with zeros when it is forgotten. So a place that does not exist, or
//! that another run has, means that the file of keys is older than the log beside it: the home was copied while it was in use.

use std::io;
use std::path::Path;

use effect::RunId;

use crate::keys::{KeyFile, run_keys_path};

/// What a folder has of the keys that its log needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunKeys {
    /// Runs that have something sealed beside their records.
    pub runs: u64,
    /// Those of them whose key is not here, in order. One that was forgotten is not among them.
    pub lacking: Vec<RunId>,
}

/// Looks for the keys of these runs, each in its place. `None` where the folder has no file of keys at all.
pub(crate) fn look(home: &Path, needed: impl Iterator<Item = (RunId, u64)>) -> io::Result<Option<RunKeys>> {
    let keys = match home::open_handed(&run_keys_path(home)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => KeyFile::new(file?),
    };
    let mut found = RunKeys::default();
    for (run, slot) in needed {
        found.runs += 1;
        if !keys.holds(run, slot)? {
            found.lacking.push(run);
        }
    }
    found.lacking.sort_unstable();
    Ok(Some(found))
}
