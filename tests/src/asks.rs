//! Runs of the program in which a guest sends the requests of a test, and checks of where the values are afterwards.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use vocabulary::record::Record;
use vocabulary::{Reason, RunId};

use crate::program::Program;
use crate::{guests, host, tools};

/// A configuration in which the guest `sends_each`, as the agent `asks`, may send anything to this port of loopback with the credential
/// `key`. The argument `key` has further lines of `[credentials.key]`, besides those that say where the value may go.
#[must_use]
pub fn config(port: u16, key: &str) -> String {
    let wasm = guests::guest("sends_each").display().to_string();
    format!(
        "[agents.asks]\ncomponent = {wasm:?}\n{}\n[credentials.key]\nscheme = \"http\"\nhosts = [\"127.0.0.1\"]\n{key}\n",
        granted("asks", port, "/**", Some("key"))
    )
}

/// One grant of an agent for a port of loopback, over HTTP.
#[must_use]
pub fn granted(agent: &str, port: u16, path: &str, credential: Option<&str>) -> String {
    let credential = credential
        .map(|name| format!("credential = {name:?}\nheaders = [\"content-encoding\", \"x-amz-target\", \"x-digest\"]\n"))
        .unwrap_or_default();
    format!(
        "[[agents.{agent}.http]]\nhost = \"127.0.0.1\"\nscheme = \"http\"\nport = {port}\nmethods = [\"GET\", \"POST\", \"PUT\"]\n\
         paths = [{path:?}]\n{credential}"
    )
}

/// The result of a run.
#[derive(Debug)]
pub struct Ran {
    /// The exit code of the program.
    pub code: Option<i32>,
    /// Everything that the program printed.
    pub said: Vec<u8>,
    /// The report.
    pub report: Value,
    /// The records of the run, in order.
    pub records: Vec<Record>,
}

impl Ran {
    /// Each answer as the guest reports it.
    ///
    /// # Panics
    /// If the guest has not reported them in JSON.
    #[must_use]
    pub fn answers(&self) -> Vec<Value> {
        let text = self.report.pointer("/claims/output").and_then(Value::as_str).unwrap_or_default();
        let line = |line: &str| serde_json::from_str::<Value>(line).expect("JSON").get("answer").cloned().unwrap_or_default();
        text.lines().map(line).collect()
    }

    /// The status and the body of each answer; 0 if there was no answer.
    #[must_use]
    pub fn told(&self) -> Vec<(u64, String)> {
        let told = |answer: &Value| {
            let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            (answer.get("status").and_then(Value::as_u64).unwrap_or(0), text("body"))
        };
        self.answers().iter().map(told).collect()
    }

    /// The codes of the reasons why asks were refused, before and after their intents.
    #[must_use]
    pub fn refused(&self) -> Vec<&'static str> {
        self.reasons().map(Reason::code).collect()
    }

    /// The reasons themselves.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.records.iter().filter_map(|record| match record {
            Record::Refused(refused) => Some(&refused.reason),
            Record::Answered(answered) => answered.reason.as_ref(),
            _ => None,
        })
    }
}

/// Runs an agent with `--json`, followed by these arguments.
///
/// # Panics
/// If the program does not start, or prints no report of a run.
#[must_use]
pub fn run(program: &Program, words: &[&str]) -> Ran {
    let output = program.run(&[&["run"], words].concat());
    ran(program, &output)
}

/// Runs the agent `asks` with these requests.
///
/// # Panics
/// As [`run()`].
#[must_use]
pub fn asks(program: &Program, more: &[&str], requests: &[Value]) -> Ran {
    let requests: Vec<String> = requests.iter().map(Value::to_string).collect();
    let words: Vec<&str> = ["asks", "--trust", "--json"].into_iter().chain(more.iter().copied()).chain(["--"]).collect();
    run(program, &words.into_iter().chain(requests.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Parses the output of `run --json`.
///
/// # Panics
/// If the output is not a report of a run.
#[must_use]
pub fn ran(program: &Program, output: &Output) -> Ran {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    let words = String::from_utf8_lossy(&said).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {words}"));
    let run: Option<RunId> = report.get("run").and_then(|run| serde_json::from_value(run.clone()).ok());
    let records = host::records(&program.place().home, run.unwrap_or_else(|| panic!("no run: {words}")));
    Ran { code: output.status.code(), said, report, records }
}

/// A destination that covers every port of loopback, where the servers of tests listen.
///
/// # Panics
/// Never.
#[must_use]
pub fn loopback() -> Vec<vocabulary::Destination> {
    ["http://127.0.0.1:*", "https://127.0.0.1:*"].map(|text| text.parse().expect("a destination")).to_vec()
}

/// Sets a value in the vault of the home, through standard input. The value may go to servers of tests.
///
/// # Panics
/// If the value is not accepted.
pub fn set(program: &Program, name: &str, value: &str) {
    let file = program.folder().join("stdin");
    std::fs::write(&file, value).expect("a file");
    let mut command: Command = program.command(&[], &["credentials", "set", "--weak", name]);
    command.args(loopback().iter().flat_map(|destination| ["--for".to_owned(), destination.to_string()]));
    let output = command.stdin(File::open(&file).expect("a file")).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(file).expect("it is there");
}

/// The bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asserts that a value is only in the vault and at the server: neither in the output, nor in a file of the home, nor in the payloads
/// that are sealed beside the record. Looks for the value as it is, in hexadecimal and in base 64.
///
/// # Panics
/// If it is.
pub fn assert_nowhere(program: &Program, ran: &Ran, value: &str) {
    let forms = [value.to_owned(), hex(value.as_bytes()), STANDARD.encode(value), URL_SAFE_NO_PAD.encode(value)];
    let check = |place: &str, bytes: &[u8]| {
        for form in &forms {
            assert!(!tools::contains(bytes, form.as_bytes()), "`{form}` is in {place}");
        }
    };
    check("what was printed", &ran.said);
    let mut folders = vec![program.place().home.clone(), program.place().state.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it is there")) {
            let kind = entry.file_type().expect("it is there");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                check(&entry.path().display().to_string(), &std::fs::read(entry.path()).expect("a file"));
            }
        }
    }
    check_payloads(&program.place().home, &check);
}

fn check_payloads(home: &Path, check: &dyn Fn(&str, &[u8])) {
    let reader = journal::Reader::open(home).expect("the record opens");
    let runs: std::collections::BTreeSet<RunId> = reader.records().map(|record| record.expect("a record").run).collect();
    for run in runs {
        for leaf in gate::leaves(&reader, run) {
            let leaf = leaf.expect("a record");
            check("a record", &leaf.body);
            leaf.payloads.iter().for_each(|payload| check("a payload", payload));
        }
    }
}
