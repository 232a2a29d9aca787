//! Sets headers that a guest may not set. Arguments: the URL, then for each request `name: value`, several separated by `|`.
//! Prints for each whether the header was accepted, and the result of the request.

use guests::{arg, args_from, json, outcome, request, say, send, told};
use wasip2::http::types::{Fields, Method};

fn main() {
    for headers in args_from(2) {
        let fields = Fields::new();
        let mut taken = Vec::new();
        for header in headers.split('|') {
            let (name, value) = header.split_once(": ").expect("a header is `name: value`");
            taken.push(outcome(fields.append(name, value.as_bytes())));
        }
        let answer = told(send(request(&Method::Get, &arg(1), fields)));
        say(json!({ "headers": headers, "taken": taken, "answer": answer }));
    }
}
