//! The files that hold what a guest wrote: one for each file that it made or changed, in a folder of the home.

use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use vocabulary::{Digest, FileFault};

use crate::fault::StageFault;
use crate::root::Root;

/// BOUND: bytes that are copied at a time.
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// The mode of these files.
const PRIVATE: u32 = 0o600;

#[derive(Debug)]
pub(crate) struct Blobs {
    pub(crate) folder: Root,
    next: u64,
    lens: std::collections::BTreeMap<u64, u64>,
    used: u64,
    max: u64,
    /// Whether the bytes of the folder of the mount count too.
    counts_folder: bool,
}

impl Blobs {
    pub(crate) fn new(folder: Root, max: u64, counted: Option<u64>) -> Self {
        let counts_folder = counted.is_some();
        Self { folder, next: 1, lens: std::collections::BTreeMap::new(), used: counted.unwrap_or(0), max, counts_folder }
    }

    pub(crate) fn name(number: u64) -> String {
        number.to_string()
    }

    /// Counts bytes of the folder that are not part of the view any more, or are again.
    pub(crate) fn uncount(&mut self, bytes: u64) {
        if self.counts_folder {
            self.used = self.used.saturating_sub(bytes);
        }
    }

    /// Counts bytes of the folder that are part of the view again.
    pub(crate) fn recount(&mut self, bytes: u64) {
        if self.counts_folder {
            self.used = self.used.saturating_add(bytes);
        }
    }

    fn room(&mut self, number: u64, len: u64) -> Result<(), StageFault> {
        let before = self.lens.get(&number).copied().unwrap_or(0);
        let used = self.used.saturating_sub(before).saturating_add(len);
        // Getting smaller is always possible.
        if used > self.max && len > before {
            return Err(FileFault::NoSpace.into());
        }
        self.used = used;
        self.lens.insert(number, len);
        Ok(())
    }

    /// An empty file.
    pub(crate) fn create(&mut self) -> Result<u64, StageFault> {
        let number = self.next;
        self.next += 1;
        self.folder.create(&Self::name(number), PRIVATE)?;
        self.lens.insert(number, 0);
        Ok(number)
    }

    /// A copy of a file, with the digest of its content. A file that is larger now than it was is a file that somebody else changes.
    pub(crate) fn copy(&mut self, from: &std::fs::File, size: u64) -> Result<(u64, Digest), StageFault> {
        let number = self.create()?;
        self.room(number, size).inspect_err(|_| self.remove(number))?;
        let copied = copy(from, &self.folder.open_own(&Self::name(number))?, size);
        copied.map(|digest| (number, digest)).map_err(|err| {
            self.remove(number);
            err.into()
        })
    }

    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(len) = self.lens.remove(&number) {
            self.used = self.used.saturating_sub(len);
            // If it stays, it goes with its folder.
            let _ = self.folder.remove_file(&Self::name(number));
        }
    }

    pub(crate) fn write(&mut self, number: u64, len: u64, (at, bytes): (u64, &[u8])) -> Result<u64, StageFault> {
        let Some(end) = at.checked_add(bytes.len() as u64).filter(|end| i64::try_from(*end).is_ok()) else {
            return Err(FileFault::NoSpace.into());
        };
        self.room(number, len.max(end))?;
        self.folder.open_own(&Self::name(number))?.write_all_at(bytes, at)?;
        Ok(len.max(end))
    }

    pub(crate) fn set_len(&mut self, number: u64, len: u64) -> Result<(), StageFault> {
        self.room(number, len)?;
        Ok(self.folder.open_own(&Self::name(number))?.set_len(len)?)
    }

    pub(crate) fn read(&self, number: u64, offset: u64, len: u32) -> Result<Bytes, StageFault> {
        Ok(read_at(&self.folder.open_own(&Self::name(number))?, offset, len)?)
    }

    /// The digest of a file.
    pub(crate) fn digest(&self, number: u64) -> io::Result<Digest> {
        digest_of(&self.folder.open_own(&Self::name(number))?)
    }
}

/// Copies a file, and returns the digest of what was copied. There must be as many bytes as expected.
pub(crate) fn copy(from: &std::fs::File, to: &std::fs::File, size: u64) -> io::Result<Digest> {
    let (mut hash, mut at, mut piece) = (Sha256::new(), 0u64, vec![0; PIECE_BYTES]);
    loop {
        let read = read_piece(from, &mut piece, at)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        at += read as u64;
        if at > size {
            return Err(io::Error::from(rustix::io::Errno::STALE));
        }
        hash.update(bytes);
        to.write_all_at(bytes, at - read as u64)?;
    }
    if at == size { Ok(Digest::from_bytes(hash.finalize().into())) } else { Err(rustix::io::Errno::STALE.into()) }
}

pub(crate) fn digest_of(file: &std::fs::File) -> io::Result<Digest> {
    let (mut hash, mut piece, mut file) = (Sha256::new(), vec![0; PIECE_BYTES], file);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Digest::from_bytes(hash.finalize().into())),
            Ok(read) => hash.update(piece.get(..read).unwrap_or_default()),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

fn read_piece(file: &std::fs::File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(piece, at) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Reads up to `len` bytes. There are fewer only at the end of the file.
pub(crate) fn read_at(file: &std::fs::File, offset: u64, len: u32) -> io::Result<Bytes> {
    // SECURITY: for the system, -1 is not an offset but means "wherever the last read ended".
    if i64::try_from(offset).is_err() {
        return Ok(Bytes::new());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read_piece(file, room, offset.saturating_add(filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes.into())
}
