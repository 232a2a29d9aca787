//! Asks hosts for `/`, a new host each time, and drops each answer. Arguments: how many (100000), the letters of a name (40).

use guests::{get, json, number, say};
use wasip2::http::outgoing_handler::handle;

fn main() {
    let (count, letters) = (number(1, 100_000), number(2, 40) as usize);
    for n in 0..count {
        drop(handle(get(&format!("http://h{n:0>letters$}.test/")), None));
    }
    say(json!({ "asked": count }));
}
