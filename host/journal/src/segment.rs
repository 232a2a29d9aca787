//! Segments: the files that the log lies in, numbered from 1 without a gap.

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

/// BOUND: no segment is longer, so that none can make a reader hold more.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 256 << 20;
const BASE_BYTES_MAX: u32 = 4096;

/// The folder of the segments.
pub(crate) fn folder(home: &Path) -> PathBuf {
    home.join("journal")
}

pub(crate) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

/// The numbers of the segments that are there, in order. A missing folder has none.
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

/// The first number that a list lacks, when there is a later one. The log begins with the segment `first`.
pub(crate) fn gap(first: u32, numbers: &[u32]) -> Option<u32> {
    (first..).zip(numbers).find(|(expected, found)| expected != *found).map(|(expected, _)| expected)
}

/// How much space is to be reserved for a segment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// If there is so much.
    pub(crate) wanted: u64,
    /// In any case: what the next batch needs, or what is there already.
    pub(crate) least: u64,
}

/// Reserves space for a file: as much as is wanted or, where there is less, half of what is free, so that the keys and second state can still
/// be written. Gives how much the file has now.
///
/// # Errors
/// There is not even room for the least.
pub(crate) fn reserve(disk: &dyn Disk, file: &File, room: Room) -> io::Result<u64> {
    let Room { mut wanted, least } = room;
    let before = file.metadata()?.len();
    loop {
        let cause = match disk.allocate(file, wanted.max(least)) {
            Ok(()) => return Ok(wanted.max(least)),
            Err(cause) => cause,
        };
        // Some file systems keep what they found before they failed.
        disk.truncate(file, before)?;
        if wanted <= least || !is_full(&cause) {
            return Err(cause);
        }
        // A quota or a limit of this process does not show in what is free, so it is halved in any case.
        let free = rustix::fs::fstatvfs(file).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize));
        wanted = (wanted / 2).min(before.saturating_add(free / 2));
    }
}

/// Whether less would have fitted.
pub(crate) fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// A segment that was laid out.
pub(crate) struct LaidOut {
    pub(crate) file: Locked,
    /// Where its first batch goes.
    pub(crate) begins: u64,
    /// Up to where it has space.
    pub(crate) capacity: u64,
}

/// Lays out a segment under a name that no reader looks at, and gives it its own name when it is on the disk.
/// Nobody else can write it at any time, since it is locked first.
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
        // Gives back what it took of a full disk. What stays is taken away when the home is opened.
        let _ = disk.remove(&aside);
    })
}

/// Takes away what was left of laying out segments.
pub(crate) fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for path in home::list(folder)?.iter().map(|name| folder.join(name)) {
        if path.extension().is_some_and(|extension| extension == "new") {
            disk.remove(&path)?;
        }
    }
    Ok(())
}

/// A segment opened for reading, with a header that belongs to this log and number. It may belong to a copy of a home: signatures prove its
/// content.
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

/// A scanner of a segment from a place on; from its first batch on, if the place is before that.
pub(crate) fn scanner(file: File, header: &FrameHeader, offset: u64) -> Scanner {
    Scanner::new(file, offset.max(u64::from(header.begins)))
}

/// The tree over all segments before this one, as its base has it. The first one needs none.
///
/// # Errors
/// Where there is a base that this key did not sign, or that is not what it should be. `None` if there is none.
pub(crate) fn base(file: &File, header: &FrameHeader, key: &PublicKey) -> Result<Option<Tree>, FaultKind> {
    if header.first == 0 {
        return Ok(Some(Tree::default()));
    }
    if header.begins == HEADER_END {
        return Ok(None);
    }
    let bytes = header.begins.saturating_sub(HEADER_END);
    // BOUND: a tree has no more than 64 nodes in its edge.
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

/// What lies in a file from a place on, up to its last byte that is not zero. Holes are skipped, so that the space which was reserved
/// and never written costs nothing. What was read of it once lies in the system's cache and is no hole any more: so it is looked at in
/// pieces that fit the processor's own, and nothing is read ahead.
pub(crate) fn written_after(file: &File, from: u64) -> io::Result<Vec<u8>> {
    const PIECE_BYTES: usize = 128 << 10;
    // Only costs time where the system does not know it.
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

/// The last byte that is not zero. Most pages have none, and are looked at as a whole.
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

/// Whether a batch that begins after `start` was completed: then what is at `start` was complete once too, and is damaged. Without
/// one, what is at `start` may be the torn end of a write that was never acknowledged.
///
/// A trailer counts when its checksum, its place and, where there is a key, its signature fit, so that no text within a record can
/// pass for one.
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

/// Removes the segments before the first one, as far as they are still there. Says how many there were.
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
