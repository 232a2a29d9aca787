//! Prints a gibibyte to standard output. Argument: how many MiB (1024). Prints to standard error where it was stopped.

use std::io::Write as _;

use guests::number;

fn main() {
    let piece = vec![b'y'; 1024 * 1024];
    let mut out = std::io::stdout();
    for written in 0..number(1, 1024) {
        if let Err(why) = out.write_all(&piece) {
            eprintln!("stopped after {written} MiB: {why}");
            return;
        }
    }
    eprintln!("all written");
}
