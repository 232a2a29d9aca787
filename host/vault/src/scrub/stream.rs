//! Searches one answer as it arrives: its header fields, its body piece by piece, its trailers, and values that are spread over these.

use bytes::{Bytes, BytesMut};
use vocabulary::Header;

use super::fields::{self, FieldPlace, Parts, Star};
use super::marks::{Hits, Marks};
use super::packed::{Packed, PackedError};
use super::search::Search;
use super::{Reading, Scrubber};

/// How many times as long as its value a form may be: two encodings with eight letters for each byte, on top of one another.
pub(super) const SPREAD_MAX: usize = 64;
/// The same for long values, because holding back such a long form would stall a stream.
const SPREAD_OF_LONG: usize = 8;
/// BOUND: bytes by which the form of a long value may exceed that.
const SPREAD_BYTES_MAX: usize = 16 << 10;

/// Pieces are searched together until they have this fraction of the bytes that are held back.
const TOGETHER: usize = 8;

/// The search of one answer.
///
/// SECURITY: the last bytes are held back until more arrive. Their number is always the same, whatever the bytes are. If bytes were held
/// back only where a form may have begun, a guest that sees the pieces could make a server try one letter after the other.
#[derive(Default)]
pub struct Scrubbing {
    /// Searches packed data in the body, before the body itself is searched.
    packed: Packed,
    held: BytesMut,
    /// How many of the held bytes were searched for the values that were known then.
    searched: usize,
    states: Vec<u64>,
    /// How many bytes are held back.
    hold: usize,
    marks: Marks,
    /// The header fields, until they were searched together with the beginning of the body.
    head: Option<Vec<Header>>,
    /// The same fields, as they may be shown.
    redacted: Option<Vec<Header>>,
    /// The fields as they were, for values that end in the trailers.
    earlier: Parts,
    /// Whether the beginning of the body was searched together with the header fields.
    is_joined: bool,
}

impl std::fmt::Debug for Scrubbing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubbing").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl Scrubbing {
    /// The search of unpacked data.
    pub(super) fn within(packed: Packed) -> Self {
        Self { packed, ..Self::default() }
    }

    /// Takes the header fields, before any part of the body.
    ///
    /// SECURITY: they are held back until the beginning of the body, or its end, has arrived. Otherwise a value that begins in a field and
    /// ends in the body could only be removed from the body.
    pub fn head(&mut self, fields: Vec<Header>) {
        self.head = Some(fields);
    }

    /// Returns the header fields as they may be shown, once, as soon as enough of the body has arrived.
    pub fn take_head(&mut self) -> Option<Vec<Header>> {
        self.redacted.take()
    }

    /// Takes a piece, and returns all bytes whose search is complete, however much work that is.
    ///
    /// # Errors
    /// As [`Scrubbing::go_on`].
    pub fn push(&mut self, known: &[&Scrubber], piece: &[u8]) -> Result<Bytes, PackedError> {
        self.take(piece);
        loop {
            if let Some(certain) = self.go_on(known)? {
                return Ok(certain);
            }
        }
    }

    /// Takes a piece. [`Scrubbing::go_on`] searches it.
    pub fn take(&mut self, piece: &[u8]) {
        self.packed.take(piece);
    }

    /// Searches a part of what was taken. When all of it was searched, returns the bytes whose search is complete. Returns `None` if there
    /// is more to search.
    ///
    /// A few packed bytes may unpack to a hundred times as many. One call unpacks at most 32 KiB of them, so that the caller can let other
    /// tasks run between calls.
    ///
    /// # Errors
    /// Packed data that can't be passed on. Nothing of this body is passed on after that.
    pub fn go_on(&mut self, known: &[&Scrubber]) -> Result<Option<Bytes>, PackedError> {
        let Some(piece) = self.unpack(|packed| packed.go_on(known))? else { return Ok(None) };
        let known = Scrubber::read(known);
        self.held.extend_from_slice(&piece);
        self.hold = self.hold.max(hold(&known));
        // BOUND: each search covers everything that is held, so very short pieces are searched together. How many depends on their length
        // alone.
        if self.held.len().saturating_sub(self.searched) < self.hold / TOGETHER {
            return Ok(Some(Bytes::new()));
        }
        self.search(&known);
        if !self.is_joined && self.held.len() > self.hold {
            self.join(&known, &mut []);
        }
        Ok(Some(self.give(self.held.len().saturating_sub(self.hold))))
    }

    /// Returns the rest at the end of the body, and searches the trailers that come after it.
    ///
    /// # Errors
    /// As [`Scrubbing::push`].
    pub fn finish(&mut self, known: &[&Scrubber], trailers: &mut [Header]) -> Result<Bytes, PackedError> {
        let piece = self.unpack(|packed| packed.finish(known))?;
        let known = Scrubber::read(known);
        self.held.extend_from_slice(&piece);
        self.search(&known);
        if !(self.is_joined && trailers.is_empty()) {
            self.join(&known, trailers);
        }
        Ok(self.give(self.held.len()))
    }

    fn unpack<T>(&mut self, step: impl FnOnce(&mut Packed) -> Result<T, PackedError>) -> Result<T, PackedError> {
        let given = step(&mut self.packed);
        self.marks.hits.add(&std::mem::take(&mut self.packed.hits));
        given
    }

    /// What was found so far.
    pub fn hits(&self) -> &Hits {
        &self.marks.hits
    }

    fn search(&mut self, known: &[Reading<'_>]) {
        self.hold = self.hold.max(hold(known));
        let states: Vec<u64> = known.iter().map(|known| known.state).collect();
        let from = if states == self.states { self.searched } else { 0 };
        (self.states, self.searched) = (states, self.held.len());
        if let Some(search) = Search::new(known.iter().map(|known| &known.texts), false) {
            let found = search.through_from(&self.held, from);
            self.marks.add(found.into_iter().map(|found| (found.start, found.end, found.tag)));
        }
    }

    /// Searches everything that is held together: the header fields, the bytes of the body, and the trailers.
    fn join(&mut self, known: &[Reading<'_>], trailers: &mut [Header]) {
        self.is_joined = true;
        let head = self.head.take();
        let mut fields = head.clone().unwrap_or_default();
        let after = fields.len();
        fields.extend_from_slice(trailers);
        let (before, behind) = fields.split_at(after);
        let parts =
            Parts::default().and(&self.earlier).with_fields(0, before).with(FieldPlace::Body, &self.held).with_fields(after, behind);
        let stars = spread(known, &parts);
        let body = stars.iter().filter(|star| star.place == FieldPlace::Body);
        self.marks.add(body.map(|star| (star.start, star.end, star.tag)));
        fields::write(stars, &mut fields, &mut self.marks.hits);
        trailers.iter_mut().zip(fields.drain(after..)).for_each(|(trailer, redacted)| *trailer = redacted);
        if let Some(head) = head {
            self.earlier = Parts::default().with_fields(0, &head).earlier();
            self.redacted = Some(fields);
        }
    }

    fn give(&mut self, bytes: usize) -> Bytes {
        let mut out = self.held.split_to(bytes);
        self.marks.take(&mut out);
        self.searched = self.searched.saturating_sub(bytes);
        out.freeze()
    }
}

/// All bytes of values in the parts of an answer.
fn spread(known: &[Reading<'_>], parts: &Parts) -> Vec<Star> {
    let exact = Search::new(known.iter().map(|known| &known.texts), false);
    let folded = Search::new(known.iter().map(|known| &known.names), true);
    let (Some(exact), Some(folded)) = (exact, folded) else { return Vec::new() };
    let mut stars = parts.whole(&exact, &folded);
    for known in known {
        stars.extend(parts.pieces(&known.texts, &known.names));
    }
    stars
}

/// How many bytes of a stream are held back for the known values.
fn hold(known: &[Reading<'_>]) -> usize {
    let longest = known.iter().filter_map(|known| known.texts.lengths()).map(|(_, longest)| longest).max().unwrap_or(0);
    (longest * SPREAD_MAX).min(longest * SPREAD_OF_LONG + SPREAD_BYTES_MAX)
}
