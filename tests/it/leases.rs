//! Leases of credentials during runs: an order ends them at once, with all requests and connections under them.

use run::{Revoking, RunEvent, RunOrder};
use serde_json::{Value, json};
use tests::host::{TestHost, loopback, printed};
use tests::program::Program;
use tests::seen::{faults, lines, refused};
use tests::server::{Server, Step, response};
use vault::{Local, Secret};
use vocabulary::record::{Record, RecordKind};
use vocabulary::{Binding, HttpFault, Placement, Reason, Scheme, Sigv4, Source};

use crate::ending::done;

const VALUE: &str = "canary-5c1de0b7a94f";

fn bound() -> Binding {
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    Binding { scheme: Scheme::Http, ..Binding::new("inventory", hosts, Placement::Bearer, Source::Local) }
}

fn set(host: &TestHost) -> Local {
    let vault = Local::new(&host.place().home);
    vault.set_for("inventory", Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
    vault
}

/// An order for a guest with a grant that uses the credential.
fn order(host: &TestHost, guest: &str, port: u16, args: &[&str]) -> RunOrder {
    let mut order = host.order(guest, args);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    order.grants.http[0].credential = Some("inventory".to_owned());
    order.grants.credentials.push(bound());
    order
}

fn revoking(credential: Option<&str>) -> Revoking {
    Revoking { agent: None, credential: credential.map(str::to_owned), run: None }
}

/// The established connections to a port of this machine, from the kernel's table (proc(5)), as `ss` shows them.
fn connections(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let to = format!("0100007F:{port:04X}");
    let stands = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        (columns.next(), columns.next()) == (Some(&to), Some(ESTABLISHED))
    };
    table.lines().filter(stands).count()
}

/// The first piece of a stream has arrived, and no more follows: when the lease ends, so does the stream, without another read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_lease_ends_its_stream_and_closes_its_connection() {
    let host = TestHost::new();
    let _ = set(&host);
    let server = Server::answering(|_, heard| match heard.path.as_str() {
        // More bytes than are held back for the search.
        "/0" => vec![Step::Say([b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n".to_vec(), vec![b'x'; 30_000]].concat()), Step::Hang],
        _ => vec![Step::Say(response(200, b"ok"))],
    })
    .await;
    let base = server.url("");
    let running = host.start(order(&host, "tells_of_each_piece", server.port(), &[&base])).await;
    // The guest has reported the first piece, and waits for the next.
    server.until(|counts| counts.heard == 2).await;
    assert!(connections(server.port()) >= 1, "something streams");
    let ended = host.house.revoke(&revoking(Some("inventory")), &run::own_principal()).unwrap();
    assert_eq!(ended, [gate::lease_id(running.run, "inventory")]);
    let report = tests::host::report(running).await;
    let records = host.records(report.run);
    assert!(faults(&records).contains(&HttpFault::Incomplete), "{:?}", faults(&records));
    assert_eq!(connections(server.port()), 0, "nothing of that lease is open");
    let revoked = records.iter().filter(|record| record.kind() == RecordKind::LeaseRevoked).count();
    assert_eq!(revoked, 1);
    assert!(report.evidence.touched.leases[0].revoked);
}

/// A request under the lease that has no answer yet is refused, and so are further requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_an_answer_under_a_revoked_lease_is_refused_and_so_is_what_is_asked_next() {
    let host = TestHost::new();
    let _ = set(&host);
    let server = Server::doing(vec![Step::Hang]).await;
    let (one, other) = (server.url("/1"), server.url("/2"));
    let running = host.start(order(&host, "get", server.port(), &[&one, &other])).await;
    server.until(|counts| counts.heard == 1).await;
    assert_eq!(host.house.revoke(&revoking(None), &run::own_principal()).unwrap().len(), 1);
    assert!(host.house.revoke(&revoking(None), &run::own_principal()).unwrap().is_empty(), "it ends once");
    let report = tests::host::report(running).await;
    let records = host.records(report.run);
    let late: Vec<&str> = records
        .iter()
        .filter_map(|record| match record {
            Record::Answered(answered) => answered.reason.as_ref().map(Reason::code),
            _ => None,
        })
        .collect();
    assert_eq!(late, ["credential-revoked"]);
    assert_eq!(refused(&records).map(|refused| refused.reason.code()).collect::<Vec<_>>(), ["credential-revoked"]);
    assert_eq!(server.heard().len(), 1, "the second was never sent");
    assert_eq!(connections(server.port()), 0);
}

/// An idle connection that is kept for the lease is closed too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_is_closed_with_its_lease() {
    let host = TestHost::new();
    let _ = set(&host);
    let under = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let house = host.house.clone();
    let port = under.port();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&seen);
    let beside = Server::answering(move |_, _| {
        let before = connections(port);
        let ended = house.revoke(&revoking(Some("inventory")), &run::own_principal()).unwrap().len();
        told.lock().unwrap().push((before, ended, connections(port)));
        vec![Step::Say(response(200, b"ok"))]
    })
    .await;
    let mut order = order(&host, "get", port, &[&under.url("/"), &beside.url("/")]);
    loopback(&mut order.grants, beside.port(), &["GET"], &["/**"]);
    let report = done(&host, order).await;
    assert_eq!(lines(&report).len(), 2);
    assert_eq!(*seen.lock().unwrap(), [(1, 1, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_of_other_runs_agents_and_credentials_stay() {
    let host = TestHost::new();
    let _ = set(&host);
    let server = Server::answering(|_, heard| match heard.path.as_str() {
        "/hang" => vec![Step::Hang],
        _ => vec![Step::Say(response(200, b"ok"))],
    })
    .await;
    let url = server.url("/hang");
    let one = host.start(order(&host, "get", server.port(), &[&url])).await;
    let other = host.start(order(&host, "get", server.port(), &[&url])).await;
    server.until(|counts| counts.heard == 2).await;
    let revoke = |change: &dyn Fn(&mut Revoking)| {
        let mut what = revoking(None);
        change(&mut what);
        host.house.revoke(&what, &run::own_principal()).unwrap()
    };
    assert!(revoke(&|what| what.agent = Some("other".to_owned())).is_empty());
    assert!(revoke(&|what| what.credential = Some("other".to_owned())).is_empty());
    assert_eq!(revoke(&|what| what.run = Some(one.run)), [gate::lease_id(one.run, "inventory")]);
    let first = tests::host::report(one).await;
    assert!(first.evidence.touched.leases[0].revoked);
    assert_eq!(revoke(&|what| what.agent = Some("get".to_owned())), [gate::lease_id(other.run, "inventory")]);
    assert!(tests::host::report(other).await.evidence.touched.leases[0].revoked);
    assert!(host.house.revoke(&Revoking { run: Some(first.run), ..revoking(None) }, &run::own_principal()).is_err(), "the run has ended");
    // A later run has its own lease.
    let report = done(&host, order(&host, "get", server.port(), &[&server.url("/ok")])).await;
    assert_eq!(lines(&report)[0]["answer"]["status"], 200);
}

/// The same as a user does it, from another process than the one that runs the agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_revokes_what_another_process_has_going() {
    let server = Server::answering(|_, heard| match heard.path.as_str() {
        "/hang" => vec![Step::Hang],
        _ => vec![Step::Say(response(200, b"ok"))],
    })
    .await;
    let wasm = tests::guests::guest("get").display().to_string();
    let grant = |agent: &str| {
        format!(
            "[agents.{agent}]\ncomponent = {wasm:?}\n[[agents.{agent}.http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {}\nmethods = [\"GET\"]\n\
             paths = [\"/**\"]\ncredential = \"inventory\"\n",
            server.port()
        )
    };
    let binding = "[credentials.inventory]\nkind = \"bearer\"\nscheme = \"http\"\nhosts = [\"127.0.0.1\"]\n";
    let program = Program::new(&format!("{}{}{binding}", grant("get"), grant("other")));
    let vault = Local::new(&program.folder().join("home"));
    vault.set_for("inventory", Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
    let (hang, ok) = (server.url("/hang"), server.url("/ok"));
    let start = |agent: &str| {
        let mut command = program.command(&[], &["run", agent, "--trust", "--json", "--", &hang]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let going = start("get");
    server.until(|counts| counts.heard == 1).await;
    let said = |args: &[&str]| {
        let output = program.run(args);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(said(&["credentials", "revoke", "--agent", "other"]), (Some(2), String::new()), "it has no active run");
    let (code, ended) = said(&["credentials", "revoke", "--agent", "get"]);
    assert!(code == Some(0) && ended.starts_with("ended ") && ended.ends_with("/inventory\n"), "{code:?} {ended}");
    let report: Value = serde_json::from_slice(&going.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(report["evidence"]["leases"][0]["revoked"], true, "{report}");
    let lease = ended.trim().strip_prefix("ended ").unwrap().to_owned();
    assert_eq!(report["evidence"]["leases"][0]["lease"], json!(lease));
    // By lease and by run, for a run that is over: an error that says so.
    assert_eq!(said(&["credentials", "revoke", "--lease", &lease]).0, Some(2));
    assert_eq!(said(&["credentials", "revoke", "--lease", "nonsense"]).0, Some(2));
    // If the vault can't be written, the leases of active runs still end.
    let going = start("get");
    server.until(|counts| counts.heard == 2).await;
    let full = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"];
    let full = program.command(&full, &["credentials", "revoke", "inventory"]).output().unwrap();
    let ended = String::from_utf8_lossy(&full.stdout);
    assert!(full.status.code() == Some(1) && ended.starts_with("ended "), "{full:?}");
    let report: Value = serde_json::from_slice(&going.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(report["evidence"]["leases"][0]["revoked"], true, "{report}");
    assert!(!vault.is_revoked("inventory").unwrap(), "it is not barred: that is what the error says");
    let going = start("other");
    server.until(|counts| counts.heard == 3).await;
    let (code, ended) = said(&["credentials", "revoke", "inventory"]);
    assert!(code == Some(0) && ended.starts_with("ended "), "{code:?} {ended}");
    let _ = going.wait_with_output().unwrap();
    let output = program.run(&["run", "get", "--trust", "--json", "--", &ok]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["evidence"]["refused"][0]["code"], "credential-unavailable", "{report}");
    assert_eq!(server.heard().len(), 3);
    let (_, changed) = said(&["audit", "show", "--kind", "credential-changed", "--json"]);
    assert!(changed.contains("\"change\":\"revoked\"") && !changed.contains(VALUE), "{changed}");
    let (_, leases) = said(&["audit", "touched", "--credential", "inventory", "--json"]);
    let leases: Value = serde_json::from_str(&leases).unwrap();
    assert_eq!((leases["leases"].as_array().unwrap().len(), leases["files"].as_array().unwrap().len()), (4, 0), "{leases}");
    assert_eq!(said(&["credentials", "restore", "inventory"]).0, Some(2), "its value is gone");
}

/// A secret that an agent has obtained is neither sent nor recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guest_has_of_a_secret_is_neither_sent_nor_said() {
    let host = TestHost::new();
    let _ = set(&host);
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let (first, with) = (server.url("/"), server.url(&format!("/?found={VALUE}")));
    let mut order = order(&host, "get", server.port(), &[&first, &with]);
    // The same without a credential.
    order.grants.http[0].paths = vec!["/in".parse().unwrap()];
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let mut running = host.start(order).await;
    let (mut report, mut said) = (None, String::new());
    while let Some(event) = running.events.next().await {
        said.push_str(&serde_json::to_string(&event).unwrap());
        if let RunEvent::Closed { report: closed } = event {
            report = Some(*closed);
        }
    }
    let report = report.unwrap();
    let heard: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(heard, ["/".to_owned(), format!("/?*****={}", "*".repeat(VALUE.len()))], "it is sent like any other, as stars");
    let records = host.records(report.run);
    let met: Vec<_> = records.iter().filter(|record| record.kind() == RecordKind::ValueMet).collect();
    assert!(matches!(met.as_slice(), [Record::ValueMet(met)] if met.credential.as_str() == "inventory" && met.times == 1), "{met:?}");
    assert!(printed(&report).contains(&"*".repeat(VALUE.len())), "{}", printed(&report));
    assert!(
        !said.contains(VALUE) && !serde_json::to_string(&records.iter().map(Record::kind).collect::<Vec<_>>()).unwrap().contains(VALUE)
    );
    let rebuilt = host.house.rebuild(&run::Rebuilding { run: report.run, with: None }).await.unwrap();
    assert!(rebuilt.divergence.is_none(), "{:?}", rebuilt.divergence);
}

/// The guest reads all of its own memory, after a server has sent the value in several forms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_comes_to_be_in_the_memory_of_a_guest() {
    let host = TestHost::new();
    let _ = set(&host);
    let server = Server::answering(|_, heard| vec![Step::Say(response(200, format!("{VALUE} {}", heard.head).as_bytes()))]).await;
    let look_for = |value: &str| value.bytes().map(|byte| format!("{:02x}", !byte)).collect::<String>();
    let scanned = async |placement: Placement, value: &str| {
        let mut order = order(&host, "scans_itself", server.port(), &[&server.url("/a"), &look_for(value)]);
        order.grants.credentials[0].placement = placement;
        let report = done(&host, order).await;
        let line = lines(&report).swap_remove(0);
        assert!(line["bytes"].as_u64().unwrap() >= 1 << 20, "{line}");
        line["found"].as_u64().unwrap()
    };
    let (name, before, after) = ("key".to_owned(), String::new(), String::new());
    let placements = [
        Placement::Bearer,
        Placement::Basic { user: "alice".to_owned() },
        Placement::Header { name: name.clone(), before: before.clone(), after: after.clone() },
        Placement::Query { name },
        Placement::Path { segment: 1, before, after },
        Placement::Sigv4(Sigv4 { key_id: "AKID".to_owned(), region: "r".to_owned(), service: "s".to_owned() }),
    ];
    for placement in placements {
        assert_eq!(scanned(placement.clone(), VALUE).await, 0, "{placement:?}");
    }
    assert!(server.heard()[0].has_header(&format!("authorization: Bearer {VALUE}")));
    // The control: other bytes of the answer are found.
    assert!(scanned(Placement::Bearer, "accept-encoding: identity").await > 0);
}
