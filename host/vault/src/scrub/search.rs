//! Searches a text for values: as it is, in every view to which it can be decoded, and in views of those views.

use std::ops::Range;

use super::inflate::{Container, unpacked};
use super::set::Set;
use super::view::{Chars, View};
use super::{digits, escape, mail};

/// BOUND: encodings on top of one another that are decoded.
pub(super) const NESTING_MAX: usize = 3;

/// BOUND: how many times as long as its value a form may be, in the part in which an encoding changes nothing: `0x61, ` has six letters for
/// each byte.
const LITERAL: usize = 12;
/// BOUND: packed parts of one text that are unpacked, and the bytes that one part unpacks to.
const PACKED_MAX: usize = 8;
const UNPACKED_BYTES_MAX: usize = 64 << 10;

/// A value that was found, with its place and its tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tag: u64,
}

/// The values that are searched for.
pub(super) struct Search<'a> {
    sets: Vec<&'a Set>,
    shortest: usize,
    longest: usize,
    /// Whether upper-case letters count as lower-case ones, as in the names of header fields.
    is_folded: bool,
}

impl<'a> Search<'a> {
    /// A search for all values of some sets; `None` if there are none.
    pub(super) fn new(sets: impl IntoIterator<Item = &'a Set>, is_folded: bool) -> Option<Self> {
        let sets: Vec<&Set> = sets.into_iter().filter(|set| set.len() > 0).collect();
        let lengths: Vec<_> = sets.iter().filter_map(|set| set.lengths()).collect();
        let shortest = lengths.iter().map(|(shortest, _)| *shortest).min()?;
        let longest = lengths.iter().map(|(_, longest)| *longest).max()?;
        Some(Self { sets, shortest, longest, is_folded })
    }

    /// All matches in a text.
    pub(super) fn through(&self, text: &[u8]) -> Vec<Match> {
        self.through_from(text, 0)
    }

    /// All matches in a text that do not end before a place.
    pub(super) fn through_from(&self, text: &[u8], from: usize) -> Vec<Match> {
        let mut found = Vec::new();
        self.search(text, from, NESTING_MAX, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn search(&self, text: &[u8], from: usize, nesting: usize, found: &mut Vec<Match>) {
        if text.len() < self.shortest {
            return;
        }
        self.as_it_stands(text, from.saturating_sub(self.longest - 1), found);
        if nesting == 0 {
            return;
        }
        let begin = self.begin(text, from);
        let rest = text.get(begin..).unwrap_or_default();
        for unfold in [escape::unescaped, mail::unquoted, mail::narrowed] {
            if let Some(chars) = unfold(rest) {
                let parts = chars.changed(LITERAL * self.longest);
                let view = View::Chars(chars);
                parts.into_iter().for_each(|part| self.in_part((&view, part), begin, nesting, found));
            }
        }
        self.packed(text, nesting, found);
        digits::base64(text, from, self.shortest, |view| self.in_view(view, 0, nesting, found));
        digits::numbers(text, from, self.shortest, |view| self.in_view(view, 0, nesting, found));
    }

    /// The place at which decoding begins, so that all forms are found that do not end before `from`. It is the first character that could
    /// be part of such a form.
    fn begin(&self, text: &[u8], from: usize) -> usize {
        let before = text.get(..from).unwrap_or_default();
        let sign = [memchr::memchr3(b'%', b'&', b'\\', before), memchr::memchr2(b'=', 0, before)];
        sign.into_iter().flatten().min().unwrap_or(from).saturating_sub(LITERAL * self.longest)
    }

    fn in_view(&self, view: &View<'_>, begin: usize, nesting: usize, found: &mut Vec<Match>) {
        self.in_part((view, 0..view.bytes().len()), begin, nesting, found);
    }

    fn in_part(&self, (view, part): (&View<'_>, Range<usize>), begin: usize, nesting: usize, found: &mut Vec<Match>) {
        let mut inside = Vec::new();
        self.search(view.bytes().get(part.clone()).unwrap_or_default(), 0, nesting - 1, &mut inside);
        found.extend(inside.into_iter().filter_map(|Match { start, end, tag }| {
            let Range { start, end } = view.source(part.start + start..part.start + end)?;
            Some(Match { start: start + begin, end: end + begin, tag })
        }));
    }

    /// Packed data within a text that is not a whole body: data that was packed and then encoded in base 64.
    fn packed(&self, text: &[u8], nesting: usize, found: &mut Vec<Match>) {
        let mut at = 0;
        for _ in 0..PACKED_MAX {
            let Some((begin, container)) = text.get(at..).and_then(Container::find) else { return };
            at += begin;
            let unpacked = text.get(at..).and_then(|text| unpacked(container, text, UNPACKED_BYTES_MAX));
            if let Some((bytes, taken)) = unpacked {
                self.in_view(&View::Whole { bytes, src: at..at + taken }, 0, nesting, found);
            }
            at += 1;
        }
    }

    fn as_it_stands(&self, text: &[u8], from: usize, found: &mut Vec<Match>) {
        let lowered = self.is_folded.then(|| text.to_ascii_lowercase());
        let text = lowered.as_deref().unwrap_or(text);
        for set in &self.sets {
            set.find(text.get(from..).unwrap_or_default(), |range, tag| {
                found.push(Match { start: from + range.start, end: from + range.end, tag });
            });
        }
    }
}

/// The forms of a value in a text in which all escapes are decoded, again and again.
pub(super) fn unescaped(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut last = value.to_vec();
    while let Some(Chars { bytes, .. }) = escape::unescaped(&last).filter(|_| all.len() < NESTING_MAX) {
        last.clone_from(&bytes);
        all.push(bytes);
    }
    all
}
