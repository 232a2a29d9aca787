//! The machine's clock is set by an hour, forward and back, while a run is active and between a crash and `resume`. No measured time
//! becomes wrong because of that, and the change is on the record.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tests::clock::MachineClock;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use tokio::sync::Semaphore;
use vocabulary::Until;
use vocabulary::record::{ClockChanged, Record};

const HOUR_S: i64 = 3600;

/// A program with one agent, on a machine whose clock can be set.
struct Machine {
    clock: MachineClock,
    program: Program,
}

impl Machine {
    /// A machine whose agent asks for each URL in turn.
    fn new(server: &Server, more: &str, until: Option<Until>) -> Self {
        let mut order = TestHost::new().order("get", &[]);
        loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
        order.grants.http[0].until = until;
        let text = config("get", &tests::guests::guest("get"), &order.grants);
        let program = Program::new(&text.replace("[agents.get]\n", &format!("[agents.get]\n{more}\n")));
        Self { clock: MachineClock::new(), program }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program.command(&[], args);
        self.clock.give(&mut command);
        command
    }

    fn says(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().unwrap())
    }

    fn start(&self, urls: &[&str]) -> tokio::process::Child {
        let mut command = tokio::process::Command::from(self.command(&[&["run", "get", "--trust", "--"], urls].concat()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    fn changes(&self) -> Vec<ClockChanged> {
        let records = journal::Reader::open(&self.program.place().home).unwrap().records();
        let bodies = records.map(|record| Record::parse(&record.unwrap().body).unwrap());
        bodies.filter_map(|record| if let Record::ClockChanged(change) = record { Some(change) } else { None }).collect()
    }

    /// Checks that the record has one change of the clock, by about this much, and that the views show it.
    fn tells_of(&self, by_s: i64) {
        let changes = self.changes();
        let [change] = changes.as_slice() else { panic!("{changes:?}") };
        assert!((change.by_ms / 1000 - by_s).abs() < 60 && !change.restarted, "{change:?}");
        let way = if by_s < 0 { "set back by" } else { "set forward by" };
        for args in [&["audit", "show", "--kind", "clock-changed"][..], &["show", "latest"]] {
            let (code, words) = self.says(args);
            assert!(code == 0 && words.contains("clock-changed") && words.contains(way), "{args:?}: {words}");
        }
        assert_eq!(self.says(&["audit", "verify"]).0, 0);
    }
}

fn said(output: &Output) -> (i32, String) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code().unwrap(), words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A server that answers the second request only when the test allows it.
async fn second_waits() -> (Server, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let answer = move |number, _: &_| match number {
        1 => vec![Step::Until(Arc::clone(&held)), Step::Say(response(200, b"x"))],
        _ => vec![Step::Say(response(200, b"x"))],
    };
    (Server::answering(answer).await, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_while_a_run_goes_on_ends_no_run_and_is_on_the_record() {
    for by_s in [HOUR_S, -HOUR_S] {
        let (server, gate) = second_waits().await;
        let machine = Machine::new(&server, "limits = { active-timeout = \"60s\" }", None);
        let child = machine.start(&[&server.url("/a"), &server.url("/b"), &server.url("/c")]);
        server.until(|counts| counts.heard == 2).await;
        machine.clock.set(by_s);
        gate.add_permits(1);
        let (code, words) = said(&child.wait_with_output().await.unwrap());
        assert_eq!((code, server.heard().len()), (0, 3), "{words}");
        assert!(words.contains(" clock ") && words.contains(if by_s < 0 { "set back by" } else { "set forward by" }), "{words}");
        machine.tells_of(by_s);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_between_a_crash_and_the_resumption_spends_no_time_of_the_run() {
    for by_s in [HOUR_S, -HOUR_S] {
        let (server, gate) = second_waits().await;
        let machine = Machine::new(&server, "limits = { active-timeout = \"60s\" }", None);
        let mut child = machine.start(&[&server.url("/a"), &server.url("/b")]);
        server.until(|counts| counts.heard == 2).await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        gate.add_permits(1);
        machine.clock.set(by_s);
        let (code, words) = machine.says(&["resume", "latest"]);
        assert_eq!(code, 0, "{words}");
        assert!(words.contains(if by_s < 0 { "set back by" } else { "set forward by" }), "{words}");
        machine.tells_of(by_s);
        // The present clock is used as it is, and no further change is reported.
        assert_eq!(machine.says(&["run", "get", "--trust", "--", &server.url("/c")]).0, 0);
        assert_eq!(machine.changes().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_has_ended_does_not_begin_again_when_the_clock_is_set_back() {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Half an hour before a grant ends at midnight.
    let midnight = (now_s / 86_400 + 2) * 86_400;
    let before = i64::try_from(midnight - now_s).unwrap() - HOUR_S / 2;
    let until: Until = vocabulary::utc((midnight - 1) * 1000).split(' ').next().unwrap().parse().unwrap();
    assert_eq!(until.unix_s, midnight);
    for while_cut_off in [false, true] {
        let (server, gate) = second_waits().await;
        let machine = Machine::new(&server, "", Some(until));
        machine.clock.set(before);
        let (a, b, c) = (server.url("/a"), server.url("/b"), server.url("/c"));
        let mut child = machine.start(&[&a, &b, &c]);
        server.until(|counts| counts.heard == 2).await;
        // Nobody knows which time is right. Grants end by the later one.
        machine.clock.set(before + HOUR_S);
        let words = if while_cut_off {
            child.start_kill().unwrap();
            child.wait().await.unwrap();
            machine.says(&["resume", "latest"]).1
        } else {
            gate.add_permits(1);
            said(&child.wait_with_output().await.unwrap()).1
        };
        assert!(!server.heard().iter().any(|heard| heard.path == "/c"), "{while_cut_off}: {words}");
        machine.clock.set(before);
        let heard = server.heard().len();
        let (_, words) = machine.says(&["run", "get", "--trust", "--", &c]);
        // The first process that finds the clock set back still uses the later time.
        assert!(words.contains("the grant has ended") && server.heard().len() == heard, "{while_cut_off}: {words}");
        assert_eq!(machine.changes().iter().map(|change| change.by_ms.signum()).collect::<Vec<_>>(), [1, -1], "{while_cut_off}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_while_the_clock_was_wrong_is_neither_hidden_nor_put_elsewhere() {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"x"))]).await;
    let machine = Machine::new(&server, "", None);
    let run = |ahead_s| {
        machine.clock.set(ahead_s);
        let (code, words) = machine.says(&["run", "get", "--trust", "--", &server.url("/a")]);
        assert_eq!(code, 0, "{words}");
    };
    [0, 10 * 365 * 24 * HOUR_S, -HOUR_S, 0].into_iter().for_each(run);
    let runs = |args: &[&str]| {
        let output = machine.command(&[&["audit", "show", "--json", "--kind", "run-opened"], args].concat()).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["run"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = runs(&[]);
    assert_eq!(all.len(), 4);
    // Everything was recorded within the last minutes, whatever the clock has shown.
    for ahead_s in [0, HOUR_S, -2 * HOUR_S] {
        machine.clock.set(ahead_s);
        assert_eq!(runs(&["--since", "10m"]), all, "{ahead_s}");
        let (code, words) = machine.says(&["audit", "touched", "--since", "10m"]);
        assert!(code == 0 && words.contains("200×4"), "{ahead_s}: {words}");
    }
    assert!(machine.says(&["show", "latest"]).1.contains(&server.url("/a")));
    let latest = machine.command(&["show", "latest", "--json"]).output().unwrap();
    let first: serde_json::Value = serde_json::from_str(String::from_utf8(latest.stdout).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(first["run"].as_str(), all.last().map(String::as_str), "the run that was begun last, not the one with the latest time");
    assert_eq!(machine.changes().len(), 3);
}
