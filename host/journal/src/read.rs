//! Reads records back, also while another process writes.
//!
//! A reader returns whole batches whose trailer is in its place. A proving reader also checks that they are those that were signed. While
//! a process writes, a reader may see the newest batch a moment before it is durable.

use std::collections::HashSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use vocabulary::{Digest, RunId};

use crate::base::{Base, BaseError, base_fault};
use crate::derived::Derived;
use crate::err::{FaultKind, LogFault, ReadError};
use crate::frame::{CONTENT_BYTES_MAX, HEAD_BYTES, LeafView, Parsed, frame_bytes, leaf, parse};
use crate::ids::{LogId, Position};
use crate::index::Index;
use crate::keys::{self, HomeKey, KeyFile, load_public};
use crate::note::PublicKey;
use crate::rely::{Depth, rely_on};
use crate::salvage::{Damage, Salvage};
use crate::segment;
use crate::tree::leaf_hash;
use crate::unread::Unread;
use crate::walk::end_of_checkpoint;

/// A record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where the record lies.
    pub at: Position,
    /// The run of the record.
    pub run: RunId,
    /// The number of the record in its run, from 1.
    pub seq: u64,
    /// The leaf hash of the run's previous record, or zeros.
    pub prev: Digest,
    /// The leaf hash of this record.
    pub leaf: Digest,
    /// Whether the run ended with this record.
    pub ends: bool,
    /// The body that was appended.
    pub body: Vec<u8>,
    pub(crate) digests: Vec<[u8; 32]>,
    /// Where the first payload begins.
    pub(crate) payloads_at: u64,
}

impl StoredRecord {
    pub(crate) fn new(at: Position, content: &[u8], view: &LeafView<'_>, leaf: Digest) -> Self {
        Self {
            at,
            run: view.head.run,
            seq: view.head.seq,
            prev: view.head.prev,
            leaf,
            ends: view.head.ends,
            body: view.body.to_vec(),
            digests: view.digests.chunks_exact(32).filter_map(|digest| digest.try_into().ok()).collect(),
            payloads_at: at.offset.saturating_add(frame_bytes(content.len())),
        }
    }

    /// How many payloads the record has.
    pub fn payloads(&self) -> usize {
        self.digests.len()
    }
}

/// A reader of the log of a home. Needs no lock.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) home: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) log: LogId,
    /// The damage that was skipped, if this reader skips damage.
    pub(crate) salvage: Option<Salvage>,
    pub(crate) sight: Arc<Sight>,
    /// Whether every returned record is proved.
    pub(crate) proves: bool,
}

/// What a reader knows besides the segments.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// The key that signs this log.
    pub(crate) key: Option<PublicKey>,
    /// Where the log begins, if not with its first record.
    pub(crate) base: Option<Base>,
    /// The index, if it belongs to this log.
    pub(crate) index: Option<Index>,
    /// Whether the part that the index covers may be left unread. Computed when it is first needed.
    is_relied_on: OnceLock<bool>,
}

impl Sight {
    /// Reads the key and the base of a log, if they are there.
    pub(crate) fn of(home: &Path, log: LogId) -> Result<Self, BaseError> {
        let own = || keys::signer(home).ok().map(|signer| signer.public().clone());
        let key = load_public(home).filter(|key| key.log() == log).or_else(own).filter(|key| key.log() == log);
        let base = key.as_ref().map(|key| Base::read(home, key)).transpose()?.flatten();
        Ok(Self { key, base, index: None, is_relied_on: OnceLock::new() })
    }

    pub(crate) fn with_index(mut self, home: &Path, log: LogId) -> Self {
        let index = HomeKey::load(home).ok().and_then(|key| Index::read(home, &key.index));
        self.index = index.filter(|index| index.checkpoint.log == log);
        self
    }

    /// The first segment that must exist.
    pub(crate) fn first(&self) -> u32 {
        Base::first(self.base.as_ref())
    }
}

impl Reader {
    /// Opens the log in this home with a reader that trusts checksums. See [`Reader::proving`].
    ///
    /// # Errors
    /// There is no log, or its base or a header is damaged.
    pub fn open(home: &Path) -> Result<Self, ReadError> {
        let folder = segment::folder(home);
        let numbers = segment::list(&folder).map_err(|cause| ReadError::Io { cause: home::told(&folder, cause), path: folder.clone() })?;
        let last = numbers.last().copied().ok_or_else(|| ReadError::NoLog { home: home.to_owned() })?;
        let (_, header) = segment::open(&folder, last, None).map_err(ReadError::Fault)?;
        let sight = Sight::of(home, header.log).map_err(|err| ReadError::Fault(base_fault(err)))?;
        // Segments that a prune has not removed yet do not count.
        if !numbers.contains(&sight.first()) {
            let at = Position { segment: sight.first(), offset: 0, index: 0 };
            return Err(ReadError::Fault(LogFault { at, what: FaultKind::SegmentMissing }));
        }
        Ok(Self { home: home.to_owned(), folder, log: header.log, salvage: None, sight: Arc::new(sight), proves: false })
    }

    /// The same reader, but it proves every record that it returns: by the tree that the log's key has signed, and by the chain of its run.
    #[must_use]
    pub fn proving(self) -> Self {
        Self { proves: true, ..self }
    }

    /// The same reader, but it trusts checksums: for views that are not evidence.
    #[must_use]
    pub fn believing(self) -> Self {
        Self { proves: false, ..self }
    }

    /// Opens a file that was derived from this log. `None` if the home's key can't be read, or if the derived part of the log was changed.
    pub fn derived(&self, name: &str) -> Option<Derived> {
        if !self.relies_on_index() {
            return None;
        }
        Derived::open(&self.home, name, self.log)
    }

    /// The last snapshot that the home's host has kept, and the position of the first record that is not in it. `None` if there is none, if
    /// it does not belong to this log, or if the home's key can't be read.
    pub fn snapshot(&self) -> Option<(Vec<u8>, Position)> {
        let index = self.sight.index.as_ref().filter(|_| self.relies_on_index())?;
        let stands = end_of_checkpoint(&self.folder, self.sight.key.as_ref()?, &index.checkpoint) == Some(index.next);
        index.snapshot.as_ref().filter(|_| stands).map(|snapshot| (snapshot.bytes.clone(), snapshot.unfolded))
    }

    /// Whether an earlier snapshot may be used instead of reading its records again: no segment was written to since. A reader that does
    /// not skip damage may always use it.
    fn relies_on_index(&self) -> bool {
        let relied = || {
            let (index, key) = (self.sight.index.as_ref()?, self.sight.key.as_ref()?);
            let how = if self.proves { Depth::Records } else { Depth::Checksums };
            rely_on(&self.home, &self.folder, (key, self.sight.base.as_ref()), (index, how))
        };
        self.salvage.is_none() || *self.sight.is_relied_on.get_or_init(|| relied().is_some())
    }

    /// The segments of the log, each with the length of its file in bytes.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn segment_sizes(&self) -> Result<Vec<(u32, u64)>, ReadError> {
        let numbers = segment::list(&self.folder).map_err(|cause| self.io(cause))?;
        let sized = numbers.into_iter().filter(|number| *number >= self.sight.first()).map(|number| {
            let found = std::fs::symlink_metadata(segment::path(&self.folder, number)).map_err(|cause| self.io(cause))?;
            Ok((number, found.len()))
        });
        sized.collect()
    }

    /// The runs whose key is in the home, so that their payloads can be opened.
    ///
    /// # Errors
    /// The file of keys can't be read.
    pub fn keyed_runs(&self) -> Result<HashSet<RunId>, ReadError> {
        let mut runs = HashSet::new();
        let keys = KeyFile::open(&self.home).map_err(|cause| self.io(cause))?;
        keys.map_or(Ok(()), |keys| keys.owners(0, &mut |_, run| _ = runs.insert(run))).map_err(|cause| self.io(cause))?;
        Ok(runs)
    }

    /// The runs whose first records were pruned and whose later records are in the log.
    pub fn cut_runs(&self) -> impl Iterator<Item = RunId> + '_ {
        self.sight.base.iter().flat_map(|base| base.heads.iter().map(|(run, ..)| *run))
    }

    /// The damage that was skipped so far.
    pub fn damage(&self) -> Vec<Damage> {
        self.salvage.as_ref().map(Salvage::damage).unwrap_or_default()
    }

    /// The path of the home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The log's name.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Reads the record at a position that was returned earlier.
    pub fn fetch(&self, at: Position) -> Result<StoredRecord, ReadError> {
        let content = self.frame(at)?;
        let view = leaf(&content).filter(|_| content.first() != Some(&crate::frame::TRAILER));
        let view = view.filter(|_| content.first() != Some(&crate::frame::PAYLOAD)).ok_or(ReadError::NotThere)?;
        Ok(StoredRecord::new(at, &content, &view, Digest::from_bytes(leaf_hash(&content))))
    }

    /// Reads the content of the frame at a position.
    pub(crate) fn frame(&self, at: Position) -> Result<Vec<u8>, ReadError> {
        let broken = || ReadError::Fault(LogFault { at, what: FaultKind::FrameBroken });
        let (file, _) = segment::open(&self.folder, at.segment, Some(self.log)).map_err(ReadError::Fault)?;
        let unread = |cause: std::io::Error, cut_short: ReadError| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => cut_short,
            // A read error does not mean that the record is damaged.
            _ => {
                let path = segment::path(&self.folder, at.segment);
                ReadError::Io { cause: home::told(&path, cause), path }
            }
        };
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, at.offset).map_err(|cause| unread(cause, ReadError::NotThere))?;
        let Parsed::Incomplete(needed) = parse(&head) else { return Err(ReadError::NotThere) };
        // BOUND: `parse` already refuses longer frames.
        let mut bytes = vec![0; needed.min(CONTENT_BYTES_MAX + HEAD_BYTES)];
        file.read_exact_at(&mut bytes, at.offset).map_err(|cause| unread(cause, broken()))?;
        match parse(&bytes) {
            Parsed::Frame(content) => Ok(content.to_vec()),
            Parsed::Incomplete(_) | Parsed::Blank | Parsed::Broken => Err(broken()),
        }
    }

    pub(crate) fn io(&self, cause: std::io::Error) -> ReadError {
        ReadError::Io { cause: home::told(&self.folder, cause), path: self.folder.clone() }
    }
}

impl Reader {
    /// Whether the beginning of the log was pruned since this reader was opened.
    pub(crate) fn is_pruned(&self) -> bool {
        let now = self.sight.key.as_ref().and_then(|key| Base::read(&self.home, key).ok().flatten());
        Base::first(now.as_ref()) > self.sight.first()
    }

    /// Turns a fault into "pruned meanwhile" if the beginning of the log was pruned since this reader was opened.
    pub(crate) fn of_now(&self, err: ReadError) -> ReadError {
        match err {
            ReadError::Fault(LogFault { at, .. }) if self.is_pruned() => {
                ReadError::Fault(LogFault { at, what: FaultKind::Unreadable(Unread::pruned()) })
            }
            err => err,
        }
    }
}
