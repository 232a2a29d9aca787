//! Reads a body as it comes and asks for `/got/TOTAL` after each piece, before the next one. Argument: the base URL; the body is at `/0`.

use guests::{arg, get, json, say, send, stream_end, told};

fn main() {
    let base = arg(1);
    let answer = send(get(&format!("{base}/0"))).expect("there is an answer");
    let body = answer.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut total = 0;
    let end = loop {
        match stream.blocking_read(65536) {
            Ok(chunk) => total += chunk.len(),
            Err(err) => break stream_end(err),
        }
        told(send(get(&format!("{base}/got/{total}"))));
    };
    say(json!({ "total": total, "end": end }));
}
