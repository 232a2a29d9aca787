//! Makes objects that the host holds for it, and never drops them. Arguments: which (`bodies`, `parts`, `fields`, `listings`,
//! `unfinished` requests, `sent` requests, `answers`), and for the last three the URL.

use std::mem::forget;

use guests::{arg, finished, get, json, mount, request, say, send};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingRequest};

fn with_header(url: &str, value: &[u8]) -> OutgoingRequest {
    let headers = Fields::new();
    headers.append("x-long", value).expect("a long value is a value");
    request(&Method::Post, url, headers)
}

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
            "unfinished" => {
                let request = with_header(&arg(2), &block);
                let body = request.body().expect("the body is taken once");
                forget((handle(request, None).expect("it waits for its body"), body));
            }
            "sent" => forget(finished(request(&Method::Post, &arg(2), Fields::new()), &[b's'; 64 * 1024])),
            "answers" => forget(send(get(&arg(2))).expect("it answers")),
            other => panic!("no kind `{other}`"),
        }
        if kept % 1000 == 0 {
            say(json!({ "kept": kept }));
        }
    }
    say(json!({ "what": what, "kept": "all" }));
}
