//! Sends requests and ends without waiting for an answer. Arguments: the URLs; a first argument `traps` ends it by a trap.

use guests::{args_from, get, json, outcome, say};
use wasip2::http::outgoing_handler::handle;

fn main() {
    let mut urls = args_from(1);
    let traps = urls.first().is_some_and(|first| first == "traps");
    let asked: Vec<_> = urls.drain(usize::from(traps)..).map(|url| handle(get(&url), None)).collect();
    for asked in &asked {
        say(json!({ "asked": outcome(asked.as_ref().map(|_| ())) }));
    }
    if traps {
        core::arch::wasm32::unreachable();
    }
}
