//! Which bytes of a text become stars, and how many values these hide.

use std::collections::BTreeMap;

/// What was found: the number of places, and how often each tag was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The number of stretches of stars.
    pub places: u64,
    /// How often a value with each tag was found.
    pub of: BTreeMap<u64, u64>,
}

impl Hits {
    pub(super) fn count(&mut self, tag: u64) {
        *self.of.entry(tag).or_default() += 1;
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.places += more.places;
        more.of.iter().for_each(|(tag, times)| *self.of.entry(*tag).or_default() += times);
    }
}

/// Places in the bytes of a text that have not been passed on yet. See the module.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) hits: Hits,
    /// The stretches, in order and not overlapping.
    stretches: Vec<(usize, usize)>,
    /// Where the last value of each tag ends. When a text is searched again, the same values are found again and must not be counted twice.
    ends: BTreeMap<u64, usize>,
}

impl Marks {
    /// Adds places, each with the tag of the value that is there.
    pub(super) fn add(&mut self, found: impl IntoIterator<Item = (usize, usize, u64)>) {
        let mut all: Vec<(usize, usize, bool)> = self.stretches.drain(..).map(|(start, end)| (start, end, false)).collect();
        let known = all.len();
        for (start, end, tag) in found {
            let last = self.ends.entry(tag).or_default();
            if start >= *last {
                self.hits.count(tag);
            }
            *last = end.max(*last);
            all.push((start, end, true));
        }
        if all.len() > known {
            all.sort_unstable();
        }
        let mut is_new = false;
        for (start, end, new) in all {
            match self.stretches.last_mut() {
                Some(last) if start < last.1 => {
                    // A stretch that was counted and is now joined with another one no longer counts on its own.
                    self.hits.places -= u64::from(is_new && !new);
                    (last.1, is_new) = (end.max(last.1), is_new && new);
                }
                _ => {
                    self.hits.places += u64::from(new);
                    self.stretches.push((start, end));
                    is_new = new;
                }
            }
        }
    }

    /// Writes the stars into the first bytes, which are then passed on.
    pub(super) fn take(&mut self, text: &mut [u8]) {
        let gone = text.len();
        for (start, end) in &self.stretches {
            text.get_mut(*start..gone.min(*end)).into_iter().flatten().for_each(|byte| *byte = b'*');
        }
        self.stretches.retain_mut(|(start, end)| {
            (*start, *end) = (start.saturating_sub(gone), end.saturating_sub(gone));
            *end > 0
        });
        self.ends.retain(|_, end| {
            *end = end.saturating_sub(gone);
            *end > 0
        });
    }
}
