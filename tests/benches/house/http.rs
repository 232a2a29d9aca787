//! Requests to loopback, recorded durably, compared with a bare pooled client and the same batches to the disk; and their rebuild.

use std::cell::Cell;
use std::convert::Infallible;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tests::host::{TestHost, loopback};
use tokio::net::{TcpListener, TcpStream};

use crate::{median, pairs, row};

const ASKS: usize = 31 * IN_FLIGHT;
const IN_FLIGHT: usize = 64;

pub(crate) async fn server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let answer = service_fn(|_| async { Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello")))) });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    port
}

async fn bare_client(port: u16) {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        all.spawn(async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(conn);
            // The number of requests is rounded down to a multiple of the number in flight.
            for n in 0..ASKS / IN_FLIGHT {
                sender.ready().await.unwrap();
                let request = hyper::Request::get(format!("/{n}")).header("host", "127.0.0.1").body(Empty::<Bytes>::new()).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                answer.into_body().collect().await.unwrap();
            }
        });
    }
    while all.join_next().await.is_some() {}
}

/// Writes as many batches of the same size as the run wrote, and syncs each.
fn batches_to_disk(folder: &std::path::Path, batches: u64, bytes: u64) {
    let mut file = File::create(folder.join("raw")).unwrap();
    let batch = vec![7; usize::try_from(bytes / batches.max(1)).unwrap()];
    for _ in 0..batches {
        file.write_all(&batch).unwrap();
        file.sync_data().unwrap();
    }
}

/// The number of batches and of bytes of a log.
pub(crate) fn log_state(home: &std::path::Path) -> (u64, u64) {
    let report = journal::verify(home, None, None, &mut |_| {});
    // Reserved space that a segment did not use is released when the next one begins.
    let full = (1..report.end.segment).map(|number| std::fs::metadata(home.join(format!("journal/{number:08}.seg"))).unwrap().len());
    (report.batches, full.sum::<u64>() + report.end.offset)
}

/// HTTP asks with 64 in flight, each intent durable before it is sent.
pub(crate) fn http() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let port = runtime.block_on(server());
    let host = TestHost::new();
    let url = format!("http://127.0.0.1:{port}");
    let (asks, at_once) = (ASKS.to_string(), IN_FLIGHT.to_string());
    let mut order = host.order("many_gets", &[&url, &asks, &at_once]);
    order.limits.concurrent = 64;
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let state = || log_state(&host.place().home);
    let (mut before, written) = (state(), Cell::new((0, 0)));
    let mut ours = || {
        let began = Instant::now();
        let report = runtime.block_on(host.run(order.clone()));
        let taken = began.elapsed();
        assert_eq!(report.outcome, vocabulary::Outcome::Done);
        let after = state();
        written.set((after.0 - before.0, after.1 - before.1));
        before = after;
        taken
    };
    ours();
    // The number of batches depends on timing, so the base writes as many as the last run did.
    let base = || {
        let (batches, bytes) = written.get();
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| batches_to_disk(host.folder.path(), batches, bytes));
            runtime.block_on(bare_client(port));
        });
        began.elapsed()
    };
    let (ratio, base, candidate) = pairs(base, ours);
    let batches = written.get().0;
    let figure = format!("{ratio:.2}× ({:.0} ms against {:.0} ms for {ASKS} asks, {batches} batches)", ms(candidate), ms(base));
    row(
        "HTTP ask to loopback, 64 in flight, recorded durably",
        &figure,
        "1.3×",
        "bare pooled hyper client beside the same batches to the disk",
    );
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The rebuild of runs with 1,000 and 2,000 recorded asks.
pub(crate) fn rebuild() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let port = runtime.block_on(server());
    let host = TestHost::new();
    let url = format!("http://127.0.0.1:{port}");
    let mut times = Vec::new();
    for asks in ["1000", "2000"] {
        let mut order = host.order("many_gets", &[&url, asks, "16"]);
        loopback(&mut order.grants, port, &["GET"], &["/**"]);
        let run = runtime.block_on(host.run(order)).run;
        let mut taken: Vec<Duration> = (0..crate::PAIRS)
            .map(|_| {
                let rebuilding = run::Rebuilding { run, with: None };
                let began = Instant::now();
                let rebuilt = runtime.block_on(host.house.rebuild(&rebuilding)).unwrap();
                assert_eq!(rebuilt.divergence, None);
                began.elapsed()
            })
            .collect();
        times.push(median(&mut taken));
    }
    let figure = format!("{:.1} ms; 2,000 asks: {:.1} ms ({:.2}×)", ms(times[0]), ms(times[1]), ms(times[1]) / ms(times[0]));
    row("rebuild of a run with 1,000 recorded asks", &figure, "50 ms, linear", "the same run with 2,000");
}
