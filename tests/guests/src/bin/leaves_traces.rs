//! Prints what it finds in places where nothing has been written yet, then writes there: statics, new memory, the stack, handles.

use core::arch::wasm32::memory_grow;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use guests::{json, say};
use wasip2::http::types::Fields;

const PAGE_BYTES: usize = 65536;
/// 4 MiB.
const NEW_PAGES: usize = 64;
/// How far below itself `main` looks on the stack: further than any earlier call has reached, but not to the stack's end.
const STACK_FROM_BYTES: usize = 512 * 1024;
const STACK_TO_BYTES: usize = 64 * 1024;
const TRACE: u64 = 0xA5A5_A5A5_A5A5_A5A5;

static ZERO: AtomicU32 = AtomicU32::new(0);
static SEVEN: AtomicU32 = AtomicU32::new(7);

/// Counts the words between two addresses that are not zero, and writes a trace to each word.
fn words_found(from: usize, to: usize) -> usize {
    let mut found = 0;
    for at in (from..to).step_by(size_of::<u64>()) {
        let word = at as *mut u64;
        // SAFETY: the caller passes memory that exists and that this program does not use.
        unsafe {
            found += usize::from(word.read_volatile() != 0);
            word.write_volatile(TRACE);
        }
    }
    found
}

fn main() {
    let statics = [black_box(&ZERO), black_box(&SEVEN)].map(|value| value.swap(0xA5A5_A5A5, Ordering::Relaxed));
    let here = 0_u64;
    let here = (black_box(&raw const here) as usize).next_multiple_of(size_of::<u64>());
    let stack = words_found(here - STACK_FROM_BYTES, here - STACK_TO_BYTES);
    let page = memory_grow::<0>(NEW_PAGES);
    assert_ne!(page, usize::MAX, "there is room for it");
    let (from, to) = (page * PAGE_BYTES, (page + NEW_PAGES) * PAGE_BYTES);
    let memory = words_found(from, to);
    let left = words_found(from, to);
    // Never dropped: its table either ends with the run, or the next run finds it.
    let fields = Fields::new();
    let handle = fields.handle();
    std::mem::forget(fields);
    say(json!({ "statics": statics, "stack": stack, "memory": memory, "left": left, "handle": handle }));
}
