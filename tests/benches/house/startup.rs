//! The start of the program on a home with a million records, and the time that `stop` takes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use journal::Journal;
use tests::host::{bailiwick, place};
use tests::named;
use vocabulary::RunId;

use crate::{median, pairs, row};

const RECORDS: u64 = 1_000_000;

/// Fills a home with records, through the journal as runs do.
fn grow(home: &run::HomePlace) {
    let (journal, _) = Journal::open(&home.home, Some(&home.state), journal::Options::default()).unwrap();
    let body = vocabulary::record::Record::from(vocabulary::record::Recovered {
        at: 1,
        bytes: 2,
        kind: vocabulary::record::RecordKind::Recovered,
        v: 1,
    })
    .to_bytes();
    for n in 0..RECORDS {
        journal.append(journal::log_run(), body.clone(), Vec::new()).unwrap();
        if n % 50_000 == 0 {
            journal.durable().wait_blocking().unwrap();
        }
    }
    journal.durable().wait_blocking().unwrap();
    journal.close().unwrap();
    // The first opening folds the records that are not in a snapshot, and writes a snapshot.
    run::LocalHost::open(home, &tests::host::options()).unwrap().close().unwrap();
}

fn run_once(folder: &Path, home: &run::HomePlace) -> Duration {
    let began = Instant::now();
    let output = Command::new(bailiwick())
        .args(["run", "nothing", "--trust", "--json"])
        .current_dir(folder)
        .env("BAILIWICK_HOME", &home.home)
        .env("BAILIWICK_STATE", &home.state)
        .output()
        .unwrap();
    let whole = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    whole.saturating_sub(Duration::from_millis(report["active_ms"].as_u64().unwrap()))
}

fn project(folder: &Path) {
    std::fs::write(folder.join("nothing.wasm"), crate::world::assembled(crate::world::NOTHING)).unwrap();
    std::fs::write(folder.join("bailiwick.toml"), "[agents.nothing]\ncomponent = \"nothing.wasm\"\n").unwrap();
}

/// The time of `run` on a cached component, minus the agent's own time.
pub(crate) fn startup() {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (small_home, large_home) = (place(small.path()), place(large.path()));
    project(small.path());
    project(large.path());
    grow(&large_home);
    run_once(small.path(), &small_home);
    run_once(large.path(), &large_home);
    let (ratio, base, candidate) = pairs(|| run_once(small.path(), &small_home), || run_once(large.path(), &large_home));
    let figure = format!("{:.1} ms ({ratio:.2}× of {:.1} ms)", candidate.as_secs_f64() * 1e3, base.as_secs_f64() * 1e3);
    row(
        "start of `run` on a cached component, home with 10^6 records, above the agent's own time",
        &figure,
        "30 ms",
        "the same on an empty home",
    );
}

/// The time from `stop` over the control socket until the end of the run is on the record.
pub(crate) fn stop() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut taken: Vec<Duration> = (0..crate::PAIRS)
        .map(|_| {
            runtime.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let holder = service::HostHandle::find(&place(folder.path()), &tests::host::options()).await.unwrap();
                let client = service::HostHandle::ask(&place(folder.path())).await.unwrap().unwrap();
                let (place, guest) = (place(folder.path()), tests::guests::guest("waits_for_ever"));
                let file = named::written(&folder.path().join("here"), ("waits", &guest), &vocabulary::Grants::default(), "");
                named::trust(&place, &file);
                let running = named::start(&holder, &named::admitted(&place, &file, "waits", &[])).await;
                let run: RunId = running.run;
                let began = Instant::now();
                assert!(client.stop(run).await.unwrap());
                tests::host::report(running).await;
                began.elapsed()
            })
        })
        .collect();
    row(
        "`stop` over the control socket until the run has ended",
        &format!("{:.1} ms", median(&mut taken).as_secs_f64() * 1e3),
        "100 ms",
        "absolute",
    );
}
