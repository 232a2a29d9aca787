//! The ledger: which records are out of order, and what a snapshot keeps.

use vocabulary::record::{Answered, HttpOutcome, Received, Record, RecordKind, Settled, VERSION};
use vocabulary::{Digest, Outcome, SafeText};

use super::kit::{self, MemoryLog, ask, few, fold, now, open_on, run_id};
use crate::ask::Judgement;
use crate::{Closing, Ledger, OrderFaultKind, Stage};

fn answered(op: u64, outcome: HttpOutcome) -> Record {
    let (detail, how) = (SafeText::default(), Settled::Http(outcome.into()));
    Answered { at: 0, detail, how, kind: RecordKind::Answered, op, reason: None, spent_ms: 0, v: VERSION }.into()
}

pub(super) fn received(op: u64) -> Record {
    let (digest, source) = (Digest::of(b""), SafeText::new("s", 1));
    Received { bytes: 0, digest, kind: RecordKind::Received, op, redactions: 0, source, v: VERSION, whole: true }.into()
}

/// The records of a run that was opened and in which one act was asked and answered.
fn begun() -> (MemoryLog, Ledger) {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let Judgement::Permitted(pending) = gate.ask(ask("GET", "a.test", "/x")).unwrap() else { panic!("refused") };
    let op = pending.op();
    drop(now(pending.durable()).unwrap());
    kit::answered(&gate, op, 200).unwrap();
    let ledger = fold(&log.leaves());
    (log, ledger)
}

#[track_caller]
fn fault(ledger: &Ledger, record: &Record, what: OrderFaultKind) {
    assert_eq!(ledger.clone().fold(run_id(), 9, &record.to_bytes()).unwrap_err().what, what, "{record:?}");
}

#[test]
fn records_that_can_not_stand_where_they_stand_are_faults() {
    let (log, ledger) = begun();
    let leaves = log.leaves();
    let [opened, asked] = [0, 1].map(|n: usize| Record::parse(&leaves[n].body).unwrap());
    fault(&ledger, &answered(7, HttpOutcome::Response), OrderFaultKind::NoIntent);
    fault(&ledger, &answered(1, HttpOutcome::Response), OrderFaultKind::NoIntent);
    fault(&ledger, &received(2), OrderFaultKind::NoIntent);
    fault(&ledger, &opened, OrderFaultKind::OpenedTwice);
    fault(&ledger, &asked, OrderFaultKind::AskedTwice);
    fault(&Ledger::new(), &asked, OrderFaultKind::NotOpen);
    let only_asked = fold(&leaves[..2]);
    fault(&only_asked, &received(1), OrderFaultKind::NoIntent);
}

#[test]
fn a_run_that_ends_with_an_act_under_way_is_a_fault() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let pending = gate.ask(ask("GET", "a.test", "/x")).unwrap();
    let asked = fold(&log.leaves());
    now(gate.close(Closing { active_ms: 0, outcome: Outcome::Done, output: None, peak_memory: 0 })).unwrap();
    drop(pending);
    let closed = Record::parse(&log.leaves().last().unwrap().body).unwrap();
    fault(&asked, &closed, OrderFaultKind::ClosedWhilePending);
    assert_eq!(fold(&log.leaves()).totals.closed, 1);
}

#[test]
fn a_kind_of_another_version_is_counted_and_left_alone() {
    let (_, mut ledger) = begun();
    let records = ledger.totals.records;
    ledger.fold(run_id(), 9, br#"{"kind":"of-tomorrow"}"#).unwrap();
    assert_eq!(ledger.totals.records, records + 1);
    let malformed = ledger.fold(run_id(), 9, br#"{"kind":"asked"}"#).unwrap_err();
    assert_eq!(malformed.what, OrderFaultKind::Malformed);
}

#[test]
fn a_snapshot_keeps_open_runs_and_sums_and_nothing_of_closed_ones() {
    let (log, ledger) = begun();
    assert_eq!(Ledger::from_snapshot(&ledger.to_snapshot()), Some(ledger.clone()));
    let (_, open) = ledger.open_runs().next().unwrap();
    assert_eq!(open.pending[&1].stage, Stage::Answered);
    let mut whole = fold(&log.leaves());
    whole.fold(run_id(), 4, &received(1).to_bytes()).unwrap();
    assert!(whole.open_run(run_id()).unwrap().pending.is_empty());
    let mut closed = Ledger::new();
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    now(gate.close(Closing { active_ms: 0, outcome: Outcome::Done, output: None, peak_memory: 0 })).unwrap();
    for leaf in log.leaves() {
        closed.fold(run_id(), leaf.seq, &leaf.body).unwrap();
    }
    assert!(closed.to_snapshot().len() < 256);
    assert_eq!(Ledger::from_snapshot(b"{}"), None);
}
