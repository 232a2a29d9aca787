//! Two processes on one home: one holds it, the others are its clients. Also runs that are ended from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use run::{HomePlace, LocalHost, RunError, Running, own_principal};
use service::{Admitted, HostHandle};
use tests::guests::guest;
use tests::host::{TestHost, loopback, options, place, printed, records, report};
use tests::named::{admitted, start, trust, written};
use tests::seen::{answered, asked};
use tests::server::{CHUNKED, Server, Step, chunk, response};
use tokio::sync::Semaphore;
use vocabulary::record::{AnswerClass, Record};
use vocabulary::{Means, Outcome, Stopping};

/// A home, the host that holds it, and a client that came later.
struct Two {
    here: HostHandle,
    there: HostHandle,
    place: HomePlace,
    folder: tempfile::TempDir,
}

async fn two() -> Two {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let here = HostHandle::find(&place, &options()).await.unwrap();
    let there = HostHandle::find(&place.clone(), &options()).await.unwrap();
    assert!(matches!(here, HostHandle::Here(..)) && matches!(there, HostHandle::There(_)));
    Two { here, there, place, folder }
}

/// A guest with a grant for a server, in its own trusted configuration.
fn granted(place: &HomePlace, folder: &std::path::Path, (name, args): (&str, &[&str]), server: &Server) -> Admitted {
    let mut grants = vocabulary::Grants::default();
    loopback(&mut grants, server.port(), &["GET", "POST"], &["/**"]);
    let agent = name.replace('_', "-");
    let limits = format!("\n[agents.{agent}.limits]\nresponse-bytes = \"1GiB\"\n");
    let file = written(&folder.join(name), (&agent, &guest(name)), &grants, &limits);
    trust(place, &file);
    admitted(place, &file, &agent, args)
}

impl Two {
    fn run(&self, guest: &str, args: &[&str], server: &Server) -> Admitted {
        granted(&self.place, &self.folder.path().join("here"), (guest, args), server)
    }

    /// Stops the run from the client, and checks its records.
    async fn stopped(&self, running: Running) -> Vec<Record> {
        let run = running.run;
        assert!(self.there.going().await.unwrap().iter().any(|(going, _)| *going == run));
        assert!(self.there.stop(run).await.unwrap());
        let report = report(running).await;
        assert_eq!(report.outcome, Outcome::Stopped(Stopping { by: own_principal(), means: Means::Stop }));
        assert!(!self.there.stop(run).await.unwrap(), "it has ended");
        let records = records(&self.place.home, run);
        assert!(matches!(records.last(), Some(Record::RunClosed(_))), "{:?}", records.last());
        records
    }

    async fn leave(self) {
        drop(self.there);
        self.here.leave().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_a_run_that_waits_for_an_answer() {
    let (two, server) = (two().await, Server::doing(vec![Step::Hang]).await);
    let running = start(&two.here, &two.run("prints_and_waits", &[&server.url("/")], &server)).await;
    server.until(|counts| counts.heard == 1).await;
    let records = two.stopped(running).await;
    let ends: Vec<_> = answered(&records).map(|answered| answered.class()).collect();
    assert_eq!(ends, [AnswerClass::Abandoned]);
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_runs_that_compute_or_sleep() {
    let (two, server) = (two().await, Server::doing(vec![Step::Hang]).await);
    for (guest, args) in
        [("spins_forever", &[][..]), ("fills_memory_forever", &[]), ("waits_for_ever", &["poll"]), ("waits_for_ever", &["sleep"])]
    {
        let running = start(&two.there, &two.run(guest, args, &server)).await;
        two.stopped(running).await;
    }
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_after_stop() {
    let two = two().await;
    // The server sends pieces without end; the guest sends one request for each.
    let server = Server::answering(|_, heard| match heard.path.as_str() {
        "/0" => vec![Step::Say(CHUNKED.to_vec()), Step::Flood(chunk(&[b'x'; 10]))],
        _ => vec![Step::Say(response(200, b""))],
    })
    .await;
    for turn in 1..=5 {
        let before = server.counts().heard;
        let running = start(&two.here, &two.run("tells_of_each_piece", &[&server.url("")], &server)).await;
        server.until(|counts| counts.heard >= before + turn * 7).await;
        let records = two.stopped(running).await;
        let (asked, heard) = (asked(&records).count(), server.counts().heard - before);
        // The last request may have been cancelled after its intent and before it was sent.
        assert!(heard <= asked && asked <= heard + 1, "{asked} intents, {heard} requests");
        assert_eq!(asked, answered(&records).count());
        // Another run completes in the same host: by then, any later request of the first run would have arrived.
        let other = Server::doing(vec![Step::Say(response(200, b""))]).await;
        let running = start(&two.here, &two.run("get", &[&other.url("/")], &other)).await;
        assert_eq!(report(running).await.outcome, Outcome::Done);
        assert_eq!(server.counts().heard - before, heard, "requests were sent after the stop");
    }
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_goes_on_while_the_first_lives() {
    let (two, turn) = (two().await, Arc::new(Semaphore::new(0)));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, heard| match heard.path.as_str() {
        "/first" => vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b"first"))],
        _ => vec![Step::Say(response(200, b"second"))],
    })
    .await;
    let first = start(&two.here, &two.run("get", &[&server.url("/first")], &server)).await;
    server.until(|counts| counts.heard == 1).await;
    let second = start(&two.there, &two.run("get", &[&server.url("/second")], &server)).await;
    assert_ne!(first.run, second.run);
    let second = report(second).await;
    assert_eq!(second.outcome, Outcome::Done);
    assert!(printed(&second).contains("second"));
    assert_eq!(two.there.going().await.unwrap().iter().map(|(run, _)| *run).collect::<Vec<_>>(), [first.run]);
    turn.add_permits(1);
    let first = report(first).await;
    assert!(printed(&first).contains("first"), "{first:?}");
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_its_own_run_and_no_other() {
    let (two, server) = (two().await, Server::doing(vec![Step::Hang]).await);
    let own = start(&two.here, &two.run("prints_and_waits", &[&server.url("/own")], &server)).await;
    let run = two.run("prints_and_waits", &[&server.url("/others")], &server);
    let place = two.place.clone();
    // For the host, this is a separate process: all of its connections end with it.
    let others = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let run = runtime.block_on(async {
            let there = HostHandle::ask(&place).await.unwrap().unwrap();
            start(&there, &run).await.run
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
        run
    });
    let others = others.await.unwrap();
    // The run ends by itself.
    while two.there.going().await.unwrap().iter().any(|(run, _)| *run == others) {
        tokio::task::yield_now().await;
    }
    let Some(Record::RunClosed(closed)) = records(&two.place.home, others).pop() else { panic!("it was not closed") };
    assert_eq!(closed.outcome, Outcome::Stopped(Stopping { by: own_principal(), means: Means::ClientGone }));
    assert_eq!(two.there.going().await.unwrap().len(), 1);
    two.stopped(own).await;
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_holds_the_home_and_all_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let server = Server::doing(vec![Step::Say(response(200, b""))]).await;
    let run = granted(&place, folder.path(), ("get", &[&server.url("/")]), &server);
    let one = |n: usize| {
        let (place, run) = (place.clone(), run.clone());
        async move {
            let holder = HostHandle::find(&place, &options()).await.unwrap();
            let report = report(start(&holder, &run).await).await;
            assert_eq!(report.outcome, Outcome::Done, "{n}: {report:?}");
            holder
        }
    };
    let tasks: Vec<_> = (0..8).map(|n| tokio::spawn(one(n))).collect();
    let mut holders = Vec::new();
    for task in tasks {
        holders.push(task.await.unwrap());
    }
    let (here, there): (Vec<_>, Vec<_>) = holders.into_iter().partition(|holder| matches!(holder, HostHandle::Here(..)));
    assert_eq!((here.len(), there.len()), (1, 7));
    assert_eq!(server.heard().len(), 8);
    assert!(matches!(LocalHost::open(&place, &options()), Err(RunError::Held(_))), "there is only one writer");
    for here in here {
        here.leave().await.unwrap();
    }
    // The home is free again, so the next process holds it.
    let next = HostHandle::find(&place, &options()).await.unwrap();
    assert!(matches!(next, HostHandle::Here(..)));
    assert!(there[0].going().await.unwrap().is_empty(), "clients talk to the process that holds it");
    next.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_leaves_when_the_runs_of_others_have_ended() {
    let (two, turn) = (two().await, Arc::new(Semaphore::new(0)));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, _| vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b""))]).await;
    let run = two.run("get", &[&server.url("/")], &server);
    let Two { here, there, folder, .. } = two;
    let running = start(&there, &run).await;
    server.until(|counts| counts.heard == 1).await;
    let leaving = tokio::spawn(here.leave());
    assert!(!leaving.is_finished());
    turn.add_permits(1);
    assert_eq!(report(running).await.outcome, Outcome::Done);
    leaving.await.unwrap().unwrap();
    drop(folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_of_a_process_that_died_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    drop(UnixListener::bind(place.home.join("host.sock")).unwrap());
    assert!(HostHandle::ask(&place).await.unwrap().is_none());
    let here = HostHandle::find(&place, &options()).await.unwrap();
    assert!(matches!(here, HostHandle::Here(..)));
    assert!(HostHandle::ask(&place).await.unwrap().is_some());
    here.leave().await.unwrap();
}

/// The answer of the socket to these bytes.
async fn said(socket: &std::path::Path, bytes: Vec<u8>) -> String {
    let socket = socket.to_owned();
    let spoken = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        // The host may have closed the connection before it read everything.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        assert!(lines.next().is_some_and(|line| line.starts_with("{\"welcome\":{\"version\":")));
        lines.find(|line| !line.starts_with("{\"alive\"")).unwrap_or_default()
    });
    spoken.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_socket_does_not_understand_changes_nothing() {
    let two = two().await;
    let socket = two.place.home.join("host.sock");
    let size = || journal::Reader::open(&two.place.home).unwrap().records().count();
    let before = size();
    let unknown_run = "{\"verb\":\"stop\",\"run\":\"01M83DA0REQ40DXRGC9AB0ZHM8\",\"means\":\"stop\"}\n";
    let no_such = "{\"verb\":\"resume\",\"request\":{\"run\":\"01M83DA0REQ40DXRGC9AB0ZHM8\",\"config\":null}}\n";
    let cases: [(&str, &str); 9] = [
        ("", ""),
        ("\n", "\"exit\":2"),
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "\"exit\":2"),
        ("{\"verb\":\"stop\"}\n", "\"exit\":2"),
        ("{\"verb\":\"grant\",\"all\":true}\n", "\"exit\":2"),
        ("{\"verb\":\"going\",\"more\":1}\n", "\"exit\":2"),
        ("{\"verb\":\"going\"", "\"exit\":2"),
        (unknown_run, "\"done\":false"),
        (no_such, "\"not-open\":{\"run\":\"01M83DA0REQ40DXRGC9AB0ZHM8\"}"),
    ];
    for (bytes, expected) in cases {
        let said = said(&socket, bytes.as_bytes().to_vec()).await;
        assert!(said.contains(expected), "{bytes:?}: {said:?}");
    }
    let deep = [vec![b'['; 1 << 20], vec![b'\n']].concat();
    assert!(said(&socket, deep).await.contains("\"exit\":2"));
    assert_eq!(size(), before);
    assert!(two.there.going().await.unwrap().is_empty());
    two.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_nobody_has_compiled_can_be_started_several_times_at_once() {
    let host = Arc::new(TestHost::new());
    let wasm = std::fs::read(guest("lists_mounts")).unwrap();
    let mut unheard = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut unheard).unwrap();
    let order = host.order_of("fresh", &tests::bombs::with_section(&wasm, "note", &unheard), &[]);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (host, order) = (Arc::clone(&host), order.clone());
            tokio::spawn(async move { host.run(order).await.outcome })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Outcome::Done);
    }
}
