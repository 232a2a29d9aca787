//! Tests of the client, against a stand-in for the network.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Client, Error, HeaderValue, RequestBuilder, Response, StatusCode, all, all_with, for_each};
use crate::testing::{answer_http, limit_in_flight};
use ::http::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

#[test]
fn request_without_a_network_is_refused() {
    assert!(matches!(Client::new().get("http://inventory.test/").send(), Err(Error::Refused)));
}

#[test]
fn json_goes_out_and_comes_back() {
    answer_http(|request| {
        assert_eq!(request.method().as_str(), "POST");
        assert_eq!(request.uri().to_string(), "https://inventory.test/hosts?all=1");
        assert_eq!(request.headers().get(CONTENT_TYPE), Some(&HeaderValue::from_static("application/json")));
        Ok(Response::new(StatusCode::CREATED, request.body()))
    });
    let answer = Client::new().post("https://inventory.test/hosts?all=1").json(&json!({"n": 1})).send().unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Value>().unwrap(), json!({"n": 1}));
}

#[test]
fn body_can_be_read_piece_by_piece() {
    answer_http(|_| Ok(Response::new(StatusCode::OK, "abcdef")));
    let mut answer = Client::new().get("http://inventory.test/").send().unwrap();
    let mut piece = [0; 4];
    answer.read_exact(&mut piece).unwrap();
    assert_eq!((&piece, answer.text().unwrap().as_str()), (b"abcd", "ef"));
}

#[test]
fn body_past_the_bound_is_too_large() {
    answer_http(|_| Ok(Response::new(StatusCode::OK, "abcdef")));
    let get = |bytes| Client::new().body_bytes_max(bytes).get("http://inventory.test/").send().unwrap().bytes();
    assert_eq!(get(6).unwrap(), b"abcdef");
    assert!(matches!(get(5), Err(Error::TooLarge { code: "body-bytes-max" })));
    let answers = all(vec![Client::new().body_bytes_max(5).get("http://inventory.test/")]);
    assert!(matches!(answers.as_slice(), [Err(Error::TooLarge { code: "body-bytes-max" })]));
}

#[test]
fn redirect_is_an_answer_and_an_error_status_is_one_on_asking() {
    answer_http(|request| {
        let status = if request.uri().path() == "/moved" { StatusCode::FOUND } else { StatusCode::NOT_FOUND };
        Ok(Response::new(status, "").with_header(LOCATION, HeaderValue::from_static("/elsewhere")))
    });
    let answer = Client::new().get("http://inventory.test/moved").send().unwrap().error_for_status().unwrap();
    assert_eq!(answer.headers().get(LOCATION), Some(&HeaderValue::from_static("/elsewhere")));
    let answer = Client::new().get("http://inventory.test/gone").send().unwrap();
    assert!(matches!(answer.error_for_status(), Err(Error::Status { status: 404 })));
}

#[test]
fn malformed_request_is_never_sent() {
    answer_http(|_| Ok(Response::new(StatusCode::OK, "")));
    let client = Client::new();
    for (request, complaint) in [
        (client.get("/no/host"), "begins with neither"),
        (client.get("ftp://inventory.test/"), "begins with neither"),
        (client.get("http://"), "its URL"),
        (client.get("http://ada:secret@inventory.test/"), "user name"),
        (client.get("http://inventory.test/").header("a b", "c"), "header name"),
        (client.get("http://inventory.test/").header("a", "b\r\nc: d"), "header `a`"),
    ] {
        let err = request.send().unwrap_err();
        assert!(matches!(err, Error::Malformed { .. }));
        assert!(err.to_string().contains(complaint), "{err}");
    }
}

#[test]
fn answers_of_many_are_in_the_order_of_the_requests() {
    answer_http(|request| match request.uri().path() {
        "/refused" => Err(Error::Refused),
        path => Ok(Response::new(StatusCode::OK, path)),
    });
    let client = Client::new();
    let requests = ["/a", "/refused", " ", "/b"].map(|path| client.get(&format!("http://inventory.test{path}")));
    let answers: Vec<_> = all(requests.into()).into_iter().map(|answer| answer.and_then(Response::text)).collect();
    assert!(matches!(
        answers.as_slice(),
        [Ok(a), Err(Error::Refused), Err(Error::Malformed { .. }), Ok(b)] if a == "/a" && b == "/b"
    ));
}

#[test]
fn each_answer_may_lead_to_another_request() {
    answer_http(|request| Ok(Response::new(StatusCode::OK, request.uri().path())));
    let client = Client::new();
    let mut seen = Vec::new();
    for_each(vec![client.get("http://inventory.test/a")], 0, |index, answer| {
        let next = client.get(&format!("http://inventory.test{}/b", answer.unwrap().text().unwrap())).send();
        seen.push((index, next.unwrap().text().unwrap()));
    });
    assert_eq!(seen, [(0, "/a/b".to_owned())]);
}

fn many(count: usize) -> Vec<RequestBuilder> {
    (0..count).map(|n| Client::new().get(&format!("http://inventory.test/{n}"))).collect()
}

/// How many requests are sent before the first of them is over.
fn sent_at_first(send: impl FnOnce(&mut dyn FnMut())) -> usize {
    let sent = Rc::new(Cell::new(0));
    let own = Rc::clone(&sent);
    answer_http(move |_| {
        own.set(own.get() + 1);
        Ok(Response::new(StatusCode::OK, ""))
    });
    let mut first = None;
    send(&mut || {
        first.get_or_insert(sent.get());
    });
    first.unwrap_or(0)
}

#[test]
fn caller_says_how_many_are_in_flight() {
    for (in_flight, expected) in [(0, 1), (1, 1), (7, 7), (100, 30)] {
        assert_eq!(sent_at_first(|over| for_each(many(30), in_flight, |_, _| over())), expected);
    }
}

#[test]
fn lower_limit_of_the_operator_costs_no_answer() {
    for limit in [1, 4, 15, 16, 17] {
        answer_http(|request| Ok(Response::new(StatusCode::OK, request.uri().path())));
        limit_in_flight(limit);
        let texts = |answers: Vec<Result<Response, Error>>| answers.into_iter().map(|answer| answer.unwrap().text().unwrap()).collect();
        let expected: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
        assert_eq!((limit, texts(all(many(40)))), (limit, expected.clone()));
        assert_eq!((limit, texts(all_with(many(40), 40))), (limit, expected));
    }
}

#[test]
fn request_that_finds_no_room_is_sent_again_when_another_is_over() {
    limit_in_flight(3);
    assert_eq!(sent_at_first(|over| for_each(many(10), 16, |_, _| over())), 3);
}

#[test]
fn with_no_other_in_flight_there_is_no_room_to_wait_for() {
    answer_http(|_| Ok(Response::new(StatusCode::OK, "")));
    limit_in_flight(0);
    let answers = all(many(5));
    assert_eq!(answers.len(), 5);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Connection { code: "connection-limit-reached" }))));
}

#[test]
fn host_that_never_has_room_is_not_asked_for_ever() {
    let asked = Rc::new(Cell::new(0));
    let own = Rc::clone(&asked);
    // The first request is answered; after that, the host has no room for any further one.
    answer_http(move |_| {
        own.set(own.get() + 1);
        if own.get() == 1 { Ok(Response::new(StatusCode::OK, "")) } else { Err(Error::Connection { code: "connection-limit-reached" }) }
    });
    let answers = all(many(10));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    // One request was sent twice: once beside the first, and once when that was over.
    assert_eq!(asked.get(), 11);
}
