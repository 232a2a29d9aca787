//! Several terminals at one home: who holds it, who is its client, and what Ctrl-C, SIGTERM and `stop` end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use effect::Grants;
use effect::record::Record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::guests::guest;
use tests::host::records;
use tests::program::{Program, config};

/// A program in a terminal of its own, and what it says there.
struct Terminal {
    child: Child,
    said: BufReader<ChildStderr>,
    run: String,
}

impl Terminal {
    /// Starts a guest that never ends by itself, and returns when its run is on the record.
    fn waiting(program: &Program, agent: &str) -> Self {
        let mut command = program.command(&[], &["run", agent, "--trust"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut terminal = Self { said: BufReader::new(child.stderr.take().unwrap()), child, run: String::new() };
        terminal.run = terminal.until("run 0").split_whitespace().last().unwrap().to_owned();
        terminal
    }

    /// Reads on to a line with these words.
    fn until(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("it ended without `{words}`");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// The number it ends with.
    fn ends(mut self) -> i32 {
        // What it still has to say must not keep it.
        std::io::copy(&mut self.said, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

/// A program that never ends by itself, whichever way it waits.
fn waits() -> Program {
    let names = ["waits_for_ever", "spins_forever"];
    Program::new(&names.map(|name| config(&name.replace('_', "-"), &guest(name), &Grants::default())).concat())
}

/// How the record says that a run ended.
fn end(program: &Program, run: &str) -> String {
    let records = records(&program.place().home, run.parse().unwrap());
    match records.last() {
        Some(Record::RunClosed(closed)) => serde_json::to_string(&closed.outcome).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ctrl_c_and_sigterm_end_a_run_cleanly_and_are_on_the_record() {
    let program = waits();
    for agent in ["waits-for-ever", "spins-forever"] {
        for (signal, code, by) in [(Signal::INT, 130, "ctrl-c"), (Signal::TERM, 143, "sigterm")] {
            let terminal = Terminal::waiting(&program, agent);
            let run = terminal.run.clone();
            terminal.signal(signal);
            assert_eq!(terminal.ends(), code);
            assert!(end(&program, &run).contains(by), "{}", end(&program, &run));
        }
    }
    assert_eq!(program.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn stop_from_a_second_terminal_ends_the_run_and_ps_shows_it_until_then() {
    let program = waits();
    for agent in ["waits-for-ever", "spins-forever"] {
        let terminal = Terminal::waiting(&program, agent);
        let run = terminal.run.clone();
        let listed = program.run(&["ps", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed.pointer("/0/run"), Some(&Value::from(run.as_str())), "{listed}");
        assert_eq!(listed.pointer("/0/state"), Some(&Value::from("running")));
        let stopped = program.run(&["stop", &run]);
        assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
        assert!(end(&program, &run).contains("stop"), "when `stop` returns, the end is on the record");
        assert_eq!(terminal.ends(), 143);
        let again = program.run(&["stop", &run]);
        assert_eq!(again.status.code(), Some(2), "{again:?}");
    }
    let listed = program.run(&["ps", "--json"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");
}

#[test]
fn a_holder_stays_for_the_runs_of_others_until_it_is_told_twice() {
    let program = waits();
    let mut holder = Terminal::waiting(&program, "waits-for-ever");
    let client = Terminal::waiting(&program, "waits-for-ever");
    let (first, second) = (holder.run.clone(), client.run.clone());
    holder.signal(Signal::INT);
    let line = holder.until("staying until runs of others have ended");
    assert!(line.contains(&second), "{line}");
    assert!(end(&program, &first).contains("ctrl-c"));
    let listed = program.run(&["ps", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.pointer("/0/run"), Some(&Value::from(second.as_str())), "{listed}");
    holder.signal(Signal::INT);
    assert_eq!(holder.ends(), 130);
    assert_eq!(client.ends(), 130);
    assert!(end(&program, &second).contains("ctrl-c"));
}

#[test]
fn ctrl_c_at_a_client_ends_its_own_run_alone() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    let client = Terminal::waiting(&program, "spins-forever");
    client.signal(Signal::INT);
    assert_eq!(client.ends(), 130);
    let listed = program.run(&["ps", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed.pointer("/0/run"), Some(&Value::from(holder.run.as_str())));
    holder.signal(Signal::TERM);
    assert_eq!(holder.ends(), 143);
}
