//! Undos: what is registered, which act uses it, when it may be withdrawn, and what a rollback records of it.

use std::sync::Arc;

use bytes::Bytes;
use vocabulary::record::{Asked, Record, RecordKind, UndoEnd, VERSION};
use vocabulary::{
    Act, Door as _, Grants, HttpAsk, Limits, OpId, RunId, Stop, UNDOS_MAX, UndoAsk, UndoCovers, UndoFault, UndoPlan, UndoRegistration,
    UndoStep,
};

use super::kit::{MemoryLog, answered, ask, few, fold, gate_on, grants, header, http_ask, now, policies_of, recorded, run_id, unanswered};
use crate::ask::Judgement;
use crate::ledger::OpenUndo;
use crate::{Nobody, OrderFaultKind, Resuming, RunGate, RunHeader, RunWorld};

fn with_undo() -> Grants {
    Grants { undo: true, ..grants() }
}

fn undo(path: &str) -> UndoRegistration {
    let covers = UndoCovers::from(&http_ask("POST", "a.test", path));
    let request = HttpAsk { body: Bytes::from_static(b"old"), ..http_ask("POST", "a.test", path) };
    UndoRegistration { covers, done_at: vec![404], pre_image: Bytes::from_static(b"old"), request, words: UndoRegistration::words_of("w") }
}

fn register(undo: UndoRegistration) -> UndoAsk {
    UndoAsk::Register(Box::new(undo))
}

struct Scene {
    log: MemoryLog,
    gate: RunGate,
}

impl Scene {
    fn of(grants: Grants) -> Self {
        let log = MemoryLog::default();
        let policies = policies_of(&grants);
        let gate = gate_on(&log).open_run(header(grants, few()), policies.as_ref(), Arc::new(Nobody)).unwrap();
        Self { log, gate }
    }

    fn undo(&self, ask: UndoAsk) -> Result<u64, UndoFault> {
        self.gate.undo(ask).unwrap()
    }

    /// Asks for an act, which is permitted. Returns its number.
    fn acts(&self, path: &str) -> OpId {
        let Judgement::Permitted(pending) = self.gate.ask(ask("POST", "a.test", path)).unwrap() else { panic!("it is granted") };
        now(pending.durable()).unwrap().op()
    }

    fn uses(&self) -> Vec<Option<u64>> {
        self.asked().into_iter().map(|asked| asked.bounds.undo).collect()
    }

    fn asked(&self) -> Vec<Asked> {
        let records = self.log.leaves().into_iter().map(|leaf| Record::parse(&leaf.body).unwrap());
        records.filter_map(|record| if let Record::Asked(asked) = record { Some(asked) } else { None }).collect()
    }

    fn open_undo(&self, id: u64) -> Option<OpenUndo> {
        fold(&self.log.leaves()).open_run(run_id()).unwrap().undos.get(&id).cloned()
    }
}

#[test]
fn an_undo_is_for_one_act_with_exactly_its_method_and_target() {
    let scene = Scene::of(with_undo());
    assert_eq!((scene.undo(register(undo("/x"))), scene.undo(register(undo("/x?a=1")))), (Ok(1), Ok(2)));
    for path in ["/y", "/x", "/x", "/x?a=2", "/x?a=1"] {
        let op = scene.acts(path);
        answered(&scene.gate, op, 200).unwrap();
        scene.gate.abandon(op).unwrap();
    }
    assert_eq!(scene.uses(), [None, Some(1), None, None, Some(2)]);
}

#[test]
fn a_registration_that_could_not_be_sent_is_refused_and_recorded() {
    let scene = Scene::of(with_undo());
    let safe = UndoRegistration { request: http_ask("GET", "a.test", "/x"), ..undo("/x") };
    let reads = UndoRegistration { covers: UndoCovers::from(&http_ask("GET", "a.test", "/x")), ..undo("/x") };
    let elsewhere = UndoRegistration { request: http_ask("POST", "other.test", "/x"), ..undo("/x") };
    let large = UndoRegistration { pre_image: vec![0; vocabulary::UNDO_BYTES_MAX].into(), ..undo("/x") };
    let denied = UndoRegistration { done_at: vec![404, 403], ..undo("/x") };
    let cases = [
        (safe, UndoFault::Malformed),
        (reads, UndoFault::Malformed),
        (elsewhere, UndoFault::NotGranted),
        (large, UndoFault::OverLimit),
        (denied, UndoFault::Malformed),
    ];
    for (registration, fault) in cases {
        assert_eq!(scene.undo(register(registration)), Err(fault));
    }
    assert_eq!(Scene::of(grants()).undo(register(undo("/x"))), Err(UndoFault::NotGranted), "the capability was not granted");
    assert_eq!(scene.undo(register(undo("/x"))), Ok(1), "the control");
    let refused = scene.log.bodies().iter().filter(|body| body.contains("\"kind\":\"refused\"")).count();
    assert_eq!(refused, 5);
    assert_eq!(scene.acts("/x"), OpId(1), "an ask about an undo takes no number of an operation");
}

#[test]
fn a_run_has_a_bounded_number_of_undos() {
    let scene = Scene::of(with_undo());
    for id in 1..=UNDOS_MAX {
        assert_eq!(scene.undo(register(undo("/x"))), Ok(id));
    }
    assert_eq!(scene.undo(register(undo("/x"))), Err(UndoFault::OverLimit));
}

#[test]
fn an_undo_is_withdrawn_only_while_its_act_has_not_happened() {
    let scene = Scene::of(with_undo());
    let withdrawn = |id: u64| scene.undo(UndoAsk::Discharge(id));
    assert_eq!(withdrawn(1), Err(UndoFault::Malformed), "there is none");
    scene.undo(register(undo("/free"))).unwrap();
    assert_eq!((withdrawn(1), withdrawn(1)), (Ok(1), Err(UndoFault::Malformed)), "once");
    for (id, path, status, may) in [(2, "/done", 201, false), (3, "/refused", 409, true), (4, "/failed", 500, false)] {
        scene.undo(register(undo(path))).unwrap();
        let op = scene.acts(path);
        assert_eq!(withdrawn(id), Err(UndoFault::Malformed), "it is under way");
        answered(&scene.gate, op, status).unwrap();
        scene.gate.abandon(op).unwrap();
        assert_eq!(withdrawn(id).is_ok(), may, "{status}");
    }
    scene.undo(register(undo("/unsent"))).unwrap();
    let op = scene.acts("/unsent");
    unanswered(&scene.gate, op, vocabulary::HttpFault::Unreachable.into()).unwrap();
    assert_eq!(withdrawn(5), Ok(5), "nothing of it was sent");
    fold(&scene.log.leaves());
}

#[test]
fn policies_know_whether_an_undo_is_registered() {
    let text = r#"@id("all") permit (principal, action, resource);
@id("undo") forbid (principal, action == Action::"http.write", resource) unless { context.undo_registered || context.run.rolls_back };"#;
    let file = vocabulary::PolicyFile { digest: vocabulary::Digest::of(text.as_bytes()), path: "a.cedar".into(), text: text.to_owned() };
    let policy = Some(vocabulary::PolicyRules { files: vec![file], ..vocabulary::PolicyRules::default() });
    let scene = Scene::of(Grants { policy, ..with_undo() });
    let refused = |path: &str| matches!(scene.gate.ask(ask("POST", "a.test", path)).unwrap(), Judgement::Refused { .. });
    assert!(refused("/x"));
    scene.undo(register(undo("/x"))).unwrap();
    assert!(refused("/other") && !refused("/x"));
    assert!(refused("/x"), "one undo is for one act");
}

#[test]
fn a_rebuild_is_answered_as_the_run_was_and_goes_on_counting() {
    let scene = Scene::of(with_undo());
    let steps = [register(undo("/x")), UndoAsk::Discharge(7), register(undo("/y")), UndoAsk::Discharge(1)];
    let told: Vec<Result<u64, UndoFault>> = steps.iter().map(|step| scene.undo(step.clone())).collect();
    assert_eq!(told, [Ok(1), Err(UndoFault::Malformed), Ok(2), Ok(1)]);
    let again = || recorded(&scene.log.leaves());
    let resuming = Resuming::of(&again(), vocabulary::Principal::new(1001, Some("bob")));
    let gate = gate_on(&scene.log).resume_run(again().header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    let mut world = RunWorld::resume(again(), super::world::World::new(Some(gate), 1)).unwrap();
    for (step, told) in steps.into_iter().zip(told) {
        assert_eq!(world.undo(step).unwrap(), told);
    }
    assert_eq!(world.undo(register(undo("/z"))).unwrap(), Ok(3), "the live world continues");
    assert!(scene.open_undo(1).is_none() && scene.open_undo(3).is_some());
    let mut other = RunWorld::audit(again(), super::world::World::new(None, 1)).unwrap();
    assert!(matches!(other.undo(register(undo("/other"))), Err(Stop::Diverged(_))), "another undo than the recorded one");
}

/// A rollback of a run with two undos.
fn rollback(log: &MemoryLog) -> (RunGate, RunId) {
    let of = RunId::from_parts(2, [9; 10]);
    let steps = vec![UndoStep::new(2, &undo("/b")), UndoStep::new(1, &undo("/a"))];
    let input = serde_json::to_string(&UndoPlan { of, steps }).unwrap();
    let header = RunHeader { input, rolls_back: Some(of), ..header(with_undo(), Limits::default()) };
    (gate_on(log).open_run(header, None, Arc::new(Nobody)).unwrap(), of)
}

fn submits(gate: &RunGate, step: &UndoStep) -> OpId {
    let Judgement::Permitted(pending) = gate.ask(Act::Http(step.request().unwrap())).unwrap() else { panic!("it is granted") };
    now(pending.durable()).unwrap().op()
}

#[test]
fn a_rollback_says_of_each_undo_what_became_of_it_in_the_same_batch_as_its_answer() {
    let log = MemoryLog::default();
    let (gate, of) = rollback(&log);
    let plan = gate.header().plan().unwrap();
    let ends = || fold(&log.leaves()).rollback_of(of).unwrap().ends.clone();
    let first = submits(&gate, &plan.steps[0]);
    assert_eq!(ends().get(&2), Some(&UndoEnd::Unknown), "from its intent on it may have been done");
    let before = log.ends().len();
    answered(&gate, first, 404).unwrap();
    assert_eq!((log.ends().len() - before, ends().get(&2)), (1, Some(&UndoEnd::Done)), "all of it or nothing");
    gate.abandon(first).unwrap();
    let second = submits(&gate, &plan.steps[1]);
    answered(&gate, second, 500).unwrap();
    assert_eq!(ends().get(&1), Some(&UndoEnd::NotDone));
    assert_eq!(fold(&log.leaves()).open_rollback(of), Some(run_id()));
}

#[test]
fn an_undo_that_was_sent_and_not_answered_stays_unknown_whatever_cuts_the_rollback_off() {
    let log = MemoryLog::default();
    let (gate, of) = rollback(&log);
    let plan = gate.header().plan().unwrap();
    submits(&gate, &plan.steps[0]);
    drop(gate);
    let ledger = fold(&log.leaves());
    assert_eq!(ledger.rollback_of(of).unwrap().ends.get(&2), Some(&UndoEnd::Unknown));
    assert_eq!(crate::Ledger::from_snapshot(&ledger.to_snapshot()), Some(ledger), "a snapshot knows it too");
}

#[test]
fn a_persons_word_about_an_earlier_rollback_is_on_the_record() {
    let log = MemoryLog::default();
    let (gate, of) = rollback(&log);
    gate.undos_stated(&[5, 6], true).unwrap();
    gate.undos_stated(&[7], false).unwrap();
    let ends = fold(&log.leaves()).rollback_of(of).unwrap().ends.clone();
    assert_eq!([5, 6, 7].map(|id| ends[&id]), [UndoEnd::Done, UndoEnd::Done, UndoEnd::NotDone]);
}

#[test]
fn the_ledger_reports_undos_that_the_gate_would_not_have_written() {
    let scene = Scene::of(with_undo());
    scene.undo(register(undo("/x"))).unwrap();
    let op = scene.acts("/x");
    answered(&scene.gate, op, 200).unwrap();
    let leaves = scene.log.leaves();
    let fault_of = |record: Record| {
        let mut ledger = fold(&leaves);
        ledger.fold_record(run_id(), leaves.len() as u64 + 1, &record).map_err(|fault| fault.what)
    };
    let asked = scene.asked().remove(0);
    let twice = Asked { op: 9, ..asked.clone() };
    assert_eq!(fault_of(twice.into()), Err(OrderFaultKind::NoUndo), "two acts use one undo");
    let undoes = Asked { op: 9, undoes: Some(1), bounds: vocabulary::Bounds::default(), ..asked.clone() };
    assert_eq!(fault_of(undoes.into()), Err(OrderFaultKind::NoUndo), "it is no rollback");
    let control = Asked { op: 9, bounds: vocabulary::Bounds::default(), ..asked };
    assert_eq!(fault_of(control.into()), Ok(()));
    let of = RunId::from_parts(2, [9; 10]);
    let done = vocabulary::record::UndoDone {
        at: 1,
        by: None,
        end: UndoEnd::Done,
        id: 1,
        kind: RecordKind::UndoDone,
        of,
        op: Some(1),
        status: None,
        v: VERSION,
    };
    assert_eq!(fault_of(done.into()), Err(OrderFaultKind::NoUndo), "it is not the rollback of that run");
    let registered = leaves.iter().find_map(|leaf| match Record::parse(&leaf.body).unwrap() {
        Record::UndoRegistered(undo) => Some(undo),
        _ => None,
    });
    assert_eq!(fault_of(registered.unwrap().into()), Err(OrderFaultKind::NoUndo), "its number was given before");
}
