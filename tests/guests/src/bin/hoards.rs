//! Keeps what the host holds for it and never lets go. Arguments: of what (`bodies`, `parts`, `fields`, `listings`, `answers`), and for
//! the last the URL.

use std::mem::forget;

use guests::{arg, get, json, mount, say, send};
use wasip2::http::types::{Fields, OutgoingRequest};

fn main() {
    let what = arg(1);
    let block = vec![b'h'; 4096];
    for kept in 0..100_000 {
        match what.as_str() {
            "bodies" => {
                let request = OutgoingRequest::new(Fields::new());
                let body = request.body().expect("the body is taken once");
                let stream = body.write().expect("the stream is taken once");
                for _ in 0..64 {
                    stream.blocking_write_and_flush(&block).expect("a block is taken");
                }
                drop(stream);
                forget((request, body));
            }
            "parts" => {
                let request = OutgoingRequest::new(Fields::new());
                request.set_path_with_query(Some(&"p".repeat(16_000))).expect("a long path is a path");
                forget(request);
            }
            "fields" => {
                let fields = Fields::new();
                for _ in 0..4 {
                    fields.append("x-long", &block).expect("a long value is a value");
                }
                forget(fields);
            }
            "listings" => forget(mount().read_directory().expect("it can be listed")),
            "answers" => forget(send(get(&arg(2))).expect("it answers")),
            other => panic!("no kind `{other}`"),
        }
        if kept % 1000 == 0 {
            say(json!({ "kept": kept }));
        }
    }
    say(json!({ "what": what, "kept": "all" }));
}
