//! What a server answers: two requests, one after the other, to a server on loopback that sends the bytes as they are.

use std::sync::OnceLock;
use std::time::Duration;

use net::{Network, NetworkConfig, ResponseLimits, Timeouts, WireRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use vocabulary::{Bounds, HttpTarget, Method};

/// Between the answer to the first request and to the second, if the connection is kept.
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
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback is there");
        let port = listener.local_addr().expect("it is bound").port();
        let target: HttpTarget = format!("http://127.0.0.1:{port}/").parse().expect("it is a URL");
        let addresses = vec!["127.0.0.1/32".parse().expect("it is a network")];
        let bounds = Bounds {
            addresses,
            credential: None,
            pins: Vec::new(),
            rate: None,
            response_bytes: None,
            rule: vocabulary::Rule::Own,
            until_unix_s: None,
        };
        let second = Duration::from_secs(10);
        let timeouts = Timeouts { connect: second, first_byte: second, between_bytes: second };
        let method = Method::new("GET").expect("it is a method");
        let request = WireRequest { target, method, headers: Vec::new(), body: Default::default(), bounds, timeouts, limits: LIMITS };
        let network = Network::new(&NetworkConfig::default()).expect("nothing was configured");
        Place { runtime, network, listener, request }
    })
}

/// # Panics
/// Where more comes through than the limits say, or an answer that a server must not give.
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
        assert!(length <= LIMITS.response_bytes, "more of a body than there may be");
    }
    let trailers = response.body.take_trailers();
    for field in response.head.headers.iter().chain(&trailers) {
        assert!(!field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "a field that is more than one");
        assert!(!matches!(field.name.as_str(), "transfer-encoding" | "connection" | "upgrade"), "a field of the connection");
    }
}

/// Answers every client: the first request of a connection with the first bytes, the second with the others.
async fn serve(listener: &TcpListener, answers: (&[u8], &[u8])) {
    while let Ok((mut client, _)) = listener.accept().await {
        if answer(&mut client, answers.0).await && !answers.1.is_empty() {
            // A client that is waiting for the end of the first answer sends no second request: the end comes soon then.
            let _ = tokio::time::timeout(Duration::from_millis(2), answer(&mut client, answers.1)).await;
        }
    }
}

/// Waits for a request, and answers it. Whether there may be another one.
async fn answer(client: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut head = [0; 1024];
    let read = client.read(&mut head).await;
    matches!(read, Ok(1..)) && client.write_all(bytes).await.is_ok()
}
