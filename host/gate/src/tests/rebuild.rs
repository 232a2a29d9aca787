//! A run is its record: a rebuild is the same, a run that was cut off anywhere can be resumed, and the first difference is named.

use std::sync::Arc;

use vocabulary::{Means, Outcome, Principal, Stop, Stopping};

use super::guest::Guest;
use super::kit::{MemoryLog, few, fold, gate_on, now, open_on, recorded, settle};
use super::world::World;
use crate::{Closing, Nobody, Resuming, RunRecord, RunWorld};

const STEPS: usize = 90;

fn done(output: Vec<u8>) -> Closing {
    Closing { active_ms: 1, outcome: Outcome::Done, output: Some(output), peak_memory: 2 }
}

/// A whole run: its records, and the numbers of records after which a crash is possible.
fn record(seed: u64) -> (Vec<RunRecord>, Vec<usize>) {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let mut replay = RunWorld::fresh(World::new(Some(gate.clone()), seed), &few());
    let output = Guest::new(seed).run(&mut replay, STEPS).unwrap();
    replay.ended().unwrap();
    now(gate.close(done(output))).unwrap();
    let mut ends = log.ends();
    ends.pop();
    (log.leaves(), ends)
}

fn audit(leaves: &[RunRecord], guest: u64, steps: usize) -> Result<(), String> {
    let mut replay = RunWorld::audit(recorded(leaves), World::new(None, 999)).unwrap();
    let output = Guest::new(guest).run(&mut replay, steps).map_err(|stop| stop.to_string())?;
    replay.verdict(&Outcome::Done, Some(&output)).map_err(|divergence| divergence.to_string())
}

/// Resumes a run until it ends. Acts with an unknown outcome are settled in turn. Returns how often the run was resumed.
fn go_on(log: &MemoryLog, guest: u64, chance: u64) -> usize {
    for times in 1..50 {
        let record = recorded(&log.leaves());
        let resuming = Resuming::of(&record, Principal::new(1001, Some("bob")));
        let gate = gate_on(log).resume_run(record.header().clone(), &resuming, Arc::new(Nobody)).unwrap();
        let record = recorded(&log.leaves());
        let mut replay = RunWorld::resume(record, World::new(Some(gate.clone()), chance + times as u64)).unwrap();
        let ended = Guest::new(guest).run(&mut replay, STEPS);
        let ended = ended.and_then(|output| replay.ended().map(|()| output));
        match ended {
            Ok(output) => {
                now(gate.close(done(output))).unwrap();
                return times;
            }
            Err(Stop::Unsettled(op)) => settle(log, op.0, op.0 % 2 == 0),
            Err(stop) => panic!("{stop}\n{}", log.bodies().join("\n")),
        }
    }
    panic!("it never ends")
}

#[test]
fn a_recorded_run_is_rebuilt_the_same() {
    for seed in 0..300 {
        let (leaves, _) = record(seed);
        fold(&leaves);
        assert_eq!(audit(&leaves, seed, STEPS), Ok(()), "seed {seed}");
    }
}

#[test]
fn cut_off_after_any_record_it_goes_on_and_is_then_rebuilt_the_same() {
    for seed in 0..25 {
        let (leaves, ends) = record(seed);
        for cut in ends {
            let log = MemoryLog::with(leaves[..cut].to_vec());
            go_on(&log, seed, 1000 * seed);
            let all = log.leaves();
            assert_eq!(fold(&all).open_runs().count(), 0);
            let before: Vec<&[u8]> = leaves[..cut].iter().map(|leaf| leaf.body.as_slice()).collect();
            assert!(all.iter().zip(before).all(|(leaf, before)| leaf.body == before));
            assert_eq!(audit(&all, seed, STEPS), Ok(()), "seed {seed} cut {cut}");
        }
    }
}

#[test]
fn cut_off_twice_it_goes_on() {
    for seed in 100..110 {
        let (leaves, ends) = record(seed);
        let log = MemoryLog::with(leaves[..ends[ends.len() / 3]].to_vec());
        go_on(&log, seed, 5);
        let longer = log.leaves();
        for cut in log.ends() {
            if cut == longer.len() {
                continue;
            }
            let log = MemoryLog::with(longer[..cut].to_vec());
            go_on(&log, seed, 6);
            assert_eq!(audit(&log.leaves(), seed, STEPS), Ok(()), "seed {seed} cut {cut}");
        }
    }
}

#[test]
fn another_guest_is_told_from_the_recorded_one() {
    for seed in 0..40 {
        let (leaves, _) = record(seed);
        let divergence = audit(&leaves, seed + 1, STEPS).unwrap_err();
        assert!(divergence.contains("record "), "{divergence}");
    }
}

#[test]
fn a_guest_that_ends_early_or_late_is_told_from_the_recorded_one() {
    for seed in 0..40 {
        let (leaves, _) = record(seed);
        assert!(audit(&leaves, seed, STEPS - 20).is_err(), "seed {seed}");
        assert!(audit(&leaves, seed, STEPS + 20).is_err(), "seed {seed}");
    }
}

#[test]
fn a_run_that_was_stopped_is_identical_as_far_as_it_goes() {
    for seed in 0..40 {
        let log = MemoryLog::default();
        let gate = open_on(&log, few());
        let mut replay = RunWorld::fresh(World::new(Some(gate.clone()), seed), &few());
        Guest::new(seed).run(&mut replay, STEPS / 2).unwrap();
        let outcome = Outcome::Stopped(Stopping { by: Principal::new(1001, Some("bob")), means: Means::Stop });
        now(gate.close(Closing { active_ms: 1, outcome: outcome.clone(), output: None, peak_memory: 2 })).unwrap();
        let mut replay = RunWorld::audit(recorded(&log.leaves()), World::new(None, 999)).unwrap();
        let stop = Guest::new(seed).run(&mut replay, STEPS * 100).unwrap_err();
        assert_eq!(stop, Stop::RecordEnds, "seed {seed}");
        assert_eq!(replay.verdict(&outcome, None), Ok(()), "seed {seed}");
    }
}
