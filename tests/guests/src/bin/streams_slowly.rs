//! Reads a body as it comes and prints after each piece how much has arrived. Arguments: the URL, the most that is read at once (65536).

use guests::{arg, get, json, number, say, send};
use wasip2::io::streams::StreamError;

fn main() {
    let answer = match send(get(&arg(1))) {
        Ok(answer) => answer,
        Err(code) => return say(json!({ "err": format!("{code:?}") })),
    };
    say(json!({ "status": answer.status() }));
    let body = answer.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let pollable = stream.subscribe();
    let mut total = 0;
    loop {
        pollable.block();
        match stream.read(number(2, 65536)) {
            Ok(chunk) => {
                total += chunk.len();
                say(json!({ "chunk": chunk.len(), "total": total }));
            }
            Err(StreamError::Closed) => return say(json!({ "end": total })),
            Err(StreamError::LastOperationFailed(err)) => return say(json!({ "broken": err.to_debug_string(), "total": total })),
        }
    }
}
