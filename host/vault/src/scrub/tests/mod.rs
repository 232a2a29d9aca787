//! Tests of what the scrubber finds and what it leaves unchanged.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod chains;
mod encoders;
mod fields;
mod packed;
mod sets;
mod streams;

use super::{Scrubber, Scrubbing};
use crate::secret::Secret;

fn secret(value: &str) -> Secret {
    Secret::new(value.as_bytes().to_vec()).unwrap()
}

fn scrubber(values: &[&str]) -> Scrubber {
    Scrubber::new(&values.iter().map(|value| secret(value)).collect::<Vec<_>>()).unwrap()
}

/// Scrubs a text in pieces of `piece` bytes. Returns what is passed on, and how many values were in it.
fn redacted(known: &Scrubber, text: &[u8], piece: usize) -> (Vec<u8>, u64) {
    let mut stream = Scrubbing::default();
    let mut out: Vec<u8> = text.chunks(piece.max(1)).flat_map(|piece| stream.push(&[known], piece).unwrap()).collect();
    out.extend(stream.finish(&[known], &mut []).unwrap());
    (out, stream.hits().places)
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Bytes that look random, but are always the same.
fn noise(bytes: usize, alphabet: &[u8]) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    (0..bytes).map(|_| alphabet[next() % alphabet.len()]).collect()
}
