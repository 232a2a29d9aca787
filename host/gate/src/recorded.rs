//! The records of one run, prepared for a rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use effects::Observation;
use vocabulary::record::{AnswerClass, AskedFor, Delivered, Object, Observed, Record, Refused, RunClosed};
use vocabulary::{Claim, Digest, Outcome, Reason, Release, Repeat, RunId};

use crate::err::LoadError;
use crate::keyed::Keyed;
use crate::lease::Lease;
use crate::payload_codec::{Cursor, take_event, take_observation};
use crate::resume_point::{KeyedAct, RecordedEnd};
use crate::run_header::RunHeader;
use crate::settling::told;
use crate::spent::Spent;
use crate::suspended::ClockState;

/// One record of a run with its payloads, as it was read from a log.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The record's number in the run, from 1.
    pub seq: u64,
    /// The record as canonical JSON.
    pub body: Vec<u8>,
    /// The opened payloads.
    pub payloads: Vec<Vec<u8>>,
}

/// An ask as it was recorded. `op` is 0 if it was not an act.
#[derive(Clone, Debug)]
pub(crate) struct RecordedAsk {
    pub(crate) seq: u64,
    pub(crate) op: u64,
    pub(crate) ask: AskedFor,
    pub(crate) params: Digest,
    /// Whether it may be repeated without a settlement.
    pub(crate) repeat: Repeat,
    /// The idempotency key that went along, if one did.
    pub(crate) keyed: Option<KeyedAct>,
    /// Why it was refused, if it was.
    pub(crate) reason: Option<Reason>,
    /// How many releases were recorded before it.
    pub(crate) delivered: usize,
    /// How many objects were recorded before it.
    pub(crate) objects: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct RecordedRelease {
    pub(crate) seq: u64,
    pub(crate) empty: u64,
    pub(crate) release: Release,
}

/// A run that can be rebuilt.
#[derive(Clone, Debug)]
pub struct Recorded {
    header: RunHeader,
    closed: Option<RunClosed>,
    output: Option<Vec<u8>>,
    pub(crate) keyed: Keyed,
    pub(crate) last_seq: u64,
    pub(crate) asks: Vec<RecordedAsk>,
    pub(crate) delivered: Vec<RecordedRelease>,
    pub(crate) said: Vec<(u64, Claim)>,
    pub(crate) objects: Vec<(u64, Object)>,
    pub(crate) observations: Vec<(u64, [u8; 8], Observation)>,
    pub(crate) known: BTreeMap<u64, RecordedEnd>,
    pub(crate) counted: u64,
    /// The settlements of the last attempts, by operation: whether the act happened.
    pub(crate) words: BTreeMap<u64, bool>,
    pub(crate) kept_bytes: u64,
    /// Bytes of requests that are kept beside their intents.
    pub(crate) requests_bytes: u64,
    last_op: u64,
    answers_are_kept: bool,
    observations_are_kept: bool,
    /// Bytes that the run has written, which count against `record-bytes`.
    recorded_bytes: u64,
    /// The run's leases, by the credential's name.
    leases: BTreeMap<String, Lease>,
    spent: Spent,
    clock: ClockState,
}

impl Recorded {
    /// Reads a run from its records, in their order.
    ///
    /// # Errors
    /// A record or payload that is faulty.
    pub fn from_leaves(run: RunId, leaves: impl IntoIterator<Item = Result<RunRecord, LoadError>>) -> Result<Self, LoadError> {
        let mut recorded: Option<Self> = None;
        for leaf in leaves {
            let leaf = leaf?;
            let seq = leaf.seq;
            let bytes = leaf.body.len() + leaf.payloads.iter().map(Vec::len).sum::<usize>();
            let record = Record::parse(&leaf.body).map_err(|cause| LoadError::Body { seq, cause })?;
            match (&mut recorded, record) {
                (None, Record::RunOpened(opened)) => {
                    let mut spent = Spent::default();
                    spent.take(&opened.clone().into());
                    let header = RunHeader::from_record(opened, &leaf.payloads);
                    recorded = Some(Self::opened(header.ok_or(LoadError::Payload { seq })?, spent));
                }
                (Some(recorded), record) => recorded.take(seq, record, leaf.payloads)?,
                (None, _) => return Err(LoadError::Order { seq }),
            }
            if let Some(recorded) = &mut recorded {
                recorded.recorded_bytes += bytes as u64;
            }
        }
        recorded.filter(|recorded| recorded.header.run == run).ok_or(LoadError::NoRun(run))
    }

    /// Reads a run from a journal.
    ///
    /// # Errors
    /// As [`Recorded::from_leaves`]; also if the log can't be read, or the run's key is gone.
    pub fn load(reader: &journal::Reader, run: RunId) -> Result<Self, LoadError> {
        Self::from_leaves(run, leaves(reader, run))
    }

    fn opened(header: RunHeader, spent: Spent) -> Self {
        Self {
            keyed: Keyed::of_seed(&header.seed),
            header,
            closed: None,
            output: None,
            last_seq: 1,
            asks: Vec::new(),
            delivered: Vec::new(),
            said: Vec::new(),
            objects: Vec::new(),
            observations: Vec::new(),
            known: BTreeMap::new(),
            counted: 0,
            words: BTreeMap::new(),
            kept_bytes: 0,
            requests_bytes: 0,
            last_op: 0,
            answers_are_kept: true,
            observations_are_kept: true,
            recorded_bytes: 0,
            leases: BTreeMap::new(),
            spent,
            clock: ClockState::default(),
        }
    }

    /// The header with which the run was opened.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// How it ended, if it has.
    pub fn closed(&self) -> Option<&RunClosed> {
        self.closed.as_ref()
    }

    /// What the agent returned, if it returned.
    pub fn output(&self) -> Option<&[u8]> {
        self.output.as_deref()
    }

    /// The claims of the agent, in order.
    pub fn said(&self) -> impl Iterator<Item = &Claim> {
        self.said.iter().map(|(_, claim)| claim)
    }

    /// Whether the guest ended by itself. If so, a rebuild must come to the same end. For a run that was cut off or ended from outside,
    /// only its beginning can be compared.
    pub fn came_to_its_end(&self) -> bool {
        self.closed.as_ref().is_some_and(|closed| match closed.outcome {
            Outcome::Done | Outcome::Failed { .. } | Outcome::Trapped { .. } => true,
            Outcome::Limit { .. }
            | Outcome::Stopped(_)
            | Outcome::Unsettled { .. }
            | Outcome::RecordBroken
            | Outcome::SetAside
            | Outcome::HostFailed { .. } => false,
        })
    }

    /// Whether everything that it saw was kept, so that it can be resumed.
    pub fn is_kept(&self) -> bool {
        self.answers_are_kept && self.observations_are_kept
    }

    pub(crate) fn answers_are_kept(&self) -> bool {
        self.answers_are_kept
    }

    pub(crate) fn observations_are_kept(&self) -> bool {
        self.observations_are_kept
    }

    /// The same without looks. An auditor looks at the mounts again, and a part of the looks is of no use for that.
    pub(crate) fn without_observations(self) -> Self {
        Self { observations: Vec::new(), ..self }
    }

    /// How many bytes the run has written to the record.
    pub fn recorded_bytes(&self) -> u64 {
        self.recorded_bytes
    }

    /// The state of its leases, by the credential's name.
    pub fn leases(&self) -> &BTreeMap<String, Lease> {
        &self.leases
    }

    /// For how long the run was active so far.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// Where its own clock continues.
    pub fn clock(&self) -> &ClockState {
        &self.clock
    }

    /// Acts that a person must settle, by operation, with what was asked.
    pub fn unsettled(&self) -> Vec<(u64, AskedFor)> {
        let open = |op: &u64| matches!(self.known.get(op), Some(RecordedEnd::Asked | RecordedEnd::Answered(AnswerClass::Unknown, None)));
        let unsettled = self.asks.iter().filter(|ask| ask.op > 0 && open(&ask.op) && ask.repeat == Repeat::OnWord);
        let unsettled = unsettled.filter(|ask| !self.words.contains_key(&ask.op));
        unsettled.map(|ask| (ask.op, ask.ask.clone())).collect()
    }

    fn take(&mut self, seq: u64, record: Record, payloads: Vec<Vec<u8>>) -> Result<(), LoadError> {
        self.last_seq = seq;
        self.spent.take(&record);
        self.clock.take(&record);
        match record {
            Record::Asked(asked) => {
                self.requests_bytes += payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
                self.known.insert(asked.op, RecordedEnd::Asked);
                // SECURITY: a settlement applies to the attempt before it. This new attempt is not settled.
                self.words.remove(&asked.op);
                if let (Some(name), false) = (&asked.bounds.credential, asked.again) {
                    self.leases.entry(name.clone()).or_default().uses += 1;
                }
                let keyed = asked.bounds.idempotency.map(|header| KeyedAct { header, at: asked.at });
                if asked.op > self.last_op {
                    let (op, ask, params, repeat) = (asked.op, asked.ask, asked.params, asked.repeat);
                    self.ask(RecordedAsk { seq, op, ask, params, repeat, keyed, reason: None, delivered: 0, objects: 0 });
                } else if let (false, Some(held)) = (asked.again, self.asks.iter_mut().rev().find(|ask| ask.op == asked.op)) {
                    // It was held back until people had approved it.
                    (held.repeat, held.keyed) = (asked.repeat, keyed);
                }
            }
            Record::ApprovalAsked(held) => {
                self.requests_bytes += payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
                self.known.insert(held.op, RecordedEnd::Held);
                if held.op > self.last_op {
                    let (op, ask, params, repeat) = (held.op, held.ask, held.params, Repeat::Safe);
                    self.ask(RecordedAsk { seq, op, ask, params, repeat, keyed: None, reason: None, delivered: 0, objects: 0 });
                }
            }
            Record::Refused(refused) => self.refused(seq, refused),
            Record::Answered(answered) => {
                self.known.insert(answered.op, RecordedEnd::Answered(answered.class(), answered.fault()));
            }
            Record::Observed(observed) => self.observed(seq, observed, payloads.concat())?,
            Record::Delivered(delivered) => self.delivered(seq, delivered, payloads.concat())?,
            Record::Said(said) => self.said.extend(said.claims.into_iter().map(|claim| (seq, claim))),
            Record::ActSettled(word) => {
                self.words.insert(word.op, word.did);
            }
            Record::RunClosed(closed) => {
                self.output = closed.output.is_some().then(|| payloads.concat());
                self.closed = Some(closed);
            }
            Record::Received(received) => {
                self.known.insert(received.op, RecordedEnd::Received);
            }
            Record::LeaseIssued(issued) => self.leases.entry(issued.credential.to_string()).or_default().begun = true,
            Record::LeaseRevoked(revoked) => self.leases.entry(revoked.credential.to_string()).or_default().revoked = true,
            Record::RunResumed(_)
            | Record::RunSuspended(_)
            | Record::ApprovalVoted(_)
            | Record::ApprovalClosed(_)
            | Record::LeaseProbed(_)
            | Record::HostAsked(_)
            | Record::HostAnswered(_)
            | Record::ValueMet(_)
            | Record::CredentialChanged(_) => {}
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
            | Record::Recovered(_) => {
                return Err(LoadError::Order { seq });
            }
        }
        Ok(())
    }

    fn ask(&mut self, ask: RecordedAsk) {
        self.last_op = self.last_op.max(ask.op);
        self.asks.push(RecordedAsk { delivered: self.delivered.len(), objects: self.objects.len(), ..ask });
    }

    fn refused(&mut self, seq: u64, refused: Refused) {
        // A counting record does not stand for a single ask.
        if refused.counted.is_some() {
            self.counted += refused.alike;
            return;
        }
        if let (Some(kind), true) = (refused.ask.capability.act(), refused.op > 0) {
            self.known.insert(refused.op, RecordedEnd::Refused(told(kind, &refused.reason)));
        }
        if refused.op == 0 || refused.op > self.last_op {
            let Refused { ask, op, params, reason, .. } = refused;
            self.ask(RecordedAsk {
                seq,
                op,
                ask,
                params,
                repeat: Repeat::Safe,
                keyed: None,
                reason: Some(reason),
                delivered: 0,
                objects: 0,
            });
        }
    }

    fn observed(&mut self, seq: u64, observed: Observed, payload: Vec<u8>) -> Result<(), LoadError> {
        self.observations_are_kept &= !observed.unkept;
        self.objects.extend(observed.objects.into_iter().map(|object| (seq, object)));
        let mut observations = self.checked(seq, observed.payload, payload)?;
        while !observations.is_empty() {
            let (mark, observation) = take_observation(&mut observations).ok_or(LoadError::Payload { seq })?;
            self.observations.push((seq, mark, observation));
        }
        Ok(())
    }

    fn delivered(&mut self, seq: u64, delivered: Delivered, payload: Vec<u8>) -> Result<(), LoadError> {
        let has_payload = delivered.payload.is_some();
        let mut content = self.checked(seq, delivered.payload, payload)?;
        for one in &delivered.releases {
            let has_content = one.event.has_content();
            if has_content && !has_payload {
                self.answers_are_kept = false;
                continue;
            }
            let event = take_event(&mut content, one).ok_or(LoadError::Payload { seq })?;
            let release = Release { op: vocabulary::OpId(one.op), event, mono_ns: one.mono_ns };
            self.delivered.push(RecordedRelease { seq, empty: one.empty, release });
        }
        if content.is_empty() { Ok(()) } else { Err(LoadError::Payload { seq }) }
    }

    fn checked(&mut self, seq: u64, digest: Option<Digest>, payload: Vec<u8>) -> Result<Cursor, LoadError> {
        let fits = match digest {
            Some(digest) => self.keyed.digest(&payload) == digest,
            None => payload.is_empty(),
        };
        self.kept_bytes += payload.len() as u64;
        if fits { Ok(Cursor::new(Bytes::from(payload))) } else { Err(LoadError::Payload { seq }) }
    }
}

/// A run's records from a journal, with their payloads opened.
pub fn leaves(reader: &journal::Reader, run: RunId) -> impl Iterator<Item = Result<RunRecord, LoadError>> {
    let read = move |cause| LoadError::Read { run, cause: Arc::new(cause) };
    reader.of_run(run).map(move |record| {
        let record = record.map_err(read)?;
        let payloads = (0..record.payloads()).map(|number| reader.payload(&record, number).map_err(read));
        Ok(RunRecord { seq: record.seq, payloads: payloads.collect::<Result<_, _>>()?, body: record.body })
    })
}
