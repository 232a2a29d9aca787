//! Reads one file as it comes, without keeping it. Arguments: the path, the most bytes it reads (all of them).

use std::io::Read as _;

use guests::{arg, json, number, say};

fn main() {
    let mut file = match std::fs::File::open(arg(1)) {
        Ok(file) => file,
        Err(err) => return say(json!({ "err": err.to_string() })),
    };
    let (mut buffer, mut total) = (vec![0; 1024 * 1024], 0);
    while total < number(2, u64::MAX) {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => total += read as u64,
            Err(err) => return say(json!({ "bytes": total, "err": err.to_string() })),
        }
    }
    say(json!({ "bytes": total }));
}
