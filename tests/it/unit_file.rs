//! The unit for `bailiwick serve`: systemd understands it, and what it forbids is nothing that the program does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::program::{Program, config};
use tests::tools;
use vocabulary::Grants;

/// The output of a command; `None` if there is no such program here.
fn output(words: &[&str]) -> Option<String> {
    let output = Command::new(words[0]).args(&words[1..]).output().ok()?;
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn unit() -> String {
    std::fs::read_to_string(tools::root().join("docs/systemd/bailiwick.service")).unwrap()
}

/// The system calls that the unit allows, as this systemd resolves its groups; `None` without systemd.
fn allowed() -> Option<BTreeSet<String>> {
    let unit = unit();
    let filter = unit.lines().find_map(|line| line.strip_prefix("SystemCallFilter=")).unwrap();
    let (mut allowed, mut groups) = (BTreeSet::new(), filter.split(' ').map(str::to_owned).collect::<Vec<_>>());
    while let Some(name) = groups.pop() {
        match name.starts_with('@') {
            true => {
                let listed = output(&["systemd-analyze", "syscall-filter", &name])?;
                let names = listed.lines().filter(|line| line.starts_with(' ') && !line.trim().starts_with('#'));
                groups.extend(names.map(|line| line.trim().to_owned()));
            }
            false => drop(allowed.insert(name)),
        }
    }
    Some(allowed)
}

/// The names of the system calls in a trace, except the one with which the tracer starts the program.
fn called(trace: &Path) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap()).into_owned();
    let names = text.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('(').map(|(name, _)| name));
    names
        .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn systemd_understands_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bailiwick.service");
    // Only the program has to be in another place.
    std::fs::write(&file, unit().replace("/usr/local/bin/bailiwick", "/bin/true")).unwrap();
    let Some(said) = output(&["systemd-analyze", "verify", file.to_str().unwrap()]) else { return tools::missing("systemd-analyze") };
    assert_eq!(said, "");
}

#[test]
fn no_system_call_of_serve_is_forbidden_by_the_unit() {
    let Some(allowed) = allowed() else { return tools::missing("systemd-analyze") };
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        return tools::missing("strace");
    }
    assert!(!allowed.contains("mount") && !allowed.contains("ptrace"), "the control: the filter forbids something");
    let program = Program::new(&config("hello", &tests::guests::guest("sleeps"), &Grants::default()));
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    // Nothing is compiled yet in this home, so `serve` starts the compiler too.
    std::fs::remove_dir_all(program.place().home.join("cache")).unwrap();
    let trace = program.folder().join("trace");
    let tracer = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
    let mut serve = program.command(&tracer, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(serve.stderr.take().unwrap()), &mut String::new()).unwrap();
    assert_eq!(program.run(&["run", "hello", "--", "1"]).status.code(), Some(0));
    let status: serde_json::Value = serde_json::from_slice(&program.run(&["status", "--json"]).stdout).unwrap();
    let pid = status.pointer("/host/pid").and_then(serde_json::Value::as_i64).unwrap();
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
    let called = called(&trace);
    assert!(called.contains("seccomp") && called.contains("fdatasync"), "the trace is whole: {called:?}");
    let forbidden: Vec<_> = called.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}
