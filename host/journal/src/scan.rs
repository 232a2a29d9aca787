//! Iterates over one segment batch by batch, and checks only checksums. The caller checks what a batch means.

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::disk::read_up_to;
use crate::frame::{BASE, BATCH_BYTES_MAX, HEAD_BYTES, LeafView, PAYLOAD, Parsed, TRAILER, leaf, parse};
use crate::wire::{narrow, wide};

/// The first read is small, since most of a new segment is empty. Each further read is twice as large, up to a bound.
const FIRST_READ_BYTES: usize = 8 << 10;
const READ_BYTES_MAX: usize = 256 << 10;

/// A frame within the bytes of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) kind: u8,
    /// The range of the content, which begins with its kind.
    pub(crate) content: Range<usize>,
}

impl Span {
    /// Where the frame begins in the batch.
    pub(crate) fn start(&self) -> usize {
        self.content.start - HEAD_BYTES
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.kind != PAYLOAD && self.kind != TRAILER
    }
}

/// The frames up to and including a trailer.
pub(crate) struct Batch<'a> {
    /// The byte in the segment at which the batch begins.
    pub(crate) start: u64,
    pub(crate) bytes: &'a [u8],
    /// The last one is the trailer.
    pub(crate) frames: &'a [Span],
}

impl<'a> Batch<'a> {
    pub(crate) fn content(&self, span: &Span) -> &'a [u8] {
        self.bytes.get(span.content.clone()).unwrap_or_default()
    }

    pub(crate) fn leaf(&self, span: &Span) -> Option<LeafView<'a>> {
        leaf(self.content(span))
    }

    /// The text of the trailer and where its frame begins in the segment.
    pub(crate) fn trailer(&self) -> Option<(&'a str, u64)> {
        let span = self.frames.last()?;
        let note = str::from_utf8(self.content(span).get(1..)?).ok()?;
        Some((note, self.start + wide(span.start())))
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + wide(self.bytes.len())
    }
}

/// What lies at the position of the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// A batch, which [`Scanner::batch`] returns.
    Batch,
    /// The end of the file, or eight zero bytes.
    End,
    /// Something that is not a batch. The bad frame begins at `at`, after `leaves` leaves of the batch.
    Broken { at: u64, leaves: u64, missing_trailer: bool },
}

/// A position in a segment, and the batch that was found there.
pub(crate) struct Scanner {
    file: File,
    /// The position in the file of the first byte of `buffer`.
    base: u64,
    buffer: Vec<u8>,
    /// The range of the batch in `buffer`.
    batch: Range<usize>,
    frames: Vec<Span>,
    read_bytes: usize,
    ended: bool,
}

impl Scanner {
    pub(crate) fn new(file: File, offset: u64) -> Self {
        Self { file, base: offset, buffer: Vec::new(), batch: 0..0, frames: Vec::new(), read_bytes: FIRST_READ_BYTES, ended: false }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where the next batch begins, after the last one was found.
    pub(crate) fn at(&self) -> u64 {
        self.base + wide(self.batch.end)
    }

    /// Discards bytes that were read but are not part of a batch: while a process writes, the file may have more by now.
    pub(crate) fn rescan(&mut self) {
        self.base = self.at();
        self.buffer.clear();
        self.batch = 0..0;
        self.ended = false;
    }

    /// The batch that [`Scanner::advance`] found.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            start: self.base + wide(self.batch.start),
            bytes: self.buffer.get(self.batch.clone()).unwrap_or_default(),
            frames: &self.frames,
        }
    }

    /// Moves to the next batch. If there is none, the position stays, and the batch is empty.
    pub(crate) fn advance(&mut self) -> io::Result<Scanned> {
        self.batch.start = self.batch.end;
        self.frames.clear();
        let mut len = 0;
        loop {
            let rest = self.buffer.get(self.batch.start + len..).unwrap_or_default();
            match parse(rest) {
                Parsed::Frame(content) => {
                    let content_at = len + HEAD_BYTES;
                    let kind = content.first().copied().unwrap_or_default();
                    if kind == BASE {
                        // A base may only be before the first batch.
                        return Ok(self.broken(len, false));
                    }
                    len = content_at + content.len();
                    self.frames.push(Span { kind, content: content_at..len });
                    if kind == TRAILER {
                        self.batch.end = self.batch.start + len;
                        return Ok(Scanned::Batch);
                    }
                }
                Parsed::Incomplete(needed) if !self.ended && len + needed <= BATCH_BYTES_MAX => {
                    self.fill(len + needed)?;
                }
                Parsed::Incomplete(_) if len == 0 && rest.is_empty() => return Ok(Scanned::End),
                Parsed::Blank if len == 0 => return Ok(Scanned::End),
                Parsed::Blank => return Ok(self.broken(len, true)),
                Parsed::Incomplete(_) => return Ok(self.broken(len, rest.is_empty())),
                Parsed::Broken => return Ok(self.broken(len, false)),
            }
        }
    }

    fn broken(&self, len: usize, missing_trailer: bool) -> Scanned {
        let leaves = wide(self.frames.iter().filter(|span| span.is_leaf()).count());
        Scanned::Broken { at: self.at() + wide(len), leaves, missing_trailer }
    }

    /// Reads until `needed` bytes from the start of the batch are in the buffer, or the file ends.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        self.buffer.drain(..self.batch.start);
        self.base += wide(self.batch.start);
        self.batch = 0..0;
        let have = self.buffer.len();
        let at = self.base + wide(have);
        let there = narrow(self.file.metadata()?.len().saturating_sub(at));
        let want = needed.saturating_sub(have).max(self.read_bytes).min(there);
        self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        self.buffer.resize(have + want, 0);
        let read = read_up_to(&self.file, self.buffer.get_mut(have..).unwrap_or_default(), at)?;
        self.buffer.truncate(have + read);
        self.ended = self.buffer.len() < needed;
        Ok(())
    }
}
