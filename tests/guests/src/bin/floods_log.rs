//! Writes to standard error. Arguments: the number of lines (1000000), and the bytes of each (64).
//! A line longer than 1 MiB is written in pieces of 1 MiB, without a line end between them.

use std::io::Write as _;

use guests::{json, number, say};

const PIECE_BYTES: usize = 1024 * 1024;

fn main() {
    let (lines, bytes) = (number(1, 1_000_000), number(2, 64) as usize);
    let piece = vec![b'x'; bytes.min(PIECE_BYTES)];
    let mut err = std::io::stderr();
    for line in 0..lines {
        let mut left = bytes;
        while left > 0 {
            let now = left.min(piece.len());
            if let Err(why) = err.write_all(&piece[..now]) {
                return say(json!({ "stopped_at_line": line, "why": why.to_string() }));
            }
            left -= now;
        }
        let _ = err.write_all(b"\n");
    }
    say(json!({ "lines": lines }));
}
