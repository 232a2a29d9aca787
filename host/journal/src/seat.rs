//! Remembers which home continues a log (its "seat"). This is a part of second state.
//!
//! A copy of a home has the same log and the same keys. If both homes were used, each would continue the log from the same point, and the
//! record would split in two. So second state names the home that continued the log last. Another home with the same log counts as a copy
//! while the named home exists and has the log. If it does not, the home was moved, or was restored in another place.

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
/// BOUND: the size of such a file.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The path of the file that says which home continues a log.
pub(crate) fn seat_path(state: &Path, log: LogId) -> PathBuf {
    state.join(format!("seat-{log}"))
}

/// The content of the file. The path is written byte for byte, even if it is not text.
fn text(home: &Path) -> Vec<u8> {
    let path = home.as_os_str().as_bytes();
    [format!("{TITLE} {:08x}\n", crc32c::crc32c(path)).as_bytes(), path].concat()
}

/// The home that continued a log last. `None` if that is not known.
pub(crate) fn seat(state: &Path, log: LogId) -> Result<Option<PathBuf>, OpenError> {
    let path = seat_path(state, log);
    let Some(bytes) = read_own(&path, FILE_BYTES_MAX).map_err(io_at(&path))? else { return Ok(None) };
    let home = bytes.splitn(2, |byte| *byte == b'\n').nth(1).map(|home| PathBuf::from(OsStr::from_bytes(home)));
    // A file that can't be read does not count as absent.
    home.filter(|home| text(home) == bytes).map(Some).ok_or(OpenError::StateUnreadable { path })
}

/// Remembers that this home continues a log.
pub(crate) fn take_seat(disk: &dyn Disk, state: &Path, home: &Path, log: LogId) -> io::Result<()> {
    let (path, text) = (seat_path(state, log), text(&canonical(home)));
    if read_own(&path, FILE_BYTES_MAX).ok().flatten().as_deref() == Some(text.as_slice()) {
        return Ok(());
    }
    replace(disk, &path, &text, Replace::Durable)
}

/// The other home that continues this log, if there is one.
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

/// Whether two paths lead to the same folder, by a link or because it is mounted in two places.
fn is_same_folder(one: &Path, other: &Path) -> bool {
    let node = |path: &Path| std::fs::metadata(path).ok().map(|found| Node::of(&found));
    node(one).is_some_and(|one| Some(one) == node(other))
}

/// Whether a home exists and has this log. A home that can't be read counts as having it.
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
