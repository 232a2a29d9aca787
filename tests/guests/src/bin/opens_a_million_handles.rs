//! Makes handles and never drops one. Arguments: their kind (`fields`), how many (1000000).

use std::mem::{ManuallyDrop, forget};

use guests::{json, mount, number, say};
use wasip2::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use wasip2::http::types::{Fields, OutgoingRequest, RequestOptions};
use wasip2::{cli, sockets};

fn main() {
    let kind = std::env::args().nth(1).unwrap_or("fields".to_owned());
    let count = number(2, 1_000_000);
    let fields = Fields::new();
    let stdin = cli::stdin::get_stdin();
    // A parent must not be dropped before its children, and here no child is ever dropped.
    let stdin = ManuallyDrop::new(stdin);
    for made in 0..count {
        match kind.as_str() {
            "fields" => forget(Fields::new()),
            "clones" => forget(fields.clone()),
            "requests" => forget(OutgoingRequest::new(Fields::new())),
            "options" => forget(RequestOptions::new()),
            "timers" => forget(subscribe_duration(u64::MAX)),
            "ready-timers" => forget(subscribe_instant(0)),
            "pollables" => forget(stdin.subscribe()),
            "stdout" => forget(cli::stdout::get_stdout()),
            "descriptors" => forget(mount()),
            "networks" => forget(sockets::instance_network::instance_network()),
            other => panic!("no kind `{other}`"),
        }
        if made % 100_000 == 0 {
            say(json!({ "kind": kind, "made": made }));
        }
    }
    say(json!({ "kind": kind, "made": count }));
}
