//! Reads the clock until it has advanced. Argument: by how many milliseconds (50).

use guests::{json, number, say};
use wasip2::clocks::monotonic_clock;

fn main() {
    let wait = number(1, 50).saturating_mul(1_000_000);
    let begin = monotonic_clock::now();
    let (mut reads, mut equal, mut back, mut before) = (0_u64, 0_u64, 0_u64, begin);
    loop {
        let now = monotonic_clock::now();
        reads += 1;
        equal += u64::from(now == before);
        back += u64::from(now < before);
        before = now;
        if now.saturating_sub(begin) >= wait {
            break;
        }
    }
    say(json!({ "reads": reads, "equal": equal, "back": back }));
}
