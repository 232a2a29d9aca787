//! The status of the process that holds the home, for people and for monitors.

use rustix::process::Signal;
use serde_json::Value;
use tests::guests::guest;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step};
use vocabulary::Grants;

use crate::terminals::{Terminal, waits};

fn status(program: &Program) -> (Option<i32>, Value) {
    let output = program.run(&["status", "--json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}")))
}

fn number(status: &Value, at: &str) -> u64 {
    status.pointer(at).and_then(Value::as_u64).unwrap_or_else(|| panic!("{at}: {status}"))
}

#[test]
fn a_home_that_nobody_holds_says_so_with_a_number_of_its_own() {
    let program = waits();
    assert_eq!(status(&program), (Some(11), serde_json::json!({ "host": null })));
    let output = program.run(&["status"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no process holds the home"), "{output:?}");
    assert!(!program.place().home.join("journal").exists(), "asking takes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_tells_its_runs_what_is_in_flight_and_what_it_takes() {
    let server = Server::doing(vec![Step::Hang]).await;
    let kit = TestHost::new();
    let mut order = kit.order("get", &[]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let configs = [config("get", &guest("get"), &order.grants), config("waits-for-ever", &guest("waits_for_ever"), &Grants::default())];
    let program = std::sync::Arc::new(Program::new(&configs.concat()));
    let command = program.command(&[], &["run", "get", "--trust", "--", &server.url("/x")]);
    let holder = tokio::task::spawn_blocking(|| Terminal::running(command)).await.unwrap();
    server.until(|counts| counts.heard == 1).await;
    tokio::task::spawn_blocking(move || {
        let other = Terminal::waiting(&program, "waits-for-ever");
        let (code, status) = status(&program);
        assert_eq!(code, Some(0), "{status}");
        assert_eq!(number(&status, "/host/pid"), u64::from(holder.pid()));
        let run = |at: usize, name: &str| status.pointer(&format!("/host/runs/{at}/{name}")).unwrap_or_else(|| panic!("{name}: {status}"));
        assert_eq!((run(0, "run").as_str(), run(1, "run").as_str()), (Some(holder.run.as_str()), Some(other.run.as_str())));
        assert_eq!((run(0, "in_flight"), run(0, "asked"), run(1, "in_flight")), (&1.into(), &1.into(), &0.into()));
        assert_eq!((run(0, "is_ending"), run(1, "agent").as_str()), (&false.into(), Some("waits-for-ever")));
        for at in
            ["record/size", "disk/batches", "disk/p50_us", "disk/max_us", "machine/memory_bytes", "machine/descriptors", "machine/threads"]
        {
            assert!(number(&status, &format!("/host/{at}")) > 0, "{at}: {status}");
        }
        assert!(number(&status, "/host/disk/p50_us") <= number(&status, "/host/disk/p99_us"));
        assert_eq!(status.pointer("/host/version").and_then(Value::as_str), Some(env!("CARGO_PKG_VERSION")));
        // The output for people.
        let shown = String::from_utf8(program.run(&["status"]).stdout).unwrap();
        for part in
            [format!("process {} holds the home", holder.pid()), other.run.clone(), "IN FLIGHT".to_owned(), "descriptors".to_owned()]
        {
            assert!(shown.contains(&part), "{part}: {shown}");
        }
        other.signal(Signal::INT);
        assert_eq!(other.ends(), 130);
        holder.signal(Signal::INT);
        assert_eq!(holder.ends(), 130);
        assert_eq!(self::status(&program).0, Some(11));
    })
    .await
    .unwrap();
}

#[test]
fn a_holder_that_hangs_is_a_fault_within_the_time_that_was_said() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    holder.signal(Signal::STOP);
    let output = program.run(&["status", "--json", "--wait", "1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let what = said.pointer("/error/what").and_then(Value::as_str).unwrap();
    assert!(what.contains(&format!("process {} (`bailiwick run`, stopped)", holder.pid())), "{said}");
    // The control: after the process continues, it answers again.
    holder.signal(Signal::CONT);
    assert_eq!(status(&program).0, Some(0));
    holder.signal(Signal::INT);
    assert_eq!(holder.ends(), 130);
}
