//! How much ten hostile guests of ten kinds slow ten honest ones, and how much memory a guest costs that always asks for new names.

use std::path::Path;

use tests::host::{TestHost, loopback, mount};

use crate::density::resident_bytes;
use crate::http::server;
use crate::{median, row};

const ROUNDS: usize = 5;
const HOSTILE: [(&str, &[&str]); 10] = [
    ("spins_forever", &[]),
    ("fills_memory_forever", &[]),
    ("calls_host_many_times", &["1000000000000"]),
    ("calls_host_many_times", &["1000000000000", "wall"]),
    ("asks_huge_random", &["65536", "secure", "1000000000"]),
    ("lists_big_directory", &[".", "1000000000"]),
    ("spins_on_the_clock", &["1000000000"]),
    ("floods_log", &["1000000000", "1000"]),
    ("fills_record", &["changes"]),
    ("asks_new_hosts", &["1000000000"]),
];
/// How many names are in the folder that one of them lists again and again.
const NAMES: usize = 95_000;

/// A runtime with the settings of the program.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).on_thread_start(sandbox::answer_promptly).enable_all().build().unwrap()
}

/// The waits of ten honest guests at once, in microseconds, sorted.
async fn honest(host: &TestHost, what: &str, port: u16) -> Vec<u64> {
    let mut running = Vec::new();
    for _ in 0..10 {
        let mut order = host.order("measures_its_waits", &[what, "300"]);
        loopback(&mut order.grants, port, &["GET"], &["/**"]);
        running.push(host.start(order).await);
    }
    let mut waits = Vec::new();
    for running in running {
        let report = tests::host::report(running).await;
        let line: serde_json::Value = serde_json::from_str(tests::host::printed(&report).lines().next().unwrap()).unwrap();
        waits.extend(line["waits_us"].as_array().unwrap().iter().map(|wait| wait.as_u64().unwrap()));
    }
    waits.sort_unstable();
    waits
}

fn rank(waits: &[u64], of_hundred: usize) -> f64 {
    waits[(waits.len() * of_hundred / 100).min(waits.len() - 1)] as f64
}

/// Starts all ten. Returns their tasks, which end with the outcomes, and their run ids, with which they can be stopped.
async fn hostile(host: &TestHost, folder: &Path) -> (Vec<tokio::task::JoinHandle<vocabulary::Outcome>>, Vec<vocabulary::RunId>) {
    let (mut tasks, mut runs) = (Vec::new(), Vec::new());
    for (guest, args) in HOSTILE {
        let mut order = host.order(guest, args);
        mount(&mut order, "/src", folder);
        let limits = &mut order.limits;
        (limits.active_timeout_ms, limits.asks, limits.log_bytes, limits.record_bytes) = (3_600_000, 10_000_000, 256 << 20, 16 << 30);
        let running = host.start(order).await;
        runs.push(running.run);
        tasks.push(tokio::spawn(async move { tests::host::report(running).await.outcome }));
    }
    (tasks, runs)
}

/// Ten honest guests at once, alone and beside ten hostile ones.
pub(crate) fn crowd() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    (0..NAMES).for_each(|n| drop(std::fs::File::create(folder.path().join(format!("{n:0>40}"))).unwrap()));
    let port = runtime.block_on(server());
    let url = format!("http://127.0.0.1:{port}/");
    for (name, what) in [("naps of 1 ms", "nap"), ("requests to loopback", url.as_str())] {
        let (mut p50, mut p99, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let host = TestHost::new();
            let alone = runtime.block_on(honest(&host, what, port));
            let (tasks, runs) = runtime.block_on(hostile(&host, folder.path()));
            let beside = runtime.block_on(honest(&host, what, port));
            let left = tasks.iter().filter(|task| !task.is_finished()).count();
            for run in runs {
                host.house.stop(run, &vocabulary::Stopping { by: run::own_principal(), means: vocabulary::Means::Stop });
            }
            let outcomes: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
            assert!(left >= 8, "most were still running: {outcomes:?}");
            p50.push(rank(&beside, 50) / rank(&alone, 50));
            p99.push(rank(&beside, 99) / rank(&alone, 99));
            shown.push((rank(&alone, 99), rank(&beside, 99)));
        }
        let (alone, beside) = shown[ROUNDS / 2];
        let figure = format!(
            "p50 {:.2}×, p99 {:.2}× ({:.2} ms against {:.2} ms in one of {ROUNDS} rounds)",
            median(&mut p50),
            median(&mut p99),
            beside / 1e3,
            alone / 1e3,
        );
        row(&format!("ten honest guests beside ten hostile ones of ten kinds: {name}"), &figure, "2×", "the same ten alone");
    }
}

/// RSS of the host above idle, after a guest has asked for a million hosts that are refused, or has looked at a million names.
pub(crate) fn names() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let cases = [("refused names", "asks_new_hosts", "1000000"), ("names that are not there", "looks_at_new_names", "1000000")];
    for (what, guest, count) in cases {
        let host = TestHost::new();
        let mut order = host.order(guest, &["10", "60"]);
        mount(&mut order, "/src", folder.path());
        let limits = &mut order.limits;
        (limits.active_timeout_ms, limits.asks, limits.record_bytes) = (3_600_000, 10_000_000, 16 << 30);
        assert_eq!(runtime.block_on(host.run(order.clone())).outcome, vocabulary::Outcome::Done);
        let idle = resident_bytes();
        order.args = vec![count.to_owned(), "60".to_owned()];
        let report = runtime.block_on(host.run(order));
        assert_eq!(report.outcome, vocabulary::Outcome::Done);
        drop(report);
        let grown = resident_bytes().saturating_sub(idle) as f64 / f64::from(1 << 20);
        row(&format!("RSS of the holder above idle, after 10^6 distinct {what}"), &format!("{grown:.0} MiB"), "64 MiB", "absolute");
    }
}
