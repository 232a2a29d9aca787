//! Reads standard input to its end and prints its length and its beginning.

use std::io::Read as _;

use guests::{json, say, sha256};

fn main() {
    let mut bytes = Vec::new();
    match std::io::stdin().read_to_end(&mut bytes) {
        Ok(_) => {
            let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            say(json!({ "bytes": bytes.len(), "sha256": sha256(&bytes), "begin": begin }));
        }
        Err(err) => say(json!({ "err": err.to_string() })),
    }
}
