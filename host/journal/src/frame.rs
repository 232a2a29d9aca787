//! Frames: the layout of bytes in a segment. Only this file knows the layout.
//!
//! ```text
//! segment  = header (64 bytes), base?, batch*, zeros
//! batch    = (leaf, payload*)*, trailer
//! frame    = length u32 (of the content), CRC-32C u32 (of length and content), content; integers are little-endian
//! content  = kind u8, …
//!   leaf     1  flags u8, payload count u8, 0 u8, run (16), run sequence u64, previous leaf of the run (32),
//!               SHA-256 of each payload frame's content (32 each), body
//!   payload  2  key slot u64, nonce (24), sealed bytes
//!   trailer  3  a signed note
//!   base     4  count of nodes u8, nodes (32 each), a signed note
//! ```
//! Each segment but the first has a base: the right edge of the tree over all earlier segments, and the note that signed that tree. So a
//! segment can be proved without the segments before it.
//!
//! This version treats a frame of any other kind as a leaf: it must have the fields of a leaf, it is hashed, and its body is opaque. The
//! hash of a leaf covers its whole content, so the tree covers the kind, the run chain and the digests of payloads as well as the body.

use vocabulary::{Digest, RunId};

use crate::ids::{HEADER_BYTES, LogId};
use crate::tree::Tree;
use crate::wire::{Fields, wide};

/// The bytes before each frame's content: its length and its checksum.
pub(crate) const HEAD_BYTES: usize = 8;
pub(crate) const LEAF: u8 = 1;
pub(crate) const PAYLOAD: u8 = 2;
pub(crate) const TRAILER: u8 = 3;
pub(crate) const BASE: u8 = 4;
/// The maximum length of a record's body. BOUND: what a reader must hold in memory for one record.
pub const BODY_BYTES_MAX: usize = 65_535;
/// The maximum length of one payload. BOUND: what a reader must hold in memory to decrypt it.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// The maximum number of payloads of one record. Their count is one byte on the disk.
pub const PAYLOADS_MAX: usize = 255;
/// BOUND: a damaged length never sizes a buffer beyond this.
pub(crate) const CONTENT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4096;
/// BOUND: the size of one atomic append with everything in it. A batch is at most this long plus what was queued before.
pub(crate) const ENTRIES_BYTES_MAX: usize = 32 << 20;
/// BOUND: a scanner looks for a trailer no further than this.
pub(crate) const BATCH_BYTES_MAX: usize = 2 * ENTRIES_BYTES_MAX;

const LEAF_FIELDS_BYTES: usize = 60;
const ENDS: u8 = 1;

/// The fields of a leaf besides its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafHead {
    pub(crate) run: RunId,
    pub(crate) seq: u64,
    pub(crate) prev: Digest,
    pub(crate) ends: bool,
}

/// A leaf as it lies on the disk.
pub(crate) struct LeafView<'a> {
    pub(crate) head: LeafHead,
    /// One digest of 32 bytes for each payload frame that follows.
    pub(crate) digests: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// The result of parsing a frame at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// The content, which begins with its kind.
    Frame(&'a [u8]),
    /// The bytes end too early: so many bytes are needed.
    Incomplete(usize),
    /// Eight zero bytes, where nothing was written yet.
    Blank,
    /// The bytes are not a frame.
    Broken,
}

/// Begins a frame: leaves room for the head and writes the kind. The caller appends the content and then calls [`finish`].
pub(crate) fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.push(kind);
    start
}

/// Fills in the head of the frame that begins at `start` and extends to the end of `out`.
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let frame = out.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<HEAD_BYTES>());
    if let Some((head, content)) = frame {
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes();
        let crc = checksum(len, content).to_le_bytes();
        for (to, from) in head.iter_mut().zip(len.into_iter().chain(crc)) {
            *to = from;
        }
    }
}

fn checksum(len: [u8; 4], content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), content)
}

pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut fields = Fields::new(bytes);
    let (Some(len), Some(crc)) = (fields.array::<4>(), fields.int32()) else {
        return Parsed::Incomplete(HEAD_BYTES);
    };
    let size = u32::from_le_bytes(len);
    if size == 0 {
        return if crc == 0 { Parsed::Blank } else { Parsed::Broken };
    }
    let Some(size) = usize::try_from(size).ok().filter(|size| *size <= CONTENT_BYTES_MAX) else {
        return Parsed::Broken;
    };
    match fields.bytes(size) {
        None => Parsed::Incomplete(HEAD_BYTES + size),
        Some(content) if checksum(len, content) == crc && content.first() != Some(&0) => Parsed::Frame(content),
        Some(_) => Parsed::Broken,
    }
}

/// Appends a whole leaf frame and returns the range of its content in `out`.
pub(crate) fn put_leaf(out: &mut Vec<u8>, head: &LeafHead, digests: &[[u8; 32]], body: &[u8]) -> std::ops::Range<usize> {
    out.reserve(HEAD_BYTES + LEAF_FIELDS_BYTES + digests.len() * 32 + body.len());
    let start = begin(out, LEAF);
    out.push(if head.ends { ENDS } else { 0 });
    out.push(u8::try_from(digests.len()).unwrap_or(u8::MAX));
    out.push(0);
    out.extend_from_slice(&head.run.to_bytes());
    out.extend_from_slice(&head.seq.to_le_bytes());
    out.extend_from_slice(head.prev.as_bytes());
    for digest in digests {
        out.extend_from_slice(digest);
    }
    out.extend_from_slice(body);
    finish(out, start);
    start + HEAD_BYTES..out.len()
}

/// Parses the content of a leaf. `None` if it is not a leaf.
pub(crate) fn leaf(content: &[u8]) -> Option<LeafView<'_>> {
    let mut fields = Fields::new(content);
    let [_kind, flags, payloads, zero] = fields.array()?;
    if flags & !ENDS != 0 || zero != 0 {
        return None;
    }
    let head = LeafHead {
        run: RunId::from_bytes(fields.array()?),
        seq: fields.int64()?,
        prev: Digest::from_bytes(fields.array()?),
        ends: flags & ENDS != 0,
    };
    let digests = fields.bytes(usize::from(payloads) * 32)?;
    let body = fields.rest();
    (body.len() <= BODY_BYTES_MAX).then_some(LeafView { head, digests, body })
}

/// The end of the header: where the first batch of a segment without a base begins.
pub(crate) const HEADER_END: u32 = 64;
const MAGIC: [u8; 8] = *b"BWLOG\0\0\x01";

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) log: LogId,
    pub(crate) number: u32,
    /// The index of the first leaf in this segment.
    pub(crate) first: u64,
    /// Where the first batch begins.
    pub(crate) begins: u32,
}

impl FrameHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.log.to_bytes());
        out.extend_from_slice(&u64::from(self.number).to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        // Zero means the end of the header.
        let begins = if self.begins == HEADER_END { 0 } else { self.begins };
        out.extend_from_slice(&begins.to_le_bytes());
        out.resize(HEADER_BYTES - 4, 0);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let magic = fields.array::<8>()?;
        let log = LogId::from_bytes(fields.array()?);
        let (number, first) = (u32::try_from(fields.int64()?).ok()?, fields.int64()?);
        let begins = fields.int32()?;
        let header = Self { log, number, first, begins: if begins == 0 { HEADER_END } else { begins } };
        // Comparing with the encoded form also checks the padding and the checksum.
        (magic == MAGIC && header.encode() == bytes).then_some(header)
    }

    /// The form of a segment that a newer program wrote: it begins like every segment, and its checksum is at the same place.
    pub(crate) fn newer(bytes: &[u8; HEADER_BYTES]) -> Option<u8> {
        let (rest, crc) = bytes.split_last_chunk::<4>()?;
        let (name, [.., own]) = (rest.strip_prefix(MAGIC.first_chunk::<7>()?)?, MAGIC);
        let form = *name.first()?;
        (form > own && crc32c::crc32c(rest).to_le_bytes() == *crc).then_some(form)
    }
}

/// Makes the frame of a base: the right edge of the tree, and the note that signed it.
pub(crate) fn put_base(tree: &Tree, note: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out, BASE);
    out.push(u8::try_from(tree.edge().len()).unwrap_or(u8::MAX));
    tree.edge().iter().for_each(|node| out.extend_from_slice(node));
    out.extend_from_slice(note.as_bytes());
    finish(&mut out, start);
    out
}

/// Parses the content of a base: the tree of this size, and its note.
pub(crate) fn base(content: &[u8], size: u64) -> Option<(Tree, &str)> {
    let mut fields = Fields::new(content);
    let [kind, count] = fields.array()?;
    let edge = (0..count).map(|_| fields.array()).collect::<Option<Vec<_>>>()?;
    let note = str::from_utf8(fields.rest()).ok()?;
    (kind == BASE).then_some((Tree::from_edge(size, edge)?, note))
}

/// The size of a frame with content of this length.
pub(crate) fn frame_bytes(content: usize) -> u64 {
    wide(HEAD_BYTES) + wide(content)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        let head = LeafHead { run: RunId::from_bytes([7; 16]), seq: 3, prev: Digest::of(b"before"), ends: true };
        put_leaf(&mut out, &head, &[[9; 32]], b"{}");
        out
    }

    #[test]
    fn a_leaf_comes_back_as_it_was_put() {
        let bytes = sample();
        let Parsed::Frame(content) = parse(&bytes) else { unreachable!("not a frame") };
        let view = leaf(content).unwrap();
        assert_eq!((view.head.seq, view.head.ends, view.body, view.digests), (3, true, &b"{}"[..], &[9; 32][..]));
        assert_eq!(view.head.run, RunId::from_bytes([7; 16]));
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&changed), Parsed::Frame(_)), "bit {bit}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let header = FrameHeader { log: LogId::from_bytes([5; 16]), number: 2, first: 77, begins: 400 };
        let bytes: [u8; HEADER_BYTES] = header.encode().try_into().unwrap();
        assert_eq!(FrameHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&changed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_header_of_a_newer_form_is_told_from_a_damaged_one() {
        let mut bytes: [u8; HEADER_BYTES] =
            FrameHeader { log: LogId::from_bytes([5; 16]), number: 2, first: 77, begins: HEADER_END }.encode().try_into().unwrap();
        assert_eq!(FrameHeader::newer(&bytes), None);
        bytes[7] = 2;
        assert_eq!(FrameHeader::newer(&bytes), None, "its checksum does not fit");
        let crc = crc32c::crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..].copy_from_slice(&crc);
        assert_eq!((FrameHeader::newer(&bytes), FrameHeader::decode(&bytes)), (Some(2), None));
    }

    #[test]
    fn a_base_comes_back_as_it_was_put_and_only_for_its_size() {
        let mut tree = Tree::default();
        (0u8..6).for_each(|leaf| tree.push([leaf; 32]));
        let bytes = put_base(&tree, "a note");
        let Parsed::Frame(content) = parse(&bytes) else { unreachable!("not a frame") };
        assert_eq!(base(content, 6), Some((tree, "a note")));
        assert_eq!(base(content, 7), None);
        assert_eq!(base(&content[..10], 6), None);
    }

    #[test]
    fn a_damaged_length_asks_for_no_more_than_the_bound() {
        let mut bytes = sample();
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse(&bytes), Parsed::Broken);
    }

    #[test]
    fn a_leaf_with_unknown_flags_is_refused() {
        let mut bytes = sample();
        bytes[HEAD_BYTES + 1] |= 2;
        assert!(leaf(&bytes[HEAD_BYTES..]).is_none());
    }
}
