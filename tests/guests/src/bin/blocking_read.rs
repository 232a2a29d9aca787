//! Reads a body with `blocking-read` and `blocking-skip` of odd lengths; the path of a second request has the lengths that it got.
//! Arguments: the base URL.

use guests::{arg, get, json, say, send, stream_end, told};

fn main() {
    let base = arg(1);
    let answer = send(get(&format!("{base}/0"))).expect("there is an answer");
    let body = answer.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut lengths = Vec::new();
    let end = loop {
        let length = 1 + (lengths.len() as u64 * 37) % 4096;
        let came = if lengths.len() % 5 == 4 {
            stream.blocking_skip(length)
        } else {
            stream.blocking_read(length).map(|chunk| chunk.len() as u64)
        };
        match came {
            Ok(came) => lengths.push(came),
            Err(err) => break stream_end(err),
        }
    };
    let total: u64 = lengths.iter().sum();
    let order: Vec<_> = lengths.iter().take(200).map(u64::to_string).collect();
    let last = told(send(get(&format!("{base}/lengths/{total}/{}", order.join(".")))));
    say(json!({ "lengths": lengths, "end": end, "last": last }));
}
