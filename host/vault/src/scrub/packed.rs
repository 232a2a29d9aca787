//! Searches what is packed in a body (gzip, zlib, entries of a zip archive), whatever the header fields say. It is unpacked as it arrives.
//! Packed bytes are passed on once their unpacked content was searched.
//!
//! Stars can't be written into packed bytes, so a body ends where a value is found in them. Other kinds of packing (zstd, brotli, xz,
//! bzip2) are not unpacked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::inflate::{Container, Head, Inflater, MAGIC_BYTES, Then};
use super::marks::Hits;
use super::{Scrubber, Scrubbing};

/// BOUND: packed bodies within packed bodies that are unpacked.
const NESTING_MAX: u8 = 3;
/// BOUND: bytes that every body may unpack to, whatever its size.
const UNPACKED_BYTES_FREE: u64 = 4 << 20;
/// BOUND: further bytes that a body may unpack to, for each of its own bytes. Deflate could reach 1,032.
const UNPACKED_TIMES_MAX: u64 = 100;
/// Packed bytes that are unpacked at a time, and passed on at a time.
const SLICE_BYTES: usize = 4 << 10;
const ROOM_BYTES: usize = 32 << 10;

/// BOUND: headers in one body that are not followed by packed data. Each costs room to unpack, and they do not occur by chance.
const BROKEN_MAX: u32 = 64;

/// Why a body ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// Stars can't be put there.
    #[error("what is packed in the body holds a secret")]
    Secret,
    /// A bomb, or more zeros than anybody sends.
    #[error("the body unpacks to more than {UNPACKED_TIMES_MAX} times what it has")]
    TooMuch,
    /// Somebody tries to hide something behind data that only looks packed.
    #[error("more than {BROKEN_MAX} parts of the body begin as something packed and are not")]
    Broken,
}

/// How much one body may unpack to. This counts all parts together: parts one after the other, and parts within parts.
#[derive(Default)]
struct Budget {
    /// Bytes of the body that have come.
    came: AtomicU64,
    /// Bytes that were unpacked, in every layer.
    unpacked: AtomicU64,
}

impl Budget {
    fn spend(&self, bytes: usize) -> Result<(), PackedError> {
        let unpacked = self.unpacked.fetch_add(bytes as u64, Ordering::Relaxed).saturating_add(bytes as u64);
        let most = self.came.load(Ordering::Relaxed).saturating_mul(UNPACKED_TIMES_MAX).saturating_add(UNPACKED_BYTES_FREE);
        if unpacked > most { Err(PackedError::TooMuch) } else { Ok(()) }
    }
}

/// See the module.
pub(super) struct Packed {
    nesting: u8,
    budget: Arc<Budget>,
    state: State,
    broken: u32,
    /// Why this body has ended. Nothing of it is passed on after that.
    ended: Option<PackedError>,
    pub(super) hits: Hits,
}

enum State {
    /// Nothing packed so far. The last bytes may be the first ones of something packed, so a fixed number of them is held back.
    Plain {
        last: Vec<u8>,
        is_begin: bool,
    },
    /// Something packed whose header has not arrived completely.
    Head {
        container: Container,
        bytes: Vec<u8>,
    },
    Inside(Box<Inside>),
}

/// The state in which nothing was met.
const NOTHING: State = State::Plain { last: Vec::new(), is_begin: false };

impl Default for Packed {
    fn default() -> Self {
        let state = State::Plain { last: Vec::new(), is_begin: true };
        Self { nesting: 0, budget: Arc::default(), state, broken: 0, ended: None, hits: Hits::default() }
    }
}

impl Packed {
    /// Takes a piece in, and passes on what may be searched as it is.
    pub(super) fn push(&mut self, known: &[&Scrubber], piece: &[u8]) -> Result<Vec<u8>, PackedError> {
        if self.nesting == 0 {
            self.budget.came.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        let mut out = Vec::with_capacity(piece.len() + MAGIC_BYTES);
        self.guarded(|packed| packed.pass(known, piece.to_vec(), &mut out))?;
        Ok(out)
    }

    /// What is left at the end of the body.
    pub(super) fn finish(&mut self, known: &[&Scrubber]) -> Result<Vec<u8>, PackedError> {
        let mut out = Vec::new();
        self.guarded(|packed| match std::mem::replace(&mut packed.state, NOTHING) {
            State::Plain { last: bytes, .. } | State::Head { bytes, .. } => {
                out = bytes;
                Ok(())
            }
            State::Inside(mut inside) => inside.end(known, &mut packed.hits, &mut out),
        })?;
        Ok(out)
    }

    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<(), PackedError>) -> Result<(), PackedError> {
        let done = self.ended.map_or_else(|| step(self), Err);
        self.ended = done.err();
        done
    }

    fn pass(&mut self, known: &[&Scrubber], mut rest: Vec<u8>, out: &mut Vec<u8>) -> Result<(), PackedError> {
        if self.nesting >= NESTING_MAX {
            out.append(&mut rest);
        }
        while !rest.is_empty() {
            let (state, more) = match std::mem::replace(&mut self.state, NOTHING) {
                State::Plain { mut last, is_begin } => {
                    last.append(&mut rest);
                    plain(&last, is_begin, out)
                }
                State::Head { container, mut bytes } => {
                    bytes.append(&mut rest);
                    self.head(container, bytes, out)
                }
                State::Inside(inside) => self.inside(known, inside, &rest, out)?,
            };
            (self.state, rest) = (state, more);
        }
        Ok(())
    }

    fn head(&self, container: Container, bytes: Vec<u8>, out: &mut Vec<u8>) -> (State, Vec<u8>) {
        match container.head(&bytes) {
            Head::Partial => (State::Head { container, bytes }, Vec::new()),
            Head::Whole(length) => {
                let (head, rest) = bytes.split_at(length.min(bytes.len()));
                out.extend_from_slice(head);
                (State::Inside(Box::new(Inside::new(container, self.nesting + 1, &self.budget))), rest.to_vec())
            }
            // It only looked like a header: go on with the next byte.
            Head::None => {
                out.extend(bytes.first());
                (NOTHING, bytes.get(1..).unwrap_or_default().to_vec())
            }
        }
    }

    fn inside(
        &mut self,
        known: &[&Scrubber],
        mut inside: Box<Inside>,
        piece: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(State, Vec<u8>), PackedError> {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, then) = inside.take(known, rest.get(..SLICE_BYTES).unwrap_or(rest), &mut self.hits)?;
            rest = rest.get(taken..).unwrap_or_default();
            inside.give(out);
            match then {
                Then::More => {}
                Then::End => {
                    inside.end(known, &mut self.hits, out)?;
                    return Ok((NOTHING, rest.to_vec()));
                }
                Then::Broken => {
                    self.broken += 1;
                    if self.broken > BROKEN_MAX {
                        return Err(PackedError::Broken);
                    }
                    // SECURITY: data that was wrongly taken for packed may hide something that is really packed. So it is looked at again.
                    let again = inside.waiting.drain(..).flat_map(|(slice, _)| slice);
                    let again = again.chain(rest.iter().copied()).collect();
                    inside.end(known, &mut self.hits, out)?;
                    return Ok((NOTHING, again));
                }
            }
        }
        Ok((State::Inside(inside), Vec::new()))
    }
}

fn plain(bytes: &[u8], is_begin: bool, out: &mut Vec<u8>) -> (State, Vec<u8>) {
    let found = if is_begin && Container::is_zlib(bytes) { Some((0, Container::Zlib)) } else { Container::find(bytes) };
    if let Some((at, container)) = found {
        let (before, from) = bytes.split_at(at);
        out.extend_from_slice(before);
        return (State::Head { container, bytes: Vec::new() }, from.to_vec());
    }
    let (before, last) = bytes.split_at(bytes.len().saturating_sub(MAGIC_BYTES - 1));
    out.extend_from_slice(before);
    (State::Plain { last: last.to_vec(), is_begin: is_begin && before.is_empty() }, Vec::new())
}

/// Something packed while it is unpacked.
struct Inside {
    inflater: Inflater,
    /// Looks through what comes out.
    stream: Scrubbing,
    budget: Arc<Budget>,
    /// Packed bytes that are not passed on yet. Each slice has the number of bytes that were unpacked by its end.
    waiting: VecDeque<(Vec<u8>, u64)>,
    unpacked: u64,
    /// Unpacked bytes whose search is complete.
    certain: u64,
}

impl Inside {
    fn new(container: Container, nesting: u8, budget: &Arc<Budget>) -> Self {
        let stream = Scrubbing::within(Packed { nesting, budget: Arc::clone(budget), ..Packed::default() });
        Self { inflater: container.inflater(), stream, budget: Arc::clone(budget), waiting: VecDeque::new(), unpacked: 0, certain: 0 }
    }

    /// Unpacks a slice: how many bytes of it were taken, and what comes then.
    fn take(&mut self, known: &[&Scrubber], slice: &[u8], hits: &mut Hits) -> Result<(usize, Then), PackedError> {
        let (mut taken, mut room) = (0, vec![0; ROOM_BYTES]);
        let then = loop {
            let step = self.inflater.step(slice.get(taken..).unwrap_or_default(), &mut room);
            taken += step.taken;
            self.unpacked += step.written as u64;
            self.budget.spend(step.written)?;
            let looked = self.stream.push(known, room.get(..step.written).unwrap_or_default());
            self.settle(looked, hits)?;
            match step.then {
                Then::More if taken == slice.len() && step.written < ROOM_BYTES => break Then::More,
                Then::More if step.taken == 0 && step.written == 0 => break Then::Broken,
                Then::More => {}
                then => break then,
            }
        };
        self.waiting.push_back((slice.get(..taken).unwrap_or_default().to_vec(), self.unpacked));
        Ok((taken, then))
    }

    fn settle(&mut self, looked: Result<bytes::Bytes, PackedError>, hits: &mut Hits) -> Result<(), PackedError> {
        let found = self.stream.hits();
        if found.places > 0 {
            hits.add(found);
            return Err(PackedError::Secret);
        }
        self.certain += looked?.len() as u64;
        Ok(())
    }

    /// Passes on what is certain.
    fn give(&mut self, out: &mut Vec<u8>) {
        while let Some((slice, _)) = self.waiting.pop_front_if(|(_, unpacked)| *unpacked <= self.certain) {
            out.extend_from_slice(&slice);
        }
    }

    fn end(&mut self, known: &[&Scrubber], hits: &mut Hits, out: &mut Vec<u8>) -> Result<(), PackedError> {
        let looked = self.stream.finish(known, &mut []);
        self.settle(looked, hits)?;
        self.waiting.drain(..).for_each(|(slice, _)| out.extend_from_slice(&slice));
        Ok(())
    }
}
