//! The live world on loopback: what reaches a server, what is recorded, and in which order.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use gate::{Nobody, Resuming, RunWorld};
use net::{Network, NetworkConfig};
use vocabulary::{
    Act, AskedPath, Claim, Door as _, Fault, FileAnswer, FileAsk, FileFault, FileId, FileOpen, GuestEvent, HttpAsk, HttpFault, HttpTarget,
    HttpTimeouts, Limits, Method, OpId, SafeText, Scheme, Stop, Timeline as _,
};

use super::kit::{Home, done, header, live, loopback, mount, next};

/// A server that answers the requests of each connection with what `answer` returns. It handles one connection after the other.
struct Server {
    port: u16,
    met: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let met = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&met);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                count.fetch_add(1, Ordering::SeqCst);
                answer(&String::from_utf8_lossy(&head), &mut stream);
            }
        });
        Self { port, met }
    }

    fn fixed(body: Vec<u8>) -> Self {
        Self::new(move |_, stream| {
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        })
    }

    fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

fn network() -> Option<Network> {
    Some(Network::new(&NetworkConfig::default()).unwrap())
}

fn ask(method: &str, port: u16, path: &str) -> Act {
    Act::Http(HttpAsk {
        method: Method::new(method).unwrap(),
        target: HttpTarget::parse(Scheme::Http, &format!("127.0.0.1:{port}"), path).unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeouts: HttpTimeouts::default(),
    })
}

/// Reads one operation to its end. Returns its status and its body, or its fault.
async fn read(world: &mut dyn vocabulary::World, op: OpId) -> Result<(u16, Vec<u8>), HttpFault> {
    let (mut status, mut body) = (0, Vec::new());
    loop {
        let release = next(world).await.unwrap();
        assert_eq!(release.op, op);
        match release.event {
            GuestEvent::Head(head) => status = head.status,
            GuestEvent::Chunk(bytes) => {
                body.extend_from_slice(&bytes);
                world.read_on(op);
            }
            GuestEvent::End(_) => return Ok((status, body)),
            GuestEvent::Failed(Fault::Http(fault)) => return Err(fault),
            GuestEvent::Failed(Fault::Credential(fault)) => panic!("not of a request: {fault:?}"),
            GuestEvent::Answer(_) | GuestEvent::Timer { .. } | GuestEvent::Clock => panic!("not of a request"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_may_take_in_less_than_its_run() {
    let server = Server::fixed(vec![5; 3000]);
    let home = Home::new();
    for (most, whole) in [(3000, true), (2999, false)] {
        let mut grants = loopback(server.port);
        grants.http[0].within.response_bytes = Some(most);
        let gate = home.open(header(grants, Limits::default()));
        let mut world = RunWorld::fresh(live(&gate, network()), &Limits::default());
        let op = world.submit(ask("GET", server.port, "/x")).unwrap();
        assert_eq!(read(&mut world, op).await.is_ok(), whole, "{most}");
        gate.close(done()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_request_is_answered_and_its_intent_comes_first() {
    let server = Server::fixed(vec![5; 300_000]);
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let run = gate.header().run;
    let mut world = RunWorld::fresh(live(&gate, network()), &Limits::default());
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    assert_eq!(read(&mut world, op).await, Ok((200, vec![5; 300_000])));
    gate.close(done()).await.unwrap();
    let bodies = home.bodies(run);
    let at = |word: &str| bodies.iter().position(|body| body.contains(word)).unwrap();
    assert!(at(r#""kind":"asked""#) < at(r#""kind":"answered""#));
    assert!(at(r#""kind":"answered""#) < at(r#""kind":"delivered""#));
    assert!(bodies[at(r#""kind":"received""#)].contains(r#""bytes":300000"#));
    assert!(bodies[at(r#""kind":"answered""#)].contains(&format!("127.0.0.1:{}", server.port)));

    let header = gate.header();
    let broker = crate::Broker::for_audit(Arc::clone(&header.spec), &header.seed, crate::Mounts::default());
    let audit = gate::Live::for_audit(header, Arc::new(broker), Arc::clone(gate.clock()));
    let mut world = RunWorld::audit(home.recorded(run), audit).unwrap();
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    assert_eq!(read(&mut world, op).await, Ok((200, vec![5; 300_000])));
    assert_eq!(world.verdict(&vocabulary::Outcome::Done, None), Ok(()));
    assert_eq!(server.met(), 1, "a rebuild has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_reaches_nobody() {
    let server = Server::fixed(Vec::new());
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let mut world = live(&gate, network());
    let op = world.submit(ask("DELETE", server.port, "/x")).unwrap();
    assert_eq!(read(&mut world, op).await, Err(HttpFault::Denied));
    gate.close(done()).await.unwrap();
    assert_eq!(server.met(), 0);
    assert!(home.bodies(gate.header().run).iter().any(|body| body.contains("method-not-granted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_reached_is_a_plain_word() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = Home::new();
    let gate = home.open(header(loopback(port), Limits::default()));
    let mut world = live(&gate, network());
    let op = world.submit(ask("GET", port, "/x")).unwrap();
    assert_eq!(read(&mut world, op).await, Err(HttpFault::Unreachable));
    gate.close(done()).await.unwrap();
    assert!(home.bodies(gate.header().run).iter().any(|body| body.contains(r#""fault":"unreachable""#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_reads_no_further_gets_no_more_than_its_credit() {
    let server = Server::fixed(vec![1; 3 << 20]);
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let mut world = live(&gate, network());
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    let head = next(&mut world).await.unwrap();
    assert!(matches!(head.event, GuestEvent::Head(_)));
    for _ in 0..gate::CREDIT {
        assert!(matches!(next(&mut world).await.unwrap().event, GuestEvent::Chunk(_)));
    }
    // Only a timer is still to come.
    let deadline = world.mono_ns() + 100_000_000;
    let timer = world.timer(deadline).unwrap();
    let release = next(&mut world).await.unwrap();
    assert_eq!((release.op, release.mono_ns >= deadline), (timer, true));
    world.read_on(op);
    assert!(matches!(next(&mut world).await.unwrap().event, GuestEvent::Chunk(_)));
    world.abandon(op).unwrap();
    assert_eq!(next(&mut world).await, Err(Stop::Stuck));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_is_broken_off_and_says_nothing_more() {
    let (gone, is_gone) = mpsc::channel();
    let server = Server::new(move |_, stream| {
        let mut byte = [0];
        // Ends when the other side closes.
        gone.send(stream.read(&mut byte).unwrap_or(0)).unwrap();
    });
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let mut world = live(&gate, network());
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    while server.met() == 0 {
        tokio::task::yield_now().await;
    }
    world.abandon(op).unwrap();
    assert_eq!(is_gone.recv_timeout(Duration::from_secs(20)).unwrap(), 0);
    assert_eq!(world.poll(), Ok(None));
    assert!(home.bodies(gate.header().run).iter().any(|body| body.contains(r#""outcome":"abandoned""#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_wait_and_every_intent() {
    let server = Server::fixed(Vec::new());
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let mut world = live(&gate, network());
    world.timer(u64::MAX / 2).unwrap();
    let handle = world.handle();
    let stopper = tokio::spawn(async move { handle.stop() });
    assert_eq!(next(&mut world).await, Err(Stop::Ordered));
    stopper.await.unwrap();
    assert_eq!(world.submit(ask("GET", server.port, "/x")), Err(Stop::Ordered));
    world.say(Claim::Stderr(SafeText::new("last words", 100))).unwrap();
    gate.close(done()).await.unwrap();
    assert_eq!(server.met(), 0);
    assert!(home.bodies(gate.header().run).join("\n").contains("last words"));
}

#[tokio::test]
async fn what_waits_for_nothing_is_stuck() {
    let home = Home::new();
    let gate = home.open(header(loopback(1), Limits::default()));
    let mut world = live(&gate, network());
    assert_eq!(next(&mut world).await, Err(Stop::Stuck));
}

#[tokio::test]
async fn timers_come_in_their_order_and_the_clock_only_goes_forward() {
    let home = Home::new();
    let gate = home.open(header(loopback(1), Limits::default()));
    let mut world = live(&gate, network());
    let late = world.timer(30_000_000).unwrap();
    let soon = world.timer(10_000_000).unwrap();
    let jump = world.jump().unwrap();
    let first = next(&mut world).await.unwrap();
    let second = next(&mut world).await.unwrap();
    assert_eq!((first.op, second.op), (soon, late));
    assert!(0 < jump.mono_ns && jump.mono_ns < first.mono_ns && first.mono_ns < second.mono_ns);
    assert!(first.mono_ns >= 10_000_000 && second.mono_ns >= 30_000_000);
}

/// A run that was cut off in the middle of a body continues at the byte where it was, if the server sends the same again.
#[expect(clippy::mem_forget, reason = "a process that dies drops nothing")]
async fn cut_in_a_body(second: Vec<u8>) -> Result<(u16, Vec<u8>), HttpFault> {
    let body: Vec<u8> = (0..400_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let bodies = std::sync::Mutex::new(vec![second, body.clone()]);
    let server = Server::new(move |_, stream| {
        let body = bodies.lock().unwrap().pop().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    });
    let home = Home::new();
    let gate = home.open(header(loopback(server.port), Limits::default()));
    let run = gate.header().run;
    let mut seen = Vec::new();
    let mut world = RunWorld::fresh(live(&gate, network()), &Limits::default());
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    next(&mut world).await.unwrap();
    for _ in 0..2 {
        let GuestEvent::Chunk(bytes) = next(&mut world).await.unwrap().event else { panic!("no piece") };
        seen.extend_from_slice(&bytes);
        world.read_on(op);
    }
    gate.flush().unwrap();
    home.journal.durable().wait_blocking().unwrap();
    // The process dies here, so nothing is closed. Whatever it still does must not reach the record.
    std::mem::forget(world);

    let recorded = home.recorded(run);
    let resuming = Resuming::of(&recorded, vocabulary::Principal::new(1001, Some("bob")));
    let gate = home.gate.resume_run(recorded.header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    let mut world = RunWorld::resume(recorded, live(&gate, network())).unwrap();
    let op = world.submit(ask("GET", server.port, "/x")).unwrap();
    let answer = read(&mut world, op).await;
    gate.close(done()).await.unwrap();
    let text = home.bodies(run).join("\n");
    assert!(text.contains(r#""again":true"#), "{text}");
    assert_eq!(server.met(), 2);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_cut_off_goes_on_where_it_was() {
    let body: Vec<u8> = (0..400_000u32).map(|n| n.to_le_bytes()[1]).collect();
    assert_eq!(cut_in_a_body(body.clone()).await, Ok((200, body)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_another_one_meanwhile_does_not_go_on() {
    let mut body: Vec<u8> = (0..400_000u32).map(|n| n.to_le_bytes()[1]).collect();
    body[10] ^= 1;
    assert_eq!(cut_in_a_body(body).await, Err(HttpFault::Incomplete));
    assert_eq!(cut_in_a_body(vec![1; 10]).await, Err(HttpFault::Incomplete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_open_when_it_was_cut_off_is_read_on() {
    let lot = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(lot.path().join("a/b")).unwrap();
    std::fs::write(lot.path().join("a/b/f"), b"0123456789").unwrap();
    let home = Home::new();
    let grants = vocabulary::Grants { files: mount(lot.path()).files, ..loopback(1) };
    let gate = home.open(header(grants, Limits::default()));
    let run = gate.header().run;
    let open =
        |dir: FileId, path: &str| FileAsk::Open(FileOpen { dir, directory: false, follow: true, path: AskedPath::new(path).unwrap() });
    let first = |world: &mut dyn vocabulary::World| {
        let FileAnswer::Opened { file: dir, .. } = world.observe(open(FileId(1), "a")).unwrap() else { panic!("not opened") };
        let FileAnswer::Opened { file: below, .. } = world.observe(open(dir, "b")).unwrap() else { panic!("not opened") };
        let FileAnswer::Opened { file, .. } = world.observe(open(below, "f")).unwrap() else { panic!("not opened") };
        for done in [dir, below] {
            world.observe(FileAsk::Close { file: done }).unwrap();
        }
        let read = world.observe(FileAsk::Read { file, offset: 0, len: 4 }).unwrap();
        assert_eq!(read, FileAnswer::Bytes(Bytes::from_static(b"0123")));
        (below, file)
    };
    let mut world = RunWorld::fresh(live(&gate, None), &Limits::default());
    first(&mut world);
    gate.flush().unwrap();
    let recorded = home.recorded(run);
    drop(world);

    // What was read is not read again. What was open is opened again.
    std::fs::write(lot.path().join("a/b/f"), b"abcdefghij").unwrap();
    let resuming = Resuming::of(&recorded, vocabulary::Principal::new(1001, Some("bob")));
    let gate = home.gate.resume_run(recorded.header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    let mut world = RunWorld::resume(recorded, live(&gate, None)).unwrap();
    let (below, file) = first(&mut world);
    let read = world.observe(FileAsk::Read { file, offset: 4, len: 100 }).unwrap();
    assert_eq!(read, FileAnswer::Bytes(Bytes::from_static(b"efghij")));
    assert_eq!(world.observe(FileAsk::Stat { file: below }), Ok(FileAnswer::Fault(FileFault::Invalid)));
    let FileAnswer::Opened { file: next, .. } = world.observe(open(FileId(1), "a")).unwrap() else { panic!("not opened") };
    assert_eq!(next, FileId(5));
    gate.close(done()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_written_soon() {
    let home = Home::new();
    let gate = home.open(header(loopback(1), Limits::default()));
    let mut world = live(&gate, None);
    world.say(Claim::Stdout(SafeText::new("soon", 10))).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !home.bodies(gate.header().run).join("\n").contains("soon") {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
