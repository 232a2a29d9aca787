//! The property of `trial.rs`, with the real host: whatever the timing, a run that is rebuilt from its record makes the same asks, byte
//! for byte.

use std::sync::Arc;

use run::{Rebuilding, Rebuilt, RunOrder};
use tests::dice::{Dice, server};
use tests::host::{TestHost, loopback, mount, printed};
use tests::server::Server;
use vocabulary::Outcome;
use vocabulary::record::Record;

/// Guests whose result depends on timing.
const GUESTS: &[&str] =
    &["three_requests_in_flight", "body_in_pieces", "blocking_read", "timer_races_body", "ready_loop", "random_and_clock", "reads_files"];
const RUNS: u64 = 1000;
/// How many runs are active at the same time in one home, so that they disturb each other.
const AT_ONCE: usize = 6;

fn order(host: &TestHost, guest: &str, server: &Server, tree: &std::path::Path) -> RunOrder {
    let mut order = match guest {
        "reads_files" => host.order(guest, &["/src"]),
        other => host.order(other, &[&server.url("")]),
    };
    if guest == "reads_files" {
        mount(&mut order, "/src", tree);
        order.durable = true;
    } else {
        loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    }
    order
}

fn identical() -> Rebuilt {
    Rebuilt { divergence: None, outcome: Some(Outcome::Done) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_of_random_timing_are_rebuilt_identically() {
    let tree = tempfile::tempdir().unwrap();
    for n in 0..30_usize {
        std::fs::create_dir_all(tree.path().join(format!("d{}", n % 3))).unwrap();
        std::fs::write(tree.path().join(format!("d{}/f{n}", n % 3)), vec![b'a'; n * 777]).unwrap();
    }
    for (seed, guest) in (1..).zip(GUESTS) {
        let host = Arc::new(TestHost::new());
        let server = server(&Dice::new(seed)).await;
        let order = order(&host, guest, &server, tree.path());
        let runs = RUNS.div_ceil(GUESTS.len() as u64) as usize;
        let (mut tasks, mut distinct) = (tokio::task::JoinSet::new(), std::collections::HashSet::new());
        for n in 0..runs + AT_ONCE {
            if n >= AT_ONCE || n >= runs {
                let output: String = tasks.join_next().await.unwrap().unwrap();
                distinct.insert(output);
            }
            if n < runs {
                let (host, order) = (Arc::clone(&host), order.clone());
                tasks.spawn(async move {
                    let report = host.run(order).await;
                    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
                    let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: None }).await.unwrap();
                    assert_eq!(rebuilt, identical(), "{} {}", report.agent.name, report.run);
                    printed(&report).to_owned()
                });
            }
        }
        let mut heard = server.heard().len();
        if *guest == "reads_files" {
            heard = runs;
        }
        assert!(heard >= runs, "{guest}: {heard} requests");
        eprintln!("{guest}: {runs} runs, {heard} requests, {} distinct outcomes", distinct.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_with_three_requests_in_flight_is_rebuilt_identically() {
    let Some(component) = tests::guests::python_guest("three_in_flight") else { return };
    let host = TestHost::new();
    let server = server(&Dice::new(80)).await;
    let mut order = host.order_of("three_in_flight", &std::fs::read(component).unwrap(), &[]);
    order.input = format!("{{\"base\": \"{}\"}}", server.url(""));
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..40 {
        let report = host.run(order.clone()).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: None }).await.unwrap();
        assert_eq!(rebuilt, identical());
        seen.insert(report.claims.output.unwrap().to_string());
    }
    assert!(seen.len() > 5, "timing showed: {}", seen.len());
}

/// The same component with one constant changed to another of the same length.
fn changed(wasm: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = wasm.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 1, "the constant is there once");
    let mut other = wasm.to_vec();
    other[places[0]..places[0] + to.len()].copy_from_slice(to);
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_changed_by_one_constant_differs_at_the_first_ask_that_it_changes() {
    let cases = [
        ("three_requests_in_flight", b"/order/".as_slice(), b"/ordre/".as_slice()),
        ("body_in_pieces", b"/pieces", b"/peices"),
        ("body_in_pieces", b"/echoed/", b"/echode/"),
        ("blocking_read", b"/lengths/", b"/lenghts/"),
        ("timer_races_body", b"/won/", b"/one/"),
    ];
    let host = TestHost::new();
    let server = server(&Dice::new(77)).await;
    for (guest, from, to) in cases {
        let report = host.run(order(&host, guest, &server, std::path::Path::new("/"))).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        let heard = server.heard().len();
        let wasm = std::fs::read(tests::guests::guest(guest)).unwrap();
        let other = package::store::put(&host.place().home, &changed(&wasm, from, to)).unwrap();
        let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: Some(other) }).await.unwrap();
        let divergence = rebuilt.divergence.unwrap();
        // The record with the ask, the old text, and the new one.
        let records = host.records(report.run);
        let (from, to) = (String::from_utf8_lossy(from), String::from_utf8_lossy(to));
        let first =
            records.iter().position(|record| matches!(record, Record::Asked(asked) if asked.ask.resource.to_string().contains(&*from)));
        assert_eq!(divergence.seq, first.unwrap() as u64 + 1, "{guest}: {divergence}");
        assert!(divergence.recorded.contains(&*from) && divergence.rebuilt.contains(&*to), "{guest}: {divergence}");
        assert_eq!(server.heard().len(), heard, "{guest}: a rebuild asks nobody");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_only_looks_different_is_rebuilt_identically() {
    let host = TestHost::new();
    let server = server(&Dice::new(78)).await;
    let report = host.run(order(&host, "blocking_read", &server, std::path::Path::new("/"))).await;
    let wasm = std::fs::read(tests::guests::guest("blocking_read")).unwrap();
    let other = package::store::put(&host.place().home, &tests::bombs::with_section(&wasm, "note", b"changes nothing")).unwrap();
    let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: Some(other) }).await.unwrap();
    assert_eq!(rebuilt, identical());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_may_sleep_more_often_than_it_may_hold_handles() {
    let host = TestHost::new();
    let server = server(&Dice::new(79)).await;
    let mut order = host.order("body_in_pieces", &[&server.url(""), "200", "1"]);
    order.limits.handles = 64;
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: None }).await.unwrap();
    assert_eq!(rebuilt, identical());
}
