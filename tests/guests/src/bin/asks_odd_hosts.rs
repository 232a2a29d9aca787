//! Asks each authority in its arguments for `/`, over HTTP; `https:` in front means HTTPS, and `-` means no authority at all.

use guests::{args_from, json, outcome, say, send, told};
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

fn main() {
    for text in args_from(1) {
        let (scheme, authority) = match text.strip_prefix("https:") {
            Some(rest) => (Scheme::Https, rest),
            None => (Scheme::Http, text.as_str()),
        };
        let request = OutgoingRequest::new(Fields::new());
        request.set_scheme(Some(&scheme)).expect("the scheme is taken");
        request.set_path_with_query(Some("/")).expect("the path is taken");
        let taken = outcome(request.set_authority((authority != "-").then_some(authority)));
        say(json!({ "authority": text, "taken": taken, "answer": told(send(request)) }));
    }
}
