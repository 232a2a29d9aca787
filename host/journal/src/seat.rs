//! From which home a log is continued: second state, beside what the log was.
//!
//! A copy of a home has the same log and the same keys. If both were used, each would go on from the same place, and the record would be two.
//! So second state names the home from which the log was continued last. Another home with that log is a copy as long as that one is still
//! there and has the log; if it is not, the home was moved, or was put back in another place.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Replace, read_own, replace};
use crate::err::OpenError;
use crate::hold::io_at;
use crate::home_path::canonical;
use crate::ids::LogId;
use crate::left::Node;
use crate::segment;

const TITLE: &str = "bailiwick.seat/1";
/// BOUND: bytes of such a file.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The file that says from which home a log is continued.
pub(crate) fn seat_path(state: &Path, log: LogId) -> PathBuf {
    state.join(format!("seat-{log}"))
}

/// The path is kept as it is, whatever its bytes.
fn text(home: &Path) -> Vec<u8> {
    let path = home.as_os_str().as_bytes();
    [format!("{TITLE} {:08x}\n", crc32c::crc32c(path)).as_bytes(), path].concat()
}

/// The home from which a log was continued last. `None` if nothing is known of it.
pub(crate) fn seat(state: &Path, log: LogId) -> Result<Option<PathBuf>, OpenError> {
    let path = seat_path(state, log);
    let Some(bytes) = read_own(&path, FILE_BYTES_MAX).map_err(io_at(&path))? else { return Ok(None) };
    let home = bytes.splitn(2, |byte| *byte == b'\n').nth(1).map(|home| PathBuf::from(OsStr::from_bytes(home)));
    // A file that can't be read is not taken for absent.
    home.filter(|home| text(home) == bytes).map(Some).ok_or(OpenError::StateUnreadable { path })
}

/// Remembers that a log is continued from this home.
pub(crate) fn take_seat(disk: &dyn Disk, state: &Path, home: &Path, log: LogId) -> io::Result<()> {
    let (path, text) = (seat_path(state, log), text(&canonical(home)));
    if read_own(&path, FILE_BYTES_MAX).ok().flatten().as_deref() == Some(text.as_slice()) {
        return Ok(());
    }
    replace(disk, &path, &text, Replace::Durable)
}

/// The other home from which this log is continued, if there is one.
pub(crate) fn other_seat(state: &Path, home: &Path, log: LogId) -> Result<Option<PathBuf>, OpenError> {
    let Some(was) = seat(state, log)? else { return Ok(None) };
    let is_this_one = was == canonical(home) || is_same_folder(&was, home);
    Ok(Some(was).filter(|was| !is_this_one && has_log(was, log)))
}

/// Checks that no other home continues this log.
///
/// # Errors
/// [`OpenError::Copy`] if one does.
pub(crate) fn check_seat(state: Option<&Path>, home: &Path, log: LogId) -> Result<(), OpenError> {
    let other = state.map_or(Ok(None), |state| other_seat(state, home, log))?;
    other.map_or(Ok(()), |other| Err(OpenError::Copy { home: home.to_owned(), other }))
}

/// A link, or another place at which the same folder is mounted.
fn is_same_folder(one: &Path, other: &Path) -> bool {
    let node = |path: &Path| std::fs::metadata(path).ok().map(|found| Node::of(&found));
    node(one).is_some_and(|one| Some(one) == node(other))
}

/// Whether a home is there and has this log. One that can't be looked into may have it.
fn has_log(home: &Path, log: LogId) -> bool {
    let folder = segment::folder(home);
    let Ok(numbers) = segment::list(&folder) else { return true };
    let mut headers = numbers.iter().map(|number| segment::open(&folder, *number, None));
    headers.any(|header| match header {
        Ok((_, header)) => header.log == log,
        Err(fault) => fault.unread().is_some(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_seat_is_read_as_it_was_written_and_a_bent_one_is_no_absence() {
        let folder = tempfile::tempdir().unwrap();
        let (state, log) = (folder.path().join("state"), LogId::from_bytes([7; 16]));
        home::make_folder(&state).unwrap();
        assert_eq!(seat(&state, log).unwrap(), None);
        for name in [OsStr::new("home"), OsStr::new("two\nlines"), OsStr::from_bytes(b"no text \xff")] {
            let home = folder.path().join(name);
            take_seat(&RealDisk, &state, &home, log).unwrap();
            assert_eq!(seat(&state, log).unwrap(), Some(canonical(&home)));
            assert_eq!(other_seat(&state, &folder.path().join("other"), log).unwrap(), None, "that one has no record");
        }
        let whole = std::fs::read(seat_path(&state, log)).unwrap();
        for at in 0..whole.len() {
            let bent: Vec<u8> = whole.iter().enumerate().map(|(other, byte)| if other == at { byte ^ 1 } else { *byte }).collect();
            std::fs::write(seat_path(&state, log), bent).unwrap();
            assert!(matches!(seat(&state, log), Err(OpenError::StateUnreadable { .. })), "byte {at}");
        }
    }
}
