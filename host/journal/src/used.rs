//! Where a home was used last: on which machine, under which path, with which log and which folder of second state. It lies in the home.
//!
//! Second state is outside of the home, and may be lost or not mounted. A home without any memory may also be new, or a copy that was put elsewhere.
//! This file tells the two apart: where it is that of this place, something was remembered here, and is gone.
//!
//! What it does not do: it proves nothing to others. Who takes second state away can take this file away too.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, Replace, read_handed, replace};
use crate::home_path::canonical;
use crate::ids::LogId;
use crate::wire::hex;

/// The file in the home. No backup has it.
const NAME: &str = "used";
const TITLE: &str = "bailiwick.used/1";
/// What tells one machine from another: machine-id(5). A machine that has none is told from no other.
const MACHINE: &str = "/etc/machine-id";
/// BOUND: bytes of either file.
const FILE_BYTES_MAX: u64 = 4096;

pub(crate) fn path(home: &Path) -> PathBuf {
    home.join(NAME)
}

/// A digest, so that a copy of the home says nothing of the machine.
fn line(state: &Path, home: &Path, log: LogId) -> String {
    let machine = read_handed(Path::new(MACHINE), FILE_BYTES_MAX).ok().flatten().unwrap_or_default();
    let (home, state) = (canonical(home), canonical(state));
    let mut sum = Sha256::new();
    for part in [machine.as_slice(), home.as_os_str().as_encoded_bytes(), state.as_os_str().as_encoded_bytes()] {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    let place: [u8; 32] = sum.finalize().into();
    format!("{TITLE} {log} {}\n", hex(&place))
}

/// Whether the home was used before on this machine, under this path, with this log and this folder of second state.
pub(crate) fn is_used(state: &Path, home: &Path, log: LogId) -> bool {
    // What can't be read says nothing.
    read_handed(&path(home), FILE_BYTES_MAX).ok().flatten().is_some_and(|bytes| bytes == line(state, home, log).as_bytes())
}

/// From now on it was.
pub(crate) fn note_use(disk: &dyn Disk, state: &Path, home: &Path, log: LogId) -> io::Result<()> {
    if is_used(state, home, log) { Ok(()) } else { replace(disk, &path(home), line(state, home, log).as_bytes(), Replace::Durable) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_home_is_used_where_it_was_used_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (home, copy, log) = (folder.path().join("home"), folder.path().join("copy"), LogId::from_bytes([7; 16]));
        home::make_folder(&home).unwrap();
        let (state, other) = (folder.path().join("state"), folder.path().join("other"));
        assert!(!is_used(&state, &home, log), "a new one");
        note_use(&RealDisk, &state, &home, log).unwrap();
        assert!(
            is_used(&state, &home, log)
                && is_used(&state, &home.join("."), log)
                && !is_used(&other, &home, log)
                && !is_used(&state, &home, LogId::from_bytes([8; 16]))
        );
        std::fs::rename(&home, &copy).unwrap();
        assert!(!is_used(&state, &copy, log), "it was moved");
    }
}
