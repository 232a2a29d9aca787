//! Fills and copies 32 MiB with one instruction each, without end: few back-edges, and much work between them.

use std::hint::black_box;

const BYTES: usize = 32 * 1024 * 1024;

fn main() {
    let mut from = vec![1_u8; BYTES];
    let mut to = vec![2_u8; BYTES];
    loop {
        black_box(&mut from).fill(3);
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
}
