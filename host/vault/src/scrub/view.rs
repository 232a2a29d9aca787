//! A text as a decoder reads it, and the place in the text that each decoded byte comes from.

use std::ops::Range;

/// A stretch of units, each of which comes from one byte, or which all come from the same bytes.
#[derive(Clone, Copy, Debug)]
struct Piece {
    out: usize,
    out_len: usize,
    src: usize,
    src_len: usize,
}

/// Decoded characters with their places. Bytes that a decoder leaves out have no place; they are covered where both their neighbours are.
#[derive(Debug, Default)]
pub(super) struct Chars {
    pub(super) bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Chars {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), pieces: Vec::new() }
    }

    /// Bytes that stand for themselves.
    pub(super) fn copy(&mut self, text: &[u8], range: Range<usize>) {
        let Some(bytes) = text.get(range.clone()).filter(|bytes| !bytes.is_empty()) else { return };
        let out = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if let Some(last) = self.pieces.last_mut()
            && last.out_len == last.src_len
            && last.src + last.src_len == range.start
        {
            last.out_len += bytes.len();
            last.src_len += bytes.len();
            return;
        }
        self.pieces.push(Piece { out, out_len: bytes.len(), src: range.start, src_len: bytes.len() });
    }

    /// Bytes that other bytes of the text stand for.
    pub(super) fn put(&mut self, decoded: &[u8], from: Range<usize>) {
        if !decoded.is_empty() {
            self.pieces.push(Piece { out: self.bytes.len(), out_len: decoded.len(), src: from.start, src_len: from.len() });
            self.bytes.extend_from_slice(decoded);
        }
    }

    /// Takes the last byte back, if it came from the byte before this place.
    pub(super) fn take_back(&mut self, place: usize) {
        if let Some(last) = self.pieces.last_mut()
            && last.out_len == last.src_len
            && last.src + last.src_len == place
        {
            last.out_len -= 1;
            last.src_len -= 1;
            self.bytes.pop();
            if last.out_len == 0 {
                self.pieces.pop();
            }
        }
    }

    /// The parts that are near something that was decoded or left out. All other parts read as in the text itself.
    pub(super) fn changed(&self, reach: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let is_copied_from_the_beginning = |piece: &Piece| piece.out_len == piece.src_len && piece.src == 0;
        let begins = self.pieces.iter().filter(|piece| !is_copied_from_the_beginning(piece)).map(|piece| piece.out);
        // What was left out at the end may belong to what is before it.
        for at in begins.chain([self.bytes.len()]) {
            let (start, end) = (at.saturating_sub(reach), self.bytes.len().min(at + reach));
            match parts.last_mut() {
                Some(last) if start <= last.end => last.end = end,
                _ => parts.push(start..end),
            }
        }
        parts
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        let next = self.pieces.partition_point(|piece| piece.out <= at);
        self.pieces.get(next.checked_sub(1)?)
    }

    fn source(&self, range: Range<usize>) -> Option<Range<usize>> {
        let (first, last) = (self.piece(range.start)?, self.piece(range.end.checked_sub(1)?)?);
        let start = if first.out_len == first.src_len { first.src + (range.start - first.out) } else { first.src };
        let end = if last.out_len == last.src_len { last.src + (range.end - last.out) } else { last.src + last.src_len };
        Some(start..end)
    }
}

/// A decoded text.
pub(super) enum View<'a> {
    /// Character by character.
    Chars(Chars),
    /// Bits of digits, put together to bytes from one of them on.
    Digits { bytes: Vec<u8>, digits: &'a Chars, skipped: usize, bits: usize },
    /// As a whole.
    Whole { bytes: Vec<u8>, src: Range<usize> },
}

impl View<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Chars(chars) => &chars.bytes,
            Self::Digits { bytes, .. } | Self::Whole { bytes, .. } => bytes,
        }
    }

    /// The bytes of the text that a part of the view comes from.
    pub(super) fn source(&self, range: Range<usize>) -> Option<Range<usize>> {
        match self {
            Self::Chars(chars) => chars.source(range),
            Self::Whole { src, .. } => Some(src.clone()),
            Self::Digits { digits, skipped, bits, .. } => {
                digits.source(skipped + range.start * 8 / bits..skipped + (range.end * 8).div_ceil(*bits))
            }
        }
    }
}
