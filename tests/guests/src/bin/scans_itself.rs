//! GETs the first URL, then looks for a value in all of its memory. Arguments: the URL, and the value in hexadecimal with all bits of each
//! byte inverted, so that the argument itself is not found.

use core::arch::wasm32::memory_size;

use guests::{arg, get, json, say, send, told};

const PAGE_BYTES: usize = 65536;

fn main() {
    let turned: Vec<u8> = arg(2).as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let answer = told(send(get(&arg(1))));
    let (mut found, mut seen) = (0_u32, 0_usize);
    let end = memory_size::<0>() * PAGE_BYTES;
    // From 8 on: Rust does not allow reading at address 0.
    for at in 8..end - turned.len() {
        // SAFETY: everything below the end of memory is there.
        let byte = |n: usize| unsafe { ((at + n) as *const u8).read_volatile() };
        seen += 1;
        found += u32::from((0..turned.len()).all(|n| byte(n) == !turned[n]));
    }
    say(json!({ "answer": answer, "found": found, "bytes": seen }));
}
