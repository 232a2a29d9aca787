//! Searches a body in pieces of 64 KiB for 20 secrets, and compares that with copying the same pieces. The bodies are text, bodies that are
//! encoded throughout, and the worst body that a server could send: many values one after the other, each without its last letters. The
//! benchmark also searches the same text with 5,000 values that were made for single requests. It measures the time to add and remove one
//! value, and the memory of the values.
//!
//! `cargo bench -p vault --bench scrub [-- PART OF A NAME]`
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, run by hand")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vault::{Scrubber, Scrubbing, Secret};

const BYTES: usize = 32 << 20;
const PIECE: usize = 64 << 10;
const ROUNDS: usize = 5;
const MADE: usize = 5_000;

fn secret(value: &str) -> Secret {
    Secret::new(value.as_bytes().to_vec()).unwrap()
}

fn main() {
    let values: Vec<String> = (0..20).map(|n| format!("tok_{n:02}/Zm9v+YmFyYmF6cXV4cXV1eA{n:02}=secret")).collect();
    let before = memory_kib();
    let began = Instant::now();
    let scrubber = Scrubber::new(&values.iter().map(|value| secret(value)).collect::<Vec<_>>()).unwrap();
    println!("20 values in {:.2} ms, {} KiB: {scrubber:?}", began.elapsed().as_secs_f64() * 1e3, memory_kib() - before);
    let text = b"{\"id\": 4711, \"name\": \"inventory\", \"labels\": [\"a\", \"b\"], \"text\": \"The quick brown fox jumps over the lazy dog.\"},\n";
    let page = b"<td class=\"n\">R&amp;D: it&#39;s \\u0041\\n; <a href=\"/a?b=%2Fc%20d\">caf\xc3\xa9</a></td>\r\n";
    let almost: Vec<u8> = values.iter().flat_map(|value| value.bytes().take(value.len() - 2)).collect();
    let random: Vec<u8> =
        (0..1 << 20_u64).map(|at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(at | 1) >> 56) as u8).collect();
    let lines: Vec<u8> = STANDARD.encode(&random).into_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
    let percent: Vec<u8> = random.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect();
    let bodies: [(&str, &[u8]); 6] = [
        ("JSON text", text),
        ("HTML with escapes", page),
        ("base 64 in lines", &lines),
        ("percent throughout", &percent),
        ("random bytes", &random),
        ("almost the secrets", &almost),
    ];
    let only = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    for (name, pattern) in bodies.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only.as_str()))) {
        measure(name, &scrubber, pattern);
    }
    if only.is_some() {
        return;
    }
    let made = |n: usize| secret(&format!("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.{}", STANDARD.encode(format!("{:040}", n * 7_919))));
    let (before, began) = (memory_kib(), Instant::now());
    (0..MADE).for_each(|n| scrubber.insert(&made(n), 1).unwrap());
    println!(
        "{MADE} made values: {:.1} µs to put one in, {} KiB",
        began.elapsed().as_secs_f64() * 1e6 / MADE as f64,
        memory_kib() - before
    );
    measure("JSON text, 20 and 5,000 made values", &scrubber, text);
    let began = Instant::now();
    (0..MADE).for_each(|n| scrubber.remove(&made(n), 1));
    println!("{:.1} µs to take one out", began.elapsed().as_secs_f64() * 1e6 / MADE as f64);
}

fn measure(name: &str, scrubber: &Scrubber, pattern: &[u8]) {
    let body: Vec<u8> = pattern.iter().copied().cycle().take(BYTES).collect();
    let scrubbed = median(|| {
        let mut scrubbing = Scrubbing::default();
        for piece in body.chunks(PIECE) {
            black_box(scrubbing.push(&[scrubber], piece).unwrap());
        }
        black_box(scrubbing.finish(&[scrubber], &mut []).unwrap());
        assert_eq!(scrubbing.hits().places, 0);
    });
    let copied = median(|| body.chunks(PIECE).for_each(|piece| drop(black_box(bytes::Bytes::copy_from_slice(piece)))));
    let rate = BYTES as f64 / 1e6 / scrubbed.as_secs_f64();
    println!("{name}: {rate:.0} MB/s, {:.1}× of copying", scrubbed.as_secs_f64() / copied.as_secs_f64());
}

/// Resident memory of this process.
fn memory_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
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
