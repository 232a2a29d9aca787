//! Prints a line, then waits for an answer that may never come. Argument: the URL.

use std::io::Write as _;

use guests::{arg, get, json, say, send, told};

fn main() {
    say(json!({ "waiting": true }));
    let _ = std::io::stdout().flush();
    say(told(send(get(&arg(1)))));
}
