//! Credentials that are more than a value in a header, end to end: the program, a guest, and a server that checks the request itself.

mod aws;
mod bounds;
mod placed;
mod sources;
mod tokens;

use serde_json::{Value, json};
use tests::server::{Heard, Step, response};

/// A value that does not occur by chance.
const CANARY: &str = "canary-8f3a51d0c27e4b96";

fn get(url: &str) -> Value {
    json!({ "url": url })
}

fn post(url: &str, kind: &str, body: &str) -> Value {
    json!({ "method": "POST", "url": url, "headers": [["content-type", kind]], "body": body })
}

/// Answers with everything that was sent.
fn echo(heard: &Heard) -> Vec<Step> {
    vec![Step::Say(response(200, &[heard.head.as_bytes(), &heard.body].concat()))]
}

/// Names the guest of these tests, as `guests_have_tests` requires.
#[test]
fn the_guest_that_sends_what_it_is_told_is_there() {
    assert!(tests::guests::guest("sends_each").is_file());
}
