//! Files that other rooms derive from the log, so that they need not read all of it. A file consists of blocks; each covers the records
//! since the block before it.
//!
//! Each block is authenticated with the home's key, names the block before it, and is bound to a checkpoint of the log. A file counts as
//! absent if it is forged, put together from other files, or ahead of its log. Losing a derived file costs one pass through the log.
//! `verify` never reads one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use home::Access;
use rustix::fs::FlockOperation;
use vocabulary::Digest;

use crate::ids::{LogId, Position};
use crate::keys::{HomeKey, load_public};
use crate::mac::{Mac, same};
use crate::note::Checkpoint;
use crate::segment;
use crate::walk::end_of_checkpoint;
use crate::wire::{Fields, narrow, wide};

const MAGIC: [u8; 8] = *b"BWDRV\0\0\x02";
const HEAD_BYTES: usize = 136;
/// The name of the file that `gate` keeps, which is read most.
const MOST_READ: &str = "touched";
const TAG_BYTES: usize = 32;
/// BOUND: a larger block is neither written nor read.
const BLOCK_BYTES_MAX: u64 = 256 << 20;

/// The end of the last batch that derived data covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) checkpoint: Checkpoint,
    /// Where the next batch begins.
    pub(crate) next: Position,
}

impl Mark {
    /// The position at which reading the log continues.
    pub fn next(&self) -> Position {
        self.next
    }
}

/// Where a block lies that was not read yet.
#[derive(Clone, Copy)]
struct StatePlace {
    at: u64,
    body_bytes: usize,
    mark: Mark,
}

impl StatePlace {
    fn end(&self) -> u64 {
        self.at.saturating_add(wide(HEAD_BYTES + self.body_bytes + TAG_BYTES))
    }
}

/// A derived file with the blocks that belong to this log.
pub struct Derived {
    path: PathBuf,
    mac: Mac,
    file: Option<File>,
    places: Vec<StatePlace>,
    /// The end of the last block. Everything after it is ignored.
    end: u64,
    read: usize,
    tag: [u8; TAG_BYTES],
}

/// A block was not written by this home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this home did not write the derived file")]
pub struct Forged;

impl Derived {
    /// Opens the file of that name. The result is empty if no file fits the log. `None` if the home's key can't be read.
    pub(crate) fn open(home: &Path, name: &str, log: LogId) -> Option<Self> {
        let mac = HomeKey::load(home).ok()?.index;
        let path = home.join(format!("journal.{name}"));
        let mut derived = Self { path, mac, file: None, places: Vec::new(), end: 0, read: 0, tag: [0; TAG_BYTES] };
        if let Ok(file) = home::open(&derived.path, Access::Read) {
            derived.find(&file, log);
            derived.file = Some(file);
        }
        let key = load_public(home)?;
        let folder = segment::folder(home);
        let stands = |mark: &Mark| end_of_checkpoint(&folder, &key, &mark.checkpoint) == Some(mark.next.offset);
        if derived.places.last().is_some_and(|last| !stands(&last.mark)) {
            derived.forget();
        }
        Some(derived)
    }

    /// Finds the blocks by their heads, without authenticating them.
    fn find(&mut self, file: &File, log: LogId) {
        let Ok(len) = file.metadata().map(|meta| meta.len()) else { return };
        while let Some(place) = place(file, self.end).filter(|place| place.mark.checkpoint.log == log) {
            if place.end() > len {
                break;
            }
            self.places.push(place);
            self.end = place.end();
        }
    }

    /// The end of the part of the log that the last block covers.
    pub fn mark(&self) -> Option<Mark> {
        self.places.last().map(|last| last.mark)
    }

    /// Reads the next block; the first call reads the first block.
    ///
    /// # Errors
    /// This home did not write the block. Then the whole file is discarded and counts as empty.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Forged> {
        let before = (self.read > 0).then_some(self.tag);
        self.take(before)
    }

    /// Reads only the last block, for a caller whose blocks each describe the whole state at their end.
    ///
    /// # Errors
    /// As for [`Derived::read`].
    pub fn read_last(&mut self) -> Result<Option<Vec<u8>>, Forged> {
        self.read = self.places.len().saturating_sub(1);
        self.take(None)
    }

    fn take(&mut self, before: Option<[u8; TAG_BYTES]>) -> Result<Option<Vec<u8>>, Forged> {
        let Some(place) = self.places.get(self.read).copied() else { return Ok(None) };
        let Some((body, tag)) = self.block(place, before) else {
            self.forget();
            return Err(Forged);
        };
        self.read += 1;
        self.tag = tag;
        Ok(Some(body))
    }

    fn block(&self, place: StatePlace, before: Option<[u8; TAG_BYTES]>) -> Option<(Vec<u8>, [u8; TAG_BYTES])> {
        let mut bytes = vec![0; HEAD_BYTES + place.body_bytes + TAG_BYTES];
        self.file.as_ref()?.read_exact_at(&mut bytes, place.at).ok()?;
        let tag = *bytes.last_chunk::<TAG_BYTES>()?;
        bytes.truncate(HEAD_BYTES + place.body_bytes);
        let named = bytes.get(16..16 + TAG_BYTES)?;
        let follows = if place.at == 0 { named == [0; TAG_BYTES] } else { before.is_none_or(|before| named == before) };
        if !follows || !same(&self.mac.of(&bytes), &tag) {
            return None;
        }
        bytes.drain(..HEAD_BYTES);
        Some((bytes, tag))
    }

    /// Discards all blocks. The next block that is added is the first.
    pub fn forget(&mut self) {
        (self.end, self.read, self.tag) = (0, 0, [0; TAG_BYTES]);
        self.places.clear();
    }

    /// Adds a block that covers the log up to `mark`, which is after the last block. All blocks, or the last one, must have been read
    /// before. Returns `false` and changes nothing if another process is writing the file, or if the home can't be written.
    pub fn append(&mut self, body: &[u8], mark: Mark) -> bool {
        if wide(body.len()) > BLOCK_BYTES_MAX || self.read != self.places.len() {
            return false;
        }
        let bytes = self.encode(body, &mark);
        let Some(tag) = bytes.last_chunk::<TAG_BYTES>().copied() else { return false };
        if self.write(&bytes).is_err() {
            return false;
        }
        self.places.push(StatePlace { at: self.end, body_bytes: body.len(), mark });
        self.read += 1;
        self.end += wide(bytes.len());
        self.tag = tag;
        true
    }

    fn encode(&self, body: &[u8], mark: &Mark) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + body.len() + TAG_BYTES);
        let checkpoint = &mark.checkpoint;
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&wide(body.len()).to_le_bytes());
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&checkpoint.log.to_bytes());
        out.extend_from_slice(checkpoint.root.as_bytes());
        let numbers = [checkpoint.size, u64::from(checkpoint.segment), checkpoint.start, checkpoint.bytes, mark.next.offset];
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        out.extend_from_slice(body);
        let tag = self.mac.of(&out);
        out.extend_from_slice(&tag);
        out
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let file = home::open(&self.path, Access::Make)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // If another process has added a block since the file was read, that block is as good as this one, and stays. A block that is only
        // partly there was cut off while it was written.
        let len = file.metadata()?.len();
        if self.end > 0 && place(&file, self.end).is_some_and(|place| place.end() <= len) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        file.set_len(self.end)?;
        file.write_all_at(bytes, self.end)
    }
}

/// The checkpoint up to which the most read derived file covers the log, if this home wrote it and it covers more than `above` records.
/// The log had these records, since the file is only written after them.
pub(crate) fn known_by_derived(home: &Path, log: LogId, above: u64) -> Option<Checkpoint> {
    let mac = HomeKey::load(home).ok()?.index;
    let path = home.join(format!("journal.{}", MOST_READ));
    let file = home::open(&path, Access::Read).ok()?;
    let mut derived = Derived { path, mac, file: None, places: Vec::new(), end: 0, read: 0, tag: [0; TAG_BYTES] };
    derived.find(&file, log);
    derived.file = Some(file);
    let last = derived.mark().filter(|last| last.checkpoint.size > above)?;
    // The head alone is not authenticated.
    derived.read_last().ok()?.map(|_| last.checkpoint)
}

/// Reads the head of the block that begins at this byte, without authenticating it.
fn place(file: &File, at: u64) -> Option<StatePlace> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, at).ok()?;
    let mut fields = Fields::new(&head);
    if fields.array()? != MAGIC {
        return None;
    }
    let body_bytes = fields.int64().filter(|bytes| *bytes <= BLOCK_BYTES_MAX)?;
    let _before: [u8; TAG_BYTES] = fields.array()?;
    let of = LogId::from_bytes(fields.array()?);
    let root = Digest::from_bytes(fields.array()?);
    let [size, segment, start, bytes, next] = [fields.int64()?, fields.int64()?, fields.int64()?, fields.int64()?, fields.int64()?];
    let segment = u32::try_from(segment).ok()?;
    let checkpoint = Checkpoint { log: of, size, root, segment, start, bytes };
    let mark = Mark { checkpoint, next: Position { segment, offset: next, index: size } };
    Some(StatePlace { at, body_bytes: narrow(body_bytes), mark })
}
