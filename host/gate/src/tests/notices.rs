//! Notices: each attempt has its intent first, there are not too many, and none is made about what nobody can decide any more.

use std::sync::Arc;

use vocabulary::record::{Record, RecordKind};
use vocabulary::{ApprovalId, Digest, NoticeEnd, OpId, Resource, SafeText, Vote};

use super::approvals::{digest_of, gate_at, suspended, vote};
use super::kit::{MemoryLog, fold, run_id};
use crate::{ATTEMPTS_MAX, Gate, NoticeAsk, NoticeDone};

fn ask(log: &MemoryLog, channel: &str) -> NoticeAsk {
    NoticeAsk {
        approval: ApprovalId { run: run_id(), op: OpId(1) },
        channel: SafeText::new(channel, 64),
        credential: String::new(),
        digest: digest_of(log, 1),
        resource: Resource::Words(SafeText::new("mail", 64)),
    }
}

fn done(end: NoticeEnd) -> NoticeDone {
    NoticeDone { detail: SafeText::new("why", 64), end, peer: None, status: Some(500) }
}

async fn tries(gate: &Gate, ask: &NoticeAsk, end: NoticeEnd) -> bool {
    let Some(permit) = gate.notice_permit(ask).await.unwrap() else { return false };
    gate.notice_ended(ask, permit.ask().number, done(end)).unwrap();
    true
}

fn kinds(log: &MemoryLog) -> Vec<RecordKind> {
    log.leaves().iter().map(|leaf| Record::parse(&leaf.body).unwrap().kind()).collect()
}

#[tokio::test]
async fn an_attempt_is_on_the_record_before_its_permit_exists_and_changes_nothing_of_the_act() {
    let (log, clock) = suspended();
    let gate = gate_at(&log, &clock);
    let before = fold(&log.leaves()).open_run(run_id()).unwrap().approval(1).unwrap().clone();
    let permit = gate.notice_permit(&ask(&log, "ops")).await.unwrap().unwrap();
    assert_eq!(kinds(&log).last(), Some(&RecordKind::NoticeAsked));
    gate.notice_ended(&ask(&log, "ops"), permit.ask().number, done(NoticeEnd::Delivered)).unwrap();
    let ledger = fold(&log.leaves());
    let after = ledger.open_run(run_id()).unwrap().approval(1).unwrap();
    assert_eq!(after.notices.values().map(|notice| (notice.attempts, notice.end)).collect::<Vec<_>>(), [(1, Some(NoticeEnd::Delivered))]);
    assert_eq!(crate::OpenApproval { notices: before.notices.clone(), ..after.clone() }, before);
    assert!(ledger.open_run(run_id()).unwrap().suspended.is_some(), "it stays unloaded");
}

#[tokio::test]
async fn a_channel_is_tried_a_bounded_number_of_times_over_all_processes() {
    let (log, clock) = suspended();
    let mut tried = 0;
    // Each time a new process, which knows only the record.
    while tries(&gate_at(&log, &clock), &ask(&log, "ops"), NoticeEnd::Again).await {
        tried += 1;
        assert!(tried <= ATTEMPTS_MAX);
    }
    assert_eq!(tried, ATTEMPTS_MAX);
    assert!(tries(&gate_at(&log, &clock), &ask(&log, "other"), NoticeEnd::Delivered).await, "the control: another channel");
    for end in [NoticeEnd::Delivered, NoticeEnd::GaveUp] {
        let (log, clock) = suspended();
        let gate = gate_at(&log, &clock);
        assert!(tries(&gate, &ask(&log, "ops"), end).await);
        assert!(!tries(&gate, &ask(&log, "ops"), end).await, "{end:?} is final");
    }
}

#[tokio::test]
async fn an_attempt_that_was_cut_off_counts_as_one() {
    let (log, clock) = suspended();
    for n in 1..=ATTEMPTS_MAX {
        let permit = gate_at(&log, &clock).notice_permit(&ask(&log, "ops")).await.unwrap().unwrap();
        assert_eq!(permit.ask().number, n);
    }
    assert!(gate_at(&log, &clock).notice_permit(&ask(&log, "ops")).await.unwrap().is_none());
}

#[tokio::test]
async fn nobody_is_told_of_what_nobody_can_decide() {
    let (log, clock) = suspended();
    let gate = gate_at(&log, &clock);
    let other = NoticeAsk { digest: Digest::of(b"another"), ..ask(&log, "ops") };
    assert!(gate.notice_permit(&other).await.unwrap().is_none(), "of another asking");
    let of_no_run = NoticeAsk { approval: ApprovalId { run: run_id(), op: OpId(9) }, ..ask(&log, "ops") };
    assert!(gate.notice_permit(&of_no_run).await.unwrap().is_none());
    let about = ask(&log, "ops");
    vote(&gate, &log, 1, Vote::Reject);
    assert!(gate.notice_permit(&about).await.unwrap().is_none(), "it is rejected");
    let (log, clock) = suspended();
    clock.pass(101);
    assert!(gate_at(&log, &clock).notice_permit(&ask(&log, "ops")).await.unwrap().is_none(), "its time is over");
    let (log, clock) = suspended();
    assert!(gate_at(&log, &Arc::clone(&clock)).notice_permit(&ask(&log, "ops")).await.unwrap().is_some(), "the control");
}
