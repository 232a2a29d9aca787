//! Passes too much of something to the host: header `fields`, letters of a `path`, of an `authority` or of a `method`, bytes of one `write`
//! or of `zeroes` without a `check-write` before. Arguments: what, how many.

use guests::{arg, json, number, outcome, say};
use wasip2::cli::stdout::get_stdout;
use wasip2::http::types::{Fields, Method, OutgoingRequest};

fn main() {
    let (what, many) = (arg(1), number(2, 0));
    let text = "a".repeat(many as usize);
    let request = OutgoingRequest::new(Fields::new());
    let came = match what.as_str() {
        "fields" => {
            let fields = Fields::new();
            (0..many).try_for_each(|_| fields.append("a", b"b")).map_err(|err| format!("{err:?}"))
        }
        "path" => request.set_path_with_query(Some(&format!("/{}", &text[1..]))).map_err(|()| "refused".to_owned()),
        "authority" => request.set_authority(Some(&text)).map_err(|()| "refused".to_owned()),
        "method" => request.set_method(&Method::Other(text)).map_err(|()| "refused".to_owned()),
        "write" => get_stdout().write(&vec![b'\n'; many as usize]).map_err(|err| format!("{err:?}")),
        "zeroes" => get_stdout().write_zeroes(many).map_err(|err| format!("{err:?}")),
        other => panic!("nothing called `{other}`"),
    };
    say(json!({ "what": what, "many": many, "came": outcome(came) }));
}
