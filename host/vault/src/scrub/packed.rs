//! Searches packed data in a body (gzip, zlib, entries of a zip archive), whatever the header fields say. The data is unpacked as it
//! arrives. Packed bytes are passed on once their unpacked content was searched.
//!
//! Stars can't be written into packed bytes, so a body ends where a value is found in them. Other formats (zstd, brotli, xz, bzip2) are not
//! unpacked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::inflate::{BlockHead, Container, HEAD_BYTES_MAX, Inflater, MAGIC_BYTES, Then};
use super::marks::Hits;
use super::{Scrubber, Scrubbing};

/// BOUND: levels of packed bodies within packed bodies that are unpacked.
const NESTING_MAX: u8 = 3;
/// BOUND: bytes that every body may unpack to, whatever its size.
const UNPACKED_BYTES_FREE: u64 = 4 << 20;
/// BOUND: further bytes that a body may unpack to, for each of its own bytes. Deflate could reach 1,032.
const UNPACKED_TIMES_MAX: u64 = 100;
/// How many packed bytes are unpacked at a time, and passed on at a time.
const SLICE_BYTES: usize = 4 << 10;
const ROOM_BYTES: usize = 32 << 10;

/// BOUND: headers in one body that are not followed by packed data. Each costs memory to unpack, and they do not occur by chance.
const BROKEN_MAX: u32 = 64;

/// The reason why a body ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// A value is in packed data, into which stars can't be written.
    #[error("the packed data in the body contains a secret")]
    Secret,
    /// The body is a bomb, or unpacks to more zeros than real data does.
    #[error("the body unpacks to more than {UNPACKED_TIMES_MAX} times its size")]
    TooMuch,
    /// The body has too much data that only looks packed. Real data could be hidden behind it.
    #[error("more than {BROKEN_MAX} parts of the body look like packed data and are not")]
    Broken,
}

/// How much one body may unpack to. It counts all parts together, whether they follow each other or are nested.
#[derive(Default)]
struct UnpackBudget {
    /// Bytes of the body that have arrived.
    came: AtomicU64,
    /// Bytes that were unpacked, in all levels.
    unpacked: AtomicU64,
}

impl UnpackBudget {
    fn spend(&self, bytes: usize) -> Result<(), PackedError> {
        let unpacked = self.unpacked.fetch_add(bytes as u64, Ordering::Relaxed).saturating_add(bytes as u64);
        let most = self.came.load(Ordering::Relaxed).saturating_mul(UNPACKED_TIMES_MAX).saturating_add(UNPACKED_BYTES_FREE);
        if unpacked > most { Err(PackedError::TooMuch) } else { Ok(()) }
    }
}

/// The search of one body. See the module.
pub(super) struct Packed {
    nesting: u8,
    budget: Arc<UnpackBudget>,
    state: PackedState,
    /// Bytes that have arrived but were not processed yet.
    rest: Vec<u8>,
    /// Bytes that are passed on once everything that has arrived was processed.
    out: Vec<u8>,
    broken: u32,
    /// The reason why this body has ended. Nothing of it is passed on after that.
    ended: Option<PackedError>,
    pub(super) hits: Hits,
}

enum PackedState {
    /// No packed data so far. The last bytes may be the first ones of packed data, so a fixed number of them is held back.
    Plain {
        last: Vec<u8>,
        is_begin: bool,
    },
    /// Packed data whose header has not arrived completely.
    Head {
        container: Container,
        bytes: Vec<u8>,
    },
    Inside(Box<Inside>),
}

/// The state before any packed data.
const NOTHING: PackedState = PackedState::Plain { last: Vec::new(), is_begin: false };

impl Default for Packed {
    fn default() -> Self {
        let (state, budget) = (PackedState::Plain { last: Vec::new(), is_begin: true }, Arc::default());
        Self { nesting: 0, budget, state, rest: Vec::new(), out: Vec::new(), broken: 0, ended: None, hits: Hits::default() }
    }
}

impl Packed {
    /// Takes a piece of the body. Nothing is unpacked yet.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.nesting == 0 {
            self.budget.came.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        self.rest.extend_from_slice(piece);
    }

    /// Processes a part of what has arrived. When all of it was processed, passes on the bytes that may be searched as they are.
    ///
    /// BOUND: one call unpacks `ROOM_BYTES` at most, in all layers together.
    pub(super) fn go_on(&mut self, known: &[&Scrubber]) -> Result<Option<Vec<u8>>, PackedError> {
        let is_through = self.guarded(|packed| packed.step(known))?;
        Ok(is_through.then(|| std::mem::take(&mut self.out)))
    }

    /// Processes what is left at the end of the body.
    pub(super) fn finish(&mut self, known: &[&Scrubber]) -> Result<Vec<u8>, PackedError> {
        self.guarded(|packed| {
            while !packed.step(known)? {}
            match std::mem::replace(&mut packed.state, NOTHING) {
                PackedState::Plain { last: mut bytes, .. } | PackedState::Head { mut bytes, .. } => packed.out.append(&mut bytes),
                PackedState::Inside(mut inside) => inside.end(known, &mut packed.hits, &mut packed.out)?,
            }
            Ok(())
        })?;
        Ok(std::mem::take(&mut self.out))
    }

    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, PackedError>) -> Result<T, PackedError> {
        let done = self.ended.map_or_else(|| step(self), Err);
        self.ended = done.as_ref().err().copied();
        done
    }

    /// Takes one step. Returns whether everything that has arrived was processed.
    fn step(&mut self, known: &[&Scrubber]) -> Result<bool, PackedError> {
        if self.nesting >= NESTING_MAX {
            self.out.append(&mut self.rest);
        }
        if self.rest.is_empty() {
            return Ok(true);
        }
        match std::mem::replace(&mut self.state, NOTHING) {
            PackedState::Plain { mut last, is_begin } => {
                last.append(&mut self.rest);
                (self.state, self.rest) = plain(&last, is_begin, &mut self.out);
            }
            PackedState::Head { container, mut bytes } => {
                bytes.append(&mut self.rest);
                (self.state, self.rest) = self.head(container, bytes)?;
            }
            PackedState::Inside(inside) => self.inside(known, inside)?,
        }
        Ok(self.rest.is_empty())
    }

    fn head(&mut self, container: Container, bytes: Vec<u8>) -> Result<(PackedState, Vec<u8>), PackedError> {
        Ok(match container.head(&bytes) {
            BlockHead::Partial => (PackedState::Head { container, bytes }, Vec::new()),
            BlockHead::Whole(length) => {
                let (head, rest) = bytes.split_at(length.min(bytes.len()));
                self.out.extend_from_slice(head);
                (PackedState::Inside(Box::new(Inside::new(container, self.nesting + 1, &self.budget))), rest.to_vec())
            }
            // It only looked like a header. The search continues with the next byte.
            BlockHead::None => {
                if bytes.len() >= HEAD_BYTES_MAX {
                    self.count_broken()?;
                }
                self.out.extend(bytes.first());
                (NOTHING, bytes.get(1..).unwrap_or_default().to_vec())
            }
        })
    }

    /// BOUND: a part that looks like packed data and is not costs the memory to unpack it, or a search for the end of its header.
    fn count_broken(&mut self) -> Result<(), PackedError> {
        self.broken += 1;
        if self.broken > BROKEN_MAX { Err(PackedError::Broken) } else { Ok(()) }
    }

    fn inside(&mut self, known: &[&Scrubber], mut inside: Box<Inside>) -> Result<(), PackedError> {
        if inside.slice.is_empty() {
            inside.slice = self.rest.get(..SLICE_BYTES).unwrap_or(&self.rest).to_vec();
        }
        let Some((taken, then)) = inside.step(known, &mut self.hits)? else {
            self.state = PackedState::Inside(inside);
            return Ok(());
        };
        self.rest.drain(..taken.min(self.rest.len()));
        inside.give(&mut self.out);
        match then {
            Then::More => self.state = PackedState::Inside(inside),
            Then::End => inside.end(known, &mut self.hits, &mut self.out)?,
            Then::Broken => {
                self.count_broken()?;
                // SECURITY: data that was wrongly treated as packed may hide data that really is packed. So it is searched again.
                let mut again: Vec<u8> = inside.waiting.drain(..).flat_map(|(slice, _)| slice).collect();
                again.append(&mut self.rest);
                self.rest = again;
                inside.end(known, &mut self.hits, &mut self.out)?;
            }
        }
        Ok(())
    }
}

fn plain(bytes: &[u8], is_begin: bool, out: &mut Vec<u8>) -> (PackedState, Vec<u8>) {
    let found = if is_begin && Container::is_zlib(bytes) { Some((0, Container::Zlib)) } else { Container::find(bytes) };
    if let Some((at, container)) = found {
        let (before, from) = bytes.split_at(at);
        out.extend_from_slice(before);
        return (PackedState::Head { container, bytes: Vec::new() }, from.to_vec());
    }
    let (before, last) = bytes.split_at(bytes.len().saturating_sub(MAGIC_BYTES - 1));
    out.extend_from_slice(before);
    (PackedState::Plain { last: last.to_vec(), is_begin: is_begin && before.is_empty() }, Vec::new())
}

/// Packed data while it is unpacked.
struct Inside {
    inflater: Inflater,
    /// Searches the unpacked bytes.
    stream: Scrubbing,
    budget: Arc<UnpackBudget>,
    /// The packed bytes that are being unpacked, and how many of them were unpacked already.
    slice: Vec<u8>,
    taken: usize,
    /// The next step after the unpacked bytes were searched. `None` if no bytes wait to be searched.
    next: Option<Next>,
    /// Packed bytes that are not passed on yet. Each slice has the number of bytes that were unpacked by its end.
    waiting: VecDeque<(Vec<u8>, u64)>,
    unpacked: u64,
    /// Unpacked bytes whose search is complete.
    certain: u64,
}

/// What follows after some unpacked bytes.
enum Next {
    /// More of the same slice.
    Room,
    /// The slice is over.
    Over(Then),
}

impl Inside {
    fn new(container: Container, nesting: u8, budget: &Arc<UnpackBudget>) -> Self {
        let stream = Scrubbing::within(Packed { nesting, budget: Arc::clone(budget), ..Packed::default() });
        let (inflater, budget) = (container.inflater(), Arc::clone(budget));
        let (slice, waiting) = (Vec::new(), VecDeque::new());
        Self { inflater, stream, budget, slice, taken: 0, next: None, waiting, unpacked: 0, certain: 0 }
    }

    /// Unpacks some of the slice, or continues to search the unpacked bytes. When the slice is finished, returns how many bytes of it were
    /// taken, and what comes next.
    fn step(&mut self, known: &[&Scrubber], hits: &mut Hits) -> Result<Option<(usize, Then)>, PackedError> {
        let Some(next) = self.next.take() else {
            self.next = Some(self.unpack()?);
            return Ok(None);
        };
        let Some(searched) = self.stream.go_on(known).transpose() else {
            self.next = Some(next);
            return Ok(None);
        };
        self.settle(searched, hits)?;
        let Next::Over(then) = next else { return Ok(None) };
        let (mut slice, taken) = (std::mem::take(&mut self.slice), std::mem::take(&mut self.taken));
        slice.truncate(taken);
        self.waiting.push_back((slice, self.unpacked));
        Ok(Some((taken, then)))
    }

    /// Unpacks as much as there is room for.
    fn unpack(&mut self) -> Result<Next, PackedError> {
        let mut room = vec![0; ROOM_BYTES];
        let step = self.inflater.step(self.slice.get(self.taken..).unwrap_or_default(), &mut room);
        self.taken += step.taken;
        self.unpacked += step.written as u64;
        self.budget.spend(step.written)?;
        self.stream.take(room.get(..step.written).unwrap_or_default());
        Ok(match step.then {
            Then::More if self.taken == self.slice.len() && step.written < ROOM_BYTES => Next::Over(Then::More),
            Then::More if step.taken == 0 && step.written == 0 => Next::Over(Then::Broken),
            Then::More => Next::Room,
            then => Next::Over(then),
        })
    }

    fn settle(&mut self, searched: Result<bytes::Bytes, PackedError>, hits: &mut Hits) -> Result<(), PackedError> {
        let found = self.stream.hits();
        if found.places > 0 {
            hits.add(found);
            return Err(PackedError::Secret);
        }
        self.certain += searched?.len() as u64;
        Ok(())
    }

    /// Passes on the slices whose search is complete.
    fn give(&mut self, out: &mut Vec<u8>) {
        while let Some((slice, _)) = self.waiting.pop_front_if(|(_, unpacked)| *unpacked <= self.certain) {
            out.extend_from_slice(&slice);
        }
    }

    fn end(&mut self, known: &[&Scrubber], hits: &mut Hits, out: &mut Vec<u8>) -> Result<(), PackedError> {
        let searched = self.stream.finish(known, &mut []);
        self.settle(searched, hits)?;
        self.waiting.drain(..).for_each(|(slice, _)| out.extend_from_slice(&slice));
        Ok(())
    }
}
