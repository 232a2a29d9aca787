//! Does things that are recorded but are not asks, without end or as often as the second argument says: `looks` at names that do not exist,
//! `naps` of a nanosecond, or `changes` that are refused.

use guests::{arg, json, mount, number, say};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::types::PathFlags;

fn main() {
    let what = arg(1);
    let often = number(2, u64::MAX);
    for count in 0..often {
        match what.as_str() {
            "looks" => drop(mount().stat_at(PathFlags::empty(), &format!("{count:0>900}"))),
            "naps" => subscribe_duration(1).block(),
            "changes" => drop(mount().create_directory_at(&format!("{count:0>900}"))),
            other => panic!("no way `{other}`"),
        }
    }
    say(json!({ "what": what, "done": true }));
}
