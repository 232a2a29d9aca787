//! A body in pieces of 64 KiB, looked through for 20 secrets, against copying the same pieces: text, and the worst that a server could
//! send, which is one form after the other but for its last letters.
//!
//! `cargo bench -p vault --bench scrub`
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, run by hand")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use vault::{Scrubber, Scrubbing, Secret};

const BYTES: usize = 64 << 20;
const PIECE: usize = 64 << 10;
const ROUNDS: usize = 7;

fn main() {
    let values: Vec<String> = (0..20).map(|n| format!("tok_{n:02}/Zm9v+YmFyYmF6cXV4cXV1eA{n:02}=secret")).collect();
    let secrets: Vec<Secret> = values.iter().map(|value| Secret::new(value.clone().into_bytes()).unwrap()).collect();
    let began = Instant::now();
    let scrubber = Scrubber::new(&secrets).unwrap();
    println!("built in {:.1} ms: {scrubber:?}", began.elapsed().as_secs_f64() * 1e3);
    let text = b"{\"id\": 4711, \"name\": \"inventory\", \"labels\": [\"a\", \"b\"], \"text\": \"The quick brown fox jumps over the lazy dog.\"},\n";
    let almost: Vec<u8> = values.iter().flat_map(|value| value.bytes().take(value.len() - 2)).collect();
    for (name, pattern) in [("text", text.as_slice()), ("almost the secrets", &almost)] {
        let body: Vec<u8> = pattern.iter().copied().cycle().take(BYTES).collect();
        let scrubbed = median(|| {
            let mut scrubbing = Scrubbing::default();
            for piece in body.chunks(PIECE) {
                black_box(scrubbing.push(&scrubber, piece));
            }
            black_box(scrubbing.finish());
            assert_eq!(scrubbing.hits(), 0);
        });
        let copied = median(|| body.chunks(PIECE).for_each(|piece| drop(black_box(bytes::Bytes::copy_from_slice(piece)))));
        let rate = BYTES as f64 / 1e6 / scrubbed.as_secs_f64();
        println!("{name}: {rate:.0} MB/s, {:.1}× of copying", scrubbed.as_secs_f64() / copied.as_secs_f64());
    }
}

fn median(mut what: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            what();
            began.elapsed()
        })
        .collect();
    taken.sort();
    taken.swap_remove(ROUNDS / 2)
}
