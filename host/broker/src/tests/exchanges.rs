//! A guest that drops its request while the host is in the middle of an exchange for it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use bytes::Bytes;
use gate::RunWorld;
use net::{Network, NetworkConfig};
use vault::{Local, Secret, Vault};
use vocabulary::{
    Act, Binding, Door as _, HttpAsk, HttpTarget, HttpTimeouts, Limits, Method, Oauth2, OauthGrant, Placement, Scheme, Source,
};

use super::kit::{Home, done, header, live_with, loopback};

const ANSWER: &str =
    r#"{"access_token":"access-token-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-token-number-1"}"#;

/// Receives one request, says so, and answers when the test lets it.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_drops_its_request_while_a_token_is_refreshed_loses_no_refresh_token() {
    let (folder, home) = (tempfile::tempdir().unwrap(), Home::new());
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec()).unwrap();
    let local = Local::new(folder.path());
    local.set("key", secret("refresh-token-number-0"), 1).unwrap();
    local.send_to("key", &["http://127.0.0.1:*".parse().unwrap()]).unwrap();
    let (port, heard, lets) = issuer();
    let mut grants = loopback(9);
    grants.http[0].credential = Some("key".to_owned());
    grants.credentials.push(refreshing(port));
    let gate = home.open(header(grants, Limits::default()));
    let network = Network::new(&NetworkConfig::default()).unwrap();
    let live = live_with(&gate, Some(network), Vault::new(folder.path()));
    let handle = live.handle();
    let mut world = RunWorld::fresh(live, &Limits::default());
    let ask = HttpAsk {
        method: Method::new("GET").unwrap(),
        target: HttpTarget::parse(Scheme::Http, "127.0.0.1:9", "/").unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeouts: HttpTimeouts::default(),
    };
    let op = world.submit(Act::Http(ask)).unwrap();
    tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
    world.abandon(op).unwrap();
    lets.send(()).unwrap();
    handle.finished().await;
    assert!(local.get("key").unwrap().0.is(&secret("refresh-token-number-1")), "what the issuer gave is kept");
    gate.close(done()).await.unwrap();
    let bodies = home.bodies(gate.header().run);
    let at = |word: &str| bodies.iter().position(|body| body.contains(word)).unwrap();
    assert!(at(r#""kind":"host-asked""#) < at(r#""outcome":"abandoned""#), "{bodies:?}");
    assert!(bodies[at(r#""kind":"host-answered""#)].contains(r#""status":200"#) && at("host-answered") < at("run-closed"), "{bodies:?}");
}
