//! GETs each URL in its arguments, one after the other. Prints status, headers, length, digest, and a short body.

use guests::{args_from, get, json, say, send, told};

fn main() {
    for url in args_from(1) {
        let answer = told(send(get(&url)));
        say(json!({ "url": url, "answer": answer }));
    }
}
