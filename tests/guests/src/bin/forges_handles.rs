//! Uses a handle that it does not hold, or no longer holds. Argument: how. Each way has to trap, and never reach another object.

use guests::{get, json, say};
use wasip2::cli::{stdin, stdout};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::types::Descriptor;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::InputStream;

fn main() {
    let way = guests::arg(1);
    // SAFETY: each of these is unsound on purpose; the host has to notice.
    unsafe {
        match way.as_str() {
            "unknown" => drop(Pollable::from_handle(999_999).ready()),
            "zero" => drop(Pollable::from_handle(0).ready()),
            "greatest" => drop(Pollable::from_handle(u32::MAX - 1).ready()),
            "wrong-type" => {
                let timer = subscribe_duration(1);
                drop(InputStream::from_handle(timer.handle()).read(1));
            }
            "descriptor" => drop(Descriptor::from_handle(stdout::get_stdout().take_handle()).stat()),
            "stale" => {
                let timer = subscribe_duration(1);
                let again = Pollable::from_handle(timer.handle());
                drop(timer);
                again.block();
            }
            "double-drop" => {
                let timer = subscribe_duration(1);
                drop(Pollable::from_handle(timer.handle()));
                drop(timer);
            }
            "sent-twice" => {
                let request = get("http://a.test/");
                let again = OutgoingRequest::from_handle(request.handle());
                let _ = handle(request, None);
                let _ = handle(again, None);
            }
            "parent-first" => {
                let stream = stdin::get_stdin();
                let child = stream.subscribe();
                drop(stream);
                child.block();
            }
            "used-up-headers" => {
                let fields = Fields::new();
                let again = Fields::from_handle(fields.handle());
                let _request = OutgoingRequest::new(fields);
                let _ = again.append("a", b"b");
            }
            "empty-poll" => drop(poll(&[])),
            other => panic!("no way `{other}`"),
        }
    }
    say(json!({ "survived": way }));
}
