//! Sends each request in its arguments, one after the other: JSON with `url`, and optionally `method`, `headers` in pairs, `body`, and the
//! time-outs `connect_ms`, `wait_ms` (head) and `between_ms` (next piece). `${NAME}` becomes that variable, `${sha256:NAME}` its digest.

use guests::{Value, args_from, drain, json, request, say, sha256, told};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody, RequestOptions};

fn main() {
    for text in args_from(1) {
        let asked: Value = serde_json::from_str(&filled(&text)).expect("each argument is JSON");
        let word = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        let method = match word("method").as_str() {
            "" | "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            other => Method::Other(other.to_owned()),
        };
        let headers = Fields::new();
        for pair in asked["headers"].as_array().into_iter().flatten() {
            let (name, value) = (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default());
            headers.append(&name.to_owned(), &value.as_bytes().to_vec()).expect("the header is taken");
        }
        let outgoing = request(&method, &word("url"), headers);
        let options = RequestOptions::new();
        let wait = |key: &str| asked[key].as_u64().map(|ms| ms * 1_000_000);
        options.set_connect_timeout(wait("connect_ms")).expect("the time-out is taken");
        options.set_first_byte_timeout(wait("wait_ms")).expect("the time-out is taken");
        options.set_between_bytes_timeout(wait("between_ms")).expect("the time-out is taken");
        let body = outgoing.body().expect("the body is taken once");
        let answer = handle(outgoing, Some(options)).and_then(|answer| {
            if !word("body").is_empty() {
                let stream = body.write().expect("the stream is taken once");
                for piece in word("body").as_bytes().chunks(4096) {
                    stream.blocking_write_and_flush(piece).expect("the body is taken");
                }
            }
            OutgoingBody::finish(body, None)?;
            guests::wait(Ok(answer))
        });
        let url = word("url");
        say(json!({ "url": url, "answer": told(answer) }));
    }
}

/// The text with each `${…}` replaced, as described above.
fn filled(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("a brace is closed");
        let value = |name: &str| std::env::var(name).expect("the variable is set");
        let value = name.strip_prefix("sha256:").map_or_else(|| value(name), |name| sha256(value(name).as_bytes()));
        out.extend([before, &value]);
        rest = after;
    }
    out + rest
}
