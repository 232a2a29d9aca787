//! Sends the headers that it was answered with back as those of its next request. Arguments: the URL, the URL of the next.

use guests::{arg, json, request, say, send, told};
use wasip2::http::types::Method;

fn main() {
    let answer = send(request(&Method::Get, &arg(1), wasip2::http::types::Fields::new())).expect("there is an answer");
    let headers = answer.headers();
    let names: Vec<_> = headers.entries().into_iter().map(|(name, _)| name).collect();
    say(json!({ "names": names, "immutable": format!("{:?}", headers.append("x-more", b"1")) }));
    let cloned = told(send(request(&Method::Get, &arg(2), headers.clone())));
    say(json!({ "cloned": cloned }));
    // The very object that belongs to the answer, and not a copy of it.
    let owned = told(send(request(&Method::Get, &arg(2), headers)));
    say(json!({ "owned": owned }));
}
