//! Recurses until the stack is used up: the engine's, or with the argument `memory` the one in linear memory.

use std::hint::black_box;

/// The compiler can't turn rotation after multiplication into a loop, and no value here is in linear memory.
#[inline(never)]
fn deeper(depth: u64, end: u64) -> u64 {
    if depth == end { 1 } else { deeper(depth + 1, end).wrapping_mul(depth | 3).rotate_left(7) }
}

#[inline(never)]
fn deeper_in_memory(depth: u64, end: u64) -> u64 {
    let room = black_box([depth; 64]);
    if depth == end { 1 } else { deeper_in_memory(depth + 1, end).wrapping_mul(room[7]) ^ black_box(&room)[9] }
}

fn main() {
    let end = black_box(u64::MAX);
    let result = match std::env::args().nth(1).as_deref() {
        Some("memory") => deeper_in_memory(0, end),
        _ => deeper(0, end),
    };
    println!("{result}");
}
