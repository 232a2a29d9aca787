//! `wasi:sockets` can't bypass the broker: it is linked for every component, and each call is refused and recorded.

use std::net::TcpListener;

use run::{HostOptions, LocalHost};
use serde_json::json;
use tests::host::{TestHost, loopback, options, place};
use vocabulary::Outcome;

use crate::ending::{done, lines, refusals};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_look_ups_are_refused_and_recorded_and_nobody_is_called() {
    let host = TestHost::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut order = host.order("tries_sockets", &[&format!("127.0.0.1:{port}"), "localhost"]);
    // A grant for requests opens no socket.
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let report = done(&host, order).await;
    for line in lines(&report) {
        assert!(line["result"]["err"].is_string(), "{line}");
    }
    let called = listener.accept().map_err(|err| err.kind());
    assert_eq!(called.err(), Some(std::io::ErrorKind::WouldBlock), "nobody was called");
    // Directly, and through the standard library of the guest.
    assert_eq!(
        refusals(&host, &report, "#resolve-addresses"),
        [("localhost".to_owned(), "not-served"), ("localhost".to_owned(), "not-served")]
    );
    assert_eq!(refusals(&host, &report, "#create-tcp-socket").len(), 4);
    assert_eq!(refusals(&host, &report, "#create-udp-socket").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_traps_leaves_the_others_alone() {
    let host = TestHost::new();
    let waits = host.start(host.order("waits_for_ever", &[])).await;
    let mut order = host.order("spins_forever", &[]);
    order.limits.active_timeout_ms = 400;
    let spins = host.start(order).await;
    for _ in 0..5 {
        crate::ending::trapped(&host, host.order("panics_with_message", &["one of many"])).await;
    }
    assert!(matches!(tests::host::report(spins).await.outcome, Outcome::Limit { .. }));
    waits.stop(vocabulary::Stopping { by: run::own_principal(), means: vocabulary::Means::Stop });
    assert!(matches!(tests::host::report(waits).await.outcome, Outcome::Stopped { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_run_is_left_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let house = LocalHost::open(&place(folder.path()), &HostOptions { slots: 1, ..options() }).unwrap();
    let host = TestHost { house, folder };
    let mut first = None;
    // One run at a time, and more runs than such a pool has memories (64), so that a run gets the memory of an earlier one.
    for nth in 0..70 {
        let report = host.run(host.order("leaves_traces", &[])).await;
        assert_eq!(report.outcome, Outcome::Done, "{nth}");
        let seen = lines(&report).remove(0);
        assert_eq!((&seen["statics"], &seen["memory"]), (&json!([0, 7]), &json!(0)), "{nth}");
        // The control: looking again, the guest finds its own trace in each word of 4 MiB.
        assert_eq!(seen["left"], json!((4 << 20) / 8), "{nth}");
        assert_eq!(&seen, first.get_or_insert_with(|| seen.clone()), "{nth}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_run_starts_from_a_seed_of_its_own() {
    let host = TestHost::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        // Random numbers, addresses of a hash map, both clocks.
        let report = done(&host, host.order("random_and_clock", &[])).await;
        assert!(seen.insert(tests::host::printed(&report).to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_of_a_socket_on_an_object_that_is_none_ends_the_guest() {
    let host = TestHost::new();
    for way in ["tcp", "tcp-listen", "udp", "udp-send", "udp-receive", "names"] {
        let report = host.run(host.order("forges_sockets", &[way])).await;
        let Outcome::Trapped { message } = &report.outcome else { panic!("{way}: {:?}", report.outcome) };
        assert!(message.as_str().contains("wrong type"), "{way}: {message}");
        assert!(!tests::host::printed(&report).contains("survived"), "{way}");
    }
    let report = done(&host, host.order("forges_sockets", &["none"])).await;
    assert!(tests::host::printed(&report).contains("survived"), "the control");
}
