//! Prints a line and panics with its argument as the message.

use guests::{json, say};

fn main() {
    say(json!({ "before": true }));
    panic!("{}", std::env::args().nth(1).unwrap_or("a message".to_owned()));
}
