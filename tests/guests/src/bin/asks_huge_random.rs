//! Asks for more random bytes than there is room for. Arguments: how many, and `insecure` for the other interface.

use guests::{json, number, say};
use wasip2::random::{insecure, random};

fn main() {
    let count = number(1, u64::MAX);
    let bytes = match std::env::args().nth(2).as_deref() {
        Some("insecure") => insecure::get_insecure_random_bytes(count),
        _ => random::get_random_bytes(count),
    };
    say(json!({ "asked": count, "came": bytes.len() }));
}
