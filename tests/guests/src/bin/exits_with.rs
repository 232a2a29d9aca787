//! Prints a line and ends with the code in its argument; a second argument says how: `code` (the default), `err`, `std`.

use guests::{json, number, say};
use wasip2::cli::exit::{exit, exit_with_code};

fn main() {
    let code = number(1, 0) as u8;
    say(json!({ "code": code }));
    match std::env::args().nth(2).as_deref() {
        Some("err") => exit(Err(())),
        Some("std") => std::process::exit(i32::from(code)),
        _ => exit_with_code(code),
    }
    say(json!({ "after": "the end" }));
}
