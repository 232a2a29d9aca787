//! Packs: many objects in one file, some as deltas of others, and an index of their places.

use super::delta;
use super::inflate::Inflater;
use super::object::{Broken, Id, Kind};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where the names begin in an index. Before them are the magic, the version, and for each byte how many names begin with it or with
/// a smaller one.
const NAMES_AT: usize = 8 + 256 * 4;
/// The greatest length of the header before a compressed entry.
const HEADER_BYTES_MAX: usize = 32;

/// One pack, of which only the index is in memory.
pub(super) struct Pack {
    path: PathBuf,
    index: Vec<u8>,
    count: usize,
}

/// How an entry is stored.
pub(super) enum Stored {
    Whole(Kind),
    /// A delta of the entry that begins at this offset.
    FromOffset(u64),
    FromId(Id),
}

/// The header of an entry: how it is stored, its unpacked size, and where its stream begins.
pub(super) struct Header {
    pub(super) stored: Stored,
    pub(super) size: u64,
    at: u64,
}

impl Pack {
    /// Takes the index, and checks that it is as long as it says.
    pub(super) fn new(path: PathBuf, index: Vec<u8>) -> Result<Self, Broken> {
        if !index.starts_with(b"\xfftOc\0\0\0\x02") {
            return Err(Broken::Corrupt("not an index of version 2"));
        }
        let pack = Self { path, count: be32(&index, NAMES_AT - 4).unwrap_or(0) as usize, index };
        let fits = pack.count.checked_mul(28).is_some_and(|bytes| pack.index.len() >= NAMES_AT + bytes);
        if fits { Ok(pack) } else { Err(Broken::Corrupt("an index that is cut off")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self, nth: usize) -> Option<&[u8]> {
        let at = NAMES_AT + nth * 20;
        self.index.get(at..at + 20)
    }

    /// The offset at which an object begins.
    pub(super) fn find(&self, id: &Id) -> Option<u64> {
        let first = usize::from(id.0[0]);
        let until = |byte: usize| be32(&self.index, 8 + byte * 4).map_or(0, |count| (count as usize).min(self.count));
        let (mut low, mut high) = (first.checked_sub(1).map_or(0, until), until(first));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle)?.cmp(&id.0) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.offset(middle),
            }
        }
        None
    }

    /// The offset of the nth object. Offsets past 2 GiB are in a separate table.
    fn offset(&self, nth: usize) -> Option<u64> {
        let offsets_at = NAMES_AT + self.count * 24;
        let short = be32(&self.index, offsets_at + nth * 4)?;
        if short & 0x8000_0000 == 0 {
            return Some(u64::from(short));
        }
        let at = offsets_at + self.count * 4 + (short & 0x7fff_ffff) as usize * 8;
        Some(u64::from(be32(&self.index, at)?) << 32 | u64::from(be32(&self.index, at + 4)?))
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Reads the header before the stream of an entry.
pub(super) fn header(file: &mut File, offset: u64) -> Result<Header, Broken> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX);
    file.take(HEADER_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    parsed(&bytes, offset).ok_or(Broken::Corrupt("a broken entry of a pack"))
}

fn parsed(bytes: &[u8], offset: u64) -> Option<Header> {
    let (first, rest) = bytes.split_first()?;
    let (kind, mut size, mut rest) = (first >> 4 & 7, u64::from(first & 15), rest);
    if first & 0x80 != 0 {
        let (more, after) = delta::number(rest)?;
        size |= more.checked_mul(16)?;
        rest = after;
    }
    let stored = match kind {
        6 => {
            let (back, after) = back(rest)?;
            rest = after;
            Stored::FromOffset(offset.checked_sub(back).filter(|base| *base < offset)?)
        }
        7 => {
            let id = Id::from_bytes(rest.get(..20)?)?;
            rest = rest.get(20..)?;
            Stored::FromId(id)
        }
        whole => Stored::Whole(Kind::from_number(whole)?),
    };
    Some(Header { stored, size, at: offset + (bytes.len() - rest.len()) as u64 })
}

/// How far back a base lies: seven bits per byte, most significant first; each byte but the last counts one more.
fn back(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (n, byte) in bytes.iter().enumerate().take(9) {
        value = value.checked_shl(7)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(n + 1..)?));
        }
        value += 1;
    }
    None
}

/// Unpacks the stream of an entry.
pub(super) fn unpack(file: &mut File, header: &Header, bytes_max: usize) -> Result<Vec<u8>, Broken> {
    let Some(size) = usize::try_from(header.size).ok().filter(|size| *size <= bytes_max) else { return Err(Broken::TooLarge) };
    file.seek(SeekFrom::Start(header.at))?;
    Inflater::new(file, size).exactly(size)
}
