//! A guest reaches each limit of the table: the run ends with the limit's name, or the guest gets an error of its interface.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use run::RunOrder;
use serde_json::json;
use tests::bombs;
use tests::host::{TestHost, loopback, mount};
use tests::wat::{assembled, wat};
use vocabulary::{LIMITS, Outcome};

use crate::ending::{done, ended, limit, lines, not_started, refusals, trapped};

/// The test below that reaches each limit.
const HIT_BY: &[(&str, &str)] = &[
    ("active-timeout", "a_guest_that_never_ends_is_ended"),
    ("asks", "asking_is_counted"),
    ("compile-memory", "a_compiler_takes_no_more_memory_than_its_limit"),
    ("concurrent", "requests_under_way_are_counted"),
    ("files-open", "open_files_are_counted"),
    ("findings", "findings_are_counted"),
    ("handles", "handles_are_counted_of_every_kind"),
    ("header-bytes", "headers_are_bounded_on_both_ways"),
    ("held-bytes", "what_the_host_holds_is_counted_together"),
    ("hostcall-bytes", "one_call_hands_over_so_much"),
    ("input-bytes", "too_much_input_is_not_even_started"),
    ("instances", "core_instances_are_counted"),
    ("listing-entries", "names_of_one_directory_are_counted"),
    ("log-bytes", "what_is_said_is_counted"),
    ("memory", "memory_is_counted_over_all_memories"),
    ("output-bytes", "output_is_bounded"),
    ("payload-bytes", "a_run_that_keeps_too_much_goes_on_and_is_not_resumable"),
    ("random-bytes", "random_bytes_are_bounded_a_call"),
    ("record-bytes", "what_leaves_a_trace_is_counted"),
    ("request-bytes", "request_bodies_are_bounded"),
    ("response-bytes", "response_bodies_are_bounded"),
    ("stack", "recursion_ends_at_the_stack"),
    ("tables", "tables_are_counted"),
    ("value-hits", "guesses_of_a_value_are_counted_and_end_the_run"),
];

#[test]
fn every_limit_has_a_claim() {
    assert!(LIMITS.iter().map(|row| row.name).eq(HIT_BY.iter().map(|(limit, _)| *limit)), "one line for each limit of the table");
    for (limit, claim) in HIT_BY {
        assert!(concat!(include_str!("limits.rs"), include_str!("guesses.rs")).contains(&format!("fn {claim}()")), "{limit}: {claim}");
    }
}

fn brief(mut order: RunOrder) -> RunOrder {
    order.limits.active_timeout_ms = 300;
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_never_ends_is_ended() {
    let host = TestHost::new();
    let cases: &[(&str, &[&str])] = &[
        ("spins_forever", &[]),
        ("fills_memory_forever", &[]),
        ("spins_on_the_clock", &["86400000"]),
        ("waits_for_ever", &["poll"]),
        ("waits_for_ever", &["block"]),
        ("waits_for_ever", &["many"]),
        ("waits_for_ever", &["sleep"]),
        ("calls_host_many_times", &[]),
        ("calls_host_many_times", &["100000000", "wall"]),
        ("calls_host_many_times", &["100000000", "fields"]),
        ("calls_host_many_times", &["100000000", "check-write"]),
        ("calls_host_many_times", &["100000000", "environment"]),
        ("calls_host_many_times", &["100000000", "poll"]),
        ("calls_host_many_times", &["100000000", "ready"]),
    ];
    for (guest, args) in cases {
        // Measured by the times on the record, which exclude building and compiling.
        let report = limit(&host, brief(host.order(guest, args)), "active-timeout").await;
        assert!((300..20_000).contains(&report.active_ms), "{guest} {args:?}: {}", report.active_ms);
    }
    for component in ["spins_at_start", "realloc_spins"] {
        limit(&host, brief(host.order_of(component, &wat(component), &[])), "active-timeout").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_is_counted() {
    let host = TestHost::new();
    let urls: Vec<_> = (0..10).map(|index| format!("http://nobody.test/{index}")).collect();
    let mut order = host.order("get", &urls.iter().map(String::as_str).collect::<Vec<_>>());
    order.limits.asks = 5;
    let report = limit(&host, order, "asks").await;
    assert_eq!(refusals(&host, &report, "#handle").len(), 5);
}

/// A server with one answer for all connections; it ends with the test.
pub(crate) fn server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(&answer);
                // The client closes the connection: its result must not depend on when this side does.
                let _ = stream.read(&mut asked);
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_counted() {
    let host = TestHost::new();
    // The server never answers, so all requests stay under way.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    let mut order = host.order("asks_and_leaves", &[&url, &url, &url, &url, &url]);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    order.limits.concurrent = 2;
    let report = done(&host, order).await;
    assert_eq!(refusals(&host, &report, "#handle").into_iter().map(|(_, code)| code).collect::<Vec<_>>(), ["over-limit"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_are_counted() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("a"), "a").unwrap();
    for streams in [&["a", "100000"][..], &["a", "100000", "streams"]] {
        let mut order = host.order("opens_many_files", streams);
        mount(&mut order, "/src", tree.path());
        order.limits.files_open = 10;
        let report = done(&host, order).await;
        assert_eq!(lines(&report), [json!({ "opened": 10, "err": "quota" })]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_are_counted() {
    let host = TestHost::new();
    let mut order = host.order("asks_through_sdk", &[]);
    order.input = json!({ "urls": ["http://a.test/", "http://b.test/", "http://c.test/"] }).to_string();
    order.limits.findings = 2;
    let report = ended(&host, order).await;
    // The interface has an error for it, so the agent gets that and can end normally.
    assert!(matches!(&report.outcome, Outcome::Failed { code, .. } if code.as_str() == "refused"), "{:?}", report.outcome);
    assert_eq!(report.claims.findings.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_are_counted_of_every_kind() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    let kinds = ["fields", "clones", "requests", "options", "timers", "ready-timers", "pollables", "stdout", "descriptors", "networks"];
    for kind in kinds {
        let mut order = host.order("opens_a_million_handles", &[kind]);
        mount(&mut order, "/src", tree.path());
        order.limits.handles = 200;
        limit(&host, order, "handles").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_holds_is_counted_together() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    for index in 0..200 {
        std::fs::write(tree.path().join(format!("{index:0>200}")), "").unwrap();
    }
    let port = server([&b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 60000\r\n\r\n"[..], &[b'x'; 60_000]].concat());
    let url = format!("http://127.0.0.1:{port}/");
    for kind in ["bodies", "parts", "fields", "listings", "unfinished", "sent", "answers"] {
        let mut order = host.order("hoards", &[kind, &url]);
        mount(&mut order, "/src", tree.path());
        loopback(&mut order.grants, port, &["GET", "POST"], &["/**"]);
        order.limits.held_bytes = 1 << 20;
        // Far more handles than needed: `held-bytes` has to end the run.
        order.limits.handles = 100_000;
        order.limits.concurrent = 1024;
        limit(&host, order, "held-bytes").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_a_trace_is_counted() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    for way in ["looks", "naps"] {
        let mut order = host.order("fills_record", &[way]);
        mount(&mut order, "/src", tree.path());
        order.limits.record_bytes = 1 << 20;
        let report = limit(&host, order, "record-bytes").await;
        let bytes: usize = host.records(report.run).iter().map(|record| record.to_bytes().len()).sum();
        assert!((1 << 19..2 << 20).contains(&bytes), "{way}: {bytes}");
    }
    // Similar refusals are counted after the first hundred, on the record and for the listener.
    let mut order = host.order("fills_record", &["changes", "300"]);
    mount(&mut order, "/src", tree.path());
    let mut running = host.start(order).await;
    let mut told = 0;
    while let Some(event) = running.events.next().await {
        told += usize::from(matches!(event, run::RunEvent::Refused { .. }));
    }
    assert_eq!(told, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_bounded_on_both_ways() {
    let host = TestHost::new();
    let value = format!("x-long: {}", "v".repeat(2000));
    let mut order = host.order("sets_forbidden_headers", &["http://a.test/", &value]);
    order.limits.header_bytes = 1024;
    limit(&host, order, "header-bytes").await;

    let port = server(format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", "v".repeat(40_000)).into_bytes());
    let mut order = host.order("get", &[&format!("http://127.0.0.1:{port}/")]);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let report = done(&host, order).await;
    let said = lines(&report).pop().unwrap();
    assert!(said["answer"]["err"].as_str().unwrap_or_default().contains("HttpResponseHeaderSectionSize"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_hands_over_so_much() {
    let host = TestHost::new();
    let mut order = host.order("floods_log", &["1", "4000"]);
    order.limits.hostcall_bytes = 1024;
    limit(&host, order, "hostcall-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_input_is_not_even_started() {
    let host = TestHost::new();
    let mut order = host.order("reads_stdin", &[]);
    order.limits.input_bytes = 10;
    order.input = "x".repeat(11);
    let err = not_started(&host, order).await;
    assert_eq!((err.exit(), err.chain().as_str()), (5, "the input has 11 bytes; `input-bytes` allows 10"));

    let mut order = host.order("reads_stdin", &[]);
    order.limits.input_bytes = 10;
    order.input = "x".repeat(10);
    assert_eq!(lines(&done(&host, order).await)[0]["bytes"], 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn core_instances_are_counted() {
    let host = TestHost::new();
    let instances = |count| {
        let many = "(core instance (instantiate $m))".repeat(count);
        assembled(&format!(
            "(component (core module $m (func (export \"run\") (result i32) (i32.const 0))) {many}
            (core instance $i (instantiate $m)) (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $out (export \"run\" (func $run))) (export \"wasi:cli/run@0.2.12\" (instance $out)))"
        ))
    };
    limit(&host, host.order_of("instances", &instances(64), &[]), "instances").await;
    done(&host, host.order_of("instances", &instances(63), &[])).await;
    // With one memory each they do not fit into the engine's pool at all.
    for (name, component) in [("instances", bombs::instances(80)), ("nested_instances", bombs::nested_instances(80))] {
        let err = not_started(&host, host.order_of(name, &component, &[])).await;
        assert_eq!(err.exit(), 4, "{name}: {}", err.chain());
        assert!(err.chain().contains("the engine has no room for it"), "{name}: {}", err.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_one_directory_are_counted() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    for index in 0..50 {
        std::fs::write(tree.path().join(index.to_string()), "").unwrap();
    }
    let order = |most| {
        let mut order = host.order("lists_big_directory", &[".", "3", "keep"]);
        mount(&mut order, "/src", tree.path());
        order.limits.listing_entries = most;
        order
    };
    limit(&host, order(49), "listing-entries").await;
    let report = done(&host, order(50)).await;
    assert!(lines(&report).iter().all(|line| line["count"] == 50 && line["sorted"] == true), "{:?}", lines(&report));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_counted() {
    let host = TestHost::new();
    // Many lines, one line of more than a mebibyte, and only line ends.
    for args in [["100000", "64"], ["1", "3000000"], ["1000000", "0"]] {
        let mut order = host.order("floods_log", &args);
        order.limits.log_bytes = 64 << 10;
        let report = limit(&host, order, "log-bytes").await;
        let said: usize = crate::claims::said(&host, report.run).iter().map(|line| line.as_str().len()).sum();
        assert!(said <= 64 << 10, "{args:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_counted_over_all_memories() {
    let host = TestHost::new();
    for args in [&[][..], &["touch"]] {
        let mut order = host.order("grows_memory", args);
        order.limits.memory_bytes = 16 << 20;
        let report = limit(&host, order, "memory").await;
        assert!(report.evidence.peak_memory <= 16 << 20, "{}", report.evidence.peak_memory);
    }
    for component in ["grows_at_start", "memory_min_four_gib"] {
        limit(&host, host.order_of(component, &wat(component), &[]), "memory").await;
    }
    // A small file that needs a large memory, and a hundred small memories.
    limit(&host, host.order_of("sparse_data", &bombs::sparse_data(4000), &[]), "memory").await;
    let mut order = host.order_of("instances", &bombs::instances(10), &[]);
    order.limits.memory_bytes = 9 * 65536;
    limit(&host, order, "memory").await;
}

/// An agent that answers with this many bytes of text.
fn answers(bytes: usize) -> Vec<u8> {
    let pages = bytes.div_ceil(65536) + 2;
    assembled(&format!(
        "(component
          (import \"bailiwick:agent/types@0.1.0\" (instance $types
            (type $record (record (field \"code\" string) (field \"message\" string)))
            (export \"failure\" (type (eq $record)))))
          (alias export $types \"failure\" (type $failure))
          (core module $m
            (memory (export \"memory\") {pages})
            (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            (func (export \"run\") (param i32 i32) (result i32)
              (memory.fill (i32.const 8192) (i32.const 0x31) (i32.const {bytes}))
              (i32.store (i32.const 4) (i32.const 8192)) (i32.store (i32.const 8) (i32.const {bytes}))
              (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $run (param \"input\" string) (result (result string (error $failure)))
            (canon lift (core func $i \"run\") (memory $i \"memory\") (realloc (func $i \"realloc\"))))
          (instance $out (export \"run\" (func $run)))
          (export \"bailiwick:agent/agent@0.1.0\" (instance $out)))"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_bounded() {
    let host = TestHost::new();
    let mut order = host.order("returns_a_gibibyte", &[]);
    order.limits.output_bytes = 1 << 20;
    let report = limit(&host, order, "output-bytes").await;
    assert_eq!(report.claims.output, None, "truncated output is dropped");

    let mut order = host.order_of("answers", &answers(1001), &[]);
    order.limits.output_bytes = 1000;
    limit(&host, order, "output-bytes").await;
    // More than one host call may carry, and less than an answer may have.
    let mut order = host.order_of("answers", &answers(6 << 20), &[]);
    order.limits.output_bytes = 8 << 20;
    order.limits.hostcall_bytes = 4 << 20;
    done(&host, order).await;
    let mut order = host.order_of("answers", &answers(6 << 20), &[]);
    order.limits.output_bytes = 5 << 20;
    order.limits.hostcall_bytes = 4 << 20;
    limit(&host, order, "output-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_keeps_too_much_goes_on_and_is_not_resumable() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("a"), "a".repeat(5000)).unwrap();
    for (most, resumable) in [(1000, false), (1 << 20, true)] {
        let mut order = host.order("reads_files", &["/src"]);
        mount(&mut order, "/src", tree.path());
        order.durable = true;
        order.limits.payload_bytes = most;
        let report = done(&host, order).await;
        assert_eq!(report.evidence.resumable, resumable, "{most}");
        // An auditor makes the looks again, because they were not kept, and repeats nothing else.
        let rebuilt = host.house.rebuild(&run::Rebuilding { run: report.run, with: None }).await.unwrap();
        assert_eq!(rebuilt.divergence, None, "{most}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_are_bounded_a_call() {
    let host = TestHost::new();
    for args in [&["65537"][..], &["18446744073709551615"], &["65537", "insecure"], &["18446744073709551615", "insecure"]] {
        limit(&host, host.order("asks_huge_random", args), "random-bytes").await;
    }
    done(&host, host.order("asks_huge_random", &["65536"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_bodies_are_bounded() {
    let host = TestHost::new();
    let mut order = host.order("post", &["http://a.test/", "hello"]);
    order.limits.request_bytes = 4;
    let report = limit(&host, order, "request-bytes").await;
    assert_eq!(refusals(&host, &report, "#handle"), [], "an unfinished request was never asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_bodies_are_bounded() {
    let host = TestHost::new();
    let port = server(format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{}", "b".repeat(5000)).into_bytes());
    for (most, broken) in [(4999, true), (5000, false)] {
        let mut order = host.order("get", &[&format!("http://127.0.0.1:{port}/")]);
        loopback(&mut order.grants, port, &["GET"], &["/**"]);
        order.limits.response_bytes = most;
        let report = done(&host, order).await;
        let said = lines(&report).pop().unwrap();
        let whole = said["answer"]["sha256"].is_string();
        assert_eq!(whole, !broken, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursion_ends_at_the_stack() {
    let host = TestHost::new();
    limit(&host, host.order("recurses", &[]), "stack").await;
    let mut order = host.order("recurses", &[]);
    order.limits.stack_bytes = 64 << 10;
    limit(&host, order, "stack").await;
    // The other stack lies in linear memory: below its end is an invalid address.
    trapped(&host, host.order("recurses", &["memory"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_counted() {
    let host = TestHost::new();
    limit(&host, host.order_of("grows_tables", &wat("grows_tables"), &[]), "tables").await;
    // Larger from the start than any limit allows: the engine has no room for it.
    for component in ["table_min_large", "table_min_huge"] {
        let err = not_started(&host, host.order_of(component, &wat(component), &[])).await;
        assert_eq!(err.exit(), 4, "{component}: {}", err.chain());
        assert!(err.chain().contains("the engine has no room for it"), "{component}: {}", err.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_takes_no_more_memory_than_its_limit() {
    let host = TestHost::without_cache();
    let mut order = host.order_of("functions", &bombs::functions(20_000), &[]);
    order.limits.compile_memory_bytes = 70 << 20;
    let Err(err) = host.house.start(order, run::own_principal()).await else { panic!("it was compiled") };
    assert!(err.chain().contains("may take 70 MiB (the limit `compile-memory`"), "{}", err.chain());
    done(&host, host.order_of("functions", &bombs::functions(20_000), &[])).await;
}
