//! Values to search for, as exact bytes. One pass over a text finds any of thousands, and a value is added or removed without a rebuild.
//!
//! Each value puts a few of its short windows into a table of bits. A text is probed in wide steps, such that one of these windows is
//! probed wherever the value is. Bytes are compared only where a bit is set, and always the whole value.
//!
//! SECURITY: a part of a value is never found. Otherwise a server that tries guesses could learn a value piece by piece.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::ops::{Bound, Range};

use zeroize::Zeroizing;

/// Bits of the smallest table, which fits into the first-level cache of a core.
const TABLE_BITS_MIN: u32 = 15;
/// BOUND: bits of the largest table, 2 MiB of them.
const TABLE_BITS_MAX: u32 = 24;
/// Bits of the table for each window, so many that few other texts hit a bit that is set.
const BITS_A_WINDOW: usize = 16;

/// The shortest part of a value at the end of one text for which the rest is searched for at the beginnings of other texts.
const FRONT_BYTES: usize = 4;

/// Bytes that are searched for. They are overwritten when dropped.
#[derive(PartialEq, Eq)]
struct Needle(Zeroizing<Vec<u8>>);

impl Ord for Needle {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_slice().cmp(&other.0)
    }
}

impl PartialOrd for Needle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Borrow<[u8]> for Needle {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// The tags under which a value was added, and how often for each.
pub(super) type Owners = Vec<(u64, u32)>;

/// The first bytes of a needle.
type Front = [u8; FRONT_BYTES];

/// The set. See the module.
pub(super) struct Set {
    needles: BTreeMap<Needle, Owners>,
    /// The beginnings of needles, with the number of needles that have each.
    fronts: HashMap<Front, usize>,
    /// The lengths of needles, with the number of needles that have each.
    lengths: HashMap<usize, usize>,
    classes: Vec<ByteClass>,
}

impl Set {
    /// A set for texts of any length, with two classes of values. Each class is probed as rarely as its shortest value allows.
    pub(super) fn for_texts() -> Self {
        Self::of(vec![ByteClass::new(8, 4, 5), ByteClass::new(16, 8, 9)])
    }

    /// A set for short texts and many values, with one window for each value. It is probed at every byte.
    pub(super) fn for_names() -> Self {
        Self::of(vec![ByteClass::new(8, 8, 1)])
    }

    fn of(classes: Vec<ByteClass>) -> Self {
        Self { needles: BTreeMap::new(), fronts: HashMap::new(), lengths: HashMap::new(), classes }
    }

    pub(super) fn insert(&mut self, needle: &[u8], tag: u64) {
        if let Some(owners) = self.needles.get_mut(needle) {
            match owners.iter_mut().find(|(owner, _)| *owner == tag) {
                Some((_, times)) => *times = times.saturating_add(1),
                None => owners.push((tag, 1)),
            }
            return;
        }
        if let Some(at) = self.class_of(needle.len()) {
            self.make_room(at);
            self.classes.get_mut(at).into_iter().for_each(|class| class.insert(needle));
            *self.lengths.entry(needle.len()).or_default() += 1;
            needle.first_chunk().into_iter().for_each(|front| *self.fronts.entry(*front).or_default() += 1);
            self.needles.insert(Needle(Zeroizing::new(needle.to_vec())), vec![(tag, 1)]);
        }
    }

    pub(super) fn remove(&mut self, needle: &[u8], tag: u64) {
        let Some(owners) = self.needles.get_mut(needle) else { return };
        let Some(at) = owners.iter().position(|(owner, _)| *owner == tag) else { return };
        if let Some((_, times)) = owners.get_mut(at) {
            *times -= 1;
            if *times > 0 {
                return;
            }
        }
        owners.swap_remove(at);
        if !owners.is_empty() {
            return;
        }
        self.needles.remove(needle);
        one_less(&mut self.lengths, &needle.len());
        needle.first_chunk().into_iter().for_each(|front| one_less(&mut self.fronts, front));
        if let Some(class) = self.class_of(needle.len()).and_then(|at| self.classes.get_mut(at)) {
            class.remove(needle);
        }
    }

    fn class_of(&self, length: usize) -> Option<usize> {
        self.classes.iter().rposition(|class| class.length_min <= length)
    }

    /// Doubles the table when it is full. That happens each time the number of values has doubled.
    fn make_room(&mut self, at: usize) {
        let Some(class) = self.classes.get_mut(at) else { return };
        if !class.is_full() {
            return;
        }
        class.widen();
        for needle in self.needles.keys().map(|needle| needle.0.as_slice()) {
            if self.classes.iter().rposition(|class| class.length_min <= needle.len()) == Some(at) {
                self.classes.get_mut(at).into_iter().for_each(|class| class.insert(needle));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.needles.len()
    }

    /// The lengths of the shortest and the longest needle.
    pub(super) fn lengths(&self) -> Option<(usize, usize)> {
        Some((self.lengths.keys().copied().min()?, self.lengths.keys().copied().max()?))
    }

    /// Every place of a text from which the rest of the text is the beginning of a value, with the value and its tags.
    pub(super) fn begun<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8], &'a Owners)> {
        let longest = self.lengths().map_or(0, |(_, longest)| longest);
        let places = text.len().saturating_sub(longest - longest.min(1))..text.len().saturating_sub(FRONT_BYTES - 1);
        places.flat_map(move |at| {
            let rest = text.get(at..).filter(|rest| rest.first_chunk().is_some_and(|front: &Front| self.fronts.contains_key(front)));
            rest.into_iter().flat_map(move |rest| {
                let from = self.needles.range::<[u8], _>((Bound::Excluded(rest), Bound::Unbounded));
                let like = from.take_while(move |(needle, _)| needle.0.starts_with(rest));
                like.map(move |(needle, owners)| (at, needle.0.as_slice(), owners))
            })
        })
    }

    /// Every place of every value in a text, with the value's tags.
    pub(super) fn find(&self, text: &[u8], mut found: impl FnMut(Range<usize>, u64)) {
        for class in &self.classes {
            class.probe(text, |range| {
                let owners = text.get(range.clone()).and_then(|needle| self.needles.get(needle));
                owners.into_iter().flatten().for_each(|(tag, _)| found(range.clone(), *tag));
            });
        }
    }
}

fn one_less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Where a window is in a value, and how long the value is.
struct MatchPlace {
    offset: usize,
    length: usize,
    /// The number of values that have such a window at that place.
    values: u32,
}

/// The values from one length on.
struct ByteClass {
    length_min: usize,
    window: usize,
    step: usize,
    seed: u64,
    table: Vec<u64>,
    table_bits: u32,
    windows: usize,
    places: HashMap<usize, Vec<MatchPlace>>,
}

impl ByteClass {
    fn new(length_min: usize, window: usize, step: usize) -> Self {
        // An attacker who chooses texts must not know which windows share a bit.
        let seed = RandomState::new().hash_one(step) | 1;
        Self { length_min, window, step, seed, table: Vec::new(), table_bits: TABLE_BITS_MIN, windows: 0, places: HashMap::new() }
    }

    /// The slot of the window at a place of a text. `None` if the window would reach beyond the text.
    #[inline]
    fn slot(&self, text: &[u8], at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        let window = match self.window {
            4 => u64::from(u32::from_le_bytes(*rest.first_chunk::<4>()?)),
            _ => u64::from_le_bytes(*rest.first_chunk::<8>()?),
        };
        // Multiply and shift: without the seed, an attacker finds two windows with the same slot only by chance.
        usize::try_from(window.wrapping_mul(self.seed) >> (64 - self.table_bits)).ok()
    }

    fn bit(&mut self, slot: usize, is_set: bool) {
        let mask = 1 << (slot % 64);
        if let Some(word) = self.table.get_mut(slot / 64) {
            *word = if is_set { *word | mask } else { *word & !mask };
        }
    }

    /// Where the windows of a value that are searched for begin. This depends on the value alone, so that the value can be removed again.
    /// Tokens differ most at their end, apart from padding.
    fn offset(&self, needle: &[u8]) -> usize {
        const PADDING: usize = 4;
        let last = needle.len().saturating_sub(self.window + self.step - 1);
        if last > 2 * PADDING { last - PADDING } else { last }
    }

    fn insert(&mut self, needle: &[u8]) {
        let offset = self.offset(needle);
        for offset in offset..offset + self.step {
            let Some(slot) = self.slot(needle, offset) else { continue };
            let places = self.places.entry(slot).or_default();
            match places.iter_mut().find(|place| place.offset == offset && place.length == needle.len()) {
                Some(place) => place.values += 1,
                None => places.push(MatchPlace { offset, length: needle.len(), values: 1 }),
            }
            self.bit(slot, true);
            self.windows += 1;
        }
    }

    fn remove(&mut self, needle: &[u8]) {
        let offset = self.offset(needle);
        for offset in offset..offset + self.step {
            let Some(slot) = self.slot(needle, offset) else { continue };
            let Some(places) = self.places.get_mut(&slot) else { continue };
            for place in places.iter_mut().filter(|place| place.offset == offset && place.length == needle.len()) {
                place.values -= 1;
            }
            places.retain(|place| place.values > 0);
            self.windows -= 1;
            if places.is_empty() {
                self.places.remove(&slot);
                self.bit(slot, false);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.table.is_empty() || (self.table_bits < TABLE_BITS_MAX && (self.windows + self.step) * BITS_A_WINDOW > self.table.len() * 64)
    }

    /// Replaces the table by a larger, empty one.
    fn widen(&mut self) {
        self.table_bits += u32::from(!self.table.is_empty());
        self.table = vec![0; 1 << (self.table_bits - 6)];
        self.windows = 0;
        self.places.clear();
    }

    #[inline]
    fn probe(&self, text: &[u8], mut found: impl FnMut(Range<usize>)) {
        if self.windows == 0 {
            return;
        }
        let mut at = 0;
        while let Some(slot) = self.slot(text, at) {
            if self.table.get(slot / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0) {
                for place in self.places.get(&slot).into_iter().flatten() {
                    let Some(start) = at.checked_sub(place.offset) else { continue };
                    if start + place.length <= text.len() {
                        found(start..start + place.length);
                    }
                }
            }
            at += self.step;
        }
    }
}
