//! Times that authors and users of agents wait: a scan compared with the same code compiled natively, the first run of a large component,
//! and the time from a change until it has run.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::host::bailiwick;
use tests::program::{Program, agent, config};
use tests::tools::{root, target};
use vocabulary::{FilesGrant, FilesMode, Grants};

use crate::{median, pairs, row};

/// The folder in which cargo unpacks fetched packages.
fn registry() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"));
    home.join("registry/src")
}

fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

/// The agent's own code as a program of this machine.
fn native() -> PathBuf {
    timed(tests::tools::cargo().args(["build", "--quiet", "--release", "-p", "leak-scan", "--example", "native"]).current_dir(root()));
    target().join("release/examples/native")
}

/// `leak-scan` over the sources of everything that cargo has fetched here.
pub(crate) fn scan() {
    let (sources, native) = (registry(), native());
    let grants =
        Grants { files: vec![FilesGrant { guest: "/src".to_owned(), host: sources.clone(), mode: FilesMode::Read }], ..Grants::default() };
    let program = Program::new(&config("leak-scan", &agent("leak-scan"), &grants));
    let once = |shards: &str| timed(&mut program.command(&[], &["run", "leak-scan", "--trust", "--shard", shards]));
    let natively = || timed(Command::new(&native).arg(&sources));
    once("1");
    natively();
    let (ratio, base, candidate) = pairs(natively, || once("1"));
    let figure = format!("{ratio:.2}× ({:.2} s against {:.2} s)", candidate.as_secs_f64(), base.as_secs_f64());
    row("`leak-scan` over the cargo registry's sources, whole process", &figure, "2.5×", "the same code compiled natively, one thread");
    let (ratio, base, candidate) = pairs(|| once("1"), || once("2"));
    let figure = format!("{ratio:.2}× ({:.2} s against {:.2} s)", candidate.as_secs_f64(), base.as_secs_f64());
    row("the same with `--shard 2`", &figure, "-", "the same as one run");
    // For orientation, if it is installed; it has other rules, and does not decode anything.
    if Command::new("ripsecrets").arg("--version").output().is_ok() {
        let mut all: Vec<Duration> = (0..5).map(|_| ripsecrets(&sources)).collect();
        row("ripsecrets on the same files, all cores", &format!("{:.2} s", median(&mut all).as_secs_f64()), "-", "for orientation");
    }
}

/// Runs ripsecrets, which ends with 1 if it finds something.
fn ripsecrets(sources: &Path) -> Duration {
    let began = Instant::now();
    Command::new("ripsecrets").arg(sources).output().unwrap();
    began.elapsed()
}

/// The first run of a component of about 20 MB on an empty home, and the runs after it.
pub(crate) fn python() {
    let Some(wasm) = tests::guests::python_guest("plain") else { return };
    let megabytes = std::fs::metadata(&wasm).unwrap().len() as f64 / 1e6;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bailiwick.toml"), format!("[agents.plain]\ncomponent = {:?}\n", wasm.display().to_string()))
        .unwrap();
    let once = |home: &Path| {
        let mut command = Command::new(bailiwick());
        command.args(["run", "plain", "--trust"]).current_dir(folder.path());
        timed(command.env("BAILIWICK_HOME", home.join("home")).env("BAILIWICK_STATE", home.join("state")))
    };
    let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut first: Vec<Duration> = homes.iter().map(|home| once(home.path())).collect();
    let mut later: Vec<Duration> = (0..crate::PAIRS).map(|_| once(homes[0].path())).collect();
    let what = format!("first `run` of a Python component of {megabytes:.0} MB on an empty home");
    row(&what, &format!("{:.1} s", median(&mut first).as_secs_f64()), "15 s", "absolute");
    row("the runs after it", &format!("{:.0} ms", median(&mut later).as_secs_f64() * 1e3), "60 ms", "absolute");
}

/// The time from a change in a project that `new` made until its run has been reported.
pub(crate) fn watch() {
    let program = Program::new("");
    assert!(program.command(&[], &["new", "watched"]).status().unwrap().success());
    let project = program.folder().join("here/watched");
    let mut command = program.command(&[], &["run", "watched", "--trust", "--watch"]);
    command.current_dir(&project).env_remove("CARGO_TARGET_DIR").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut round = || while !lines.next().unwrap().unwrap().starts_with("watching ") {};
    round();
    let source = project.join("src/lib.rs");
    let mut taken: Vec<Duration> = (0..7)
        .map(|n| {
            let text = std::fs::read_to_string(&source).unwrap();
            let began = Instant::now();
            std::fs::write(&source, format!("{text}\n// {n}\n")).unwrap();
            round();
            began.elapsed()
        })
        .collect();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
    row(
        "`run --watch`: from a change of an agent in Rust until it has run",
        &format!("{:.1} s", median(&mut taken).as_secs_f64()),
        "5 s",
        "absolute",
    );
}
