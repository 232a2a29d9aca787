//! Reads one file as it comes, without keeping it. Arguments: the path, the most bytes it reads (all of them), a URL that it asks for
//! after the first piece.

use std::io::Read as _;

use guests::{arg, get, json, number, say, send, told};

fn main() {
    let mut file = match std::fs::File::open(arg(1)) {
        Ok(file) => file,
        Err(err) => return say(json!({ "err": err.to_string() })),
    };
    let mut url = std::env::args().nth(3);
    let (mut buffer, mut total, mut first) = (vec![0; 1024 * 1024], 0, None);
    while total < number(2, u64::MAX) {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => total += read as u64,
            Err(err) => return say(json!({ "bytes": total, "first": first, "err": err.to_string() })),
        }
        first.get_or_insert(total);
        if let Some(url) = url.take() {
            told(send(get(&url)));
        }
    }
    say(json!({ "bytes": total, "first": first }));
}
