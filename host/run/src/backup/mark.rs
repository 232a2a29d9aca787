//! The mark of a home that was restored from a backup without its keys. If `restore` has the keys, it records the restore. Without them the
//! record can't be written, so this mark stays until a process with the keys records it.
//!
//! The mark is in the home, and a second one is in the folder of state. One of the two is enough. A damaged mark does not count as absent.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, canon};

use crate::err::RunError;
use crate::place::{HomePlace, home_err};

/// The name of the mark's file in a home.
pub(crate) const MARK: &str = "restored";
/// BOUND: size of the file in bytes.
const BYTES_MAX: u64 = 4096;

/// What is remembered of a restore until it is on the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupMark {
    /// When the backup was begun, in milliseconds since 1970.
    pub(crate) backup_at: u64,
    /// The id of the log in the backup.
    pub(crate) log: String,
    /// How many records the backup had.
    pub(crate) size: u64,
    /// The root over them.
    pub(crate) root: Digest,
}

impl BackupMark {
    /// Two lines: the JSON and its digest.
    fn to_bytes(&self) -> Vec<u8> {
        let json = canon::to_vec(self);
        let digest = Digest::of(&json).hex();
        [json.as_slice(), b"\n", digest.as_bytes(), b"\n"].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let json = bytes.split(|byte| *byte == b'\n').next()?;
        let mark: Self = serde_json::from_slice(json).ok()?;
        (mark.to_bytes() == bytes).then_some(mark)
    }

    /// Writes the mark, and replaces one that an earlier restore has left. It is on the disk when this returns.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        home::replace(path, &self.to_bytes(), home::PRIVATE)
    }
}

/// The path of the mark in the folder of state. Its name is made from the path of the home, because other homes may have the same log.
pub(crate) fn beside(place: &HomePlace) -> PathBuf {
    let above = || Some(place.home.parent()?.canonicalize().ok()?.join(place.home.file_name()?));
    let path = place.home.canonicalize().ok().or_else(above).unwrap_or_else(|| place.home.clone());
    let digest = Digest::of(path.as_os_str().as_encoded_bytes()).hex();
    place.state.join(format!("restored-{}", digest.get(..32).unwrap_or_default()))
}

fn read(path: &Path) -> Result<Option<BackupMark>, RunError> {
    let file = match home::open(path, home::Access::Read) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(home_err(path))?,
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(home_err(path))?;
    BackupMark::parse(&bytes).map(Some).ok_or_else(|| RunError::MarkDamaged(path.to_owned()))
}

/// The mark which says that this home was restored and that this is not yet on the record of this log.
pub(crate) fn mark(place: &HomePlace, log: &str) -> Result<Option<BackupMark>, RunError> {
    let marks = [place.at(MARK), beside(place)].map(|path| read(&path));
    let [own, other] = marks;
    Ok([own?, other?].into_iter().flatten().find(|mark| mark.log == log))
}

/// Whether this home was restored and this is not yet on the record of this log.
///
/// # Errors
/// The mark is damaged, or can't be read.
pub fn was_put_back(place: &HomePlace, log: &str) -> Result<bool, RunError> {
    mark(place, log).map(|mark| mark.is_some())
}

/// Removes the mark, after the restore was recorded or a person has accepted the home as it is.
///
/// # Errors
/// The mark can't be removed.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
pub fn unmark(place: &HomePlace) -> Result<(), RunError> {
    for (path, folder) in [(place.at(MARK), &place.home), (beside(place), &place.state)] {
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            removed => removed.map_err(home_err(&path))?,
        }
        home::sync_folder(folder).map_err(home_err(folder))?;
    }
    Ok(())
}
