//! Asks for more random bytes than fit into memory. Arguments: how many, `insecure` for the other interface, and how often (1).

use guests::{json, number, say};
use wasip2::random::{insecure, random};

fn main() {
    let count = number(1, u64::MAX);
    let insecure = std::env::args().nth(2).as_deref() == Some("insecure");
    for _ in 0..number(3, 1) {
        let bytes = if insecure { insecure::get_insecure_random_bytes(count) } else { random::get_random_bytes(count) };
        say(json!({ "asked": count, "came": bytes.len() }));
    }
}
