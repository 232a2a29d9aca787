//! Sleeps for each of its arguments, in milliseconds. Prints what its clocks show, and leaves a line open while it sleeps.

use std::time::{Duration, Instant, SystemTime};

fn main() {
    for ms in std::env::args().skip(1).filter_map(|arg| arg.parse().ok()) {
        let (steady, wall) = (Instant::now(), SystemTime::now());
        print!("sleeps for {ms} ms");
        std::thread::sleep(Duration::from_millis(ms));
        let (steady, wall) = (steady.elapsed(), wall.elapsed().unwrap_or_default());
        let slept = |by: Duration| by >= Duration::from_millis(ms);
        println!(", and {} {}", slept(steady), slept(wall));
    }
    println!("awake");
}
