//! Values in pieces: the beginning at the end of one field of an answer, parts that are whole fields, and the end at the beginning of another, in any
//! order and with other fields between.
//!
//! The first piece has at least a few bytes, because the value is recognised by it. Pieces count only if together they are the whole value.
//!
//! SECURITY: a field that fits may be longer than the piece, so that the rest of the value does not follow after it. So all ways to put a value together are
//! tried, and every piece of every way counts, also a second copy of a piece.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::set::Set;

/// BOUND: fields over which one value may be spread.
const PIECES_MAX: usize = 8;
/// BOUND: values whose pieces are searched for in one answer. A server must know a value to start such a search.
const BEGUN_MAX: usize = 4096;
/// BOUND: comparisons in one answer. After that, every value that was begun counts as found. Only a server that knows much of a value gets so far.
const STEPS_MAX: usize = 1 << 20;

/// The pieces of all values that are there in pieces: in which text, where, and under which tag the value is known.
pub(super) fn pieces(set: &Set, texts: &[&[u8]]) -> Vec<(usize, Range<usize>, u64)> {
    let (mut found, mut steps) = (Vec::new(), STEPS_MAX);
    for (first, text) in texts.iter().enumerate() {
        for (at, value, owners) in set.begun(text).take(BEGUN_MAX) {
            let rest = value.get(text.len() - at..).unwrap_or_default();
            let mut join = Join { texts, first, rest, known: BTreeMap::new(), pieces: BTreeSet::new(), steps };
            let is_whole = join.goes_on(0, 1);
            steps = join.steps;
            if is_whole {
                for (tag, _) in owners {
                    found.push((first, at..text.len(), *tag));
                    found.extend(join.pieces.iter().map(|(text, end)| (*text, 0..*end, *tag)));
                }
            }
        }
    }
    found
}

/// One value whose beginning is at the end of a text.
struct Join<'a> {
    texts: &'a [&'a [u8]],
    /// The number of that text.
    first: usize,
    /// The rest of the value, which that text does not have.
    rest: &'a [u8],
    /// For a place in the rest and the number of pieces before it: whether the value can be put together from there.
    known: BTreeMap<(usize, usize), bool>,
    /// The pieces: the number of a text, and how many of its first bytes belong to the value.
    pieces: BTreeSet<(usize, usize)>,
    steps: usize,
}

impl Join<'_> {
    /// Whether other texts have the rest from a place on. The search visits each place once for each number of pieces before it.
    fn goes_on(&mut self, from: usize, pieces: usize) -> bool {
        if let Some(known) = self.known.get(&(from, pieces)) {
            return *known;
        }
        let rest = self.rest.get(from..).unwrap_or_default();
        let (texts, first, mut is_whole) = (self.texts, self.first, false);
        for (at, text) in texts.iter().enumerate().filter(|(at, text)| *at != first && !text.is_empty()) {
            if self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            let length = text.len().min(rest.len());
            let is_last = length == rest.len();
            let fits = text.get(..length) == rest.get(..length) && (is_last || pieces + 1 < PIECES_MAX);
            if fits && (is_last || self.goes_on(from + length, pieces + 1)) {
                self.pieces.insert((at, length));
                is_whole = true;
            }
        }
        self.known.insert((from, pieces), is_whole);
        is_whole
    }
}
