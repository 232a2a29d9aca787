//! Values in pieces. The first piece is at the end of one field of an answer, the middle pieces are whole fields, and the last piece is at
//! the beginning of another field. The fields can be in any order, with other fields between them.
//!
//! The first piece has at least a few bytes, because the value is recognised by it. Pieces count only if together they are the whole value.
//!
//! SECURITY: a field that matches may be longer than its piece, so that the rest of the value does not follow after it. So all ways to
//! assemble a value are tried, and every piece of every way counts, including a second copy of a piece. There is no budget for this work. A
//! budget would run out only for texts that begin a value, and that would let an attacker guess a value letter by letter. The work is
//! bounded because each place of a value is visited once for each number of pieces before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::set::Set;

/// BOUND: fields over which one value may be spread.
const PIECES_MAX: usize = 8;
/// BOUND: values whose pieces are searched for in one field. A server must know a value to start such a search.
const BEGUN_MAX: usize = 4096;

/// All pieces of values that occur in pieces: the number of the text, the range in it, and the tag of the value.
pub(super) fn pieces(set: &Set, texts: &[&[u8]]) -> Vec<(usize, Range<usize>, u64)> {
    let parts = Parts::of(texts);
    let mut found = Vec::new();
    let mut joins: HashMap<&[u8], Join<'_>> = HashMap::new();
    for (first, text) in texts.iter().enumerate() {
        for (at, value, owners) in set.begun(text).take(BEGUN_MAX) {
            let join = joins.entry(value).or_insert_with(|| Join { parts: &parts, value, known: BTreeMap::new(), pieces: BTreeSet::new() });
            if join.goes_on(text.len() - at, 1) {
                for (tag, _) in owners {
                    found.push((first, at..text.len(), *tag));
                    found.extend(join.pieces.iter().map(|(text, end)| (*text, 0..*end, *tag)));
                }
            }
        }
    }
    found
}

/// The texts by their contents, and their lengths.
struct Parts<'a> {
    texts: BTreeMap<&'a [u8], Vec<usize>>,
    lengths: BTreeSet<usize>,
}

impl<'a> Parts<'a> {
    fn of(texts: &[&'a [u8]]) -> Self {
        let mut parts = Self { texts: BTreeMap::new(), lengths: BTreeSet::new() };
        for (at, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            parts.texts.entry(text).or_default().push(at);
            parts.lengths.insert(text.len());
        }
        parts
    }
}

/// One value whose beginning is at the end of a text.
struct Join<'a> {
    parts: &'a Parts<'a>,
    value: &'a [u8],
    /// For a place in the value and the number of pieces before it: whether the value can be assembled from there.
    known: BTreeMap<(usize, usize), bool>,
    /// The pieces: the number of a text, and how many of its first bytes belong to the value.
    pieces: BTreeSet<(usize, usize)>,
}

impl Join<'_> {
    /// Whether the texts contain the rest of the value from a place on.
    fn goes_on(&mut self, from: usize, pieces: usize) -> bool {
        if let Some(known) = self.known.get(&(from, pieces)) {
            return *known;
        }
        let (parts, rest) = (self.parts, self.value.get(from..).unwrap_or_default());
        let mut is_whole = false;
        for (_, texts) in parts.texts.range(rest..).take_while(|(text, _)| text.starts_with(rest)) {
            self.pieces.extend(texts.iter().map(|text| (*text, rest.len())));
            is_whole = true;
        }
        let shorter = if pieces + 1 < PIECES_MAX { rest.len() } else { 0 };
        for length in parts.lengths.range(..shorter) {
            let Some(texts) = rest.get(..*length).and_then(|piece| parts.texts.get(piece)) else { continue };
            if self.goes_on(from + length, pieces + 1) {
                self.pieces.extend(texts.iter().map(|text| (*text, *length)));
                is_whole = true;
            }
        }
        self.known.insert((from, pieces), is_whole);
        is_whole
    }
}
