//! A text as a decoder reads it, and the place in the text that each decoded byte comes from.

use std::ops::Range;

/// A stretch of consecutive units. Each unit has the same number of decoded bytes, and comes from the same number of bytes of the text.
#[derive(Clone, Copy, Debug)]
struct Piece {
    out: usize,
    src: usize,
    units: usize,
    /// The bytes of one unit: decoded, and in the text.
    unit: (usize, usize),
}

impl Piece {
    /// One byte that stands for itself.
    const COPIED: (usize, usize) = (1, 1);

    fn out_end(&self) -> usize {
        self.out + self.units * self.unit.0
    }

    fn src_end(&self) -> usize {
        self.src + self.units * self.unit.1
    }

    /// The start of the unit to which a decoded byte belongs.
    fn unit_of(&self, at: usize) -> usize {
        self.src + (at - self.out) / self.unit.0 * self.unit.1
    }
}

/// Decoded characters with their places. Bytes that a decoder leaves out have no place. They are covered if both their neighbours are.
#[derive(Debug, Default)]
pub(super) struct Chars {
    pub(super) bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Chars {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), pieces: Vec::new() }
    }

    /// Adds bytes that stand for themselves.
    pub(super) fn copy(&mut self, text: &[u8], range: Range<usize>) {
        if let Some(bytes) = text.get(range.clone()).filter(|bytes| !bytes.is_empty()) {
            self.place(range.start, bytes.len(), Piece::COPIED);
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Adds bytes that other bytes of the text stand for.
    pub(super) fn put(&mut self, decoded: &[u8], from: Range<usize>) {
        if !decoded.is_empty() {
            self.place(from.start, 1, (decoded.len(), from.len()));
            self.bytes.extend_from_slice(decoded);
        }
    }

    fn place(&mut self, src: usize, units: usize, unit: (usize, usize)) {
        match self.pieces.last_mut() {
            Some(last) if last.unit == unit && last.src_end() == src => last.units += units,
            _ => self.pieces.push(Piece { out: self.bytes.len(), src, units, unit }),
        }
    }

    /// Removes the last byte, if it came from the byte before this place.
    pub(super) fn take_back(&mut self, place: usize) {
        if let Some(last) = self.pieces.last_mut()
            && last.unit == Piece::COPIED
            && last.src_end() == place
        {
            last.units -= 1;
            self.bytes.pop();
            if last.units == 0 {
                self.pieces.pop();
            }
        }
    }

    /// The parts that are near something that was decoded or left out. All other parts read as in the text itself.
    pub(super) fn changed(&self, reach: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        // After a copied stretch, only the bytes before it may have changed.
        let changes = self.pieces.iter().filter_map(|piece| match piece.unit {
            Piece::COPIED => (piece.src > 0).then_some(piece.out..piece.out),
            _ => Some(piece.out..piece.out_end()),
        });
        // What was left out at the end may belong to the bytes before it.
        let end = self.bytes.len();
        for change in changes.chain(std::iter::once(end..end)) {
            let (start, end) = (change.start.saturating_sub(reach), end.min(change.end + reach));
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
        let last_byte = range.end.checked_sub(1)?;
        let (first, last) = (self.piece(range.start)?, self.piece(last_byte)?);
        Some(first.unit_of(range.start)..last.unit_of(last_byte) + last.unit.1)
    }
}

/// A decoded text.
pub(super) enum View<'a> {
    /// Decoded one character at a time.
    Chars(Chars),
    /// Bits of digits, combined to bytes starting at one of them.
    Digits { bytes: Vec<u8>, digits: &'a Chars, skipped: usize, bits: usize },
    /// Decoded as a whole.
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
