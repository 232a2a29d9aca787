//! Never waits: polls again and again with `get`, `ready` and `read`; the path of a second request has the number of empty polls.
//! Arguments: the base URL.

use guests::{arg, get, json, say, send, stream_end, told};
use wasip2::http::outgoing_handler::handle;

fn main() {
    let base = arg(1);
    let coming = handle(get(&format!("{base}/0")), None).expect("it is taken");
    let pollable = coming.subscribe();
    let (mut asleep, mut empty, mut bytes) = (0_u64, 0_u64, 0);
    let answer = loop {
        // Poll in both ways, one after the other: neither may be ahead of the other.
        let ready = pollable.ready();
        match coming.get() {
            Some(answer) => break answer.expect("it is asked for once"),
            None => asleep += 1 + u64::from(ready) * 1_000_000,
        }
    };
    let answer = answer.expect("there is an answer");
    let body = answer.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let pollable = stream.subscribe();
    let mut sizes = Vec::new();
    let end = loop {
        pollable.ready();
        match stream.read(1000) {
            Ok(chunk) if chunk.is_empty() => empty += 1,
            Ok(chunk) => {
                bytes += chunk.len();
                sizes.push(chunk.len().to_string());
            }
            Err(err) => break stream_end(err),
        }
    };
    sizes.truncate(200);
    let path = format!("{base}/looked/{asleep}/{empty}/{bytes}/{}", sizes.join("."));
    let last = told(send(get(&path)));
    say(json!({ "asleep": asleep, "empty": empty, "bytes": bytes, "end": end, "last": last }));
}
