//! The record as the operator reads it with the program: what was touched under a name, the sealed payloads, and the differences
//! between two runs.

use std::process::{Command, Output};

use run::{HomePlace, RunOrder};
use serde_json::{Value, json};
use tests::host::{TestHost, bailiwick, loopback, mount};
use tests::server::{Server, Step, response};
use vault::{Local, Secret};
use vocabulary::Outcome;

use crate::ending::done;

/// A verb on the home of a test.
fn verb(place: &HomePlace, args: &[&str]) -> Output {
    let mut command = Command::new(bailiwick());
    command.args(args).env("BAILIWICK_HOME", &place.home).env("BAILIWICK_STATE", &place.state);
    command.output().unwrap()
}

/// The output of a verb, which must succeed.
#[track_caller]
fn data(place: &HomePlace, args: &[&str]) -> String {
    let output = verb(place, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn document(place: &HomePlace, args: &[&str]) -> Value {
    serde_json::from_str(&data(place, args)).unwrap()
}

/// An order for a guest that posts each body to its path.
fn posting(host: &TestHost, server: &Server, asks: &[(&str, &str)]) -> RunOrder {
    let line = |(path, body): &(&str, &str)| {
        let authority = format!("127.0.0.1:{}", server.port());
        json!({ "scheme": "http", "authority": authority, "path": path, "method": "POST", "body": body }).to_string()
    };
    let mut order = host.order("asks_listed", &[]);
    order.input = asks.iter().map(line).collect::<Vec<_>>().join("\n");
    loopback(&mut order.grants, server.port(), &["POST"], &["/**"]);
    order
}

/// The number of the first record of a kind.
fn seq_of(place: &HomePlace, run: &str, kind: &str) -> String {
    let shown = data(place, &["show", run, "--json"]);
    let records: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seq = records.iter().find(|record| record["record"]["kind"] == kind).unwrap()["seq"].as_u64().unwrap();
    format!("{run}/{seq}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_sealed_is_shown_with_values_of_the_vault_starred() {
    const LATER: &str = "later-secret-4711-abcdef";
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"an answer\x00\xff"))]).await;
    let body = format!("before {LATER} after");
    let report = done(&host, posting(&host, &server, &[("/a?page=2&token=query-value", &body)])).await;
    let (place, run) = (host.place(), report.run.to_string());
    let asked = seq_of(&place, &run, "asked");
    // A control: as long as the value is not in the vault, the request is shown as it was sent.
    assert_eq!(data(&place, &["show", &asked, "--body"]), format!("{body}\n"));
    Local::new(&place.home).set("late", Secret::new(LATER.as_bytes().to_vec()).unwrap(), 1).unwrap();
    let stars = "*".repeat(LATER.len());
    assert_eq!(data(&place, &["show", &asked, "--body"]), format!("before {stars} after\n"));
    assert_eq!(verb(&place, &["show", &asked, "--body", "--raw"]).stdout, format!("before {stars} after").as_bytes());
    let one = data(&place, &["show", &asked]);
    assert!(one.contains("/a?page=2&token=query-value"), "the whole URL is there: {one}");
    let answered = seq_of(&place, &run, "answered");
    assert_eq!(verb(&place, &["show", &answered, "--body", "--raw"]).stdout, b"an answer\x00\xff");
    assert!(data(&place, &["show", &answered, "--body"]).contains("61 6e 20 61"), "bytes that are not text are shown in hexadecimal");
    let full = data(&place, &["show", &run, "--full"]);
    for part in ["input:", "grants:", "> POST http://127.0.0.1", "request body:", "< 200", "answer body:", "output:"] {
        assert!(full.contains(part), "{part} is not in {full}");
    }
    for args in [&["--full"][..], &["--input"], &["--answers"], &["--grants"], &["--full", "--json"], &["--input", "--json"]] {
        let shown = data(&place, &[&["show", run.as_str()], args].concat());
        assert!(!shown.contains(LATER) && !shown.is_empty(), "{args:?}: {shown}");
    }
    assert!(data(&place, &["show", &run, "--grants"]).contains("\"paths\""));
    assert_eq!(document(&place, &["show", &asked, "--body", "--json"])["text"], format!("before {stars} after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_kept_or_is_forgotten_says_so() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let mut order = posting(&host, &server, &[("/a", "body")]);
    order.limits.payload_bytes = 10;
    let report = done(&host, order).await;
    let (place, run) = (host.place(), report.run.to_string());
    for kind in ["asked", "answered"] {
        let output = verb(&place, &["show", &seq_of(&place, &run, kind), "--body"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("not kept"), "{output:?}");
    }
    // Without the home's key no sealed payload is shown, but the record itself is.
    let kept = done(&host, posting(&host, &server, &[("/a", "body")])).await.run.to_string();
    let asked = seq_of(&place, &kept, "asked");
    assert_eq!(data(&place, &["show", &asked, "--body"]), "body\n");
    host.house.close().unwrap();
    std::fs::remove_file(place.home.join("home.key")).unwrap();
    assert_eq!(verb(&place, &["show", &asked, "--body"]).status.code(), Some(2));
    assert_eq!(verb(&place, &["show", &kept]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_no_record_has_is_an_error_and_no_all_clear() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let tree = tempfile::tempdir().unwrap();
    let mut order = posting(&host, &server, &[("/a", "body")]);
    mount(&mut order, "/src", tree.path());
    let _ = done(&host, order).await;
    let place = host.place();
    for (args, near) in [
        (["--agent", "asks_liste"], Some("asks_listed")),
        (["--host", "127.0.0.2"], Some("127.0.0.1")),
        (["--credential", "nothing"], None),
        (["--file", "/elsewhere/x"], None),
    ] {
        let output = verb(&place, &["audit", "touched", args[0], args[1]]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(words.contains("no record names"), "{words}");
        assert!(near.is_none_or(|near| words.contains(&format!("did you mean `{near}`?"))), "{words}");
        let error = verb(&place, &["audit", "touched", args[0], args[1], "--json"]);
        assert_eq!(error.status.code(), Some(2), "{error:?}");
    }
    assert_eq!(verb(&place, &["audit", "touched", "01AAAAAAAAAAAAAAAAAAAAAAAA"]).status.code(), Some(2));
    // For a known name that was not touched, the message says what was searched: another guest has run, too.
    let output = verb(&place, &["audit", "touched", "--file", "/src/never"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("nothing was touched") && words.contains("of 2 runs were searched"), "{words}");
    assert_eq!(document(&place, &["audit", "touched", "--agent", "asks_listed", "--json"])["searched"]["runs"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_found_by_every_name_that_it_has_and_a_folder_with_what_is_in_it() {
    let host = TestHost::new();
    let (tree, names) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = tree.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("d/a.txt"), "alpha\n").unwrap();
    std::fs::write(root.join("b.txt"), "beta\n").unwrap();
    let link = names.path().join("link");
    std::os::unix::fs::symlink(root.join("d/a.txt"), &link).unwrap();
    let mut order = host.order("reads_files", &["/src"]);
    mount(&mut order, "/src", &root);
    assert_eq!(host.run(order).await.outcome, Outcome::Done);
    let place = host.place();
    let found = |name: &str| -> Vec<String> {
        let touched = document(&place, &["audit", "touched", "--file", name, "--json"]);
        let mut files: Vec<String> =
            touched["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
        files.sort();
        files.dedup();
        files
    };
    let on_host = |path: &str| root.join(path).display().to_string();
    for name in ["/src/d/a.txt", "/src/d/../d/a.txt", "/src//d/./a.txt", "d/a.txt", &on_host("d/a.txt"), &link.display().to_string()] {
        assert_eq!(found(name), ["/src/d/a.txt"], "{name}");
    }
    for folder in ["/src/d", "/src/d/", "d", "d/", &on_host("d")] {
        assert!(
            found(folder).iter().all(|path| path.starts_with("/src/d")) && found(folder).contains(&"/src/d/a.txt".to_owned()),
            "{folder}"
        );
    }
    assert!(found("/src").contains(&"/src/b.txt".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_opened_by_a_links_name_is_found_by_its_own() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("deep")).unwrap();
    std::fs::write(root.join("deep/real.txt"), "alpha\n").unwrap();
    std::os::unix::fs::symlink("deep", root.join("link")).unwrap();
    let mut order = host.order("reads_files", &["/src/link", "/src/deep/../deep"]);
    mount(&mut order, "/src", &root);
    assert_eq!(host.run(order).await.outcome, Outcome::Done);
    let found = |name: &str| -> Vec<(String, Value)> {
        let touched = document(&host.place(), &["audit", "touched", "--file", name, "--json"]);
        let read = touched["files"].as_array().unwrap().iter().filter(|file| file["what"] == "file");
        read.map(|file| (file["path"].as_str().unwrap().to_owned(), file["real"].clone())).collect()
    };
    let (through, beside) = ("/src/link/real.txt".to_owned(), "/src/deep/../deep/real.txt".to_owned());
    let both = [(through.clone(), json!("/src/deep/real.txt")), (beside, json!("/src/deep/real.txt"))];
    assert_eq!(found("/src/deep/real.txt"), both, "under each of its names");
    assert_eq!(found("/src/deep"), both);
    assert_eq!(found(&through).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_runs_did_differently_is_told_and_what_is_the_same_is_not() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let one = done(&host, posting(&host, &server, &[("/same", "x"), ("/first", "x")])).await.run.to_string();
    let other = done(&host, posting(&host, &server, &[("/same", "x"), ("/second", "x"), ("/second", "x")])).await.run.to_string();
    let place = host.place();
    let told = data(&place, &["audit", "diff", &one, &other]);
    assert!(told.lines().any(|line| line.starts_with("- request POST") && line.contains("/first")), "{told}");
    assert!(
        told.lines().any(|line| line.starts_with("+ request POST") && line.contains("/second: 2 asked, 0 refused, 2 sent, 2 answered")),
        "{told}"
    );
    assert!(!told.contains("/same") && told.contains("~ input"), "{told}");
    assert_eq!(document(&place, &["audit", "diff", &one, &one, "--json"])["differences"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_gone_forged_cut_or_of_another_home_changes_no_answer() {
    let host = TestHost::new();
    let mut order = host.order("asks_listed", &[]);
    // Each is asked twice, so that the record is large enough for an index.
    let ask = |n: u32| json!({ "scheme": "http", "authority": "127.0.0.1:9", "path": format!("/{n}") }).to_string();
    order.input = (0..1200).map(ask).collect::<Vec<_>>().join("\n");
    order.limits.asks = 10_000;
    loopback(&mut order.grants, 9, &["GET"], &["/**"]);
    let _ = done(&host, order.clone()).await;
    let _ = done(&host, order).await;
    host.house.close().unwrap();
    let place = host.place();
    let index = place.home.join("journal.touched");
    let bytes = std::fs::read(&index).expect("the host left an index");
    let touched = || data(&place, &["audit", "touched", "--json"]);
    let runs = || data(&place, &["show", "latest", "--json"]);
    let (with, shown) = (touched(), runs());
    assert!(with.matches("\"127.0.0.1\"").count() >= 1200, "{}", &with[..400.min(with.len())]);
    std::fs::remove_file(&index).unwrap();
    assert_eq!((touched(), runs()), (with.clone(), shown.clone()), "without one");
    assert!(index.exists(), "the first reader makes it again");
    let at = |n: usize| bytes.len() * n / 12;
    for n in 0..12 {
        let mut bent = bytes.clone();
        bent[at(n)] ^= 1;
        std::fs::write(&index, &bent).unwrap();
        assert_eq!(touched(), with, "byte {}", at(n));
        std::fs::write(&index, &bytes[..at(n)]).unwrap();
        assert_eq!(touched(), with, "cut at {}", at(n));
    }
    // An index that is whole and genuine, but of another home.
    let other = TestHost::new();
    let mut order = other.order("asks_listed", &[]);
    order.input = (7000..8200).map(ask).collect::<Vec<_>>().join("\n");
    order.limits.asks = 10_000;
    loopback(&mut order.grants, 9, &["GET"], &["/**"]);
    let _ = done(&other, order.clone()).await;
    let _ = done(&other, order).await;
    other.house.close().unwrap();
    std::fs::copy(other.place().home.join("journal.touched"), &index).expect("the other home has an index");
    assert_eq!((touched(), runs()), (with.clone(), shown.clone()), "of another home");
    // A pipe in its place does not block the program: a home with a pipe is refused, and the error says what to do.
    std::fs::remove_file(&index).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &index, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let refused = verb(&place, &["audit", "touched"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("journal.touched"), "{refused:?}");
    std::fs::remove_file(&index).unwrap();
    assert_eq!((touched(), runs()), (with.clone(), shown.clone()), "after it was removed");
    std::fs::write(&index, &bytes).unwrap();
    assert_eq!((touched(), runs()), (with, shown));
    // The proof that the record is whole does not need the index.
    assert_eq!(verb(&place, &["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_refused_for_want_of_a_value_is_neither_sent_nor_a_use_of_the_credential() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let mut order = posting(&host, &server, &[("/a", "x")]);
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    let binding = vocabulary::Binding::new("alpha", hosts, vocabulary::Placement::Bearer, vocabulary::Source::Local);
    order.grants.credentials.push(vocabulary::Binding { scheme: vocabulary::Scheme::Http, ..binding });
    order.grants.http[0].credential = Some("alpha".to_owned());
    let report = done(&host, order.clone()).await;
    let touched = &report.evidence.touched;
    let totals = touched.totals;
    assert_eq!((totals.asked, totals.refused, totals.sent, totals.answered), (1, 1, 0, 0));
    assert_eq!((touched.leases[0].asked, touched.leases[0].refused, touched.leases[0].sent), (1, 1, 0));
    assert!(touched.credentials.is_empty() && server.heard().is_empty());
    let kinds = |run| host.records(run).iter().filter(|record| record.kind() == vocabulary::record::RecordKind::LeaseIssued).count();
    assert_eq!(kinds(report.run), 0);
    // With a value the request is sent, which counts as a use.
    Local::new(&host.place().home)
        .set_for("alpha", Secret::new(b"a-value-of-alpha-0815".to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let report = done(&host, order).await;
    let totals = report.evidence.touched.totals;
    assert_eq!((totals.asked, totals.refused, totals.sent, totals.answered), (1, 0, 1, 1));
    assert_eq!((kinds(report.run), report.evidence.touched.leases[0].sent), (1, 1));
}
