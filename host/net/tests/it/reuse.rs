//! When a connection is used again, and when it never is.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vocabulary::{HttpFault, Method};

use crate::kit::{Server, Then, fault, fetch, get, get_from, good, listing, network, pool, read_request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_once_its_body_was_read() {
    for text in [OK, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] {
        let server = Server::saying(text, Then::Listen).await;
        let pool = pool();
        for _ in 0..20 {
            good(fetch(&pool, get_from(&server, "/")).await);
        }
        assert_eq!((server.accepted(), pool.idle()), (1, 1));
    }
}

#[tokio::test]
async fn sixty_four_at_once_use_sixty_four_connections_again() {
    let server = Server::saying(OK, Then::Listen).await;
    let pool = pool();
    for _ in 0..10 {
        for fetched in join_all((0..64).map(|_| fetch(&pool, get_from(&server, "/")))).await {
            good(fetched);
        }
    }
    assert!(server.accepted() <= 64, "{}", server.accepted());
    assert_eq!(server.heard().len(), 640);
}

#[tokio::test]
async fn no_more_are_kept_than_may_be() {
    let server = Server::saying(OK, Then::Listen).await;
    let pool = pool();
    let responses = join_all((0..80).map(|_| pool.send(get_from(&server, "/")))).await;
    for response in responses {
        let mut body = response.unwrap().body;
        while body.next().await.is_some() {}
    }
    assert_eq!((server.accepted(), pool.idle()), (80, 64));
}

#[tokio::test]
async fn a_body_that_was_not_read_to_its_end_closes_its_connection() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", Then::Hang).await;
    let pool = pool();
    let mut response = pool.send(get_from(&server, "/")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "ok");
    assert!(!response.body.is_whole());
    drop(response);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn pools_and_bounds_share_no_connection() {
    let server = Server::saying(OK, Then::Listen).await;
    let network = network();
    let (one, other) = (network.pool(), network.pool());
    good(fetch(&one, get_from(&server, "/")).await);
    good(fetch(&other, get_from(&server, "/")).await);
    good(fetch(&one, listing(get_from(&server, "/"), &["10.0.0.0/8"])).await);
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced() {
    let server = Server::saying(OK, Then::Close).await;
    let pool = pool();
    for n in 1..=10 {
        good(fetch(&pool, get_from(&server, "/")).await);
        assert_eq!(server.accepted(), n);
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_sent_is_not_sent_twice() {
    let server = Server::answering(|n, _| if n == 0 { (OK.into(), Then::Listen) } else { (Vec::new(), Then::Close) }).await;
    let pool = pool();
    good(fetch(&pool, get_from(&server, "/")).await);
    let mut request = get_from(&server, "/pay");
    request.method = Method::new("POST").unwrap();
    request.body = "once".into();
    assert_eq!(fault(fetch(&pool, request).await), HttpFault::Incomplete);
    assert_eq!((server.accepted(), server.heard().len()), (1, 2));
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_spoil_the_connection() {
    let text = format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison");
    let server = Server::answering(move |n, _| if n == 0 { (text.clone().into(), Then::Listen) } else { (OK.into(), Then::Listen) }).await;
    let pool = pool();
    assert_eq!(good(fetch(&pool, get_from(&server, "/")).await).1, "ok");
    assert_eq!(good(fetch(&pool, get_from(&server, "/")).await).1, "ok");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_server_that_says_it_closes_is_believed() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Then::Listen).await;
    let pool = pool();
    good(fetch(&pool, get_from(&server, "/")).await);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let pool = pool();
    let asked = tokio::spawn(async move { pool.send(get(&url)).await.map(|_| ()) });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 16];
    stream.read_exact(&mut request).await.unwrap();
    asked.abort();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}

/// A kept connection on which the server sends this, or which it closes, before a request that can't be sent twice.
async fn after_idling(late: &'static [u8]) -> (usize, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = async || {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
        stream
    };
    let pool = pool();
    let (fetched, mut first) = tokio::join!(fetch(&pool, get(&url)), serve());
    good(fetched);
    assert_eq!(pool.idle(), 1);
    if late.is_empty() {
        first.shutdown().await.unwrap();
    } else {
        first.write_all(late).await.unwrap();
    }
    let mut request = get(&url);
    request.method = Method::new("POST").unwrap();
    let (fetched, _second) = tokio::join!(fetch(&pool, request), serve());
    (pool.idle(), good(fetched).1)
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_kept_is_not_used() {
    assert_eq!(after_idling(b"").await, (1, "ok".to_owned()));
}

#[tokio::test]
async fn a_response_that_came_before_its_request_is_not_believed() {
    assert_eq!(after_idling(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await, (1, "ok".to_owned()));
}
