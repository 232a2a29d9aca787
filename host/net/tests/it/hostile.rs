//! Servers that lie, drip, flood and hang up. Each ends in a specific fault, within its bound, and its connection is closed.

use vocabulary::HttpFault;

use crate::kit::{SHORT, Server, Then, fault, fetch, get_from, pool};

/// The fault of the exchange, whether before or within the body.
async fn faulty(text: &str, then: Then) -> HttpFault {
    let server = Server::saying(text, then).await;
    let pool = pool();
    let mut request = get_from(&server, "/");
    request.timeouts.first_byte = SHORT;
    request.timeouts.between_bytes = SHORT;
    let fault = match fetch(&pool, request).await {
        Ok(whole) => whole.fault.unwrap_or_else(|| panic!("nothing was wrong with {whole:?}")),
        Err(err) => {
            assert_eq!(err.peer, Some(server.address));
            err.fault
        }
    };
    assert_eq!(pool.idle(), 0, "a connection that went wrong is not kept");
    fault
}

#[tokio::test]
async fn a_head_that_never_ends_runs_out_of_time() {
    assert_eq!(faulty("", Then::Hang).await, HttpFault::TimedOut);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\nx: y\r\n", Then::Hang).await, HttpFault::TimedOut);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\nx: ", Then::Drip(vec![b'y'; 1000])).await, HttpFault::TimedOut);
}

#[tokio::test]
async fn a_body_that_stops_runs_out_of_time() {
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Then::Hang).await, HttpFault::TimedOut);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", Then::Hang).await, HttpFault::TimedOut);
}

#[tokio::test]
async fn closing_early_is_incomplete() {
    assert_eq!(faulty("", Then::Close).await, HttpFault::Incomplete);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\nx: y", Then::Close).await, HttpFault::Incomplete);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Then::Close).await, HttpFault::Incomplete);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", Then::Close).await, HttpFault::Incomplete);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc", Then::Close).await, HttpFault::Incomplete);
}

#[tokio::test]
async fn what_ends_in_two_places_is_not_http() {
    for fields in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3\r\ncontent-length: 3",
        "content-length: 3, 3",
        "content-length: +3",
        "content-length: 0x3",
        "content-length: -3",
        "content-length: 99999999999999999999",
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: \u{b}chunked",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(faulty(&text, Then::Close).await, HttpFault::Protocol, "{fields}");
    }
    assert_eq!(faulty("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Then::Close).await, HttpFault::Protocol);
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_so() {
    for text in [
        "hello\r\n\r\n",
        "SSH-2.0-x\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ] {
        assert_eq!(faulty(text, Then::Close).await, HttpFault::Protocol, "{text:?}");
    }
    for chunks in ["x\r\nabc", "-1\r\nabc", "3 3\r\nabc\r\n", "fffffffffffffffff\r\nabc", "3\r\nabcde\r\n"] {
        let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(faulty(&text, Then::Close).await, HttpFault::Protocol, "{chunks:?}");
    }
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_fields() {
    let many: String = (0..10_000).map(|n| format!("x{n}: y\r\n")).collect();
    let some_too_many: String = (0..257).map(|n| format!("x{n}: y\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(40 << 10));
    for fields in [many, some_too_many, large] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(faulty(&text, Then::Hang).await, HttpFault::HeadersTooLarge, "{} bytes", text.len());
    }
    // This server would never stop.
    assert_eq!(faulty("HTTP/1.1 200 OK\r\nx: ", Then::Flood(vec![b'y'; 64 << 10])).await, HttpFault::HeadersTooLarge);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\n", Then::Flood(b"x: y\r\n".repeat(1000))).await, HttpFault::HeadersTooLarge);
}

#[tokio::test]
async fn as_many_fields_as_may_come_do() {
    let fields: String = (0..255).map(|n| format!("x{n}: {}\r\n", "y".repeat(100))).collect();
    let server = Server::saying(&format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"), Then::Listen).await;
    assert_eq!(fetch(&pool(), get_from(&server, "/")).await.unwrap().head.headers.len(), 256);
}

#[tokio::test]
async fn informational_responses_are_passed_over_and_counted() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n";
    let end = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let server = Server::saying(&format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{end}"), Then::Listen).await;
    let whole = fetch(&pool(), get_from(&server, "/")).await.unwrap();
    assert_eq!((whole.head.status, whole.head.headers.len()), (200, 1));
    assert_eq!(faulty("", Then::Flood(hints.into())).await, HttpFault::Protocol);
    assert_eq!(faulty(&hints.repeat(100), Then::Hang).await, HttpFault::Protocol);
}

#[tokio::test]
async fn bodies_are_bounded_in_bytes() {
    let flood = Then::Flood(vec![b'x'; 64 << 10]);
    assert_eq!(faulty("HTTP/1.1 200 OK\r\n\r\n", flood.clone()).await, HttpFault::BodyTooLarge);
    assert_eq!(faulty(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 4), flood).await, HttpFault::BodyTooLarge);
    let chunks = Then::Flood([b"10000\r\n", [b'x'; 0x10000].as_slice(), b"\r\n"].concat());
    assert_eq!(faulty("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunks).await, HttpFault::BodyTooLarge);
}

#[tokio::test]
async fn a_body_of_just_the_bound_is_good_and_one_byte_more_is_not() {
    for (size, expected) in [(1000, None), (1001, Some(HttpFault::BodyTooLarge))] {
        for framing in ["", "content-length: "] {
            let framing = if framing.is_empty() { String::new() } else { format!("{framing}{size}\r\n") };
            let server = Server::saying(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n{}", "x".repeat(size)), Then::Close).await;
            let mut request = get_from(&server, "/");
            request.limits.response_bytes = 1000;
            assert_eq!(fetch(&pool(), request).await.unwrap().fault, expected);
        }
    }
}

#[tokio::test]
async fn chunks_and_trailers_are_bounded_beside_their_content() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(faulty(&format!("{head}1;"), Then::Flood(vec![b'x'; 64 << 10])).await, HttpFault::Protocol);
    assert_eq!(faulty(&format!("{head}1\r\na\r\n0\r\n"), Then::Flood(b"x: y\r\n".repeat(1000))).await, HttpFault::Protocol);
}

#[tokio::test]
async fn a_server_that_never_reads_runs_out_of_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = crate::kit::get(&format!("http://{}/", listener.local_addr().unwrap()));
    request.method = vocabulary::Method::new("PUT").unwrap();
    request.body = vec![b'x'; 32 << 20].into();
    request.timeouts.first_byte = SHORT;
    assert_eq!(fault(fetch(&pool(), request).await), HttpFault::TimedOut);
}
