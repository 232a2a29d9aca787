//! Sends a request, writes half of its body and traps. Argument: the URL. To the server, the body must not look complete.

use guests::{arg, json, request, say};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method};

fn main() {
    let request = request(&Method::Post, &arg(1), Fields::new());
    let body = request.body().expect("the body is taken once");
    let _answer = handle(request, None).expect("it is taken");
    let stream = body.write().expect("the stream is taken once");
    stream.blocking_write_and_flush(b"half of a ").expect("half of it is taken");
    say(json!({ "written": 10 }));
    core::arch::wasm32::unreachable()
}
