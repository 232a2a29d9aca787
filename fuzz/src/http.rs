//! Answers of a server: two requests, one after the other, to a server on loopback that sends the bytes as they are.

use std::sync::OnceLock;
use std::time::Duration;

use net::{Network, NetworkConfig, ResponseLimits, Timeouts, WireRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use vocabulary::{Bounds, HttpTarget, Method};

/// Separates the answer to the first request from the answer to the second, which is sent if the connection is kept open.
const NEXT: &[u8] = b"\n--next--\n";
const LIMITS: ResponseLimits = ResponseLimits { header_bytes: 4096, header_count: 32, response_bytes: 8192 };

struct Place {
    runtime: Runtime,
    network: Network,
    listener: TcpListener,
    request: WireRequest,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("the runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback can be bound");
        let port = listener.local_addr().expect("the listener is bound").port();
        let target: HttpTarget = format!("http://127.0.0.1:{port}/").parse().expect("the URL is valid");
        let addresses = vec!["127.0.0.1/32".parse().expect("the network is valid")];
        let bounds = Bounds {
            addresses,
            credential: None,
            idempotency: None,
            pins: Vec::new(),
            rate: None,
            response_bytes: None,
            rule: vocabulary::Rule::Own,
            until_unix_s: None,
        };
        let second = Duration::from_secs(10);
        let timeouts = Timeouts { connect: second, first_byte: second, between_bytes: second };
        let method = Method::new("GET").expect("the method is valid");
        let request = WireRequest { target, method, headers: Vec::new(), body: Default::default(), bounds, timeouts, limits: LIMITS };
        let network = Network::new(&NetworkConfig::default()).expect("the default configuration is valid");
        Place { runtime, network, listener, request }
    })
}

/// Sends two requests to a server that answers with these bytes.
///
/// # Panics
/// More comes through than the limits allow, or an answer that the network must refuse.
pub fn http(bytes: &[u8]) {
    let place = place();
    let at = bytes.windows(NEXT.len()).position(|part| part == NEXT);
    let answers = at.map_or((bytes, &[][..]), |at| (bytes.get(..at).unwrap_or_default(), bytes.get(at + NEXT.len()..).unwrap_or_default()));
    place.runtime.block_on(async {
        let pool = place.network.pool();
        let asks = async {
            ask(&pool, &place.request).await;
            ask(&pool, &place.request).await;
        };
        tokio::select! {
            () = asks => {}
            () = serve(&place.listener, answers) => {}
        }
    });
}

async fn ask(pool: &net::Pool, request: &WireRequest) {
    let Ok(mut response) = pool.send(request.clone()).await else { return };
    assert!((200..=599).contains(&response.head.status), "{}", response.head.status);
    assert!(response.head.headers.len() <= LIMITS.header_count);
    let mut length = 0;
    while let Some(Ok(piece)) = response.body.next().await {
        length += piece.len() as u64;
        assert!(length <= LIMITS.response_bytes, "the body exceeds the limit");
    }
    let trailers = response.body.take_trailers();
    for field in response.head.headers.iter().chain(&trailers) {
        assert!(!field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "a field contains a line end or a zero byte");
        assert!(!matches!(field.name.as_str(), "transfer-encoding" | "connection" | "upgrade"), "a field of the connection came through");
    }
}

/// Answers every client: the first request of a connection with the first bytes, and the second request with the other bytes.
async fn serve(listener: &TcpListener, answers: (&[u8], &[u8])) {
    while let Ok((mut client, _)) = listener.accept().await {
        if answer(&mut client, answers.0).await && !answers.1.is_empty() {
            // A client that waits for the end of the first answer sends no second request. After the timeout, the connection is closed.
            let _ = tokio::time::timeout(Duration::from_millis(2), answer(&mut client, answers.1)).await;
        }
    }
}

/// Waits for a request, and answers it. Returns whether another request may follow.
async fn answer(client: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut head = [0; 1024];
    let read = client.read(&mut head).await;
    matches!(read, Ok(1..)) && client.write_all(bytes).await.is_ok()
}
