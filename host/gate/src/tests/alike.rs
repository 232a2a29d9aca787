//! Similar refusals are counted, and none of their names is lost: on the record, in a rebuild, and over a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use vocabulary::record::{Record, Refused};
use vocabulary::{AskedPath, ClosedAsk, FileAsk, FileId, FileOpen, Outcome, Reason, SafeText, Stop};

use super::kit::{MemoryLog, ask, few, fold, gate_on, now, open_on, recorded};
use super::world::World;
use effects::Observation;

use crate::{ALIKE_MAX, Closing, Nobody, Resuming, RunGate, RunWorld};

fn ended() -> Closing {
    Closing { active_ms: 0, outcome: Outcome::Done, output: None, peak_memory: 0 }
}

fn closed(what: &str) -> ClosedAsk {
    ClosedAsk { function: vocabulary::Function::TcpCreateSocket, what: SafeText::new(what, 64), malformed: false }
}

fn refused(log: &MemoryLog) -> Vec<Refused> {
    let parse = |body: String| match Record::parse(body.as_bytes()).unwrap() {
        Record::Refused(refused) => Some(refused),
        _ => None,
    };
    log.bodies().into_iter().filter_map(parse).collect()
}

/// Every name on the record, with how often it was refused.
fn names(log: &MemoryLog) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for one in refused(log) {
        match one.counted {
            None => *names.entry(one.ask.resource.to_string()).or_default() += 1,
            Some(counted) => {
                assert_eq!(one.ask.resource, vocabulary::Resource::Several, "a counting record does not name a single resource");
                assert_eq!(counted.names.iter().map(|name| name.times).sum::<u64>(), one.alike);
                assert!(counted.last < counted.names.len() as u64, "{counted:?}");
                counted.names.iter().for_each(|name| *names.entry(name.resource.to_string()).or_default() += name.times);
            }
        }
    }
    names
}

fn observe(gate: &RunGate, path: &str) {
    let path = AskedPath::new(path).unwrap();
    let ask = FileAsk::Open(FileOpen { dir: FileId(1), directory: false, follow: true, path });
    gate.note_observation(&ask, &Observation::from(Reason::LeavesMount)).unwrap();
}

#[test]
fn after_a_hundred_refusals_alike_every_further_name_is_still_on_the_record() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    (0..ALIKE_MAX).for_each(|_| observe(&gate, "../a"));
    observe(&gate, "../../../home/me/.ssh/id_ed25519");
    observe(&gate, "../b");
    observe(&gate, "../b");
    now(gate.close(ended())).unwrap();
    let all = refused(&log);
    assert_eq!(all.len() as u64, ALIKE_MAX + 1);
    let counted = all.last().unwrap().counted.clone().unwrap();
    let told: Vec<_> = counted.names.iter().map(|name| (name.resource.to_string(), name.times)).collect();
    assert_eq!(told, [("../../../home/me/.ssh/id_ed25519".to_owned(), 1), ("../b".to_owned(), 2)]);
    assert_eq!(counted.last, 1);
    assert!(counted.since < all.last().unwrap().at);
    assert_eq!(counted.names[0].resolved.as_ref().unwrap().as_str(), "/src/../../../home/me/.ssh/id_ed25519");
}

#[test]
fn what_was_asked_stands_as_it_was_asked_and_where_it_leads_beside_it() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    observe(&gate, "/etc/passwd");
    observe(&gate, "../etc/passwd");
    let asked: Vec<_> =
        refused(&log).into_iter().map(|one| (one.ask.resource.to_string(), one.ask.resolved.map(|it| it.to_string()))).collect();
    assert_eq!(asked, [("/etc/passwd".to_owned(), None), ("../etc/passwd".to_owned(), Some("/src/../etc/passwd".to_owned()))]);
}

#[test]
fn a_table_of_names_that_is_full_is_written_and_begun_anew() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    for n in 0..5000 {
        observe(&gate, &format!("../{n}"));
    }
    observe(&gate, &format!("../{}", "\u{1b}\\\"".repeat(1300)));
    now(gate.close(ended())).unwrap();
    let names = names(&log);
    assert_eq!(names.len(), 5001);
    assert!((0..5000).all(|n| names.get(&format!("../{n}")) == Some(&1)));
    // The kit's log checks each body against its bound.
    assert!(refused(&log).len() < 200, "{}", refused(&log).len());
}

/// Asks in three ways for names that are always new. All are refused.
fn vain(world: &mut dyn vocabulary::World, times: u64) -> Result<(), Stop> {
    for n in 0..times {
        let op = world.submit(ask("GET", "b.test", &format!("/{}", n % 700)))?;
        world.refuse(closed(&n.to_string()))?;
        if n % 10 == 0 {
            while now(std::future::poll_fn(|ctx| world.poll_release(ctx)))?.op != op {}
        }
    }
    Ok(())
}

#[test]
fn names_that_are_only_counted_are_rebuilt_the_same() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let mut replay = RunWorld::fresh(World::new(Some(gate.clone()), 5), &few());
    vain(&mut replay, 1500).unwrap();
    now(gate.close(ended())).unwrap();
    assert_eq!(names(&log).values().sum::<u64>(), 3000);
    for (times, same) in [(1500, true), (1499, false), (1501, false)] {
        let mut replay = RunWorld::audit(recorded(&log.leaves()), World::new(None, 6)).unwrap();
        let ended = vain(&mut replay, times);
        assert_eq!(ended.is_ok() && replay.verdict(&Outcome::Done, None).is_ok(), same, "{times}");
    }
}

#[test]
fn names_that_are_only_counted_are_neither_lost_nor_counted_twice_when_a_run_is_cut_off() {
    let whole = MemoryLog::default();
    let gate = open_on(&whole, few());
    let mut replay = RunWorld::fresh(World::new(Some(gate.clone()), 5), &few());
    vain(&mut replay, 900).unwrap();
    now(gate.close(ended())).unwrap();
    let (all, ends) = (names(&whole), whole.ends());
    let cuts = ends.iter().rev().skip(1).step_by(29).take(12);
    for cut in cuts {
        let log = MemoryLog::with(whole.leaves()[..*cut].to_vec());
        let resuming = Resuming::of(&recorded(&log.leaves()), vocabulary::Principal::new(1001, Some("bob")));
        let gate = gate_on(&log).resume_run(recorded(&log.leaves()).header().clone(), &resuming, Arc::new(Nobody)).unwrap();
        let mut replay = RunWorld::resume(recorded(&log.leaves()), World::new(Some(gate.clone()), 8)).unwrap();
        vain(&mut replay, 900).unwrap();
        replay.ended().unwrap();
        now(gate.close(ended())).unwrap();
        assert_eq!(names(&log), all, "cut off after {cut}");
        fold(&log.leaves());
    }
}
