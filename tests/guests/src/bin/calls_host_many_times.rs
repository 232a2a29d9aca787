//! Calls a cheap function of the host again and again. Arguments: how often (100000000), which (`resolution`).

use guests::{json, number, say};
use wasip2::cli::{environment, stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::types::Fields;
use wasip2::io::poll::poll;

fn main() {
    let count = number(1, 100_000_000);
    let which = std::env::args().nth(2).unwrap_or("resolution".to_owned());
    let out = stdout::get_stdout();
    let always = monotonic_clock::subscribe_instant(0);
    for _ in 0..count {
        match which.as_str() {
            "resolution" => drop(monotonic_clock::resolution()),
            "wall" => drop(wall_clock::now()),
            "fields" => drop(Fields::new()),
            "check-write" => drop(out.check_write()),
            "environment" => drop(environment::get_environment()),
            "poll" => drop(poll(&[&always])),
            "ready" => drop(always.ready()),
            other => panic!("no function `{other}`"),
        }
    }
    say(json!({ "calls": count, "which": which }));
}
