//! The test on which the design rests: a run that is rebuilt from everything that went through `Door` makes the same asks, byte for byte,
//! whatever the timing; and a run that was cut off after any step continues from there as if nothing had happened.

use std::sync::Arc;

use bytes::Bytes;
use sandbox::{Prepared, RunEnded, Start, enter};
use tests::scripted::{Scripted, Step};
use vocabulary::{Limits, Outcome};

/// The guests of the trial, with their arguments.
const GUESTS: &[(&str, &[&str])] = &[
    ("three_requests_in_flight", &["http://trial.test"]),
    ("body_in_pieces", &["http://trial.test/piece"]),
    ("blocking_read", &["http://trial.test/block"]),
    ("timer_races_body", &["http://trial.test/race", "3"]),
    ("ready_loop", &["http://trial.test/loop"]),
    ("reads_files", &["/src"]),
    ("random_and_clock", &[]),
];

async fn run(prepared: &Prepared, arguments: &[&str], seed: u64, record: Vec<Step>, steps_max: usize) -> (RunEnded, Vec<Step>) {
    let (world, steps) = Scripted::new(seed, record, steps_max);
    let args = std::iter::once("guest").chain(arguments.iter().copied()).map(str::to_owned).collect();
    let start = Start { args, input: Bytes::new(), limits: Limits::default(), mounts: vec!["/src".to_owned()], ..Start::default() };
    let ended = enter(prepared, start, Box::new(world), std::future::pending::<vocabulary::Stopping>()).await.expect("it can be entered");
    let steps = Arc::clone(&steps).lock().expect("no step panics").clone();
    (ended, steps)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_are_rebuilt_identically() {
    for (guest, arguments) in GUESTS {
        let prepared = tests::host::prepared(guest);
        let mut distinct = std::collections::HashSet::new();
        for seed in 0..1000 / GUESTS.len() as u64 + 1 {
            let (ended, steps) = run(&prepared, arguments, seed, Vec::new(), usize::MAX).await;
            assert_eq!(ended.outcome, Outcome::Done, "{guest}, seed {seed}: {:?}", ended.stop);
            let (again, rebuilt) = run(&prepared, arguments, seed + 77_777, steps.clone(), usize::MAX).await;
            assert_eq!(again.outcome, Outcome::Done, "{guest}, seed {seed}: {:?}", again.stop);
            assert_eq!(rebuilt, steps, "{guest}, seed {seed}");
            assert_eq!(again.output, ended.output, "{guest}, seed {seed}");
            distinct.insert(ended.output);
        }
        eprintln!("{guest}: {} distinct outcomes", distinct.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_cut_off_after_any_step_goes_on_from_there() {
    for (guest, arguments) in GUESTS {
        let prepared = tests::host::prepared(guest);
        let (whole, steps) = run(&prepared, arguments, 5, Vec::new(), usize::MAX).await;
        assert_eq!(whole.outcome, Outcome::Done, "{guest}: {:?}", whole.stop);
        for cut in 0..steps.len() {
            let (ended, kept) = run(&prepared, arguments, 5, Vec::new(), cut).await;
            assert_eq!(ended.stop, Some(vocabulary::Stop::RecordEnds), "{guest}, cut after {cut}");
            assert_eq!(kept, steps[..cut], "{guest}, cut after {cut}");
            let (resumed, all) = run(&prepared, arguments, 900 + cut as u64, kept, usize::MAX).await;
            assert_eq!(resumed.outcome, Outcome::Done, "{guest}, cut after {cut}: {:?}", resumed.stop);
            assert_eq!(all[..cut], steps[..cut], "{guest}, cut after {cut}");
        }
    }
}
