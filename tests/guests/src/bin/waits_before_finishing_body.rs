//! Waits for the answer before its own body is finished. Argument: the URL. It must get an error, and must not hang.

use guests::{arg, json, outcome, request, say, told};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody};

fn main() {
    let request = request(&Method::Post, &arg(1), Fields::new());
    let body = request.body().expect("the body is taken once");
    let answer = handle(request, None).expect("it is taken");
    let stream = body.write().expect("the stream is taken once");
    stream.blocking_write_and_flush(b"not the end").expect("it is taken");
    answer.subscribe().block();
    match answer.get() {
        Some(answer) => say(told(answer.expect("it is asked for once"))),
        None => say(json!({ "err": "nothing" })),
    }
    drop(stream);
    say(json!({ "finish": outcome(OutgoingBody::finish(body, None)) }));
}
