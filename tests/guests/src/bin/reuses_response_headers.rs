//! Uses the headers of an answer as those of its next request. Arguments: the URL, the URL of the next request.

use guests::{arg, json, request, say, send, told};
use wasip2::http::types::Method;

fn main() {
    let answer = send(request(&Method::Get, &arg(1), wasip2::http::types::Fields::new())).expect("there is an answer");
    let headers = answer.headers();
    let names: Vec<_> = headers.entries().into_iter().map(|(name, _)| name).collect();
    say(json!({ "names": names, "immutable": format!("{:?}", headers.append("x-more", b"1")) }));
    let cloned = told(send(request(&Method::Get, &arg(2), headers.clone())));
    say(json!({ "cloned": cloned }));
    // The object that belongs to the answer itself, not a copy.
    let owned = told(send(request(&Method::Get, &arg(2), headers)));
    say(json!({ "owned": owned }));
}
