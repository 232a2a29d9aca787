//! Remembers which log a home had. This is a part of second state, beside the size and root of each log.
//!
//! There is one file for each home, named after the home's path. If somebody replaces the log of a home by a new one, nothing is remembered
//! of the new log that it could contradict: only this file shows that the log is another one.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, Replace, read_handed, replace};
use crate::err::{KnownFrom, OpenError};
use crate::hold::io_at;
use crate::home_path::canonical;
use crate::ids::LogId;
use crate::keys::load_public;
use crate::seat::take_seat;
use crate::segment;
use crate::state::{Remembered, StateFile, remembered, state_path};
use crate::used::{is_used, note_use};
use crate::walk::KnownLeaves;
use crate::wire::hex;

const TITLE: &str = "bailiwick.home/1";
/// BOUND: the size of such a file. The path in it is for people.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The path of the file that says which log a home had.
pub(crate) fn home_memory_path(state: &Path, home: &Path) -> PathBuf {
    let path = canonical(home);
    let digest: [u8; 32] = Sha256::digest(path.as_os_str().as_encoded_bytes()).into();
    let (short, _) = digest.split_at(16);
    state.join(format!("home-{}", hex(short)))
}

fn line(log: LogId) -> String {
    let text = format!("{TITLE} {log}");
    format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// The log that the home at this path had. `None` if nothing is remembered of that path.
pub(crate) fn log_of_home(state: &Path, home: &Path) -> Result<Option<LogId>, OpenError> {
    let path = home_memory_path(state, home);
    let Some(bytes) = read_handed(&path, FILE_BYTES_MAX).map_err(io_at(&path))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    let log = first.split(' ').nth(1).and_then(|word| word.parse().ok()).filter(|log| line(*log) == first);
    // A file that can't be read does not count as absent.
    log.map(Some).ok_or(OpenError::StateUnreadable { path })
}

/// Remembers the log of a home.
pub(crate) fn remember_home(disk: &dyn Disk, state: &Path, home: &Path, log: LogId) -> io::Result<()> {
    let path = home_memory_path(state, home);
    let text = format!("{}{}\n", line(log), canonical(home).display());
    if read_handed(&path, FILE_BYTES_MAX).ok().flatten().as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    replace(disk, &path, text.as_bytes(), Replace::Durable)
}

/// Begins to remember a log, and remembers that this home has it.
pub(crate) fn begin(disk: &dyn Disk, state: &Path, home: &Path, now: &Remembered) -> Result<StateFile, OpenError> {
    let file = StateFile::begin(disk, state, now).map_err(io_at(state))?;
    remember_home(disk, state, home, now.log).map_err(io_at(state))?;
    take_seat(disk, state, home, now.log).map_err(io_at(state))?;
    // This comes last: before that, nothing was remembered that could be missing later.
    note_use(disk, state, home, now.log).map_err(io_at(home))?;
    Ok(file)
}

/// Checks that a home has the log that it is known to have had. `now` is the log that it has, or would begin.
///
/// # Errors
/// [`OpenError::OtherLog`] if it is another log, unless the earlier log never had a record.
pub(crate) fn check_home(state: Option<&Path>, home: &Path, now: Option<LogId>) -> Result<(), OpenError> {
    let Some(state) = state else { return Ok(()) };
    let Some(was) = log_of_home(state, home)? else { return check_use(state, home, now) };
    let known = what_was(state, was)?;
    if Some(was) == now {
        // Its size was remembered too. If that is gone, it is not known whether the log is complete.
        return if known.is_some() { Ok(()) } else { Err(OpenError::StateUnreadable { path: state_path(state, was) }) };
    }
    let size = known.map(|known| known.size);
    if size == Some(0) { Ok(()) } else { Err(OpenError::OtherLog { home: home.to_owned(), was, size, now }) }
}

/// The same check for a home that does not exist yet, or whose second state does not, before either is made. The disk of either may not be
/// mounted, and then nothing may be made in its mount point.
///
/// # Errors
/// The error with which opening the home would fail.
pub fn check_unmade(home: &Path, state: &Path) -> Result<(), OpenError> {
    let folder = segment::folder(home);
    let has_log = folder.exists() && !segment::list(&folder).map_err(io_at(&folder))?.is_empty();
    if has_log && state.exists() {
        return Ok(());
    }
    check_home(Some(state), home, load_public(home).map(|key| key.log()))
}

/// For a home of which nothing is remembered. It may be new, or a copy, or on a new machine. But if it was used here before with this log,
/// what was remembered of it is gone, which is an error.
fn check_use(state: &Path, home: &Path, now: Option<LogId>) -> Result<(), OpenError> {
    let Some(log) = now else { return Ok(()) };
    let is_gone = what_was(state, log)?.is_none() && is_used(state, home, log);
    if is_gone { Err(OpenError::StateUnreadable { path: state_path(state, log) }) } else { Ok(()) }
}

/// Reads what is remembered of a log.
pub(crate) fn what_was(state: &Path, log: LogId) -> Result<Option<Remembered>, OpenError> {
    let path = state_path(state, log);
    match remembered(&path) {
        Ok(Some(known)) if known.log != log => Err(OpenError::StateUnreadable { path }),
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Err(OpenError::StateUnreadable { path }),
        Err(cause) => Err(io_at(&path)(cause)),
        Ok(known) => Ok(known),
    }
}

/// The same, as a size and root that reading the log must confirm.
pub(crate) fn known_by_state(state: Option<&Path>, log: LogId) -> Result<Option<KnownLeaves>, OpenError> {
    let known = state.map(|state| what_was(state, log)).transpose()?.flatten();
    Ok(known.map(|known| KnownLeaves::new(known.size, known.root, KnownFrom::SecondState)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn the_log_of_a_home_is_remembered_by_its_path_and_a_bent_line_is_no_absence() {
        let folder = tempfile::tempdir().unwrap();
        let (state, home) = (folder.path().join("state"), folder.path().join("home"));
        home::make_folder(&state).unwrap();
        assert_eq!(log_of_home(&state, &home).unwrap(), None);
        let log = LogId::from_bytes([7; 16]);
        remember_home(&RealDisk, &state, &home, log).unwrap();
        assert_eq!(log_of_home(&state, &home).unwrap(), Some(log), "though the home is not there");
        assert_eq!(log_of_home(&state, &folder.path().join("other")).unwrap(), None);
        home::make_folder(&home).unwrap();
        assert_eq!(log_of_home(&state, &home.join(".")).unwrap(), Some(log));
        let path = home_memory_path(&state, &home);
        let text = std::fs::read_to_string(&path).unwrap();
        for bent in [text.replacen('0', "1", 1), String::new(), text.replacen("home/1", "home/2", 1)] {
            std::fs::write(&path, bent).unwrap();
            assert!(matches!(log_of_home(&state, &home), Err(OpenError::StateUnreadable { .. })));
        }
    }
}
