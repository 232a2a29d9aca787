//! Sends two bodies at once and waits for both answers. Argument: the URL.

use guests::{arg, finished, json, request, say, told, wait};
use wasip2::http::types::{Fields, Method};

fn main() {
    let sent = ["one", "two"].map(|body| finished(request(&Method::Post, &format!("{}/{body}", arg(1)), Fields::new()), body.as_bytes()));
    for answer in sent {
        say(json!({ "answer": told(wait(answer)) }));
    }
}
