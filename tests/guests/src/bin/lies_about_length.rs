//! Declares one length of a body and writes another. Arguments: the URL, the declared length, how many bytes it writes.

use guests::{arg, json, number, outcome, request, say, stream_end, told, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody};

fn main() {
    let fields = Fields::new();
    say(json!({ "taken": outcome(fields.append("content-length", arg(2).as_bytes())) }));
    let request = request(&Method::Post, &arg(1), fields);
    let body = request.body().expect("the body is taken once");
    let stream = body.write().expect("the stream is taken once");
    let bytes = vec![b'l'; number(3, 0) as usize];
    for piece in bytes.chunks(4096) {
        if let Err(err) = stream.blocking_write_and_flush(piece) {
            say(json!({ "write": stream_end(err) }));
            break;
        }
    }
    drop(stream);
    let answer = handle(request, None);
    say(json!({ "finish": outcome(OutgoingBody::finish(body, None)) }));
    say(told(wait(answer)));
}
