//! Waits many times and prints how long each wait took by its own clock, in microseconds, sorted, so that any percentile can be read.
//! Arguments: what it waits for (`nap`, of a millisecond; or a URL), how often (100), and how much it computes after each wait, in
//! thousands of steps (0).

use std::hint::black_box;

use guests::{arg, drain, get, json, number, say, send};
use wasip2::clocks::monotonic_clock::{now, subscribe_duration};

fn main() {
    let (what, count, steps) = (arg(1), number(2, 100), number(3, 0));
    let mut waits = Vec::new();
    for _ in 0..count {
        let began = now();
        match what.as_str() {
            "nap" => subscribe_duration(1_000_000).block(),
            url => drop(drain(&send(get(url)).expect("it is answered"))),
        }
        waits.push((now() - began) / 1000);
        black_box((0..steps * 1000).fold(0_u64, |sum, step| black_box(sum ^ step)));
    }
    waits.sort_unstable();
    say(json!({ "what": what, "waits_us": waits }));
}
