//! Unpacks zlib streams piece by piece, into no more memory than the caller allows.

use super::object::Broken;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::io::Read;

/// How much is read at a time: little if little is expected, since most objects in a pack are small.
const PIECE_BYTES_MIN: usize = 256;
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// One stream that is being unpacked.
pub(super) struct Inflater<R> {
    from: R,
    state: Box<InflateState>,
    piece: Vec<u8>,
    at: usize,
    end: usize,
    over: bool,
}

impl<R: Read> Inflater<R> {
    /// Begins a stream; `expected` is the approximate unpacked size.
    pub(super) fn new(from: R, expected: usize) -> Self {
        let piece = vec![0; expected.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)];
        Self { from, state: InflateState::new_boxed(DataFormat::Zlib), piece, at: 0, end: 0, over: false }
    }

    /// Fills `out` as far as the stream reaches, and returns how many bytes it wrote.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        let mut filled = 0;
        while !self.over && filled < out.len() {
            let (from, to) = (self.piece.get(self.at..self.end).unwrap_or_default(), out.get_mut(filled..).unwrap_or_default());
            let step = inflate(&mut self.state, from, to, MZFlush::None);
            self.at += step.bytes_consumed;
            filled += step.bytes_written;
            match step.status {
                Ok(MZStatus::StreamEnd) => self.over = true,
                Ok(_) | Err(MZError::Buf) if step.bytes_consumed + step.bytes_written > 0 => {}
                // The decoder may have held back bytes; only now does it need more input.
                Ok(_) | Err(MZError::Buf) if self.at == self.end => self.more()?,
                _ => return Err(Broken::Corrupt("a compressed stream")),
            }
        }
        Ok(filled)
    }

    fn more(&mut self) -> Result<(), Broken> {
        (self.at, self.end) = (0, self.from.read(&mut self.piece)?);
        if self.end == 0 { Err(Broken::Corrupt("it ends within a compressed stream")) } else { Ok(()) }
    }

    /// Reads exactly `length` more bytes, and then the end with its checksum.
    pub(super) fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        let mut out = vec![0; length];
        let filled = self.fill(&mut out)?;
        if filled < length || (!self.over && self.fill(&mut [0])? > 0) {
            return Err(Broken::Corrupt("an object whose size differs from its header"));
        }
        Ok(out)
    }
}
