//! Values in pieces: the beginning at the end of one field of an answer, parts that are whole fields, and the end at the beginning of another, in any
//! order and with other fields between.
//!
//! The first piece has at least a few bytes, because the value is recognised by it. Pieces count only if together they are the whole value.

use std::ops::Range;

use super::set::Set;

/// BOUND: fields over which one value may be spread.
const PIECES_MAX: usize = 8;
/// BOUND: values whose pieces are searched for in one answer. A server must know a value to start such a search.
const BEGUN_MAX: usize = 4096;

/// The pieces of all values that are there in pieces: in which text, where, and under which tag the value is known.
pub(super) fn pieces(set: &Set, texts: &[&[u8]]) -> Vec<(usize, Range<usize>, u64)> {
    let mut found = Vec::new();
    for (first, text) in texts.iter().enumerate() {
        for (at, value, owners) in set.begun(text).take(BEGUN_MAX) {
            let mut path = vec![(first, at..text.len())];
            if goes_on(texts, value.get(text.len() - at..).unwrap_or_default(), &mut path) {
                for (tag, _) in owners {
                    found.extend(path.iter().map(|(text, range)| (*text, range.clone(), *tag)));
                }
            }
        }
    }
    found
}

/// Whether the rest of a value is in texts that are not on the path yet. If so, these texts are added to the path.
fn goes_on(texts: &[&[u8]], rest: &[u8], path: &mut Vec<(usize, Range<usize>)>) -> bool {
    let is_free = |at: usize, path: &[(usize, Range<usize>)]| !path.iter().any(|(used, _)| *used == at);
    if let Some((last, _)) = texts.iter().enumerate().find(|(at, text)| is_free(*at, path) && text.starts_with(rest)) {
        path.push((last, 0..rest.len()));
        return true;
    }
    if path.len() + 1 >= PIECES_MAX {
        return false;
    }
    // The longest text that fits: if two fit, one begins with the other.
    let whole = texts.iter().enumerate().filter(|(at, text)| is_free(*at, path) && !text.is_empty() && rest.starts_with(text));
    let Some((next, text)) = whole.max_by_key(|(_, text)| text.len()) else { return false };
    path.push((next, 0..text.len()));
    goes_on(texts, rest.get(text.len()..).unwrap_or_default(), path)
}
