//! Sends a body. Arguments: the URL, the body (`hello`), the method (`POST`).

use guests::{arg, json, request, say, send_with, told};
use wasip2::http::types::{Fields, Method};

fn main() {
    let body = std::env::args().nth(2).unwrap_or("hello".to_owned());
    let method = match std::env::args().nth(3).as_deref() {
        None | Some("POST") => Method::Post,
        Some("GET") => Method::Get,
        Some("PUT") => Method::Put,
        Some("DELETE") => Method::Delete,
        Some("PATCH") => Method::Patch,
        Some("CONNECT") => Method::Connect,
        Some("TRACE") => Method::Trace,
        Some(other) => Method::Other(other.to_owned()),
    };
    let answer = told(send_with(request(&method, &arg(1), Fields::new()), body.as_bytes()));
    say(json!({ "answer": answer }));
}
