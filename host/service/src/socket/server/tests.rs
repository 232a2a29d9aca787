//! Silent clients: how many there may be, and how long they may take.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and is a client of its own")]

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use super::*;
use run::{HomePlace, HostOptions};

/// Only a wait without end takes this long.
const WITHOUT_END: Duration = Duration::from_secs(120);

fn host(folder: &Path) -> LocalHost {
    let place = HomePlace { home: folder.join("home"), state: folder.join("state") };
    let nothing_to_compile = HostOptions {
        compiler: ("/nonexistent".into(), Vec::new()),
        journal: journal::Options::default(),
        slots: 1,
        long_wait: run::LONG_WAIT,
        passphrase_file: None,
    };
    LocalHost::open(&place, &nothing_to_compile).unwrap()
}

async fn client(host: &LocalHost) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(host.place().home.join(SOCKET)).await.unwrap())
}

async fn welcomed(client: &mut BufReader<UnixStream>) {
    let mut line = String::new();
    tokio::time::timeout(WITHOUT_END, client.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.starts_with("{\"welcome\":{\"version\":\"") && line.ends_with("}}\n"), "{line}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_left_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let _server = serve_within(&host, SocketBounds { request_max: Duration::ZERO, ..BOUNDS }).unwrap();
    let mut silent = client(&host).await;
    let mut rest = Vec::new();
    tokio::time::timeout(WITHOUT_END, silent.read_to_end(&mut rest)).await.unwrap().unwrap();
    let line = String::from_utf8(rest).unwrap();
    assert!(
        line.starts_with("{\"welcome\":") && line.matches('\n').count() == 1,
        "it got the welcome, and then the connection was closed: {line}"
    );
    // The control: if the time limit is long, the client may be silent.
    drop(_server);
    let _server = serve_within(&host, BOUNDS).unwrap();
    let mut silent = client(&host).await;
    welcomed(&mut silent).await;
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(silent.get_ref().try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn no_more_clients_are_spoken_to_at_once_than_there_are_places() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let _server = serve_within(&host, SocketBounds { clients_max: 2, ..BOUNDS }).unwrap();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut one = client(&host).await;
        welcomed(&mut one).await;
        clients.push(one);
    }
    // The kernel has connected it and the host does not serve it, although the only thread has nothing else to do.
    let mut third = client(&host).await;
    for _ in 0..5000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(third.get_ref().try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // The control: it gets its turn when another client leaves.
    clients.pop();
    welcomed(&mut third).await;
}

#[tokio::test]
async fn a_client_that_has_its_answer_and_stays_connected_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let _server = serve_within(&host, SocketBounds { clients_max: 1, ..BOUNDS }).unwrap();
    let mut answered = client(&host).await;
    welcomed(&mut answered).await;
    answered.get_mut().write_all(b"{\"verb\":\"going\"}\n").await.unwrap();
    let mut rest = String::new();
    tokio::time::timeout(WITHOUT_END, answered.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.lines().last().is_some_and(|line| line.starts_with("{\"going\"")), "{rest}");
    // The host has closed both halves: what the client sends now reaches nobody, and the next client has the place.
    let refused = async {
        while answered.get_mut().write_all(b"{\"verb\":\"going\"}\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WITHOUT_END, refused).await.unwrap();
    welcomed(&mut client(&host).await).await;
}
