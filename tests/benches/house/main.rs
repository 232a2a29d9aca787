//! The costs of the host. Each row compares it with a named base in one process, by medians of interleaved pairs.
//!
//! `cargo bench -p tests --bench house [-- ROW…]`; `docs/figures.md` has the last table with its machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, and prints its table"
)]

mod agents;
mod audit;
mod broker;
mod density;
mod fair;
mod http;
mod large;
mod lasting;
mod spawn;
mod startup;
mod world;

use std::time::Duration;

/// How many pairs are measured for each row.
pub(crate) const PAIRS: usize = 15;

/// Runs base and candidate in turn, and returns the median of the pairs' ratios, and both medians.
pub(crate) fn pairs(mut base: impl FnMut() -> Duration, mut candidate: impl FnMut() -> Duration) -> (f64, Duration, Duration) {
    let (mut ratios, mut bases, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // The order is A B B A, so that neither always profits from being second.
        let (one, other) = if pair % 2 == 0 {
            let one = base();
            (one, candidate())
        } else {
            let other = candidate();
            (base(), other)
        };
        ratios.push(other.as_secs_f64() / one.as_secs_f64());
        bases.push(one);
        candidates.push(other);
    }
    (median(&mut ratios), median(&mut bases), median(&mut candidates))
}

pub(crate) fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    values[values.len() / 2]
}

/// One line of the table.
pub(crate) fn row(what: &str, figure: &str, bound: &str, with: &str) {
    println!("| {what} | {figure} | {bound} | {with} |");
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|row| row == name);
    println!("| what | measured | at most | how |\n|---|---|---|---|");
    let rows: [(&str, fn()); 18] = [
        ("spawn", spawn::spawn),
        ("call", spawn::call),
        ("http", http::http),
        ("rebuild", http::rebuild),
        ("density", density::density),
        ("crowd", fair::crowd),
        ("names", fair::names),
        ("startup", startup::startup),
        ("stop", startup::stop),
        ("ask", broker::ask),
        ("revoke", broker::revoke),
        ("slow", broker::slow),
        ("audit", audit::audit),
        ("large", large::large),
        ("lasting", lasting::lasting),
        ("scan", agents::scan),
        ("python", agents::python),
        ("watch", agents::watch),
    ];
    for (name, measure) in rows {
        if is_wanted(name) {
            measure();
        }
    }
}
