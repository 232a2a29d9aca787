//! Values in header fields and trailers: in a name, in a value, spread over several of them, or spread over these and a body.
//!
//! Names arrive in lower case, so they are searched without regard to case.

use std::ops::Range;

use vocabulary::Header;

use super::joins;
use super::marks::Hits;
use super::search::Search;
use super::set::Set;

/// Where a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldPlace {
    /// The name of a field.
    Name(usize),
    /// The value of a field.
    Value(usize),
    /// The bytes of the body that are still held.
    Body,
    /// Bytes that were passed on before. They can't be changed any more.
    Earlier,
}

/// Some bytes of an answer.
struct Part {
    place: FieldPlace,
    bytes: Vec<u8>,
}

/// A range of bytes that become stars.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Star {
    pub(super) place: FieldPlace,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tag: u64,
}

/// The parts of an answer in their order.
#[derive(Default)]
pub(super) struct Parts(Vec<Part>);

impl Parts {
    pub(super) fn with(mut self, place: FieldPlace, bytes: &[u8]) -> Self {
        if !bytes.is_empty() {
            self.0.push(Part { place, bytes: bytes.to_vec() });
        }
        self
    }

    /// Adds the names and values of fields. `first` is the number of the first field.
    pub(super) fn with_fields(self, first: usize, fields: &[Header]) -> Self {
        (first..).zip(fields).fold(self, |parts, (at, field)| {
            parts.with(FieldPlace::Name(at), field.name.as_bytes()).with(FieldPlace::Value(at), &field.value)
        })
    }

    /// The same parts, marked as passed on.
    pub(super) fn earlier(self) -> Self {
        Self(self.0.into_iter().map(|part| Part { place: FieldPlace::Earlier, ..part }).collect())
    }

    pub(super) fn and(mut self, earlier: &Self) -> Self {
        self.0.extend(earlier.0.iter().map(|part| Part { place: part.place, bytes: part.bytes.clone() }));
        self
    }

    /// All bytes of values that are within one part, or within neighbouring parts.
    pub(super) fn whole(&self, exact: &Search<'_>, folded: &Search<'_>) -> Vec<Star> {
        let mut stars = Vec::new();
        for part in &self.0 {
            let found = match part.place {
                FieldPlace::Name(_) => folded.through(&part.bytes),
                FieldPlace::Value(_) => exact.through(&part.bytes),
                FieldPlace::Body | FieldPlace::Earlier => continue,
            };
            stars.extend(found.into_iter().map(|found| Star { place: part.place, start: found.start, end: found.end, tag: found.tag }));
        }
        if self.0.len() > 1 {
            self.in_a_row(exact, |place| !matches!(place, FieldPlace::Name(_)), &mut stars);
            self.in_a_row(folded, |place| matches!(place, FieldPlace::Name(_)), &mut stars);
            self.in_a_row(folded, |_| true, &mut stars);
        }
        stars
    }

    fn in_a_row(&self, search: &Search<'_>, is_in: impl Fn(FieldPlace) -> bool, stars: &mut Vec<Star>) {
        let parts: Vec<&Part> = self.0.iter().filter(|part| is_in(part.place)).collect();
        let row: Vec<u8> = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        for found in search.through(&row) {
            let mut begin = 0;
            for part in &parts {
                let (start, end) = (found.start.saturating_sub(begin), found.end.saturating_sub(begin).min(part.bytes.len()));
                if start < end {
                    stars.push(Star { place: part.place, start, end, tag: found.tag });
                }
                begin += part.bytes.len();
            }
        }
    }

    /// All bytes of values that are in pieces, wherever the pieces are.
    pub(super) fn pieces(&self, texts: &Set, names: &Set) -> Vec<Star> {
        let star = |parts: &[&Part], (at, range, tag): (usize, Range<usize>, u64)| {
            parts.get(at).map(|part| Star { place: part.place, start: range.start, end: range.end, tag })
        };
        let mut stars = Vec::new();
        let values: Vec<&Part> = self.0.iter().filter(|part| !matches!(part.place, FieldPlace::Name(_))).collect();
        let exact: Vec<&[u8]> = values.iter().map(|part| part.bytes.as_slice()).collect();
        stars.extend(joins::pieces(texts, &exact).into_iter().filter_map(|piece| star(&values, piece)));
        let all: Vec<&Part> = self.0.iter().collect();
        if all.iter().any(|part| matches!(part.place, FieldPlace::Name(_))) {
            let lowered: Vec<Vec<u8>> = all.iter().map(|part| part.bytes.to_ascii_lowercase()).collect();
            let folded: Vec<&[u8]> = lowered.iter().map(Vec::as_slice).collect();
            stars.extend(joins::pieces(names, &folded).into_iter().filter_map(|piece| star(&all, piece)));
        }
        stars
    }
}

/// Writes stars into fields, and counts them.
pub(super) fn write(mut stars: Vec<Star>, fields: &mut [Header], hits: &mut Hits) {
    stars.sort_unstable();
    stars.dedup();
    let mut last: Option<(FieldPlace, usize)> = None;
    for Star { place, start, end, tag } in stars {
        let (FieldPlace::Name(at) | FieldPlace::Value(at)) = place else { continue };
        let Some(field) = fields.get_mut(at) else { continue };
        if matches!(place, FieldPlace::Name(_)) {
            let mut name = std::mem::take(&mut field.name).into_bytes();
            name.get_mut(start..end).into_iter().flatten().for_each(|byte| *byte = b'*');
            // A star is a valid character of a name, too.
            field.name = String::from_utf8_lossy(&name).into_owned();
        } else {
            field.value.get_mut(start..end).into_iter().flatten().for_each(|byte| *byte = b'*');
        }
        let is_new = last.is_none_or(|(other, other_end)| other != place || start >= other_end);
        if is_new {
            hits.places += 1;
            hits.count(tag);
        }
        last = Some((place, last.filter(|_| !is_new).map_or(end, |(_, other)| other.max(end))));
    }
}
