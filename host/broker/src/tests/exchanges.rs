//! Tests of what may happen during an exchange that the host makes for a guest's request: the guest drops the request, or its permit
//! expires.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use gate::RunWorld;
use net::{Network, NetworkConfig};
use vault::{Local, Secret, Vault};
use vocabulary::{
    Act, Binding, Clock, Door as _, GuestEvent, HttpAsk, HttpFault, HttpTarget, HttpTimeouts, Limits, Method, Oauth2, OauthGrant,
    Placement, Scheme, Source, Until,
};

use super::kit::{Home, done, header, live_with, loopback, next};

const ANSWER: &str =
    r#"{"access_token":"access-token-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-token-number-1"}"#;

/// Receives one request, reports it, and answers when the test says so.
fn issuer() -> (u16, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((hears, heard), (lets, lets_go)) = (mpsc::channel(), mpsc::channel::<()>());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"client_id=tester") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        hears.send(()).unwrap();
        lets_go.recv().unwrap();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    });
    (port, heard, lets)
}

fn refreshing(port: u16) -> Binding {
    let oauth2 = Oauth2 {
        client_id: "tester".to_owned(),
        grant: OauthGrant::Refresh,
        scope: None,
        token: HttpTarget::parse(Scheme::Http, &format!("127.0.0.1:{port}"), "/token").unwrap(),
        token_addresses: Vec::new(),
    };
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    Binding { scheme: Scheme::Http, ..Binding::new("key", hosts, Placement::Oauth2(Box::new(oauth2)), Source::Local) }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

/// A vault with the first refresh token.
fn vault_with_key(folder: &Path) -> Local {
    let local = Local::new(folder);
    local.set("key", secret("refresh-token-number-0"), 1).unwrap();
    local.send_to("key", &["http://127.0.0.1:*".parse().unwrap()]).unwrap();
    local
}

fn get(port: u16) -> Act {
    Act::Http(HttpAsk {
        method: Method::new("GET").unwrap(),
        target: HttpTarget::parse(Scheme::Http, &format!("127.0.0.1:{port}"), "/").unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeouts: HttpTimeouts::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_drops_its_request_while_a_token_is_refreshed_loses_no_refresh_token() {
    let (folder, home) = (tempfile::tempdir().unwrap(), Home::new());
    let local = vault_with_key(folder.path());
    let (port, heard, lets) = issuer();
    let mut grants = loopback(9);
    grants.http[0].credential = Some("key".to_owned());
    grants.credentials.push(refreshing(port));
    let gate = home.open(header(grants, Limits::default()));
    let network = Network::new(&NetworkConfig::default()).unwrap();
    let live = live_with(&gate, Some(network), Vault::new(folder.path()));
    let handle = live.handle();
    let mut world = RunWorld::fresh(live, &Limits::default());
    let op = world.submit(get(9)).unwrap();
    tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
    world.abandon(op).unwrap();
    lets.send(()).unwrap();
    handle.finished().await;
    assert!(local.get("key").unwrap().0.is(&secret("refresh-token-number-1")), "the token of the issuer is kept");
    gate.close(done()).await.unwrap();
    let bodies = home.bodies(gate.header().run);
    let at = |word: &str| bodies.iter().position(|body| body.contains(word)).unwrap();
    assert!(at(r#""kind":"host-asked""#) < at(r#""outcome":"abandoned""#), "{bodies:?}");
    assert!(bodies[at(r#""kind":"host-answered""#)].contains(r#""status":200"#) && at("host-answered") < at("run-closed"), "{bodies:?}");
}

/// A clock that stands still until the test sets it, in nanoseconds since 1970.
struct Moved(AtomicU64);

impl Moved {
    fn to(&self, unix_s: u64) {
        self.0.store(unix_s * 1_000_000_000, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn mono_ns(&self) -> u64 {
        self.unix_ns()
    }

    fn unix_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The result of a request whose token arrives when its permit expires, or a number of seconds earlier: the first event that the guest
/// sees, the head of the request that the server received, and the record.
async fn with_a_token_that_came(before_s: u64) -> (GuestEvent, Option<String>, Vec<String>) {
    let until: Until = "2029-12-31".parse().unwrap();
    let clock = Arc::new(Moved(AtomicU64::default()));
    clock.to(until.unix_s - 60);
    let (folder, home) = (tempfile::tempdir().unwrap(), Home::with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
    vault_with_key(folder.path());
    let server = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let (port, (issuer, heard, lets)) = (server.local_addr().unwrap().port(), issuer());
    let mut grants = loopback(port);
    (grants.http[0].credential, grants.http[0].until) = (Some("key".to_owned()), Some(until));
    grants.credentials.push(refreshing(issuer));
    let gate = home.open(header(grants, Limits::default()));
    let network = Network::new(&NetworkConfig::default()).unwrap();
    let mut world = RunWorld::fresh(live_with(&gate, Some(network), Vault::new(folder.path())), &Limits::default());
    let op = world.submit(get(port)).unwrap();
    tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
    clock.to(until.unix_s - before_s);
    lets.send(()).unwrap();
    let serving = Arc::clone(&server);
    let serving = (before_s > 0).then(|| std::thread::spawn(move || serve_one(&serving)));
    let release = next(&mut world).await.unwrap();
    assert_eq!(release.op, op);
    let head = serving.map(|serving| serving.join().unwrap());
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "there was no other connection");
    gate.close(done()).await.unwrap();
    (release.event, head, home.bodies(gate.header().run))
}

/// Answers one request, and returns its head.
fn serve_one(server: &TcpListener) -> String {
    let (mut stream, _) = server.accept().unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_lapses_while_its_token_is_obtained_sends_nothing() {
    let (event, _, bodies) = with_a_token_that_came(0).await;
    assert_eq!(event, GuestEvent::Failed(HttpFault::Denied.into()));
    let of = |word: &str| bodies.iter().find(|body| body.contains(word)).unwrap_or_else(|| panic!("no {word}: {bodies:?}"));
    assert!(of(r#""kind":"host-answered""#).contains(r#""status":200"#), "the token arrived");
    let answered = of(r#""kind":"answered""#);
    assert!(answered.contains(r#""outcome":"refused-lapsed""#) && answered.contains("grant-expired"), "{answered}");
    assert!(!answered.contains(r#""peer""#) && !answered.contains(r#""sent""#), "no connection was made: {answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_has_a_second_left_when_its_token_came_is_used() {
    let (event, head, bodies) = with_a_token_that_came(1).await;
    assert!(matches!(event, GuestEvent::Head(vocabulary::HttpHead { status: 204, .. })), "{event:?}");
    assert!(head.unwrap().to_ascii_lowercase().contains("authorization: bearer access-token-1\r\n"));
    assert!(bodies.iter().any(|body| body.contains(r#""outcome":"response""#)), "{bodies:?}");
}
