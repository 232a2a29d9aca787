//! Grows its memory until the host refuses, and prints how far it came. With the argument `touch` it writes to each page.

use core::arch::wasm32::{memory_grow, memory_size};

use guests::{json, say};

const PAGE_BYTES: usize = 65536;
const STEP: usize = 16;

fn main() {
    let touch = std::env::args().nth(1).as_deref() == Some("touch");
    let begin = memory_size::<0>();
    loop {
        let at = memory_grow::<0>(STEP);
        if at == usize::MAX {
            break;
        }
        for page in (at..at + STEP).filter(|_| touch) {
            // SAFETY: the page has just been added and belongs to nobody.
            unsafe { ((page * PAGE_BYTES) as *mut u8).write_volatile(1) };
        }
    }
    say(json!({ "begin": begin, "end": memory_size::<0>(), "huge": memory_grow::<0>(65535) == usize::MAX }));
}
