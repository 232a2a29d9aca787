//! The errors of the journal, one type for each kind of operation.

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

/// Why a record was not accepted. No part of it is in the log.
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
    /// The body, a payload, the number of payloads, or the whole record is over its bound.
    #[error("a record of run `{run}` is too large")]
    TooLarge {
        /// The run.
        run: RunId,
    },
    /// The system gives no random bytes, or the cipher failed.
    #[error("a payload or key of run `{run}` could not be sealed")]
    Seal {
        /// The run.
        run: RunId,
    },
    /// The earlier records of the run could not be read.
    #[error("the earlier records of run `{run}` could not be read")]
    History {
        /// The run.
        run: RunId,
        /// The cause.
        #[source]
        cause: Arc<ReadError>,
    },
}

impl From<Broken> for AppendError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Something on the disk that differs from what was written, and its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {}, byte {}, record {}: {what}", at.segment, at.offset, at.index)]
pub struct LogFault {
    /// The frame at fault, or the end of what could be read.
    pub at: Position,
    /// What is wrong there.
    pub what: FaultKind,
}

impl LogFault {
    /// Why the system could not read it, if that is the fault. Then it is not known whether anything is damaged.
    pub fn unread(&self) -> Option<&Unread> {
        match &self.what {
            FaultKind::Unreadable(unread) => Some(unread),
            _ => None,
        }
    }
}

/// Says in words whether a fault is damage, or only means that the record could not be read.
pub(crate) fn of_fault(fault: &LogFault) -> &'static str {
    if fault.unread().is_some() { "the record could not be read" } else { "the record is damaged" }
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// A segment is missing.
    #[error("the segment is missing")]
    SegmentMissing,
    /// The header of a segment is damaged.
    #[error("the segment's header is damaged")]
    HeaderBroken,
    /// A newer program wrote the segment.
    #[error("the segment is of form {form}, which a newer program wrote")]
    SegmentNewer {
        /// The form of the segment.
        form: u8,
    },
    /// The header is intact, but belongs to another log, another segment or another place.
    #[error("the segment does not belong here")]
    HeaderDiffers,
    /// The file is longer than any segment can be.
    #[error("the segment is too long")]
    SegmentTooLong,
    /// The length, checksum or kind of a frame is damaged, or the end of the frame is missing.
    #[error("the frame is damaged")]
    FrameBroken,
    /// A batch has no trailer, although something follows it.
    #[error("the batch has no trailer")]
    TrailerMissing,
    /// Payloads come without their leaf, a leaf has fewer or more payloads than it names, or a batch is empty.
    #[error("the frames are out of order")]
    FrameOrder,
    /// A leaf lacks fields.
    #[error("the record is malformed")]
    LeafMalformed,
    /// The record does not follow the run's previous one.
    #[error("the record does not follow the previous one of run `{run}`")]
    ChainBroken {
        /// The run.
        run: RunId,
    },
    /// A payload is not the one that its leaf names.
    #[error("the payload is not the one that was recorded")]
    PayloadDiffers,
    /// The trailer is not a checkpoint that the log's key signed.
    #[error("{0}")]
    Trailer(NoteError),
    /// The trailer is a signed checkpoint of another place.
    #[error("the checkpoint belongs to another place in the log")]
    TrailerMoved,
    /// The records differ from those that were signed.
    #[error("the records differ from those that were signed")]
    RootDiffers,
    /// Bytes follow the last batch of a segment.
    #[error("there are bytes after the last batch")]
    TrailingBytes,
    /// The log is shorter than it is known to have been.
    #[error("the log has {size} records, but {known} are known")]
    Behind {
        /// How many records the log has.
        size: u64,
        /// How many records it is known to have had.
        known: u64,
    },
    /// The log differs from the one that is known from elsewhere.
    #[error("the first {known} records differ from those that are known")]
    OtherHistory {
        /// How many records are known from elsewhere.
        known: u64,
    },
    /// The record says that another key signs from some record on, and this key is not among the public keys that are here.
    #[error("another key signs from record {from} on, and it is not among the public keys here")]
    KeyNotHere {
        /// How many records the keys before it have signed.
        from: u64,
    },
    /// What is known from elsewhere lies in the part that was pruned.
    #[error("the first {known} records are known, but the first {begins} were removed from the log: the two can't be compared")]
    KnownTakenAway {
        /// How many records are known.
        known: u64,
        /// How many records were pruned.
        begins: u64,
    },
    /// The home is known to have had another log.
    #[error("the home had log `{was}`{}, and this is another one", size.map_or_else(String::new, |size| format!(" of {size} records")))]
    OtherLog {
        /// The log that the home had.
        was: LogId,
        /// How many records that log had, if that is known.
        size: Option<u64>,
    },
    /// The file that says where the log begins is not what the log's key signed.
    #[error("`journal.base`, which says where the record begins, is damaged or of another log")]
    BaseForged,
    /// The second state that was given can't be read.
    #[error("the state outside of the home, where the record is remembered, is gone or unreadable")]
    StateUnreadable,
    /// The second state that was given belongs to another log.
    #[error("the state belongs to another log")]
    StateForeign,
    /// The public key is missing or malformed.
    #[error("the public key is unreadable")]
    KeyUnreadable,
    /// The system could not read it. It is not known whether it is damaged.
    #[error("it could not be read: {0}")]
    Unreadable(Unread),
}

/// A record whose form this program does not know, since a newer program wrote it. The record is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {} of the log is of form {form}, and this program reads forms up to {}: a newer program wrote it", at.index, vocabulary::record::VERSION)]
pub struct Newer {
    /// Where the record lies.
    pub at: Position,
    /// The run of the record.
    pub run: RunId,
    /// The form of the record.
    pub form: u32,
}

/// Why a home can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program has written to the log.
    #[error("this program can't continue the record")]
    Newer(#[source] Newer),
    /// Another process holds the home.
    #[error("another process holds `{}`{}", home.display(), other.pid.map_or_else(String::new, |_| format!(": {other}")))]
    Held {
        /// The home.
        home: PathBuf,
        /// That process, as far as the system says.
        other: Box<home::Other>,
    },
    /// A file could not be read, made or written.
    #[error("could not use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A key that the home needs is missing or damaged.
    #[error("the key `{}` is missing or damaged", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A key that the home needs is sealed, and the key that opens it is not available or is the wrong one.
    #[error("the key `{}` does not open", path.display())]
    KeySealed {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: Box<key::UnderError>,
    },
    /// A new key can't be sealed under the key that was named.
    #[error("the new key can't be sealed")]
    NotSealed {
        /// The cause.
        #[source]
        cause: Box<key::UnderError>,
    },
    /// The home's key is not the one that the record names: somebody put back an old key, or the key of another home.
    #[error("the key `{}` is not the one that the record names: that key was rotated, or it belongs to another home", path.display())]
    OtherHomeKey {
        /// The file.
        path: PathBuf,
    },
    /// The file that opens the keys of a home may not lie in the home.
    #[error("`{}` must lie outside of the home, since it opens the keys of the home", path.display())]
    KeyInHome {
        /// The path that was named.
        path: PathBuf,
    },
    /// The signing key is not the one with which the record was signed.
    #[error("the key `{}` is of log `{log}`, and the record here is of log `{of}`", path.display())]
    KeyOfOtherLog {
        /// The file.
        path: PathBuf,
        /// The log of that key.
        log: LogId,
        /// The log of the record in this home.
        of: LogId,
    },
    /// The home's key does not open the keys of runs.
    #[error("the key `{}` opens none of the keys of runs in `{}`: one of the two files belongs to another home", path.display(), keys.display())]
    KeyOpensNothing {
        /// The file of the home's key.
        path: PathBuf,
        /// The file of the keys of runs.
        keys: PathBuf,
    },
    /// The file of the keys of runs is gone.
    #[error("`{}`, which held the keys of {known} runs, is gone", path.display())]
    KeysGone {
        /// The file.
        path: PathBuf,
        /// How many keys the file is known to have had.
        known: u64,
    },
    /// The home is known to have had another log.
    #[error("{}", other_log(home, *was, *size, *now))]
    OtherLog {
        /// The home.
        home: PathBuf,
        /// The log that the home had.
        was: LogId,
        /// How many records that log had, if that is known.
        size: Option<u64>,
        /// The log that the home has now, if there is one.
        now: Option<LogId>,
    },
    /// Another home continues the same record: one of the two homes is a copy of the other.
    #[error("the record in `{}` is continued in another home, `{}`: one of the two is a copy of the other", home.display(), other.display())]
    Copy {
        /// The home that was to be opened.
        home: PathBuf,
        /// The home that continued the record last, and still has it.
        other: PathBuf,
    },
    /// The home or its second state lies on a file system whose locks or syncs are not reliable.
    #[error("`{}` lies on a file system of the kind `{kind}`, {}", path.display(), UNFIT)]
    Unfit {
        /// The folder.
        path: PathBuf,
        /// The kind of the file system, as the setting names it.
        kind: &'static str,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a new key")]
    NoRandomness,
    /// Something before the end of the last batch is missing, differs or can't be read.
    #[error("{}", of_fault(.0))]
    Fault(#[source] LogFault),
    /// The log is not the one that was acknowledged here before, or is only a part of it. `accept_rollback` accepts it as it is.
    #[error("{}", unmet(*log, *size, *known))]
    Behind {
        /// The log.
        log: LogId,
        /// How many records the log has.
        size: u64,
        /// The root over them.
        root: Digest,
        /// How many records it is known to have had.
        known: u64,
        /// The source of that knowledge.
        from: KnownFrom,
    },
    /// The second state can't be read, or is gone although this home had one here. The home does not count as new then.
    #[error("the state `{}`, where the record is remembered, is {}", path.display(), if path.exists() { "unreadable" } else { "gone" })]
    StateUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// A change that a person asked for could not be recorded.
    #[error("the record of this change could not be written")]
    Unrecorded(#[source] AppendError),
    /// Nothing is damaged, so nothing can be set aside.
    #[error("the record is whole: there is nothing to set aside")]
    Whole,
    /// The thread that writes could not be started.
    #[error("could not start the thread that writes the record")]
    Thread(#[source] io::Error),
}

/// Why a shared file system is refused.
const UNFIT: &str = "where another machine can write to the record although this one holds its lock, and synced data can be lost";

fn other_log(home: &std::path::Path, was: LogId, size: Option<u64>, now: Option<LogId>) -> String {
    let size = size.map_or_else(String::new, |size| format!(" of {size} records"));
    let now = now.map_or_else(|| "it has no record".to_owned(), |now| format!("it has log `{now}`"));
    format!("the home `{}` is known to have had log `{was}`{size}; now {now}", home.display())
}

/// Says how the log contradicts what is known of it: it is shorter, or, if it is not shorter, it is another log.
fn unmet(log: LogId, size: u64, known: u64) -> String {
    if size < known {
        format!("the record is behind what is known of log `{log}`: {size} records, {known} known")
    } else {
        format!("the record differs from what is known of log `{log}`: of {size} records, the first {known} are not those that are known")
    }
}

/// The source of the knowledge that a log was longer, or was another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFrom {
    /// Second state, outside of the home.
    SecondState,
    /// The home's own authenticated index.
    Index,
    /// The signed base of a log whose earlier segments were pruned.
    Base,
}
