//! Tests of packed data in a body. Python wrote the bodies (`gzip`, `zlib`, `zipfile`).

use super::*;
use crate::scrub::PackedError;
use miniz_oxide::deflate::compress_to_vec;

fn rows(file: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    file.lines().map(move |line| line.split_once('\t').map(|(name, hex)| (name, bytes(hex))).unwrap())
}

/// What is passed on of a body, and how it ends.
fn given(known: &Scrubber, body: &[u8], piece: usize) -> (Vec<u8>, Result<(), PackedError>, u64) {
    let (mut stream, mut out) = (Scrubbing::default(), Vec::new());
    let mut step = |given: Result<bytes::Bytes, PackedError>| given.map(|bytes| out.extend(bytes));
    let mut done = body.chunks(piece).try_for_each(|piece| step(stream.push(&[known], piece)));
    if done.is_ok() {
        done = step(stream.finish(&[known], &mut []));
    } else {
        assert!(stream.push(&[known], b"more").is_err() && stream.finish(&[known], &mut []).is_err(), "it does not continue");
    }
    (out, done, stream.hits().places)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", compress_to_vec(text, 6).as_slice(), &[0; 8]].concat()
}

/// The value that Python wrote into these files.
const VALUE: &str = "s3cr/t+\"v&l'<>\\ ~=?ü.";

#[test]
fn each_form_that_python_makes_is_taken_out() {
    let known = scrubber(&[VALUE]);
    let missed: Vec<&str> = rows(include_str!("python.txt")).filter(|(_, text)| !known.finds(text)).map(|(name, _)| name).collect();
    assert!(missed.is_empty(), "{missed:?}");
    for (name, text) in rows(include_str!("python.txt")) {
        let whole = redacted(&known, &text, text.len());
        assert!([1, 13].iter().all(|piece| redacted(&known, &text, *piece) == whole), "{name}");
        assert_eq!(scrubber(&["s3cr/t+\"v&l'<>\\ ~=?ü!"]).find(&text).places, 0, "{name}");
    }
}

#[test]
fn a_body_ends_where_a_value_is_in_something_packed() {
    let known = scrubber(&[VALUE]);
    for (name, body) in rows(include_str!("packed.txt")) {
        for piece in [1, 10, 1000] {
            let (out, done, hits) = given(&known, &body, piece);
            assert_eq!(done, Err(PackedError::Secret), "{name} in pieces of {piece}");
            assert!(hits > 0 && !known.finds(&out) && out.len() < body.len(), "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn a_packed_body_without_a_value_passes_unharmed() {
    let known = scrubber(&[VALUE]);
    for (name, body) in rows(include_str!("clean.txt")) {
        for piece in [1, 10, 100_000] {
            assert_eq!(given(&known, &body, piece), (body.clone(), Ok(()), 0), "{name} in pieces of {piece}");
        }
    }
    // Nothing is held back forever while data arrives.
    let all: Vec<u8> = (0..=255).collect();
    let body = gzip(&noise(400_000, &all));
    let mut stream = Scrubbing::default();
    let early: usize = body.chunks(5_000).map(|piece| stream.push(&[&known], piece).unwrap().len()).sum();
    assert!(early > body.len() - 50_000, "{early} of {}", body.len());
}

#[test]
fn a_bomb_ends_the_body() {
    let known = scrubber(&[VALUE]);
    let bomb = gzip(&vec![0; 64 << 20]);
    assert_eq!(given(&known, &bomb, 5_000).1, Err(PackedError::TooMuch));
    let twice = gzip(&bomb);
    assert_eq!(given(&known, &twice, 5_000).1, Err(PackedError::TooMuch));
    let small = gzip(&vec![0; 3 << 20]);
    assert_eq!(given(&known, &small, 5_000), (small, Ok(()), 0));
}

#[test]
fn bombs_one_after_the_other_and_within_each_other_end_the_body() {
    let known = scrubber(&[VALUE]);
    // Each part alone unpacks to less than the free amount.
    let part = gzip(&vec![0; 1 << 20]);
    let few = part.repeat(3);
    assert_eq!(given(&known, &few, 5_000), (few, Ok(()), 0), "the control");
    assert_eq!(given(&known, &part.repeat(64), 5_000).1, Err(PackedError::TooMuch));
    let within = gzip(&part.repeat(256)).repeat(8);
    assert_eq!(given(&known, &gzip(&within), 5_000).1, Err(PackedError::TooMuch));
}

#[test]
fn a_body_of_headers_without_an_end_ends() {
    // The names in these headers have no NUL, so each is searched for one over a long way.
    let known = scrubber(&[VALUE]);
    let endless = |headers: usize| [b"\x1f\x8b\x08\x08\x01\x01\x01\x01\x02\x03".repeat(headers), vec![b'x'; 256 << 10]].concat();
    assert_eq!(given(&known, &endless(100), 64 << 10).1, Err(PackedError::Broken));
    let few = endless(10);
    assert_eq!(given(&known, &few, 64 << 10), (few, Ok(()), 0), "the control");
}

#[test]
fn a_body_of_nothing_but_false_starts_ends() {
    let known = scrubber(&[VALUE]);
    let start = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice(), &[7; 6]].concat();
    assert_eq!(given(&known, &start.repeat(1000), 999).1, Err(PackedError::Broken));
    let few = start.repeat(20);
    assert_eq!(given(&known, &few, 999), (few, Ok(()), 0));
}

/// How many calls it takes to search a body that arrived as one piece.
fn calls(known: &Scrubber, body: &[u8]) -> (usize, Result<bytes::Bytes, PackedError>) {
    let (mut stream, mut calls) = (Scrubbing::default(), 0);
    stream.take(body);
    loop {
        calls += 1;
        if let Some(done) = stream.go_on(&[known]).transpose() {
            return (calls, done);
        }
    }
}

#[test]
fn a_call_unpacks_a_bounded_part_of_what_came_in_one_piece() {
    let known = scrubber(&[VALUE]);
    let zeros = vec![0; 3 << 20];
    let rooms = zeros.len() / (32 << 10);
    for body in [gzip(&zeros), gzip(&gzip(&zeros)), gzip(&zeros[..1 << 20]).repeat(3)] {
        let (count, done) = calls(&known, &body);
        assert!(count > rooms && done.is_ok(), "{count} calls, {done:?}");
    }
    assert_eq!(calls(&known, &zeros).0, 1, "unpacked data is searched at once");
    // A value is found by the call that reaches it.
    let hidden = gzip(&[&zeros[..1 << 20], VALUE.as_bytes(), &zeros[..1 << 20]].concat());
    let (count, done) = calls(&known, &hidden);
    assert!(count > rooms / 4 && done == Err(PackedError::Secret), "{count} calls, {done:?}");
    // Each call processes one part that only looks packed.
    assert!(calls(&known, &b"PK\x03\x04".repeat(1000)).0 > 900);
}
