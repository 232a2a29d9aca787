//! Segments: the files of the log, numbered from 1 without a gap.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;

use crate::disk::{Disk, read_up_to, write_whole};
use crate::err::{FaultKind, LogFault};
use crate::frame::{self, FrameHeader, HEADER_END, Parsed, TRAILER, frame_bytes, parse};
use crate::ids::HEADER_BYTES;
use crate::ids::{LogId, Position};
use crate::locked::Locked;
use crate::note::{Checkpoint, PublicKey};
use crate::scan::Scanner;
use crate::tree::Tree;
use crate::unread::Unread;
use crate::wire::{narrow, wide};

/// BOUND: no segment is longer, so that a reader never has to hold more.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 256 << 20;
const BASE_BYTES_MAX: u32 = 4096;

/// The folder of the segments.
pub(crate) fn folder(home: &Path) -> PathBuf {
    home.join("journal")
}

pub(crate) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

/// The numbers of the segments in a folder, in order. A missing folder has none.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<u32>> {
    let names = match home::list(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut numbers = Vec::new();
    for name in names {
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg")).and_then(|text| text.parse().ok());
        numbers.extend(number.filter(|number| path(folder, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The first number that a list lacks although it has a later one. The log begins with the segment `first`.
pub(crate) fn gap(first: u32, numbers: &[u32]) -> Option<u32> {
    (first..).zip(numbers).find(|(expected, found)| expected != *found).map(|(expected, _)| expected)
}

/// How much space to reserve for a segment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// The space to reserve if there is enough.
    pub(crate) wanted: u64,
    /// The space that is needed in any case: for the next batch, or for what is there already.
    pub(crate) least: u64,
}

/// Reserves space for a file: as much as is wanted or, if there is less, half of what is free, so that the keys and second state can still
/// be written. Returns how much space the file has now.
///
/// # Errors
/// There is not even enough space for the least.
pub(crate) fn reserve(disk: &dyn Disk, file: &File, room: Room) -> io::Result<u64> {
    let Room { mut wanted, least } = room;
    let before = file.metadata()?.len();
    loop {
        let cause = match disk.allocate(file, wanted.max(least)) {
            Ok(()) => return Ok(wanted.max(least)),
            Err(cause) => cause,
        };
        // Some file systems keep the space that they reserved before they failed.
        disk.truncate(file, before)?;
        if wanted <= least || !is_full(&cause) {
            return Err(cause);
        }
        // The free space does not reflect a quota or a limit of this process, so the wish is halved in any case.
        let free = rustix::fs::fstatvfs(file).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize));
        wanted = (wanted / 2).min(before.saturating_add(free / 2));
    }
}

/// Whether an error means that there is not enough space, so that less might fit.
pub(crate) fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// A segment that was laid out.
pub(crate) struct LaidOut {
    pub(crate) file: Locked,
    /// Where its first batch begins.
    pub(crate) begins: u64,
    /// The byte up to which it has space.
    pub(crate) capacity: u64,
}

/// Lays out a segment under a temporary name that no reader looks for, and renames it when it is on the disk. No other process can write
/// it, since it is locked first.
pub(crate) fn create(disk: &dyn Disk, folder: &Path, header: FrameHeader, base: &[u8], room: Room) -> io::Result<LaidOut> {
    let begins = HEADER_END.saturating_add(u32::try_from(base.len()).map_err(|_| io::ErrorKind::FileTooLarge)?);
    let header = FrameHeader { begins, ..header };
    let to = path(folder, header.number);
    let aside = to.with_extension("new");
    let laid_out = || -> io::Result<LaidOut> {
        let file = Locked::new(disk.create(&aside)?)?;
        let capacity = reserve(disk, &file, room)?;
        write_whole(disk, &file, &[&header.encode(), base].concat(), 0)?;
        disk.sync(&file)?;
        disk.rename(&aside, &to)?;
        disk.sync_folder(folder)?;
        Ok(LaidOut { file, begins: u64::from(begins), capacity })
    };
    laid_out().inspect_err(|_| {
        // Frees the space on a full disk. If this fails, the next opening removes the file.
        let _ = disk.remove(&aside);
    })
}

/// Removes files that were left while segments were laid out.
pub(crate) fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for path in home::list(folder)?.iter().map(|name| folder.join(name)) {
        if path.extension().is_some_and(|extension| extension == "new") {
            disk.remove(&path)?;
        }
    }
    Ok(())
}

/// Opens a segment for reading, and checks that its header belongs to this log and number. The file may be part of a copy of a home:
/// signatures prove its content.
pub(crate) fn open(folder: &Path, number: u32, log: Option<LogId>) -> Result<(File, FrameHeader), LogFault> {
    let fault = |what| LogFault { at: Position { segment: number, offset: 0, index: 0 }, what };
    let path = path(folder, number);
    let unreadable = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => fault(FaultKind::SegmentMissing),
        _ => fault(FaultKind::Unreadable(Unread::new(&path, cause))),
    };
    let file = home::open_handed(&path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > SEGMENT_BYTES_MAX {
        return Err(fault(FaultKind::SegmentTooLong));
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => fault(FaultKind::HeaderBroken),
        _ => fault(FaultKind::Unreadable(Unread::new(&path, cause))),
    })?;
    let broken = || fault(FrameHeader::newer(&bytes).map_or(FaultKind::HeaderBroken, |form| FaultKind::SegmentNewer { form }));
    let header = FrameHeader::decode(&bytes).ok_or_else(broken)?;
    if header.number != number || log.is_some_and(|log| log != header.log) {
        return Err(fault(FaultKind::HeaderDiffers));
    }
    Ok((file, header))
}

/// A scanner of a segment from an offset on, or from its first batch on if the offset is before that.
pub(crate) fn scanner(file: File, header: &FrameHeader, offset: u64) -> Scanner {
    Scanner::new(file, offset.max(u64::from(header.begins)))
}

/// The tree over all segments before this one, from its base. The first segment needs no base. `None` if another segment has no base.
///
/// # Errors
/// The base is malformed, or this key did not sign it.
pub(crate) fn base(file: &File, header: &FrameHeader, key: &PublicKey) -> Result<Option<Tree>, FaultKind> {
    if header.first == 0 {
        return Ok(Some(Tree::default()));
    }
    if header.begins == HEADER_END {
        return Ok(None);
    }
    let bytes = header.begins.saturating_sub(HEADER_END);
    // BOUND: the edge of a tree has at most 64 nodes.
    if bytes > BASE_BYTES_MAX {
        return Err(FaultKind::HeaderBroken);
    }
    let mut frame = vec![0; narrow(u64::from(bytes))];
    file.read_exact_at(&mut frame, u64::from(HEADER_END)).map_err(|_| FaultKind::FrameBroken)?;
    let Parsed::Frame(content) = parse(&frame) else { return Err(FaultKind::FrameBroken) };
    let whole = frame_bytes(content.len()) == u64::from(bytes);
    let (tree, note) = frame::base(content, header.first).filter(|_| whole).ok_or(FaultKind::FrameBroken)?;
    let signed = key.check(note).map_err(FaultKind::Trailer)?;
    if (signed.size, signed.root) == (tree.size(), tree.root()) { Ok(Some(tree)) } else { Err(FaultKind::RootDiffers) }
}

/// Reads a file from an offset on, up to its last byte that is not zero. Holes are skipped, so that space which was reserved and never
/// written costs nothing. Once such space was read, it is in the page cache and is no longer reported as a hole. So the file is read in
/// pieces that fit the processor's cache, and without read-ahead.
pub(crate) fn written_after(file: &File, from: u64) -> io::Result<Vec<u8>> {
    const PIECE_BYTES: usize = 128 << 10;
    // If the system does not support this, reading only takes longer.
    let _ = rustix::fs::fadvise(file, from, None, rustix::fs::Advice::Random);
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = from;
    loop {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => return Ok(bytes),
            Err(cause) => return Err(cause.into()),
        };
        let hole = rustix::fs::seek(file, SeekFrom::Hole(data))?;
        if hole <= data {
            return Ok(bytes);
        }
        at = data;
        while at < hole {
            let wanted = narrow(hole - at).min(PIECE_BYTES);
            let read = read_up_to(file, piece.get_mut(..wanted).unwrap_or_default(), at)?;
            let piece = piece.get(..read).unwrap_or_default();
            if let Some(last) = last_written(piece) {
                bytes.resize(narrow(at - from), 0);
                bytes.extend_from_slice(piece.get(..=last).unwrap_or_default());
            }
            if read < wanted {
                return Ok(bytes);
            }
            at += wide(read);
        }
    }
}

/// The position of the last byte that is not zero. Most pages are all zero, so each page is first checked as a whole.
fn last_written(piece: &[u8]) -> Option<usize> {
    const PAGE_BYTES: usize = 4096;
    let pages = piece.len().div_ceil(PAGE_BYTES);
    (0..pages).rev().find_map(|page| {
        let start = page * PAGE_BYTES;
        let page = piece.get(start..).map(|rest| rest.get(..PAGE_BYTES).unwrap_or(rest))?;
        if page.iter().fold(0, |all, byte| all | byte) == 0 {
            return None;
        }
        page.iter().rposition(|byte| *byte != 0).map(|last| start + last)
    })
}

/// Whether a batch that begins after `start` is complete. If so, the bytes at `start` were once complete too, and are damaged. If not, they
/// may be the torn end of a write that was never acknowledged.
///
/// A trailer counts only if its checksum, its position and, if a key is given, its signature are right, so that text within a record can't
/// be taken for a trailer.
pub(crate) fn has_later_batch(rest: &[u8], start: u64, segment: u32, log: LogId, key: Option<&PublicKey>) -> bool {
    next_checkpoint(rest, start, segment, log, key).is_some()
}

/// The checkpoint of the first such batch.
pub(crate) fn next_checkpoint(rest: &[u8], start: u64, segment: u32, log: LogId, key: Option<&PublicKey>) -> Option<Checkpoint> {
    let needle = [&[TRAILER], log.origin().as_bytes(), b"\n"].concat();
    let first = needle.first().copied()?;
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == first)) {
        let kind = from + found;
        from = kind + 1;
        if !rest.get(kind..).is_some_and(|rest| rest.starts_with(&needle)) {
            continue;
        }
        let Some(frame) = kind.checked_sub(frame::HEAD_BYTES) else { continue };
        let Some(Parsed::Frame(content)) = rest.get(frame..).map(parse) else { continue };
        let Some(note) = content.get(1..).and_then(|note| str::from_utf8(note).ok()) else { continue };
        let checked = match key {
            Some(key) => key.check(note),
            None => Checkpoint::read(note),
        };
        let is_later = |checkpoint: &Checkpoint| {
            checkpoint.segment == segment
                && checkpoint.start > start
                && checkpoint.start.checked_add(checkpoint.bytes) == start.checked_add(wide(frame))
        };
        if let Some(checkpoint) = checked.ok().filter(is_later) {
            return Some(checkpoint);
        }
    }
    None
}

/// Removes segments before the first one, if any are still there. Returns how many there were.
pub(crate) fn sweep(disk: &dyn Disk, folder: &Path, first: u32) -> io::Result<usize> {
    let before: Vec<u32> = list(folder)?.into_iter().filter(|number| *number < first).collect();
    for number in &before {
        disk.remove(&path(folder, *number))?;
    }
    if !before.is_empty() {
        disk.sync_folder(folder)?;
    }
    Ok(before.len())
}
