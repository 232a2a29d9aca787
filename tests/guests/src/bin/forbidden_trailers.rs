//! Ends a body with fields that are not allowed as trailers. Argument: the URL. Sends one request for each name.

use guests::{arg, json, outcome, request, say, told, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody};

const NAMES: [&str; 8] =
    ["transfer-encoding", "content-length", "host", "authorization", "content-encoding", "trailer", "connection", "x-harmless"];

fn main() {
    for name in NAMES {
        let request = request(&Method::Post, &arg(1), Fields::new());
        let body = request.body().expect("the body is taken once");
        let stream = body.write().expect("the stream is taken once");
        stream.blocking_write_and_flush(b"body").expect("it is taken");
        drop(stream);
        let trailers = Fields::new();
        let taken = outcome(trailers.append(name, b"1"));
        let answer = handle(request, None);
        let finish = outcome(OutgoingBody::finish(body, Some(trailers)));
        let answer = told(wait(answer));
        say(json!({ "name": name, "taken": taken, "finish": finish, "answer": answer }));
    }
}
