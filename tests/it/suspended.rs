//! Runs that wait for long: they are unloaded from memory, and continue when their wait is over, in this process or in another one.

use std::os::unix::net::UnixDatagram;
use std::process::{Output, Stdio};
use std::time::Duration;

use run::{HostOptions, LONG_WAIT, LocalHost, Rebuilding, RunEvent, RunOrder, Running, own_principal};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::host::{TestHost, options, place, printed, records, report};
use tests::program::{Program, config};
use vocabulary::record::{Record, RecordKind};
use vocabulary::{Grants, Means, Outcome, RunId, Stopping};

/// A host that suspends each run that waits for a time, if that is not over at once.
fn house(long_wait: Duration) -> (LocalHost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (LocalHost::open(&place(folder.path()), &HostOptions { long_wait, ..options() }).unwrap(), folder)
}

fn order(house: &LocalHost, args: &[&str]) -> RunOrder {
    let wasm = std::fs::read(tests::guests::guest("sleeps")).unwrap();
    RunOrder { durable: true, ..TestHost::order_in(house.place(), "sleeps", &wasm, args) }
}

/// Resumes each run when its wait is over, until nothing waits.
async fn wakes(house: LocalHost) {
    loop {
        match house.waiting().first() {
            Some(waiting) if waiting.left.is_zero() => house.wake(waiting.run, own_principal(), &Default::default()).await.unwrap(),
            Some(waiting) => tokio::time::sleep(waiting.left).await,
            None => house.waits_changed().await,
        }
    }
}

fn kinds(home: &std::path::Path, run: RunId) -> Vec<RecordKind> {
    records(home, run).iter().map(Record::kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_suspended_three_times_does_the_same_as_one_that_stays_in_memory() {
    let args = ["300", "200", "100"];
    let (stays, _folder) = house(LONG_WAIT);
    let control = report(stays.start(order(&stays, &args), own_principal()).await.unwrap()).await;
    assert_eq!(control.waited_ms, 0);
    let (house, _folder) = house(Duration::from_millis(20));
    let waker = tokio::spawn(wakes(house.clone()));
    let report = report(house.start(order(&house, &args), own_principal()).await.unwrap()).await;
    waker.abort();
    assert_eq!((&report.outcome, printed(&report)), (&Outcome::Done, printed(&control)));
    assert_eq!(printed(&report).matches(", and true true").count(), 3, "it saw the time pass: {}", printed(&report));
    let suspended = kinds(&house.place().home, report.run).iter().filter(|kind| **kind == RecordKind::RunSuspended).count();
    assert_eq!(suspended, 3);
    assert!(report.waited_ms >= 500, "{} ms", report.waited_ms);
    let rebuilt = house.rebuild(&Rebuilding { run: report.run, with: None }).await.unwrap();
    assert_eq!(rebuilt.divergence, None);
}

/// The next event that is not a line of the agent.
async fn next(running: &mut Running) -> Option<RunEvent> {
    loop {
        match running.events.next().await {
            Some(RunEvent::Said { .. } | RunEvent::Progress { .. } | RunEvent::Opened { .. }) => {}
            event => return event,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_run_takes_no_slot_and_is_stopped_without_being_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let house = LocalHost::open(&place(folder.path()), &HostOptions { slots: 1, ..options() }).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut running = house.start(order(&house, &["3600000"]), own_principal()).await.unwrap();
        assert!(matches!(next(&mut running).await, Some(RunEvent::Suspended { .. })), "with one slot, each of them had its turn");
        waiting.push(running);
    }
    assert_eq!((house.going().len(), house.waiting().len()), (0, 20));
    let other = report(house.start(order(&house, &[]), own_principal()).await.unwrap()).await;
    assert_eq!(other.outcome, Outcome::Done, "the slot is free");
    // By its own caller, and by somebody else.
    let stopping = || Stopping { by: own_principal(), means: Means::Stop };
    let (mut first, mut second) = (waiting.remove(0), waiting.remove(0));
    first.stop(Stopping { means: Means::CtrlC, ..stopping() });
    assert!(house.end(second.run, stopping()).await.unwrap());
    for running in [&mut first, &mut second] {
        let Some(RunEvent::Closed { report }) = next(running).await else { panic!("it has ended") };
        assert!(matches!(report.outcome, Outcome::Stopped(_)), "{:?}", report.outcome);
        assert_eq!(kinds(&house.place().home, running.run).last(), Some(&RecordKind::RunClosed));
    }
    // A caller that goes away leaves the run waiting.
    let gone = waiting.remove(0);
    gone.stop(Stopping { means: Means::ClientGone, ..stopping() });
    let run = gone.run;
    drop(gone);
    assert_eq!(kinds(&house.place().home, run).last(), Some(&RecordKind::RunSuspended));
    assert_eq!(house.waiting().len(), 18);
}

fn sleeper() -> Program {
    let program = Program::new(&config("sleeps", &tests::guests::guest("sleeps"), &Grants::default()));
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    program
}

/// How long a run must sleep to be suspended, in milliseconds.
fn long() -> String {
    // A run that was active for a second has to sleep five seconds longer.
    (LONG_WAIT.as_millis() + 7000).to_string()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

fn rows(program: &Program) -> Vec<Value> {
    serde_json::from_slice(&program.run(&["ps", "--json"]).stdout).unwrap()
}

#[test]
fn a_run_that_was_left_waiting_is_shown_and_continues_where_somebody_waits_for_it() {
    let program = sleeper();
    let left = program.run(&["run", "sleeps", "--durable", "--detach", "--", &long()]);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    let row = rows(&program).remove(0);
    let run = row["run"].as_str().unwrap().to_owned();
    assert_eq!(row["state"], "suspended");
    assert!(row["waits_for"]["time"]["until"].as_u64().is_some(), "{row}");
    assert!(
        said(&left).contains(&format!("run {run} is suspended until ")) && said(&left).contains(&format!("`bailiwick wait {run}`")),
        "{}",
        said(&left)
    );
    assert!(said(&program.run(&["ps"])).contains("is suspended until "));
    let waited = program.run(&["wait", "latest"]);
    assert_eq!(waited.status.code(), Some(0), "{}", said(&waited));
    assert!(String::from_utf8_lossy(&waited.stdout).contains(", and true true\nawake"), "{}", said(&waited));
    assert!(said(&waited).contains(&format!("run {run} continues")), "{}", said(&waited));
    let again = program.run(&["wait", &run, "--json"]);
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (again.status.code(), report["outcome"]["kind"].as_str().or(report["outcome"].as_str())),
        (Some(0), Some("done")),
        "{report}"
    );
    assert_eq!([program.run(&["replay", &run]), program.run(&["audit", "verify"])].map(|done| done.status.code()), [Some(0); 2]);
}

#[test]
fn the_next_command_that_changes_something_resumes_what_is_due() {
    let program = sleeper();
    let left = program.run(&["run", "sleeps", "--durable", "--detach", "--", &long()]);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    let run = rows(&program)[0]["run"].as_str().unwrap().to_owned();
    // Before it is due, a command leaves it alone.
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    assert_eq!(rows(&program)[0]["state"], "suspended");
    // In another home, a run that is not suspended takes that time.
    assert_eq!(sleeper().run(&["run", "sleeps", "--", &long()]).status.code(), Some(0));
    assert_eq!(rows(&program)[0]["state"], "suspended", "`ps` changes nothing");
    let next = program.run(&["run", "sleeps", "--", "1"]);
    assert_eq!(next.status.code(), Some(0), "{}", said(&next));
    assert!(rows(&program).is_empty(), "{:?}", rows(&program));
    let shown = said(&program.run(&["show", &run]));
    assert!(shown.contains("DONE"), "{shown}");
}

#[test]
fn serve_resumes_a_run_whose_caller_has_left_and_tells_the_service_manager() {
    let program = sleeper();
    let socket = program.folder().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let heard = || {
        let mut state = [0; 64];
        let bytes = manager.recv(&mut state).unwrap();
        String::from_utf8_lossy(&state[..bytes]).into_owned()
    };
    let mut serve = program.command(&[], &["serve"]);
    let mut serve = serve.env("NOTIFY_SOCKET", &socket).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(heard(), "READY=1");
    let second = program.run(&["serve"]);
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains(&format!("another process ({}) holds the home", serve.id())), "{}", said(&second));
    let left = program.run(&["run", "sleeps", "--durable", "--detach", "--", &long()]);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    // `wait` returns when the other process has closed the run.
    let waited = program.run(&["wait", "latest"]);
    assert_eq!(waited.status.code(), Some(0), "{}", said(&waited));
    assert!(rows(&program).is_empty());
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(serve.wait().unwrap().code(), Some(0));
    assert_eq!(program.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn a_suspended_run_survives_the_death_of_the_process_that_held_the_home() {
    let program = sleeper();
    let mut serve = program.command(&[], &["serve"]);
    let mut serve = serve.stderr(Stdio::null()).spawn().unwrap();
    let left = program.run(&["run", "sleeps", "--durable", "--detach", "--", &long()]);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert_eq!(rows(&program)[0]["state"], "suspended");
    let waited = program.run(&["wait", "latest"]);
    assert_eq!(waited.status.code(), Some(0), "{}", said(&waited));
    assert!(String::from_utf8_lossy(&waited.stdout).contains(", and true true\nawake"), "{}", said(&waited));
}

/// The state of the only open run.
fn state(program: &Program) -> String {
    rows(program).first().map_or_else(|| "none".to_owned(), |row| row["state"].as_str().unwrap().to_owned())
}

/// Returns when the only open run is in this state. Its longest wait is twelve seconds, and a look takes some milliseconds.
fn until(program: &Program, expected: &str) {
    for _ in 0..50_000 {
        if state(program) == expected {
            return;
        }
    }
    panic!("{:?}", rows(program));
}

#[test]
fn a_run_that_nobody_attends_is_resumed_by_the_next_host_also_where_it_was_cut_off() {
    let program = sleeper();
    // After its long sleep it takes short ones, in memory.
    let short = ["4000"; 40];
    let long = long();
    let args = [&["run", "sleeps", "--durable", "--detach", "--", &long][..], &short].concat();
    let left = program.run(&args);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    let serve = || program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    let mut first = serve();
    until(&program, "running");
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(state(&program), "cut-off");
    let mut second = serve();
    until(&program, "running");
    let run = rows(&program)[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(program.run(&["stop", &run]).status.code(), Some(0));
    kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0));
    assert_eq!(program.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn a_client_whose_host_goes_away_takes_the_home_and_resumes_its_run_in_time() {
    let program = sleeper();
    let mut serve = program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while program.run(&["status"]).status.code() == Some(11) {}
    let client = program.command(&[], &["run", "sleeps", "--durable", "--", &long()]);
    let client = { client }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(&program, "suspended");
    serve.kill().unwrap();
    serve.wait().unwrap();
    let ended = client.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert!(said(&ended).contains("the process that held the home is gone") && said(&ended).contains("awake"), "{}", said(&ended));
}

#[test]
fn a_lease_of_a_suspended_run_is_ended_on_the_record() {
    let (guest, port) = (tests::guests::guest("sleeps").display().to_string(), 9);
    let program = Program::new(&format!(
        "[agents.sleeps]\ncomponent = {guest:?}\n\n[[agents.sleeps.http]]\nhost = \"127.0.0.1\"\nport = {port}\nscheme = \"http\"\nmethods = \
         [\"GET\"]\npaths = [\"/**\"]\ncredential = \"key\"\n\n[credentials.key]\nkind = \"bearer\"\nscheme = \"http\"\nhosts = \
         [\"127.0.0.1\"]\n"
    ));
    let set = program.run_with(&["credentials", "set", "key", "--for", "http://127.0.0.1:9"], "q8Zr5vTn2Wc7Lm4Xp9Kd1Hs6Jf3Gb0Ya");
    assert_eq!(set.status.code(), Some(0), "{}", said(&set));
    let left = program.run(&["run", "sleeps", "--trust", "--detach", "--", "3600000"]);
    assert_eq!(left.status.code(), Some(7), "{}", said(&left));
    let run = rows(&program)[0]["run"].as_str().unwrap().to_owned();
    let ended = program.run(&["credentials", "revoke", "--run", &run]);
    assert_eq!((ended.status.code(), said(&ended).contains(&format!("ended {run}/key"))), (Some(0), true), "{}", said(&ended));
    let again = program.run(&["credentials", "revoke", "--run", &run]);
    assert_eq!(again.status.code(), Some(2), "once: {}", said(&again));
    assert_eq!(kinds(&program.place().home, run.parse().unwrap()).last(), Some(&RecordKind::LeaseRevoked));
    assert_eq!(state(&program), "suspended");
    assert_eq!([program.run(&["stop", &run]), program.run(&["audit", "verify"])].map(|done| done.status.code()), [Some(0); 2]);
}
