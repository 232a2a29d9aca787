//! Second state: the size and root of the log, remembered outside of the home, so that it is noticed if a home was restored from an older
//! copy.
//!
//! There is one file for each log, with two lines of the same length that are overwritten in turn. Writing one line in place takes a
//! microsecond; replacing the file for every batch would make each sync of the log wait for a second file. Of the intact lines, the one
//! with the greatest size counts.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use home::Access;
use vocabulary::Digest;

use crate::disk::{Disk, Replace, read_handed, read_own, replace, write_whole};
use crate::ids::LogId;
use crate::left::Watched;
use crate::wire::{unhex, wide};

const TITLE: &str = "bailiwick.state/1";
const FILE_BYTES_MAX: u64 = 4096;

/// The state of a log when it was last synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The log.
    pub log: LogId,
    /// How many records the log had.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl Remembered {
    fn line(&self) -> String {
        let text = format!("{TITLE} {} {:020} {}", self.log, self.size, self.root.hex());
        let crc = crc32c::crc32c(text.as_bytes());
        format!("{text} {crc:08x}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').skip(1);
        let log = words.next()?.parse().ok()?;
        let size = words.next()?.parse().ok()?;
        let root = Digest::from_bytes(unhex(words.next()?)?);
        let remembered = Self { log, size, root };
        // Comparing with the written form checks the title, the checksum and the spelling.
        (remembered.line().trim_end() == line).then_some(remembered)
    }
}

/// The path of the file that remembers a log.
pub fn state_path(state: &Path, log: LogId) -> PathBuf {
    state.join(log.to_string())
}

/// Reads what a file remembers.
///
/// # Errors
/// The file can't be read, or has no intact line. Such a file does not count as absent.
pub fn remembered(path: &Path) -> io::Result<Option<Remembered>> {
    let Some(bytes) = read_handed(path, FILE_BYTES_MAX)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let best = text.split('\n').filter_map(Remembered::parse).max_by_key(|remembered| remembered.size);
    best.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The file of one log, open for writing.
pub(crate) struct StateFile {
    file: File,
    path: PathBuf,
    log: LogId,
    turn: bool,
    watched: Watched,
    /// The content of the file, as it was written last.
    left: Vec<u8>,
}

impl StateFile {
    /// Opens the file, and makes or rewrites it so that both lines have this state.
    pub(crate) fn begin(disk: &dyn Disk, state: &Path, now: &Remembered) -> io::Result<Self> {
        if !std::fs::exists(state)? {
            home::make_folder(state)?;
        }
        let path = state_path(state, now.log);
        match disk.remove(&path.with_extension("new")) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        if remembered(&path).ok().flatten().as_ref() != Some(now) {
            replace(disk, &path, now.line().repeat(2).as_bytes(), Replace::Durable)?;
        }
        let file = home::open(&path, Access::Write)?;
        let left = read_own(&path, FILE_BYTES_MAX)?.unwrap_or_default();
        Ok(Self { watched: Watched::new(path.clone(), &file)?, file, path, log: now.log, turn: false, left })
    }

    pub(crate) fn write(&mut self, disk: &dyn Disk, size: u64, root: Digest) -> io::Result<()> {
        let line = Remembered { log: self.log, size, root }.line();
        let at = if self.turn { line.len() } else { 0 };
        self.turn = !self.turn;
        write_whole(disk, &self.file, line.as_bytes(), wide(at))?;
        self.left.resize(self.left.len().max(at + line.len()), 0);
        self.left.splice(at..at + line.len(), line.bytes());
        Ok(())
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file at the path is still this one, with the content that was written last.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.watched.check_content(&self.file, &self.left)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn at(size: u64) -> Remembered {
        Remembered { log: LogId::from_bytes([4; 16]), size, root: Digest::of(&size.to_le_bytes()) }
    }

    #[test]
    fn the_later_line_counts_and_a_torn_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = state_path(dir.path(), at(0).log);
        assert_eq!(remembered(&path).unwrap(), None);
        let mut file = StateFile::begin(&RealDisk, dir.path(), &at(5)).unwrap();
        for size in [6, 7] {
            file.write(&RealDisk, size, at(size).root).unwrap();
            assert_eq!(remembered(&path).unwrap(), Some(at(size)));
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 3;
        if let Some(byte) = bytes.get_mut(last) {
            *byte ^= 1;
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(remembered(&path).unwrap(), Some(at(6)));
        std::fs::write(&path, b"nonsense").unwrap();
        assert!(remembered(&path).is_err());
    }

    #[test]
    fn beginning_lower_forgets_the_higher() {
        let dir = tempfile::tempdir().unwrap();
        StateFile::begin(&RealDisk, dir.path(), &at(9)).unwrap();
        StateFile::begin(&RealDisk, dir.path(), &at(3)).unwrap();
        assert_eq!(remembered(&state_path(dir.path(), at(0).log)).unwrap(), Some(at(3)));
    }
}
