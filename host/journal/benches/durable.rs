//! Compares many writers that each wait for durability with the raw rate of writing and syncing the same batches.
//!
//! Pairs are interleaved; the median of the ratios is printed. A ratio of 1 means that the journal costs nothing beyond the disk.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement, run by hand")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use journal::{Journal, Options};
use vocabulary::RunId;

const ROUNDS: usize = 5;
const RECORDS: usize = 30_000;
const BODY_BYTES: usize = 400;

fn main() {
    let dir = match std::env::var_os("BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
    };
    append_alone(dir.path());
    compare(dir.path(), "thread", 1, in_threads);
    compare(dir.path(), "task", 64, in_tasks);
    compare(dir.path(), "thread", 64, in_threads);
    // With more threads this would measure how the system wakes threads. The host waits for batches in tasks, and in few threads.
    compare(dir.path(), "task", 256, in_tasks);
}

/// Prints the medians for this number of writers of a kind.
fn compare(dir: &Path, kind: &str, writers: usize, write: fn(&Journal, usize, usize)) {
    let each = RECORDS / writers.max(RECORDS / 300);
    let (mut ratios, mut rates, mut ideal, mut fill) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let home = dir.join("home");
        let taken = durable(&home, |journal| write(journal, writers, each));
        let batches = batches(&home);
        let same = raw(&dir.join("raw"), &batches);
        let bytes: usize = batches.iter().map(Vec::len).sum();
        let full = raw(&dir.join("raw"), &vec![vec![7; bytes / each]; each]);
        std::fs::remove_dir_all(&home).unwrap();
        let records = (writers * each) as f64;
        ratios.push(same.as_secs_f64() / taken.as_secs_f64());
        ideal.push(full.as_secs_f64() / taken.as_secs_f64());
        rates.push(records / taken.as_secs_f64());
        fill.push(records / batches.len() as f64);
    }
    println!(
        "{writers:>4} {kind:<6} {:>8.0} records/s, {:>5.1} a batch, {:.2} of the raw rate of the same batches ({:.2} of full ones)",
        median(&mut rates),
        median(&mut fill),
        median(&mut ratios),
        median(&mut ideal),
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(number: usize) -> RunId {
    RunId::from_parts(1, (number as u128).to_be_bytes()[6..].try_into().unwrap())
}

/// How long appending takes on the calling thread.
fn append_alone(dir: &Path) {
    let count = 50_000u32;
    let options = Options { queue_bytes: 1 << 30, batch_bytes: 16 << 20, ..Options::default() };
    let (journal, _) = Journal::open(&dir.join("alone"), None, options).unwrap();
    journal.open_run_key(run(1)).unwrap();
    let begin = Instant::now();
    for _ in 0..count {
        drop(journal.append(run(1), vec![b'x'; BODY_BYTES], Vec::new()).unwrap());
    }
    println!("append: {} ns", begin.elapsed().as_nanos() / u128::from(count));
    let begin = Instant::now();
    for number in 0..10_000 {
        journal.open_run_key(run(number + 2)).unwrap();
    }
    println!("open_run_key: {} ns", begin.elapsed().as_nanos() / 10_000);
    journal.close().unwrap();
    let begin = Instant::now();
    let report = journal::verify(&dir.join("alone"), None, None, &mut |_| {});
    assert!(report.holds());
    println!("verify: {} ns a record", begin.elapsed().as_nanos() / u128::from(report.size));
    std::fs::remove_dir_all(dir.join("alone")).unwrap();
}

fn durable(home: &Path, write: impl FnOnce(&Journal)) -> Duration {
    let state = home.with_extension("state");
    let (journal, _) = Journal::open(home, Some(&state), Options::default()).unwrap();
    let begin = Instant::now();
    write(&journal);
    let taken = begin.elapsed();
    journal.close().unwrap();
    taken
}

fn in_threads(journal: &Journal, writers: usize, each: usize) {
    std::thread::scope(|scope| {
        for writer in 1..=writers {
            scope.spawn(move || {
                journal.open_run(run(writer)).unwrap();
                for _ in 0..each {
                    let appended = journal.append(run(writer), vec![b'x'; BODY_BYTES], Vec::new()).unwrap();
                    appended.ticket.wait_blocking().unwrap();
                }
            });
        }
    });
}

/// Runs each writer as a task, as the host does.
fn in_tasks(journal: &Journal, writers: usize, each: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let tasks = (1..=writers).map(|writer| {
        let journal = journal.clone();
        runtime.spawn(async move {
            journal.open_run(run(writer)).unwrap();
            for _ in 0..each {
                let appended = journal.append(run(writer), vec![b'x'; BODY_BYTES], Vec::new()).unwrap();
                appended.ticket.await.unwrap();
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The bytes of each batch. The line that names the position of a batch separates them.
fn batches(home: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(home.join("journal/00000001.seg")).unwrap();
    let mut starts = Vec::new();
    let mut last = 0;
    for at in (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\nbatch 1 ")) {
        let line = std::str::from_utf8(&bytes[at + 9..at + 60]).unwrap_or_default();
        let start: usize = line.split(' ').next().unwrap().parse().unwrap();
        starts.push(start);
        last = at;
    }
    starts.push(last + 250);
    starts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

fn raw(path: &Path, batches: &[Vec<u8>]) -> Duration {
    let file = File::create(path).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 64 << 20).unwrap();
    file.sync_all().unwrap();
    let begin = Instant::now();
    let mut at = 0;
    for batch in batches {
        file.write_all_at(batch, at).unwrap();
        file.sync_data().unwrap();
        at += batch.len() as u64;
    }
    begin.elapsed()
}
