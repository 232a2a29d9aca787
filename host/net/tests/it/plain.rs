//! What an honest server receives, and what it answers.

use vocabulary::{HttpFault, Method, Reason, SafeText};

use crate::kit::{Server, Then, fault, fetch, get, get_from, good, header, pool};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn the_server_sees_the_request_as_it_was_judged_and_nothing_more() {
    let server = Server::saying(OK, Then::Listen).await;
    let mut request = get_from(&server, "/a%20b/c;v=1?q=1&q=%2F");
    request.headers = vec![header("x-one", "1"), header("accept", "*/*"), header("x-one", "2")];
    assert_eq!(good(fetch(&pool(), request).await), (200, "ok".to_owned()));
    let expected =
        format!("GET /a%20b/c;v=1?q=1&q=%2F HTTP/1.1\r\nhost: {}\r\nx-one: 1\r\nx-one: 2\r\naccept: */*\r\n\r\n", server.address);
    assert_eq!(server.heard(), [expected]);
}

#[tokio::test]
async fn a_body_is_sent_with_its_own_length() {
    let server = Server::saying(OK, Then::Listen).await;
    let pool = pool();
    let mut request = get_from(&server, "/");
    request.method = Method::new("POST").unwrap();
    request.headers = vec![header("content-length", "5")];
    request.body = "hello".into();
    good(fetch(&pool, request.clone()).await);
    request.body = bytes::Bytes::new();
    request.headers.clear();
    good(fetch(&pool, request).await);
    let heard = server.heard();
    assert!(heard[0].ends_with("\r\ncontent-length: 5\r\n\r\nhello"), "{heard:?}");
    assert!(heard[1].ends_with("\r\ncontent-length: 0\r\n\r\n"), "{heard:?}");
}

#[tokio::test]
async fn framing_headers_are_refused_here_too() {
    let server = Server::saying(OK, Then::Listen).await;
    for name in ["host", "connection", "transfer-encoding", "te", "upgrade", "trailer", "keep-alive"] {
        let mut request = get_from(&server, "/");
        request.headers = vec![header(name, "x")];
        let err = fetch(&pool(), request).await.unwrap_err();
        assert_eq!(err.reason, Some(Reason::HeaderNotYours(SafeText::new(name, 64))));
    }
    for (name, value) in [("a b", "x"), ("a", "x\r\ny: z"), ("a", "x\0"), ("A", "x")] {
        let mut request = get_from(&server, "/");
        request.headers = vec![header(name, value)];
        assert_eq!(fault(fetch(&pool(), request).await), HttpFault::Denied, "{name} {value}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn status_fields_body_and_trailers_come_back() {
    let text = "HTTP/1.1 404 Not Found\r\nX-One: 1\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nx-two: 2\r\n\r\n\
                5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\nHost: evil\r\n\r\n";
    let server = Server::saying(text, Then::Listen).await;
    let whole = fetch(&pool(), get_from(&server, "/")).await.unwrap();
    assert_eq!((whole.head.status, whole.body.as_slice(), whole.fault), (404, b"hello world".as_slice(), None));
    assert_eq!(whole.head.headers, [header("x-one", "1"), header("x-two", "2")]);
    assert_eq!(whole.trailers, [header("x-sum", "7")]);
}

#[tokio::test]
async fn trailers_that_belong_into_the_head_are_left_out() {
    for name in [
        "content-length",
        "content-encoding",
        "content-type",
        "content-range",
        "host",
        "set-cookie",
        "location",
        "www-authenticate",
        "proxy-authenticate",
        "authorization",
        "cache-control",
        "vary",
        "access-control-allow-origin",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "proxy-connection",
        "http2-settings",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-a: 1\r\n{name}: 2\r\nx-b: 3\r\n\r\n");
        let server = Server::saying(&text, Then::Listen).await;
        let whole = fetch(&pool(), get_from(&server, "/")).await.unwrap();
        assert_eq!(whole.trailers, [header("x-a", "1"), header("x-b", "3")], "{name}");
    }
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let server = Server::answering(|_, request| {
        let status = if request.starts_with("HEAD") { "200 OK" } else { "304 Not Modified" };
        (format!("HTTP/1.1 {status}\r\ncontent-length: 1000\r\n\r\n").into_bytes(), Then::Listen)
    });
    let server = server.await;
    let pool = pool();
    let mut head = get_from(&server, "/");
    head.method = Method::new("HEAD").unwrap();
    assert_eq!(good(fetch(&pool, head).await), (200, String::new()));
    assert_eq!(good(fetch(&pool, get_from(&server, "/")).await), (304, String::new()));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let server = Server::saying("HTTP/1.0 200 OK\r\n\r\nall of it", Then::Close).await;
    assert_eq!(good(fetch(&pool(), get_from(&server, "/")).await), (200, "all of it".to_owned()));
}

#[tokio::test]
async fn large_bodies_come_in_pieces_of_64_kib_at_most() {
    let size = 3 << 20;
    let server = Server::answering(move |_, _| {
        let mut text = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
        text.resize(text.len() + size, b'x');
        (text, Then::Listen)
    });
    let server = server.await;
    let whole = fetch(&pool(), get_from(&server, "/")).await.unwrap();
    assert_eq!((whole.body.len(), whole.fault), (size, None));
    assert!(whole.largest <= 64 << 10, "{}", whole.largest);
}

#[tokio::test]
async fn redirects_are_handed_back_and_not_followed() {
    let target = Server::saying(OK, Then::Listen).await;
    for status in [301, 302, 303, 307, 308] {
        let text =
            format!("HTTP/1.1 {status} Go\r\nlocation: http://{}/\r\nrefresh: 0; url=/x\r\ncontent-length: 0\r\n\r\n", target.address);
        let server = Server::saying(&text, Then::Listen).await;
        let whole = fetch(&pool(), get_from(&server, "/")).await.unwrap();
        assert_eq!((whole.head.status, server.accepted()), (status, 1));
        assert_eq!(whole.head.headers[0].name, "location");
    }
    assert_eq!(target.accepted(), 0);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let err = fetch(&pool(), get(&format!("http://{free}/"))).await.unwrap_err();
    assert_eq!((err.fault, err.reason), (HttpFault::Unreachable, None));
}

#[tokio::test]
async fn metadata_addresses_are_never_dialled_whatever_the_bounds_say() {
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "168.63.129.16"] {
        let request = crate::kit::listing(get(&format!("http://{host}/")), &["0.0.0.0/0", "::/0"]);
        let err = fetch(&pool(), request).await.unwrap_err();
        assert_eq!(err.reason, Some(Reason::AddressNever(SafeText::new("metadata", 64))), "{host}");
    }
}

/// The variables can only be set for another process, so the test starts itself again.
#[test]
fn proxies_of_the_environment_are_not_asked() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let done =
        again.env("NO_PROXY", "").args(["names::a_name_is_looked_up", "plain::the_server_sees", "tls::a_certificate_of"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("3 passed"), "{said}");
}
