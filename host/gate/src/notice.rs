//! Tells people that an act waits for them: each attempt has an intent that is durable before anything is sent, and an end.
//!
//! INVARIANT: a notice changes nothing about the act. It stops no clock, and whatever becomes of it, people may vote.

use effects::{HostAsk, HostRequest, Permit};
use permit::PermitParts;
use vocabulary::record::{HostPurpose, NoticeAsked, NoticeEnded, RecordKind, VERSION};
use vocabulary::{ApprovalId, Bounds, Digest, NoticeEnd, Resource, Rule, SafeText};

use crate::clock::ClockMark;
use crate::err::RecordBroken;
use crate::gate::Gate;
use crate::ledger::{ApprovalState, Ledger};

/// BOUND: attempts to tell people about one act at one channel, over all processes.
pub const ATTEMPTS_MAX: u64 = 8;

/// What the host wants to tell, and where.
#[derive(Clone, Debug)]
pub struct NoticeAsk {
    /// The act.
    pub approval: ApprovalId,
    /// The name of the channel.
    pub channel: SafeText,
    /// The credential with which it is signed or sent; empty if none is.
    pub credential: String,
    /// The digest of what is to be approved.
    pub digest: Digest,
    /// Where it goes, without any secret.
    pub resource: Resource,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct NoticeDone {
    /// What happened, for the operator.
    pub detail: SafeText,
    /// How it ended.
    pub end: NoticeEnd,
    /// The address of the connection.
    pub peer: Option<std::net::SocketAddr>,
    /// The status code of the answer, if one came.
    pub status: Option<u16>,
}

impl Gate {
    /// Records that people are about to be told, and returns the permit for one attempt once that is durable. `None` if there is nothing to
    /// tell: the act is not pending any more, the channel has taken the notice, or it was tried often enough.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn notice_permit(&self, ask: &NoticeAsk) -> Result<Option<Permit<HostRequest>>, RecordBroken> {
        let now = ClockMark::of(&*self.clock);
        let Some(attempt) = next_attempt(&self.book.ledger(), ask, &now) else { return Ok(None) };
        let record = NoticeAsked {
            at: self.clock.unix_ms(),
            attempt,
            channel: ask.channel.clone(),
            digest: ask.digest,
            kind: RecordKind::NoticeAsked,
            of: ask.approval.run,
            op: ask.approval.op.0,
            resource: ask.resource.clone(),
            v: VERSION,
        };
        self.append_log(&record.into())?.durable.await?;
        let (credential, op, run) = (ask.credential.clone(), ask.approval.op, ask.approval.run);
        let bounds = Bounds { credential: Some(credential.clone()).filter(|name| !name.is_empty()), rule: Rule::Own, ..Bounds::default() };
        let asked = HostAsk { credential, op, purpose: HostPurpose::Notice, resource: ask.resource.clone() };
        Ok(Some(permit::issue(PermitParts { op, run, ask: HostRequest { number: attempt, ask: asked }, bounds })))
    }

    /// Records how an attempt ended.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn notice_ended(&self, ask: &NoticeAsk, attempt: u64, done: NoticeDone) -> Result<(), RecordBroken> {
        let record = NoticeEnded {
            at: self.clock.unix_ms(),
            attempt,
            channel: ask.channel.clone(),
            detail: done.detail,
            digest: ask.digest,
            end: done.end,
            kind: RecordKind::NoticeEnded,
            of: ask.approval.run,
            op: ask.approval.op.0,
            peer: done.peer,
            status: done.status,
            v: VERSION,
        };
        self.append_log(&record.into()).map(drop)
    }
}

fn next_attempt(ledger: &Ledger, ask: &NoticeAsk, now: &ClockMark) -> Option<u64> {
    let open = ledger.open_run(ask.approval.run)?.approval(ask.approval.op.0).filter(|open| open.digest == ask.digest)?;
    if !matches!(open.state(&ledger.not_before(now)), ApprovalState::Pending { .. }) {
        return None;
    }
    let before = open.notices.get(&ask.channel);
    if before.is_some_and(|notice| matches!(notice.end, Some(NoticeEnd::Delivered | NoticeEnd::GaveUp))) {
        return None;
    }
    Some(before.map_or(0, |notice| notice.attempts) + 1).filter(|attempt| *attempt <= ATTEMPTS_MAX)
}
