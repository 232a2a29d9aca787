//! Several terminals with one home: which process holds it, which are its clients, and what Ctrl-C, SIGTERM and `stop` end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::guests::guest;
use tests::host::records;
use tests::program::{Program, config};
use vocabulary::Grants;
use vocabulary::record::Record;

/// A program in its own terminal, with its output.
pub(crate) struct Terminal {
    child: Child,
    said: BufReader<ChildStderr>,
    pub(crate) run: String,
}

impl Terminal {
    /// Starts a guest that never ends by itself, and returns when its run is on the record.
    pub(crate) fn waiting(program: &Program, agent: &str) -> Self {
        Self::running(program.command(&[], &["run", agent, "--trust"]))
    }

    /// Starts a run, and returns when it is on the record.
    pub(crate) fn running(command: Command) -> Self {
        let mut terminal = Self::start(command);
        terminal.run = terminal.until("run 0").split_whitespace().last().unwrap().to_owned();
        terminal
    }

    /// Starts a command.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Self { said: BufReader::new(child.stderr.take().unwrap()), child, run: String::new() }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads up to a line with these words.
    pub(crate) fn until(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("it ended without `{words}`");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// The exit code.
    pub(crate) fn ends(self) -> i32 {
        self.ends_saying().0
    }

    /// The exit code, with the rest of the output.
    pub(crate) fn ends_saying(mut self) -> (i32, String) {
        // Read the rest, so that a full pipe does not block the program.
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }

    /// Kills the program as the system does if memory is short.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A configuration of guests that never end by themselves, each with another way of waiting.
pub(crate) fn waits() -> Program {
    let names = ["waits_for_ever", "spins_forever"];
    Program::new(&names.map(|name| config(&name.replace('_', "-"), &guest(name), &Grants::default())).concat())
}

/// The end of a run on the record.
pub(crate) fn end(program: &Program, run: &str) -> String {
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
    let mut client = Terminal::waiting(&program, "waits-for-ever");
    let (first, second) = (holder.run.clone(), client.run.clone());
    holder.signal(Signal::INT);
    let line = holder.until("staying until runs of other processes have ended");
    assert!(line.contains(&second), "{line}");
    assert!(end(&program, &first).contains("ctrl-c"));
    let listed = program.run(&["ps", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.pointer("/0/run"), Some(&Value::from(second.as_str())), "{listed}");
    holder.signal(Signal::INT);
    assert_eq!(holder.ends(), 130);
    // Nothing is kept of this run, which can only look. So its client begins it anew, in the client's own process.
    let anew = client.until("starts again as run ").split_whitespace().last().unwrap().to_owned();
    assert!(end(&program, &second).contains("holder-gone"));
    client.until(&format!("run {anew}"));
    client.signal(Signal::INT);
    assert_eq!(client.ends(), 130);
    assert!(end(&program, &anew).contains("ctrl-c"));
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

/// The output at a terminal of 80 columns.
fn at_80_columns(program: &Program, args: &[&str]) -> String {
    let line = format!("stty cols 80 rows 24; '{}' {}", tests::host::bailiwick().display(), args.join(" "));
    let output = program.beside(&["script", "-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
fn the_id_of_a_run_can_be_copied_from_a_terminal_of_80_columns() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    let client = Terminal::waiting(&program, "spins-forever");
    let runs = [holder.run.clone(), client.run.clone()];
    let held = program.run(&["hold", &runs[0], "--reason", "a reason that is too long for one line of a terminal, and says nothing"]);
    assert!(held.status.success(), "{held:?}");
    let shown: &[&[&str]] = &[&["ps"], &["status"], &["audit", "show"], &["audit", "touched"], &["hold"], &["show", "latest"]];
    for args in shown {
        let shown = at_80_columns(&program, args);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{args:?}: {shown}");
        let pieces = shown.split(|letter: char| !letter.is_ascii_alphanumeric());
        let found: Vec<&str> = pieces.filter(|piece| runs.iter().any(|run| run == piece)).collect();
        let wanted = match args {
            [verb, ..] if ["ps", "status"].contains(verb) => 2,
            ["audit", "touched"] | ["show", ..] => 0,
            _ => 1,
        };
        assert!(found.len() >= wanted, "{args:?}: {shown}");
        // An id is never broken at the end of a line.
        assert!(
            !shown.lines().any(|line| runs.iter().any(|run| line.contains(&run[..20]) && !line.contains(run.as_str()))),
            "{args:?}: {shown}"
        );
    }
    client.kill();
    holder.kill();
    let shown = at_80_columns(&program, &["ps"]);
    assert!(runs.iter().all(|run| shown.lines().any(|line| line.trim() == run)) && shown.contains("cut off"), "{shown}");
}
