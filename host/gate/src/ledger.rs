//! The ledger: folds the log into what must be known without reading it again, such as open runs, their pending acts, and totals.
//!
//! The ledger also judges the order: a record is a fault if the gate would never have written it at that place. The state of a run is
//! dropped when the run is closed, so a snapshot stays small however long the log is.

mod act;
mod approval;
mod clocks;
mod fault;
mod gaps;
mod known;
mod put_back;
mod suspension;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use vocabulary::record::{ClockChanged, DeliveredEvent, Record};
use vocabulary::{Digest, Outcome, Principal, RunId, SafeText, UnknownAct};

pub use act::{OpenAct, Stage, Stated};
pub use approval::{ApprovalState, NotedVote, OpenApproval, UsedApproval};
pub use fault::{OrderFault, OrderFaultKind};
pub use gaps::{Gap, GapKind};

use crate::clock::ClockMark;
use crate::spent::Spent;
use crate::suspended::Suspended;
use suspension::needs_memory;

/// The fold of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Totals over the whole log.
    pub totals: Totals,
    /// The last records of changes of the clock, with their index in the log.
    pub clock_changes: VecDeque<(u64, ClockChanged)>,
    clock: Option<ClockMark>,
    gaps: gaps::Gaps,
    /// Index in the log of the next record.
    next: u64,
    /// The time that the clock showed last, in milliseconds since 1970.
    last_at: u64,
    /// The latest time that any record of an approval or of the clock has, in milliseconds since 1970. It never goes back.
    #[serde(default)]
    latest_at: u64,
    open: BTreeMap<RunId, OpenRun>,
}

/// Totals over a whole log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Acts that were permitted, including repetitions.
    pub asked: u64,
    /// Runs that ended.
    pub closed: u64,
    /// Runs that began.
    pub opened: u64,
    /// Records of any kind.
    pub records: u64,
    /// Refusals, including those that are only counted.
    pub refused: u64,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// The agent's name.
    pub agent: SafeText,
    /// Acts to which a response came.
    pub answered: u64,
    /// Acts that were permitted.
    pub asked: u64,
    /// When it was opened, in milliseconds since 1970.
    pub at: u64,
    /// Who started it.
    pub by: Principal,
    /// Whether it can be resumed after a crash.
    pub durable: bool,
    /// Index in the log of its first record.
    pub index: u64,
    /// Whether everything that it saw so far was kept.
    pub kept: bool,
    /// Number of its last record in the run.
    pub last_seq: u64,
    /// How often the value of each credential was found where it may not be.
    pub met: BTreeMap<String, u64>,
    /// Numbers of the host requests that have no answer.
    pub own: BTreeSet<u64>,
    /// The largest number of a host request so far.
    pub(crate) own_last: u64,
    /// Acts that are not over, by operation.
    pub pending: BTreeMap<u64, OpenAct>,
    /// Asks that were refused at once, including counted ones.
    pub refused: u64,
    /// Acts that were refused after their intent.
    pub refused_later: u64,
    /// Whether it was open in a copy from which the home was restored, and no person has released it since.
    pub restored: bool,
    /// Acts that are over, and for which something left the host, or may have.
    sent: u64,
    /// For how long it was active so far.
    pub spent: Spent,
    /// The largest number of an operation so far.
    pub last_op: u64,
    /// Its present suspension; `None` if it is not suspended.
    #[serde(default)]
    pub suspended: Option<Suspended>,
    /// Whether it was resumed and no caller attends it.
    #[serde(default)]
    pub unattended: bool,
    /// How often it was resumed since it was opened or suspended.
    #[serde(default)]
    pub resumed: u32,
    /// Credentials whose leases were ended.
    #[serde(default)]
    pub revoked: BTreeSet<String>,
    /// Acts that are held back until people have decided, by operation.
    #[serde(default)]
    pub approvals: BTreeMap<u64, OpenApproval>,
    /// Approvals of acts that are over, and whose end the agent has not seen yet, by operation. After a crash, such an act is repeated.
    #[serde(default)]
    used: BTreeMap<u64, UsedApproval>,
    /// The keyed digests of asks that people have rejected.
    #[serde(default)]
    rejected: BTreeSet<Digest>,
    /// Credentials that the run rotated, and whose old value it proved to be refused.
    #[serde(default)]
    pub proved: BTreeSet<String>,
}

impl Ledger {
    /// The ledger of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the index in the log of the next record to be folded. Without this call, it is the index after the last record.
    pub fn go_to(&mut self, index: u64) {
        self.next = index;
    }

    /// Runs that have not ended, in the order in which they were opened. This is not the order of their ids, because the clock may have
    /// been set between two of them.
    pub fn open_runs(&self) -> impl Iterator<Item = (RunId, &OpenRun)> {
        let mut open: Vec<(RunId, &OpenRun)> = self.open.iter().map(|(run, open)| (*run, open)).collect();
        open.sort_by_key(|(_, open)| open.index);
        open.into_iter()
    }

    /// One run that has not ended.
    pub fn open_run(&self, run: RunId) -> Option<&OpenRun> {
        self.open.get(&run)
    }

    /// A moment, but not one before the last that the log knows of. If the machine was restarted and its clock was set back meanwhile, nothing
    /// begins anew by that.
    pub fn not_before(&self, now: &ClockMark) -> ClockMark {
        ClockMark { at: now.at.max(self.latest_at), uptime: now.uptime.clone() }
    }

    /// The bytes of a snapshot.
    pub fn to_snapshot(&self) -> Vec<u8> {
        vocabulary::canon::to_vec(self)
    }

    /// Reads a snapshot back. The code that keeps it authenticates it.
    pub fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Folds one record of the log, in the log's order. Records of unknown kinds are counted and otherwise ignored.
    ///
    /// # Errors
    /// What is wrong with its place. The ledger can still fold further records.
    pub fn fold(&mut self, run: RunId, seq: u64, body: &[u8]) -> Result<(), OrderFault> {
        match Record::parse(body) {
            Ok(record) => self.fold_record(run, seq, &record),
            Err(_) => {
                self.totals.records += 1;
                self.next += 1;
                let fault = |what| Err(OrderFault { run, seq, what });
                if known::is_known_kind(body) { fault(OrderFaultKind::Malformed) } else { Ok(()) }
            }
        }
    }

    /// [`Ledger::fold`] for a record that has just been written.
    pub(crate) fn note(&mut self, run: RunId, (seq, index): (u64, u64), record: &Record) {
        self.go_to(index);
        // What this process writes is in order; a verifier checks it independently.
        let _ = self.fold_record(run, seq, record);
    }

    /// [`Ledger::fold`] for a record that is parsed already.
    ///
    /// # Errors
    /// As [`Ledger::fold`].
    pub fn fold_record(&mut self, run: RunId, seq: u64, record: &Record) -> Result<(), OrderFault> {
        self.totals.records += 1;
        self.next += 1;
        self.note_clock(record);
        self.note_latest(record);
        self.note_gap(record);
        let fault = |what| Err(OrderFault { run, seq, what });
        match record {
            Record::ConfigTrusted(_)
            | Record::ConfigUntrusted(_)
            | Record::AgentAccepted(_)
            | Record::AgentUnaccepted(_)
            | Record::VaultSealed(_)
            | Record::KeyRotated(_)
            | Record::Reanchored(_)
            | Record::ClockChanged(_)
            | Record::Pruned(_)
            | Record::PayloadsForgotten(_)
            | Record::HoldSet(_)
            | Record::HoldLifted(_)
            | Record::Recovered(_) => return Ok(()),
            Record::RollbackAccepted(_) | Record::Restored(_) | Record::RunReleased(_) => {
                self.put_back(record);
                return Ok(());
            }
            // A change by a person belongs to the log itself, and a change by an agent belongs to its run.
            Record::CredentialChanged(_) if !self.open.contains_key(&run) => return Ok(()),
            Record::RunOpened(opened) => {
                self.totals.opened += 1;
                let mut open = OpenRun {
                    agent: opened.agent.name.clone(),
                    answered: 0,
                    asked: 0,
                    at: opened.at,
                    by: opened.by.clone(),
                    durable: opened.durable,
                    index: self.next - 1,
                    kept: true,
                    last_seq: seq,
                    met: BTreeMap::new(),
                    own: BTreeSet::new(),
                    own_last: 0,
                    pending: BTreeMap::new(),
                    refused: 0,
                    refused_later: 0,
                    restored: false,
                    sent: 0,
                    spent: Spent::default(),
                    last_op: 0,
                    suspended: None,
                    unattended: false,
                    resumed: 0,
                    revoked: BTreeSet::new(),
                    approvals: BTreeMap::new(),
                    used: BTreeMap::new(),
                    rejected: BTreeSet::new(),
                    proved: BTreeSet::new(),
                };
                open.spent.take(record);
                let twice = self.open.insert(run, open).is_some() || opened.run != run;
                return if twice { fault(OrderFaultKind::OpenedTwice) } else { Ok(()) };
            }
            _ => {}
        }
        let Some(open) = self.open.get_mut(&run) else { return fault(OrderFaultKind::NotOpen) };
        if open.suspended.is_some() && needs_memory(record) {
            return fault(OrderFaultKind::Suspended);
        }
        open.last_seq = seq;
        open.spent.take(record);
        match open.step(record, &mut self.totals) {
            Ok(Goes::On) => Ok(()),
            Ok(Goes::Ends) => {
                self.open.remove(&run);
                Ok(())
            }
            Err(what) => {
                if matches!(record, Record::RunClosed(_)) {
                    self.open.remove(&run);
                }
                fault(what)
            }
        }
    }
}

impl OpenRun {
    /// Acts for which something left the host, or may have.
    pub fn sent(&self) -> u64 {
        self.sent + self.pending.values().map(|act| u64::from(act.may_have_been_sent())).sum::<u64>()
    }

    /// For a run that is not running: the acts that a person must settle.
    pub fn unsettled(&self) -> Vec<UnknownAct> {
        let unsettled = self.pending.iter().filter(|(_, pending)| pending.is_unsettled());
        unsettled.map(|(op, pending)| UnknownAct { op: *op, what: pending.ask.resource.line() }).collect()
    }
}

enum Goes {
    On,
    Ends,
}

impl OpenRun {
    fn step(&mut self, record: &Record, totals: &mut Totals) -> Result<Goes, OrderFaultKind> {
        match record {
            Record::Asked(asked) => {
                // Only acts have intents.
                let kind = asked.ask.capability.act().ok_or(OrderFaultKind::Malformed)?;
                totals.asked += 1;
                self.asked += 1;
                let was_held = self.approvals.contains_key(&asked.op);
                let approval = self.use_approval(asked)?;
                if !asked.again && !was_held && asked.op <= self.last_op {
                    return Err(OrderFaultKind::AskedTwice);
                }
                if asked.again && asked.op > self.last_op {
                    return Err(OrderFaultKind::NoIntent);
                }
                self.last_op = self.last_op.max(asked.op);
                self.end(asked.op);
                self.pending.insert(
                    asked.op,
                    OpenAct { approval, ask: asked.ask.clone(), kind, repeat: asked.repeat, sent: false, stage: Stage::Asked, word: None },
                );
            }
            Record::Refused(refused) => {
                totals.refused += refused.alike;
                self.refused += refused.alike;
                // A repeated intent may be refused, when a grant has ended since.
                self.end(refused.op);
                self.used.remove(&refused.op);
                self.approvals.remove(&refused.op);
                self.last_op = self.last_op.max(refused.op);
            }
            Record::Answered(answered) => {
                self.answered += u64::from(answered.class().has_answer());
                self.refused_later += u64::from(answered.was_refused());
                self.answer(answered)?;
            }
            Record::Received(received) => {
                let answered = self.end(received.op).is_some_and(|pending| pending.stage != Stage::Asked);
                if !answered {
                    return Err(OrderFaultKind::NoIntent);
                }
            }
            Record::ActSettled(word) => match self.pending.get_mut(&word.op) {
                Some(pending) if pending.stage == Stage::Unknown => {
                    pending.word = Some(Stated { at: word.at, by: word.by.clone(), did: word.did });
                }
                _ => return Err(OrderFaultKind::NoIntent),
            },
            Record::HostAsked(asked) => {
                if asked.number <= self.own_last {
                    return Err(OrderFaultKind::AskedTwice);
                }
                self.own_last = asked.number;
                self.own.insert(asked.number);
            }
            Record::ValueMet(met) => drop(self.met.insert(met.credential.to_string(), met.times)),
            Record::HostAnswered(answered) => {
                if !self.own.remove(&answered.number) {
                    return Err(OrderFaultKind::NoIntent);
                }
            }
            Record::RunClosed(closed) => {
                totals.closed += 1;
                let under_way = !self.own.is_empty() || self.pending.values().any(|pending| pending.stage == Stage::Asked);
                let broken = matches!(closed.outcome, Outcome::RecordBroken | Outcome::SetAside);
                return if under_way && !broken { Err(OrderFaultKind::ClosedWhilePending) } else { Ok(Goes::Ends) };
            }
            Record::Observed(observed) => self.kept &= !observed.unkept,
            Record::Delivered(delivered) => {
                self.kept &= delivered.payload.is_some() || !delivered.releases.iter().any(|one| one.event.has_content());
                // An agent that learned that an outcome is unknown has continued with that.
                for one in delivered.releases.iter().filter(|one| matches!(one.event, DeliveredEvent::Failed { .. })) {
                    if self.pending.get(&one.op).is_some_and(|pending| pending.stage == Stage::Unknown) {
                        self.end(one.op);
                    }
                }
                for one in delivered.releases.iter().filter(|one| one.event.is_last()) {
                    self.used.remove(&one.op);
                }
            }
            Record::RunSuspended(suspended) => {
                if !self.own.is_empty() || self.pending.values().any(|pending| pending.stage == Stage::Asked) {
                    return Err(OrderFaultKind::SuspendedWhilePending);
                }
                self.suspended = Some(Suspended::of(suspended));
                self.resumed = 0;
            }
            Record::RunResumed(resumed) => {
                self.suspended = None;
                self.unattended = resumed.unattended;
                self.resumed = self.resumed.saturating_add(1);
            }
            Record::LeaseRevoked(revoked) => drop(self.revoked.insert(revoked.credential.to_string())),
            Record::ApprovalAsked(asked) => self.approval_asked(asked)?,
            Record::ApprovalVoted(voted) => self.approval_voted(voted)?,
            Record::ApprovalClosed(closed) => self.approval_closed(closed)?,
            Record::LeaseProbed(probed) => {
                if probed.refused {
                    self.proved.insert(probed.credential.to_string());
                } else {
                    self.proved.remove(probed.credential.as_str());
                }
            }
            Record::Said(_) | Record::LeaseIssued(_) | Record::CredentialChanged(_) => {}
            Record::RunOpened(_)
            | Record::ConfigTrusted(_)
            | Record::ConfigUntrusted(_)
            | Record::AgentAccepted(_)
            | Record::AgentUnaccepted(_)
            | Record::VaultSealed(_)
            | Record::RollbackAccepted(_)
            | Record::Restored(_)
            | Record::KeyRotated(_)
            | Record::RunReleased(_)
            | Record::Reanchored(_)
            | Record::ClockChanged(_)
            | Record::Pruned(_)
            | Record::PayloadsForgotten(_)
            | Record::HoldSet(_)
            | Record::HoldLifted(_)
            | Record::Recovered(_) => {}
        }
        Ok(Goes::On)
    }
}
