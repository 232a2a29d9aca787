//! Prints everything that differs between two runs of an ordinary program: random numbers, clocks, the order of a hash map.
//! With a URL as its argument, it asks for that URL with all of these values in the path.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use guests::{args_from, get, json, say, send, told};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure, insecure_seed, random};

fn main() {
    let map: HashMap<u32, ()> = (0..16).map(|key| (key, ())).collect();
    let order: Vec<_> = map.keys().copied().collect();
    let start = Instant::now();
    let ticks: Vec<_> = (0..4).map(|_| monotonic_clock::now()).collect();
    let wall = wall_clock::now();
    let line = json!({
        "random": random::get_random_u64(),
        "bytes": random::get_random_bytes(8),
        "insecure": insecure::get_insecure_random_u64(),
        "insecure_bytes": insecure::get_insecure_random_bytes(8),
        "seed": insecure_seed::insecure_seed(),
        "order": order,
        "ticks": ticks,
        "resolution": monotonic_clock::resolution(),
        "wall": [wall.seconds, u64::from(wall.nanoseconds)],
        "system": SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos().to_string(),
        "elapsed": start.elapsed().as_nanos().to_string(),
    });
    say(line.clone());
    for base in args_from(1) {
        let path: String = line.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        say(told(send(get(&format!("{base}/{path}")))));
    }
}
