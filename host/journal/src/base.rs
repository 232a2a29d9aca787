//! Where a log begins after earlier segments were archived or dropped: `journal.base`, signed by the log's key.
//!
//! It names the first segment, the tree before it, and the last earlier record of each run that has records after the cut. So the rest of
//! the log verifies, and removing more of it is noticed.

use std::io;
use std::path::{Path, PathBuf};

use vocabulary::{Digest, RunId};

use crate::disk::{Disk, Replace, read_handed, replace};
use crate::err::{FaultKind, LogFault, OpenError};
use crate::ids::{LogId, Position};
use crate::note::{NoteSigner, PublicKey};
use crate::unread::Unread;
use crate::wire::{hex, unhex};

const TITLE: &str = "bailiwick.base/1";
/// BOUND: a larger file is not read.
pub(crate) const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where a log begins after earlier segments were pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The log.
    pub log: LogId,
    /// The first segment that was kept.
    pub segment: u32,
    /// How many records come before that segment.
    pub size: u64,
    /// The root of the tree over those records.
    pub root: Digest,
    /// The last record before the cut of each run that has records after it: its number and its leaf hash.
    pub heads: Vec<(RunId, u64, Digest)>,
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("journal.base")
}

/// Why a base can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BaseError {
    /// The file could not be read.
    Unreadable(Unread),
    /// The file is not what this key signed.
    Forged,
}

impl Base {
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{TITLE}\n{}\n{}\n{}\n{}\n", self.log, self.segment, self.size, self.root.hex());
        for (run, seq, last) in &self.heads {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{run} {seq} {}", last.hex());
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut next = || lines.next();
        let (log, segment, size) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        let root = Digest::from_bytes(unhex(next()?)?);
        let head = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, Digest::from_bytes(unhex(words.next()?)?)))
        };
        let heads = lines.map(head).collect::<Option<_>>()?;
        let base = Self { log, segment, size, root, heads };
        // Writing it again and comparing checks the title, and allows only one spelling.
        (base.text() == text).then_some(base)
    }

    /// The bytes of the file, with the signature.
    pub(crate) fn signed(&self, signer: &NoteSigner) -> Vec<u8> {
        let text = self.text();
        format!("{text}\n{}\n", hex(&signer.sign_bytes(text.as_bytes()))).into_bytes()
    }

    pub(crate) fn write(&self, disk: &dyn Disk, home: &Path, signer: &NoteSigner) -> io::Result<()> {
        replace(disk, &path(home), &self.signed(signer), Replace::Durable)
    }

    /// Reads the base of a home, or of a folder of segments. `None` if the log begins with its first record.
    pub(crate) fn read(folder: &Path, key: &PublicKey) -> Result<Option<Self>, BaseError> {
        let read = read_handed(&path(folder), FILE_BYTES_MAX).map_err(|cause| BaseError::Unreadable(Unread::new(&path(folder), cause)))?;
        let Some(bytes) = read else { return Ok(None) };
        let parts = || {
            let text = str::from_utf8(&bytes).ok()?;
            let (text, signature) = text.strip_suffix('\n')?.rsplit_once("\n\n")?;
            // The signed text includes the line end of its last line.
            let text = bytes.get(..text.len() + 1).and_then(|text| str::from_utf8(text).ok())?;
            key.check_bytes(text.as_bytes(), &unhex(signature)?).then_some(())?;
            Self::parse(text).filter(|base| base.log == key.log())
        };
        parts().map(Some).ok_or(BaseError::Forged)
    }

    /// The number of the first segment of a log: 1, unless earlier segments were pruned.
    pub(crate) fn first(base: Option<&Self>) -> u32 {
        base.map_or(1, |base| base.segment)
    }
}

/// Where the log of this key begins.
pub(crate) fn base_of(home: &Path, key: &PublicKey) -> Result<Option<Base>, OpenError> {
    Base::read(home, key).map_err(|err| OpenError::Fault(base_fault(err)))
}

/// The fault for a base that can't be used: then it is not known where the log begins.
pub(crate) fn base_fault(err: BaseError) -> LogFault {
    let what = match err {
        BaseError::Unreadable(unread) => FaultKind::Unreadable(unread),
        BaseError::Forged => FaultKind::BaseForged,
    };
    LogFault { at: Position { offset: 0, ..Position::start() }, what }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_base_is_what_the_key_signed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let signer = NoteSigner::new(&[3; 32]);
        assert_eq!(Base::read(folder.path(), signer.public()), Ok(None));
        for heads in [Vec::new(), vec![(RunId::from_bytes([1; 16]), 7, Digest::of(b"x"))]] {
            let base = Base { log: signer.public().log(), segment: 3, size: 77, root: Digest::of(b"r"), heads };
            base.write(&RealDisk, folder.path(), &signer).unwrap();
            assert_eq!(Base::read(folder.path(), signer.public()), Ok(Some(base)));
            let whole = std::fs::read(path(folder.path())).unwrap();
            for at in 0..whole.len() {
                let mut bent = whole.clone();
                bent[at] ^= 1;
                std::fs::write(path(folder.path()), &bent).unwrap();
                assert_eq!(Base::read(folder.path(), signer.public()), Err(BaseError::Forged), "byte {at}");
            }
            std::fs::write(path(folder.path()), &whole).unwrap();
            assert_eq!(Base::read(folder.path(), NoteSigner::new(&[4; 32]).public()), Err(BaseError::Forged));
        }
    }
}
