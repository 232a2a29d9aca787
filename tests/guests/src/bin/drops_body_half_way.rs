//! Writes half of a request's body and drops it. Arguments: the URL, `before` to drop it before it is sent (`after`).

use guests::{arg, json, request, say, told, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method};

fn main() {
    let fields = Fields::new();
    fields.append("content-length", b"1000").expect("the host takes a length");
    let request = request(&Method::Post, &arg(1), fields);
    let body = request.body().expect("the body is taken once");
    let before = std::env::args().nth(2).as_deref() == Some("before");
    let stream = body.write().expect("the stream is taken once");
    stream.blocking_write_and_flush(&[b'h'; 500]).expect("half of it is taken");
    drop(stream);
    let answer = if before {
        drop(body);
        handle(request, None)
    } else {
        let answer = handle(request, None);
        drop(body);
        answer
    };
    say(json!({ "dropped": true }));
    say(told(wait(answer)));
}
