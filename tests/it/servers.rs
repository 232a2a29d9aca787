//! Servers that lie, drip, flood and close early, tested with a guest through the whole host; and bodies that never become requests.

use std::sync::Arc;
use std::time::Duration;

use run::RunReport;
use tests::host::{TestHost, loopback};
use tests::seen::{answered, asked, codes, faults, lines, most_under_way, received};
use tests::server::{CHUNKED, Server, Step, chunk, response};
use tokio::sync::Semaphore;
use vocabulary::record::{AnswerClass, Record};
use vocabulary::{HttpFault, Outcome};

/// Runs a guest that asks this server, with everything granted there.
async fn meet(host: &TestHost, server: &Server, guest: &str, args: &[&str]) -> (RunReport, Vec<Record>) {
    let mut order = host.order(guest, args);
    order.limits.response_bytes = 1 << 20;
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    let report = host.run(order).await;
    let records = host.records(report.run);
    (report, records)
}

fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

/// Checks that this answer gives one fault, on the record and for the guest, and that the host still serves the next request.
async fn faulty(host: &TestHost, what: &str, steps: Vec<Step>, within_ms: Option<u64>) -> HttpFault {
    let server = Server::doing(steps).await;
    let url = server.url("/");
    let ns = |ms: u64| (ms * 1_000_000).to_string();
    let (report, records) = match within_ms {
        Some(ms) => meet(host, &server, "sets_timeouts", &[&url, &ns(10_000), &ns(ms), &ns(ms)]).await,
        None => meet(host, &server, "get", &[&url]).await,
    };
    assert_eq!(report.outcome, Outcome::Done, "{what}");
    assert_eq!((asked(&records).count(), answered(&records).count()), (1, 1), "{what}");
    let answer = &lines(&report)[0]["answer"];
    assert!(answer["err"].is_string() || answer["broken"].is_string(), "{what}: {answer}");
    let answered = answered(&records).next().unwrap().clone();
    match answered.class() {
        AnswerClass::Response => assert!(received(&records).all(|received| !received.whole), "{what}"),
        // The server received the request, so it may have had an effect.
        outcome => assert_eq!(
            (outcome, answered.how.http().and_then(|http| http.fault)),
            (AnswerClass::Unknown, faults(&records).first().copied()),
            "{what}"
        ),
    }
    assert_eq!(server.heard().len(), 1, "{what}: nothing is asked twice");
    match *faults(&records) {
        [fault] => fault,
        ref other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_lie_flood_or_hang_up_end_in_a_fault_of_its_own_name() {
    let host = TestHost::new();
    let many: String = (0..10_000).map(|n| format!("x{n}: y\r\n")).collect();
    let head = "HTTP/1.1 200 OK\r\n";
    let cases = [
        ("closes at once", vec![Step::Close], HttpFault::Incomplete),
        ("closes within its head", vec![say("HTTP/1.1 200 OK\r\nx: y"), Step::Close], HttpFault::Incomplete),
        ("closes within its body", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), Step::Close], HttpFault::Incomplete),
        ("closes between chunks", vec![Step::Say(CHUNKED.to_vec()), Step::Say(chunk(b"abc")), Step::Close], HttpFault::Incomplete),
        ("two lengths", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc")], HttpFault::Protocol),
        ("a length with a sign", vec![say("HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc")], HttpFault::Protocol),
        (
            "a length and chunks",
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")],
            HttpFault::Protocol,
        ),
        ("another protocol", vec![say("SSH-2.0-x\r\n\r\n")], HttpFault::Protocol),
        (
            "switches protocols",
            vec![say("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")],
            HttpFault::Protocol,
        ),
        ("ten thousand headers", vec![say(head), say(&many), say("\r\n")], HttpFault::HeadersTooLarge),
        ("a header without end", vec![say(head), say("x: "), Step::Flood(vec![b'y'; 64 << 10])], HttpFault::HeadersTooLarge),
        ("headers without end", vec![say(head), Step::Flood(b"x: y\r\n".repeat(1000))], HttpFault::HeadersTooLarge),
        ("hints without end", vec![Step::Flood(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())], HttpFault::Protocol),
        ("a body without end", vec![Step::Say(CHUNKED.to_vec()), Step::Flood(chunk(&[b'x'; 64 << 10]))], HttpFault::BodyTooLarge),
        ("a body without length or end", vec![say("HTTP/1.1 200 OK\r\n\r\n"), Step::Flood(vec![b'x'; 64 << 10])], HttpFault::BodyTooLarge),
        ("says it has a lot", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"), Step::Hang], HttpFault::BodyTooLarge),
        ("an invalid chunk", vec![Step::Say(CHUNKED.to_vec()), say("xyz\r\n"), Step::Hang], HttpFault::Protocol),
    ];
    for (what, steps, expected) in cases {
        assert_eq!(faulty(&host, what, steps, None).await, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_drip_or_fall_silent_run_out_of_time() {
    let host = TestHost::new();
    // Each byte is in time, but the head as a whole is not.
    let drip = std::iter::repeat_n([Step::Wait(Duration::from_millis(20)), say("y")], 1000).flatten();
    let dripping = std::iter::once(say("HTTP/1.1 200 OK\r\nx: ")).chain(drip).collect();
    assert_eq!(faulty(&host, "says nothing", vec![Step::Hang], Some(100)).await, HttpFault::TimedOut);
    assert_eq!(faulty(&host, "drips its head", dripping, Some(200)).await, HttpFault::TimedOut);
    let stops = vec![say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), Step::Hang];
    assert_eq!(faulty(&host, "stops within its body", stops, Some(500)).await, HttpFault::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_can_hold_a_run_no_longer_than_its_active_time() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Hang]).await;
    let mut order = host.order("prints_and_waits", &[&server.url("/")]);
    order.limits.active_timeout_ms = 1500;
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Limit { limit: vocabulary::Limit::ActiveTimeout });
    let outcomes: Vec<_> = answered(&host.records(report.run)).map(|answered| answered.class()).collect();
    assert_eq!(outcomes, [AnswerClass::Abandoned]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_packs_is_not_unpacked() {
    let host = TestHost::new();
    let packed = [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let server = Server::doing(vec![say(&head), Step::Say(packed.to_vec())]).await;
    let (report, _) = meet(&host, &server, "get", &[&server.url("/")]).await;
    assert_eq!(lines(&report)[0]["answer"]["bytes"], packed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_finished_never_becomes_a_request() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let url = server.url("/");
    let cases: [(&str, &[&str], bool, usize); 8] = [
        ("drops_body_half_way", &[&url], true, 1),
        ("drops_body_half_way", &[&url, "before"], true, 1),
        ("traps_while_writing_body", &[&url], false, 0),
        ("waits_before_finishing_body", &[&url], true, 1),
        ("lies_about_length", &[&url, "10", "5"], true, 1),
        ("lies_about_length", &[&url, "10", "15"], true, 1),
        ("lies_about_length", &[&url, "+5", "5"], true, 1),
        ("lies_about_length", &[&url, "5,5", "5"], true, 1),
    ];
    for (guest, args, ends_well, refusals) in cases {
        let (report, records) = meet(&host, &server, guest, args).await;
        assert_eq!(report.outcome == Outcome::Done, ends_well, "{guest} {args:?}: {:?}", report.outcome);
        assert_eq!(asked(&records).count(), 0, "{guest} {args:?}");
        assert_eq!(codes(&records).len(), refusals, "{guest} {args:?}: {:?}", codes(&records));
        assert!(!lines_of(&report).any(|line| line["status"].is_number()), "{guest} {args:?}");
    }
    assert_eq!(server.counts().accepted, 0, "{:?}", server.heard());
    // A body with the right length arrives complete.
    let (_, records) = meet(&host, &server, "lies_about_length", &[&url, "5", "5"]).await;
    assert_eq!(asked(&records).count(), 1);
    assert_eq!(server.heard().iter().map(|heard| heard.body.len()).collect::<Vec<_>>(), [5]);
}

fn lines_of(report: &RunReport) -> impl Iterator<Item = serde_json::Value> {
    tests::host::printed(report).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>().into_iter()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_out_of_a_request_is_refused_before_the_wire() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let (report, records) = meet(&host, &server, "header_injection", &[&server.url("/")]).await;
    assert_eq!(report.outcome, Outcome::Done);
    let heard = server.heard();
    let forged: Vec<_> = heard.iter().filter(|heard| heard.head.contains("forged") || heard.method != "GET" || heard.path != "/").collect();
    assert!(forged.is_empty(), "{forged:?}");
    // Each accepted header is on the record. The others are refused on the record, or were not valid fields.
    let through = lines(&report).iter().filter(|line| line["answer"]["status"].is_number()).count();
    assert_eq!((asked(&records).count(), heard.len()), (through, through));
    let denied = lines(&report).iter().filter(|line| line["answer"]["err"].is_string()).count();
    assert_eq!(codes(&records).len(), denied);
    assert!(denied > 10, "{denied}");

    let (report, records) = meet(&host, &server, "forbidden_trailers", &[&server.url("/")]).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!((asked(&records).count(), codes(&records).len()), (0, 8));
    assert_eq!(server.heard().len(), through);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_an_answer_do_not_carry_a_connection_into_the_next_request() {
    let host = TestHost::new();
    let head = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\nx-own: 1\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::doing(vec![say(head)]).await;
    let (report, records) = meet(&host, &server, "reuses_response_headers", &[&server.url("/1"), &server.url("/2")]).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let names = lines(&report)[0]["names"].clone();
    assert_eq!(names, serde_json::json!(["x-own", "content-length"]));
    // The headers of an answer include its length, which a request may not set: both are refused and recorded.
    assert_eq!((asked(&records).count(), codes(&records)), (1, vec!["header-not-yours"; 2]));
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_reaches_the_guest_piece_by_piece() {
    let host = TestHost::new();
    let turn = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&turn);
    // The server sends the next piece only when the guest has reported the one before.
    let server = Server::answering(move |_, heard| match heard.path.as_str() {
        "/0" => {
            let mut steps = vec![Step::Say(CHUNKED.to_vec())];
            for _ in 0..20 {
                steps.extend([Step::Say(chunk(&[b'x'; 1000])), Step::Until(Arc::clone(&own))]);
            }
            steps.push(Step::Say(chunk(b"")));
            steps
        }
        _ => {
            own.add_permits(1);
            vec![Step::Say(response(200, b""))]
        }
    })
    .await;
    let (report, records) = meet(&host, &server, "tells_of_each_piece", &[&server.url("")]).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lines(&report)[0], serde_json::json!({ "total": 20_000, "end": "closed" }));
    let told: Vec<String> = server.heard().iter().skip(1).map(|heard| heard.path.clone()).collect();
    assert_eq!(told, (1..=20).map(|n| format!("/got/{}", n * 1000)).collect::<Vec<_>>());
    let whole: Vec<_> = received(&records).filter(|received| received.bytes == 20_000).map(|received| received.whole).collect();
    assert_eq!(whole, [true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_dropped_half_way_is_broken_off() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(CHUNKED.to_vec()), Step::Flood(chunk(&[b'x'; 1000]))]).await;
    let (report, records) = meet(&host, &server, "drops_answer_half_way", &[&server.url("/"), "3"]).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(received(&records).map(|received| received.whole).collect::<Vec<_>>(), [false; 3]);
    // A connection with half an answer in it is not used again.
    assert_eq!(server.counts().accepted, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_requests_are_under_way_than_the_limit_allows() {
    let host = TestHost::new();
    let turn = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, _| vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b"ok"))]).await;
    let mut order = host.order("many_gets", &[&server.url(""), "40", "10"]);
    order.limits.concurrent = 4;
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let running = host.start(order).await;
    server.until(|counts| counts.heard >= 4).await;
    turn.add_permits(1000);
    let report = tests::host::report(running).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let records = host.records(report.run);
    assert!(codes(&records).iter().all(|code| *code == "over-limit"), "{:?}", codes(&records));
    assert_eq!(asked(&records).count() + codes(&records).len(), 40);
    assert!(asked(&records).count() >= 4);
    assert_eq!(most_under_way(&records), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_a_server_sets_is_shown_and_never_sent_back() {
    let answer = "HTTP/1.1 200 OK\r\nset-cookie: session=1; Path=/\r\ncontent-length: 2\r\n\r\nhi";
    let server = Server::doing(vec![say(answer), say(answer)]).await;
    let host = TestHost::new();
    let (report, _) = meet(&host, &server, "get", &[&server.url("/a"), &server.url("/b")]).await;
    assert!(lines(&report)[0].to_string().contains("session=1"), "the guest sees it");
    let heard = server.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|heard| !heard.head.to_ascii_lowercase().contains("cookie")), "{heard:?}");
}
