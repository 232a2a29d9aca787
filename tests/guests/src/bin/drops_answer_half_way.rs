//! Reads a little of an answer and drops the rest. Arguments: the URL, how often (1). When it ends, it holds no part of an answer.

use guests::{arg, get, json, number, say, send};

fn main() {
    for _ in 0..number(2, 1) {
        let answer = match send(get(&arg(1))) {
            Ok(answer) => answer,
            Err(code) => return say(json!({ "err": format!("{code:?}") })),
        };
        let body = answer.consume().expect("the body is taken once");
        let stream = body.stream().expect("the stream is taken once");
        say(json!({ "read": stream.blocking_read(10).map(|chunk| chunk.len()).unwrap_or(0) }));
    }
}
