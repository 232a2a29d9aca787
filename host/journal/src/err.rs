//! What can go wrong, one type for each thing a caller may be doing.

mod read;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use vocabulary::{Digest, RunId};

use crate::ids::{LogId, Position};
use crate::note::NoteError;
use crate::unread::Unread;

pub use self::read::ReadError;
pub use crate::broken::{Broken, FailedStep};

/// Why a record was not taken. Nothing of it is on the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing more can be recorded by this process.
    #[error(transparent)]
    Broken(Broken),
    /// The run was not opened here, or has ended.
    #[error("run `{run}` is not open")]
    RunNotOpen {
        /// The run.
        run: RunId,
    },
    /// The run is open already.
    #[error("run `{run}` is open already")]
    RunOpen {
        /// The run.
        run: RunId,
    },
    /// The record has a payload and the run has no key, or its key was forgotten.
    #[error("run `{run}` has no key")]
    NoKey {
        /// The run.
        run: RunId,
    },
    /// A body, a payload, their number or the whole is over its bound.
    #[error("a record of run `{run}` is too large")]
    TooLarge {
        /// The run.
        run: RunId,
    },
    /// No randomness, or the cipher refused.
    #[error("a payload or key of run `{run}` could not be sealed")]
    Seal {
        /// The run.
        run: RunId,
    },
    /// The log could not be read for the run's earlier records.
    #[error("the earlier records of run `{run}` could not be read")]
    History {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        cause: Arc<ReadError>,
    },
}

impl From<Broken> for AppendError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Something on the disk that is not what was written, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {}, byte {}, record {}: {what}", at.segment, at.offset, at.index)]
pub struct LogFault {
    /// The frame at fault, or the end of what is there.
    pub at: Position,
    /// What is wrong.
    pub what: FaultKind,
}

impl LogFault {
    /// Why the system could not read it, if that is the fault. Then nothing is known to be damaged.
    pub fn unread(&self) -> Option<&Unread> {
        match &self.what {
            FaultKind::Unreadable(unread) => Some(unread),
            _ => None,
        }
    }
}

/// Says of a fault whether something is damaged or could only not be read.
pub(crate) fn of_fault(fault: &LogFault) -> &'static str {
    if fault.unread().is_some() { "the record could not be read" } else { "the record is damaged" }
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// A segment is not there.
    #[error("the segment is missing")]
    SegmentMissing,
    /// The header of a segment is damaged.
    #[error("the segment's header is damaged")]
    HeaderBroken,
    /// A newer program wrote the segment.
    #[error("the segment is of form {form}, which a newer program wrote")]
    SegmentNewer {
        /// Its form.
        form: u8,
    },
    /// A whole header of another log, another segment or another place.
    #[error("the segment does not belong here")]
    HeaderDiffers,
    /// Longer than any segment is.
    #[error("the segment is too long")]
    SegmentTooLong,
    /// Length, checksum or kind of a frame is damaged, or its end is missing.
    #[error("the frame is damaged")]
    FrameBroken,
    /// A batch that has no trailer, with something after it.
    #[error("the batch has no trailer")]
    TrailerMissing,
    /// Payloads without their leaf, or fewer or more than it names, or an empty batch.
    #[error("the frames are out of order")]
    FrameOrder,
    /// A leaf without its fields.
    #[error("the record is malformed")]
    LeafMalformed,
    /// The record does not follow the run's previous one.
    #[error("the record does not follow the previous one of run `{run}`")]
    ChainBroken {
        /// The run.
        run: RunId,
    },
    /// A payload is not the one its leaf names.
    #[error("the payload is not the one that was recorded")]
    PayloadDiffers,
    /// The trailer is not a checkpoint by the log's key.
    #[error("{0}")]
    Trailer(NoteError),
    /// A signed checkpoint of another place.
    #[error("the checkpoint is of another place")]
    TrailerMoved,
    /// The records are not those that were signed.
    #[error("the records differ from those that were signed")]
    RootDiffers,
    /// Something lies behind the last batch of a segment.
    #[error("there are bytes after the last batch")]
    TrailingBytes,
    /// The log is shorter than is known from elsewhere.
    #[error("the log has {size} records, {known} are known")]
    Behind {
        /// How many records are there.
        size: u64,
        /// How many are known to have been.
        known: u64,
    },
    /// The log is another one than is known from elsewhere.
    #[error("the first {known} records differ from those that are known")]
    OtherHistory {
        /// The size at which they differ.
        known: u64,
    },
    /// The record names a key that signs from there on, and the public keys that are here don't have it.
    #[error("from record {from} on another key signs, which is not among the public keys here")]
    KeyNotHere {
        /// How many records the key before it signed.
        from: u64,
    },
    /// What is known from elsewhere lies in the part that was taken away.
    #[error("the first {known} records are known, and the record begins only after {begins}: the two can't be compared")]
    KnownTakenAway {
        /// How many are known.
        known: u64,
        /// How many were taken away.
        begins: u64,
    },
    /// The home is known to have had another log.
    #[error("the home had log `{was}`{}, and this is another one", size.map_or_else(String::new, |size| format!(" of {size} records")))]
    OtherLog {
        /// The log that it had.
        was: LogId,
        /// How many records that had, if that is known.
        size: Option<u64>,
    },
    /// What says where the log begins is not what its key signed.
    #[error("`journal.base`, which says where the record begins, is damaged or of another log")]
    BaseForged,
    /// What was given to compare with can't be read.
    #[error("what was remembered of the record outside of the home is gone or unreadable")]
    StateUnreadable,
    /// What was given to compare with is of another log.
    #[error("the second state is of another log")]
    StateForeign,
    /// No public key to check with, or a malformed one.
    #[error("the public key is unreadable")]
    KeyUnreadable,
    /// The system could not read it. That says nothing about what is there.
    #[error("it could not be read: {0}")]
    Unreadable(Unread),
}

/// A record whose form this version of the program does not know, since a newer one wrote it. It is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {} of the log is of form {form}, and this program reads forms up to {}: a newer one wrote it", at.index, vocabulary::record::VERSION)]
pub struct Newer {
    /// Where it lies.
    pub at: Position,
    /// Whose it is.
    pub run: RunId,
    /// Its form.
    pub form: u32,
}

/// Why a home can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program has written to it.
    #[error("the record can't be gone on with by this program")]
    Newer(#[source] Newer),
    /// Another process holds it.
    #[error("another process holds `{}`{}", home.display(), other.pid.map_or_else(String::new, |_| format!(": {other}")))]
    Held {
        /// The home.
        home: PathBuf,
        /// Which process, as far as the system says.
        other: Box<home::Other>,
    },
    /// A file could not be read, made or written.
    #[error("could not use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A key that belongs to what is there is missing or damaged.
    #[error("the key `{}` is missing or damaged", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A key that belongs to what is there is sealed, and what opens it is not at hand or is another one.
    #[error("the key `{}` does not open", path.display())]
    KeySealed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<key::UnderError>,
    },
    /// A new key can't be sealed under what was named.
    #[error("the new key can't be sealed")]
    NotSealed {
        /// Why.
        #[source]
        cause: Box<key::UnderError>,
    },
    /// The home's key is not the one that the record names: an old one was put back, or one of another home.
    #[error("the key `{}` is not the one that the record names: it was rotated", path.display())]
    OtherHomeKey {
        /// The file.
        path: PathBuf,
    },
    /// What opens the keys of a home may not lie in it.
    #[error("`{}` is no place for what opens the keys of the home", path.display())]
    KeyInHome {
        /// Where it was to be.
        path: PathBuf,
    },
    /// The key that signs is not the one that the record was signed with.
    #[error("the key `{}` is of log `{log}`, and the record here is of log `{of}`", path.display())]
    KeyOfOtherLog {
        /// The file.
        path: PathBuf,
        /// The log that it would sign.
        log: LogId,
        /// The log that is here.
        of: LogId,
    },
    /// The home's key is not the one under which the keys of runs are sealed.
    #[error("the key `{}` opens none of the keys of runs in `{}`: one of the two is of another home", path.display(), keys.display())]
    KeyOpensNothing {
        /// The file with the home's key.
        path: PathBuf,
        /// The file with the keys of runs.
        keys: PathBuf,
    },
    /// The file with the keys of runs is gone.
    #[error("the keys of {known} runs are known to have been in `{}`, which is gone", path.display())]
    KeysGone {
        /// The file.
        path: PathBuf,
        /// How many keys it is known to have had.
        known: u64,
    },
    /// The home is known to have had another log.
    #[error("{}", other_log(home, *was, *size, *now))]
    OtherLog {
        /// The home.
        home: PathBuf,
        /// The log that it had.
        was: LogId,
        /// How many records that had, if that is known.
        size: Option<u64>,
        /// The log that is here, if there is one.
        now: Option<LogId>,
    },
    /// Another home continues the same record: this one is a copy of it, or it is one of this.
    #[error("the record in `{}` is continued in another home, `{}`: one of the two is a copy of the other", home.display(), other.display())]
    Copy {
        /// The home that was to be used.
        home: PathBuf,
        /// The one from which the record was continued last, and which still has it.
        other: PathBuf,
    },
    /// The home or its second state lies on a file system whose locks or syncs can't be relied on.
    #[error("`{}` lies on a file system of the kind `{kind}`, {}", path.display(), UNFIT)]
    Unfit {
        /// The folder.
        path: PathBuf,
        /// The kind, as the setting names it.
        kind: &'static str,
    },
    /// The system gave no randomness.
    #[error("no randomness for a new key")]
    NoRandomness,
    /// Something below the last trailer is missing or different, or can't be read.
    #[error("{}", of_fault(.0))]
    Fault(#[source] LogFault),
    /// The log is not the one, or not all of the one, that was acknowledged here before. `accept_rollback` takes it as it is.
    #[error("{}", unmet(*log, *size, *known))]
    Behind {
        /// The log.
        log: LogId,
        /// How many records are there.
        size: u64,
        /// The root over them.
        root: Digest,
        /// How many were known.
        known: u64,
        /// Where that is known from.
        from: KnownFrom,
    },
    /// The second state is there and can't be read, or it is gone although this home had one here. It is not taken for that of a new home.
    #[error("what was remembered of the record in `{}` is {}", path.display(), if path.exists() { "unreadable" } else { "gone" })]
    StateUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// What was accepted could not be put on the record.
    #[error("could not put it on the record")]
    Unrecorded(#[source] AppendError),
    /// Nothing is damaged.
    #[error("the record is whole: there is nothing to set aside")]
    Whole,
    /// The thread that writes could not be started.
    #[error("could not start the writer")]
    Thread(#[source] io::Error),
}

/// Why a shared file system is refused.
const UNFIT: &str = "where another machine may write to the record without meeting this one's lock, and what was synced may be lost";

fn other_log(home: &std::path::Path, was: LogId, size: Option<u64>, now: Option<LogId>) -> String {
    let size = size.map_or_else(String::new, |size| format!(" of {size} records"));
    let now = now.map_or_else(|| "there is no record".to_owned(), |now| format!("there is log `{now}`"));
    format!("the home `{}` is known to have had log `{was}`{size}; in its place {now}", home.display())
}

/// What is there and what is known of it, in words: a log that is as long and longer is no shorter one, it is another.
fn unmet(log: LogId, size: u64, known: u64) -> String {
    if size < known {
        format!("the record is behind what is known of log `{log}`: {size} records, {known} known")
    } else {
        format!("the record differs from what is known of log `{log}`: of {size} records, the first {known} are not those that are known")
    }
}

/// What remembers that a log was longer, or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFrom {
    /// The second state, outside the home.
    SecondState,
    /// The home's own authenticated index.
    Index,
    /// The signed base of a log whose earlier segments were taken away.
    Base,
}
