//! Waits without end. Argument: with `poll` (the default), `block`, `many` timers, or `sleep`, or on `stdin`.

use wasip2::cli::stdin::get_stdin;
use wasip2::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use wasip2::io::poll::poll;

fn main() {
    let way = std::env::args().nth(1).unwrap_or("poll".to_owned());
    println!("waiting by {way}");
    match way.as_str() {
        "poll" => drop(poll(&[&subscribe_duration(u64::MAX)])),
        "block" => subscribe_instant(u64::MAX).block(),
        "many" => {
            let timers: Vec<_> = (0..1000).map(|index| subscribe_duration(1 << (62 - index % 2))).collect();
            drop(poll(&timers.iter().collect::<Vec<_>>()));
        }
        "sleep" => std::thread::sleep(std::time::Duration::MAX),
        "stdin" => get_stdin().subscribe().block(),
        other => panic!("no way `{other}`"),
    }
    println!("time has ended");
}
