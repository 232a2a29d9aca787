//! A home of years: a million records of fifty thousand runs, and the time and memory of each verb that reads the record.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::host::{bailiwick, place};
use vocabulary::RunId;

use crate::audit::{began_ms, grow};
use crate::{median, row};

const RUNS: u64 = 50_000;
/// How many requests each run has, so that it has twenty records.
const ASKS: u64 = 6;
const TIMES: usize = 5;

/// Runs a verb; returns how long it took, and its greatest memory in KiB.
fn verb(home: &run::HomePlace, args: &[&str]) -> (Duration, u64) {
    let out = tempfile::tempfile().unwrap();
    let began = Instant::now();
    let mut command = Command::new(bailiwick());
    command.args(args).env("BAILIWICK_HOME", &home.home).env("BAILIWICK_STATE", &home.state);
    let mut child = command.stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most_kib = 0;
    let ended = loop {
        // The value only grows, so the last one that was read is the greatest, except for the last moments.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most_kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(most_kib);
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => std::thread::park_timeout(Duration::from_micros(500)),
        }
    };
    let took = began.elapsed();
    assert!(ended.success(), "{args:?}: {}", std::io::read_to_string(child.stderr.take().unwrap()).unwrap());
    (took, most_kib)
}

/// All verbs that an operator uses on a large home. `BENCH_HOME` names a folder in which the home is made, or reused, and kept.
pub(crate) fn large() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("BENCH_HOME").map_or_else(|| own.path().to_owned(), std::path::PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let home = place(&folder);
    if File::open(folder.join("made")).is_err() {
        grow(&home, RUNS, ASKS, 1);
        std::fs::write(folder.join("made"), "").unwrap();
    }
    let last = RunId::from_parts(began_ms(RUNS - 1), [7; 10]).to_string();
    let middle = RunId::from_parts(began_ms(RUNS / 2), [7; 10]).to_string();
    let records = RUNS * (3 * ASKS + 2);
    let (nothing, _) = verb(&home, &["--version"]);
    let rows: [(&[&str], &str); 13] = [
        (&["ps"], "100 ms"),
        (&["show", "latest"], "100 ms"),
        (&["show", &middle], "100 ms"),
        (&["logs", &last], "100 ms"),
        (&["audit", "show", "--since", "1m"], "300 ms"),
        (&["audit", "show", "--kind", "recovered"], "300 ms"),
        (&["audit", "show", "--kind", "run-opened"], "-"),
        (&["audit", "touched", "--json"], "-"),
        (&["audit", "touched", "--agent", "bench-3"], "1 s"),
        (&["audit", "touched", "--since", "2026-11-23"], "1 s"),
        (&["audit", "touched", &middle], "1 s"),
        (&["doctor"], "-"),
        (&["audit", "verify"], "500,000 records/s a core"),
    ];
    for (args, bound) in rows {
        let mut all: Vec<(Duration, u64)> = (0..TIMES).map(|_| verb(&home, args)).collect();
        let most_mib = all.iter().map(|(_, most_kib)| most_kib / 1024).max().unwrap_or(0);
        let mut times: Vec<Duration> = all.drain(..).map(|(took, _)| took).collect();
        let took = median(&mut times);
        let each = records as f64 / took.as_secs_f64();
        let ratio = took.as_secs_f64() / nothing.as_secs_f64();
        row(
            &format!("`{}` over {records} records of {RUNS} runs", args.join(" ")),
            &format!("{took:.1?} ({ratio:.1}×), {most_mib} MiB, {each:.0} records/s"),
            &format!("{bound}, 256 MiB"),
            "`--version`",
        );
    }
}
