//! GETs with time-outs of its own, short or absurd. Arguments: the URL, connect, first byte, between bytes, each in nanoseconds.

use guests::{arg, get, json, number, outcome, say, told, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::RequestOptions;

fn main() {
    let options = RequestOptions::new();
    let taken = [
        outcome(options.set_connect_timeout(Some(number(2, u64::MAX)))),
        outcome(options.set_first_byte_timeout(Some(number(3, u64::MAX)))),
        outcome(options.set_between_bytes_timeout(Some(number(4, u64::MAX)))),
    ];
    let answer = wait(handle(get(&arg(1)), Some(options)));
    say(json!({ "taken": taken, "answer": told(answer) }));
}
