//! Reads a log of a million records: what was touched, which runs are open, and what the last run did.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use journal::{Entry, Journal};
use tests::host::{bailiwick, place};
use vocabulary::record::{
    AgentRef, Answered, Asked, AskedFor, EngineRef, HttpOutcome, HttpSettled, Received, Record, RecordKind, RunClosed, RunOpened, Sent,
    Settled, VERSION,
};
use vocabulary::{Bounds, Digest, Limits, Outcome, RunId, SafeText};

use crate::{median, row};

const RUNS: u64 = 1000;
const ASKS: u64 = 333;
/// How many times each verb is measured.
const TIMES: usize = 5;
/// The limit of the verb's address space, in KiB.
const MEMORY_KIB: u64 = 256 << 10;

fn text(text: &str) -> SafeText {
    SafeText::new(text, 200)
}

fn opened(run: RunId, at: u64, number: u64) -> Record {
    let zero = Digest::from_bytes([0; 32]);
    RunOpened {
        agent: AgentRef { digest: zero, name: text(&format!("bench-{}", number % 10)), version: text("1.0.0") },
        at,
        by: vocabulary::Principal::new(1000, Some("bench")),
        config: None,
        durable: true,
        engine: EngineRef { host: text("h"), profile: text("p"), wasmtime: text("w") },
        grants: zero,
        input: zero,
        kind: RecordKind::RunOpened,
        limits: Limits::default(),
        parent: None,
        policy: None,
        run,
        seed: zero,
        uptime: vocabulary::record::Uptime::default(),
        v: VERSION,
    }
    .into()
}

fn exchange(op: u64, at: u64) -> [Record; 3] {
    let resource = vocabulary::Resource::Http(vocabulary::HttpResource {
        host: text(&format!("api-{}.example.com", op % 7)),
        method: text("GET"),
        path: text(&format!("/v1/items/{}", op % 50)),
        port: 443,
        query: Some(text("page")),
        scheme: vocabulary::Scheme::Https,
    });
    let ask = AskedFor {
        headers: Vec::new(),
        placeholders: 0,
        capability: vocabulary::Capability::Http,
        function: vocabulary::Function::HttpHandle,
        resolved: None,
        resource,
    };
    let bounds = Bounds { credential: Some("key".to_owned()), rule: vocabulary::Rule::Http(0), ..Bounds::default() };
    let params = Digest::from_bytes([1; 32]);
    let how = Settled::Http(HttpSettled {
        credential_version: Some(1),
        fault: None,
        outcome: HttpOutcome::Response,
        peer: Some(([127, 0, 0, 1], 443).into()),
        sent: Some(Sent { body: 0, head: 300 }),
        status: Some(200),
        tls: None,
    });
    let answered = Answered { at, detail: SafeText::default(), how, kind: RecordKind::Answered, op, reason: None, spent_ms: 0, v: VERSION };
    let source = text("https://api.example.com:443");
    let received = Received { bytes: 1000, digest: params, kind: RecordKind::Received, op, redactions: 0, source, v: VERSION, whole: true };
    [
        Asked {
            again: false,
            approval: None,
            ask,
            at,
            bounds,
            kind: RecordKind::Asked,
            op,
            params,
            policy: None,
            repeat: vocabulary::Repeat::OnWord,
            spent_ms: 0,
            v: VERSION,
        }
        .into(),
        answered.into(),
        received.into(),
    ]
}

/// When a run of this home began, in milliseconds since 1970: 508 runs a day, from August 2026 on.
pub(crate) fn began_ms(number: u64) -> u64 {
    1_787_000_000_000 + number * 170_000
}

/// Makes a home with `runs` runs of ten agents, each with `asks` requests. It waits for the disk after every `together` runs.
pub(crate) fn grow(home: &run::HomePlace, runs: u64, asks: u64, together: u64) {
    let (journal, _) = Journal::open(&home.home, Some(&home.state), journal::Options::default()).unwrap();
    for number in 0..runs {
        let at = began_ms(number);
        let run = RunId::from_parts(at, [7; 10]);
        journal.open_run_key(run).unwrap();
        let mut records = vec![opened(run, at, number)];
        records.extend((1..=asks).flat_map(|op| exchange(op, at)));
        let outcome = Outcome::Done;
        records.push(
            RunClosed { active_ms: 1, at, kind: RecordKind::RunClosed, obstacle: None, outcome, output: None, peak_memory: 1, v: VERSION }
                .into(),
        );
        let last = records.len() - 1;
        let entry = |(n, record): (usize, Record)| Entry { ends: n == last, ..Entry::new(run, record.to_bytes()) };
        journal.append_all(records.into_iter().enumerate().map(entry).collect()).unwrap();
        if number % together == 0 {
            journal.durable().wait_blocking().unwrap();
        }
    }
    journal.durable().wait_blocking().unwrap();
    journal.close().unwrap();
    // The first opening folds the records that are not in a snapshot, and writes a snapshot and the index.
    run::LocalHost::open(home, &tests::host::options()).unwrap().close().unwrap();
}

/// Runs a verb within its limit of memory.
fn verb(home: &run::HomePlace, args: &[&str]) -> (Duration, Output) {
    let began = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")])
        .arg(bailiwick())
        .args(args)
        .env("BAILIWICK_HOME", &home.home)
        .env("BAILIWICK_STATE", &home.state)
        .output()
        .unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    (took, output)
}

/// What was touched over a million records, which runs are open, and the last run: with the index, and once without.
pub(crate) fn audit() {
    let folder = tempfile::tempdir().unwrap();
    let home = place(folder.path());
    grow(&home, RUNS, ASKS, 50);
    let (nothing, _) = verb(&home, &["--version"]);
    for (args, bound) in [
        (&["audit", "touched", "--json"][..], "1 s, 256 MiB"),
        (&["audit", "touched", "--credential", "key", "--host", "api-3.example.com", "--json"][..], "1 s, 256 MiB"),
        (&["ps"][..], "100 ms"),
        (&["show", "latest"][..], "100 ms"),
    ] {
        let mut times: Vec<Duration> = (0..TIMES).map(|_| verb(&home, args).0).collect();
        let took = median(&mut times);
        let ratio = took.as_secs_f64() / nothing.as_secs_f64();
        row(
            &format!("`{}` over {} records", args.join(" "), RUNS * (3 * ASKS + 2)),
            &format!("{took:.1?} ({ratio:.1}×)"),
            bound,
            "`--version`",
        );
    }
    let (_, with) = verb(&home, &["audit", "touched", "--json"]);
    std::fs::remove_file(home.home.join("journal.touched")).unwrap();
    let (took, without) = verb(&home, &["audit", "touched", "--json"]);
    assert_eq!(with.stdout, without.stdout, "the index says what the log says");
    row("the same, with making the index first", &format!("{took:.1?}"), "-", "");
}
