//! A file in the home that says where it was used last: on which machine, at which path, with which log and which folder of second state.
//!
//! Second state is outside of the home, and may be lost or not mounted. But a home of which nothing is remembered may also be new, or a
//! copy in another place. This file distinguishes the cases: if it names this machine and these paths, second state existed here and is
//! gone.
//!
//! What it does not do: it is not evidence. A person who can remove second state can also remove this file.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, Replace, read_handed, replace};
use crate::home_path::canonical;
use crate::ids::LogId;
use crate::wire::hex;

/// The name of the file in the home. Backups do not contain it.
const NAME: &str = "used";
const TITLE: &str = "bailiwick.used/1";
/// Identifies a machine: machine-id(5). Machines without this file are not distinguished.
const MACHINE: &str = "/etc/machine-id";
/// BOUND: the size of either file.
const FILE_BYTES_MAX: u64 = 4096;

pub(crate) fn path(home: &Path) -> PathBuf {
    home.join(NAME)
}

/// The content of the file. It has a digest of the machine and the paths, so that a copy of the home reveals nothing about the machine.
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

/// Whether the home was used before on this machine, at this path, with this log and this folder of second state.
pub(crate) fn is_used(state: &Path, home: &Path, log: LogId) -> bool {
    // A file that can't be read counts as absent.
    read_handed(&path(home), FILE_BYTES_MAX).ok().flatten().is_some_and(|bytes| bytes == line(state, home, log).as_bytes())
}

/// Notes that the home is used here.
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
