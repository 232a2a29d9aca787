//! Deflated data (RFC 1951) and its containers: gzip (RFC 1952), zlib (RFC 1950), and the entries of a zip archive.

use memchr::memmem;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// BOUND: bytes of a header with its names and comments. Longer data is not treated as a header.
pub(super) const HEAD_BYTES_MAX: usize = 128 << 10;
/// The largest number of bytes by which a container is recognised.
pub(super) const MAGIC_BYTES: usize = 4;
const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZIP: &[u8] = b"PK\x03\x04";

/// A container of deflated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Gzip,
    Zip,
    /// Recognised only at the beginning of a body, because its two bytes occur elsewhere by chance.
    Zlib,
}

impl Container {
    /// The first container in a text, and where it begins.
    pub(super) fn find(text: &[u8]) -> Option<(usize, Self)> {
        let gzip = memmem::find(text, GZIP).map(|at| (at, Self::Gzip));
        let zip = memmem::find(text.get(..gzip.map_or(text.len(), |(at, _)| at)).unwrap_or_default(), ZIP).map(|at| (at, Self::Zip));
        zip.or(gzip)
    }

    /// Whether a body begins like a zlib stream.
    pub(super) fn is_zlib(text: &[u8]) -> bool {
        matches!(text, [method, flags, ..] if method & 0x8f == 0x08 && flags & 0x20 == 0
            && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31))
    }

    /// The header before the deflated data.
    pub(super) fn head(self, text: &[u8]) -> BlockHead {
        let length = match self {
            Self::Gzip => gzip_head(text),
            Self::Zip => zip_head(text),
            Self::Zlib => Ok(Some(0)),
        };
        match length {
            Ok(Some(length)) => BlockHead::Whole(length),
            Ok(None) if text.len() < HEAD_BYTES_MAX => BlockHead::Partial,
            Ok(None) | Err(NotOne) => BlockHead::None,
        }
    }

    pub(super) fn inflater(self) -> Inflater {
        let format = if self == Self::Zlib { DataFormat::ZLibIgnoreChecksum } else { DataFormat::Raw };
        Inflater(InflateState::new_boxed(format))
    }
}

/// Whether there is a header.
pub(super) enum BlockHead {
    /// The complete header, with its number of bytes.
    Whole(usize),
    /// The header is not complete yet.
    Partial,
    None,
}

struct NotOne;

fn gzip_head(text: &[u8]) -> Result<Option<usize>, NotOne> {
    const FIXED: usize = 10;
    let Some([flags, _, _, _, _, level, system]) = text.get(3..FIXED) else { return Ok(None) };
    // No program uses the values that RFC 1952 leaves undefined. This check makes accidental matches rare.
    if flags & 0xe0 != 0 || !matches!(level, 0 | 2 | 4) || !matches!(system, 0..=19 | 255) {
        return Err(NotOne);
    }
    let mut at = FIXED;
    if flags & 4 != 0 {
        let Some(length) = text.get(at..at + 2) else { return Ok(None) };
        at += 2 + length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    // The header may have a name and a comment, each up to a NUL.
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        let Some(end) = text.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
        at += end + 1;
    }
    at += usize::from(flags & 2);
    Ok((text.len() >= at).then_some(at))
}

fn zip_head(text: &[u8]) -> Result<Option<usize>, NotOne> {
    const FIXED: usize = 30;
    const DEFLATED: [u8; 2] = [8, 0];
    match text.get(8..10) {
        Some(method) if method != DEFLATED => return Err(NotOne),
        Some(_) => {}
        None => return Ok(None),
    }
    let length = |at: usize| text.get(at..at + 2)?.iter().rev().try_fold(0, |length, byte| Some(length << 8 | usize::from(*byte)));
    let (Some(name), Some(extra)) = (length(26), length(28)) else { return Ok(None) };
    Ok((text.len() >= FIXED + name + extra).then_some(FIXED + name + extra))
}

/// Unpacks one stream of deflated data.
pub(super) struct Inflater(Box<InflateState>);

/// The result of one step.
pub(super) struct InflateStep {
    pub(super) taken: usize,
    pub(super) written: usize,
    pub(super) then: Then,
}

/// What follows after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// There is more data, or more room is needed.
    More,
    /// The data ends here.
    End,
    /// The data is not deflated data.
    Broken,
}

impl Inflater {
    /// Unpacks as much data as there is, or as there is room for.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> InflateStep {
        let done = inflate(&mut self.0, input, output, MZFlush::None);
        let then = match done.status {
            Ok(MZStatus::StreamEnd) => Then::End,
            Ok(_) | Err(MZError::Buf) => Then::More,
            Err(_) => Then::Broken,
        };
        InflateStep { taken: done.bytes_consumed, written: done.bytes_written, then }
    }
}

/// Unpacks packed data at the beginning of a text, up to a bound. Also returns the number of packed bytes.
pub(super) fn unpacked(container: Container, text: &[u8], bytes_max: usize) -> Option<(Vec<u8>, usize)> {
    let BlockHead::Whole(head) = container.head(text) else { return None };
    let (mut inflater, mut taken, mut written) = (container.inflater(), head, 0);
    let mut output = vec![0; bytes_max];
    loop {
        let step = inflater.step(text.get(taken..)?, output.get_mut(written..)?);
        (taken, written) = (taken + step.taken, written + step.written);
        if step.then != Then::More || (step.taken == 0 && step.written == 0) {
            output.truncate(written);
            return (written > 0).then_some((output, taken));
        }
    }
}
