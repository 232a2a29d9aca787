//! The steps of a run at the gate under its lock: asks, intents, refusals, answers.

use std::sync::atomic::Ordering;

use policy::Facts;
use sha2::Digest as _;
use vocabulary::record::{AnswerClass, Answered, AskedFor, Received, Record, RecordKind, Refused, VERSION};
use vocabulary::{Ask, Function, HttpAsk, OpId, PolicyBasis, Reason, Resource, RunId, SafeText, Stop};

use super::{LockedRun, Moment, OpState, RunShared, Tally};
use crate::alike::{Several, Write};
use crate::log::{LogEntry, LoggedBatch};
use crate::named::asked_of;
use crate::settling::{SettledAct, Settles, Settling};

/// Roughly the bytes that a record takes in the log besides its body and its payloads.
const FRAME_BYTES: usize = 128;

/// Why an intent is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// It was held back, and people have decided.
    Held,
    Again,
}

impl Attempt {
    /// The guest determines when it asks for the first time. It does not determine when an ask is repeated after a crash.
    pub(super) fn moment(self) -> Moment {
        match self {
            Self::First => Moment::Guest,
            Self::Held | Self::Again => Moment::Host,
        }
    }
}

impl LockedRun<'_> {
    pub(crate) fn shared(&self) -> &RunShared {
        &self.gate.0
    }

    pub(crate) fn run(&self) -> RunId {
        self.shared().header.run
    }

    pub(crate) fn check_open(&self) -> Result<(), Stop> {
        if self.inner.broken { Err(Stop::RecordBroken) } else { self.inner.closed.clone().map_or(Ok(()), Err) }
    }

    pub(crate) fn check_unbroken(&self) -> Result<(), Stop> {
        match (self.inner.broken, self.inner.sealed) {
            (true, _) => Err(Stop::RecordBroken),
            (false, true) => Err(Stop::Ended),
            (false, false) => Ok(()),
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let shared = self.shared();
        // SECURITY: in a run, time does not go back, even if somebody sets the clock back while the run is active or cut off.
        let own_s = (shared.spent.latest_at() + self.went_on_ms()) / 1000;
        Facts {
            chosen: None,
            earliest_unix_s: Some(shared.clock.earliest_s()),
            now_unix_s: shared.clock.latest_s().max(own_s),
            mount: None,
        }
    }

    /// For how long the run has been active in this process.
    fn went_on_ms(&self) -> u64 {
        self.shared().clock.mono_ns().saturating_sub(self.shared().began_ns.load(Ordering::Relaxed)) / 1_000_000
    }

    /// For how long the run has been active so far, in all processes.
    pub(crate) fn spent_ms(&self) -> u64 {
        self.shared().spent.ms() + self.went_on_ms()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.shared().clock.unix_ms()
    }

    pub(super) fn mint(&mut self) -> OpId {
        let op = OpId(self.inner.next_op);
        self.inner.next_op += 1;
        op
    }

    pub(super) fn tally(&self) -> Tally {
        Tally { resumable: self.inner.resumable, ..self.inner.tally }
    }

    pub(super) fn keyed(&self, bytes: &[u8]) -> vocabulary::Digest {
        self.shared().keyed.digest(bytes)
    }

    /// Appends a record to the log, or to the batch that is being collected.
    pub(crate) fn put(&mut self, record: impl Into<Record>, payloads: Vec<Vec<u8>>) -> Result<(), Stop> {
        let (record, entry) = with_payloads(record.into(), payloads);
        if let Some(together) = &mut self.inner.together {
            together.push((record, entry));
            return Ok(());
        }
        let bytes = bytes_of(&entry);
        let appended = self.append(vec![(record, LogEntry { later: true, ..entry })])?;
        self.inner.behind.note(bytes, appended.durable);
        Ok(())
    }

    /// Appends one record whose durability the caller waits for.
    pub(crate) fn append_one(&mut self, record: impl Into<Record>) -> Result<LoggedBatch, Stop> {
        self.append(vec![with_payloads(record.into(), Vec::new())])
    }

    pub(super) fn append(&mut self, records: Vec<(Record, LogEntry)>) -> Result<LoggedBatch, Stop> {
        if self.inner.broken || self.inner.sealed {
            return Err(Stop::RecordBroken);
        }
        self.count_recorded(&records)?;
        let ends = records.last().is_some_and(|(_, entry)| entry.ends);
        let (gate, run) = (self.gate, self.run());
        let appended = gate.0.book.append(run, records, &mut self.inner.sum).inspect_err(|_| self.inner.broken = true)?;
        self.inner.sealed = ends;
        Ok(appended)
    }

    /// Counts what a run writes against `record-bytes`. There is always room for the outcome of an act and for the end of the run.
    fn count_recorded(&mut self, records: &[(Record, LogEntry)]) -> Result<(), Stop> {
        let bytes: usize = records.iter().map(|(_, entry)| bytes_of(entry)).sum();
        self.inner.recorded_bytes = self.inner.recorded_bytes.saturating_add(bytes as u64);
        let over = self.inner.recorded_bytes > self.shared().header.spec.limits.record_bytes;
        let owed = |kind| {
            matches!(
                kind,
                RecordKind::Answered | RecordKind::Received | RecordKind::HostAnswered | RecordKind::RunResumed | RecordKind::RunClosed
            )
        };
        if over && self.inner.closed.is_none() && !records.iter().any(|(record, _)| owed(record.kind())) {
            Err(Stop::Limit(vocabulary::Limit::RecordBytes))
        } else {
            Ok(())
        }
    }

    pub(crate) fn refused(
        &mut self,
        op: OpId,
        ask: &Ask,
        (reason, policy): (Reason, Option<PolicyBasis>),
        moment: Moment,
    ) -> Result<(), Stop> {
        let http = if let Ask::Http(http) = ask { Some(http) } else { None };
        let named = self.told(self.inner.observed.named(ask), http);
        self.inner.tally.refused += 1;
        let at = self.now_ms();
        // BOUND: what is kept in memory for the whole run has no headers.
        let bare = AskedFor { headers: Vec::new(), ..named.clone() };
        match self.inner.alike.note(ask, &bare, &reason, at) {
            Write::Counted => return Ok(()),
            Write::Full(several) => return self.write_several(several),
            Write::One => {}
        }
        // Refusals that are only counted are not reported one by one either.
        self.shared().watcher.on_refused(&named, &reason);
        let code = reason.code();
        tracing::info!(parent: self.gate.span(), op = op.0, function = %named.function, resource = %named.resource, reason = code, "refused");
        self.flush(moment)?;
        let params = self.keyed(&ask.canonical_bytes());
        let (kind, spent_ms) = (RecordKind::Refused, self.spent_ms());
        let record = Refused { alike: 1, ask: named, at, counted: None, kind, op: op.0, params, policy, reason, spent_ms, v: VERSION };
        self.put(record, Vec::new())
    }

    /// An ask in the form of the record: with the headers of a request and its placeholders, and with stars in place of known secrets.
    pub(super) fn told(&self, asked: AskedFor, http: Option<&HttpAsk>) -> AskedFor {
        let shared = self.shared();
        let starred = |text: &SafeText| shared.stars.get().map_or_else(|| text.clone(), |star| star(text));
        let resource = asked.resource.starred(&starred);
        let Some(http) = http else { return AskedFor { resource, ..asked } };
        AskedFor {
            headers: policy::told_headers(&http.headers).iter().map(starred).collect(),
            placeholders: policy::quoted(&shared.placeholders, &http.body),
            resource,
            ..asked
        }
    }

    /// Writes counting records. They stand for no single ask, and are recognised by that. Either all of them are written or none, because a
    /// rebuild must not find only some of them.
    pub(crate) fn write_several(&mut self, several: Vec<Several>) -> Result<(), Stop> {
        let (at, params, spent_ms) = (self.now_ms(), self.keyed(b""), self.spent_ms());
        let record = |Several { alike, ask, counted, reason }: Several| -> Record {
            let (kind, policy) = (RecordKind::Refused, None);
            Refused { alike, ask, at, counted: Some(counted), kind, op: 0, params, policy, reason, spent_ms, v: VERSION }.into()
        };
        let records: Vec<_> = several.into_iter().map(record).map(|record| with_payloads(record, Vec::new())).collect();
        match &mut self.inner.together {
            _ if records.is_empty() => {}
            Some(together) => together.extend(records),
            None => drop(self.append(records)?),
        }
        Ok(())
    }

    pub(crate) fn settle(&mut self, op: OpId, how: Settling) -> Result<Settles, Stop> {
        let state = match self.inner.ops.get_mut(&op.0) {
            Some(state) if !state.answered => state,
            // It was settled before, or the guest has abandoned it.
            _ => return Ok(Settles::Before),
        };
        let SettledAct { detail, how, reason } = how.of(state.kind, state.trail.as_ref().and_then(|trail| trail.get()));
        state.answered = true;
        state.responded = how.class().has_answer();
        let (credential, source) = (state.credential.clone(), state.source.clone());
        if let Some(reason) = &reason {
            self.inner.tally.refused += 1;
            let function = if how.class() == AnswerClass::RefusedCredential { Function::VaultPlace } else { Function::NetDial };
            let ask = asked_of(function, Resource::Words(source));
            self.shared().watcher.on_refused(&ask, reason);
        }
        let record = Answered {
            at: self.now_ms(),
            detail,
            how,
            kind: RecordKind::Answered,
            op: op.0,
            reason,
            spent_ms: self.spent_ms(),
            v: VERSION,
        };
        let span = self.gate.span();
        let (outcome, fault) = (record.class(), record.fault());
        tracing::info!(parent: span, op = op.0, ?outcome, status = record.status(), ?fault, detail = %record.detail, "settled");
        if let Some(name) = credential.filter(|_| record.was_sent()) {
            self.lease_begins(&name)?;
        }
        self.put(record, Vec::new()).map(|()| Settles::Now)
    }

    /// Ends an operation: the guest has seen its end, or never will.
    pub(crate) fn end_op(&mut self, op: OpId, whole: bool) -> Result<(), Stop> {
        let Some(OpState { seen, source, responded, redactions, .. }) = self.inner.ops.remove(&op.0) else { return Ok(()) };
        if !responded {
            return Ok(());
        }
        let digest = self.keyed(seen.hash.finalize().as_slice());
        let record = Received { bytes: seen.bytes, digest, kind: RecordKind::Received, op: op.0, redactions, source, v: VERSION, whole };
        self.put(record, Vec::new())
    }
}

pub(super) fn with_payloads(record: Record, payloads: Vec<Vec<u8>>) -> (Record, LogEntry) {
    let entry = LogEntry { body: record.to_bytes(), payloads, ends: record.kind() == RecordKind::RunClosed, later: false };
    (record, entry)
}

/// Roughly how many bytes a record takes in the log.
fn bytes_of(entry: &LogEntry) -> usize {
    entry.body.len() + entry.payloads.iter().map(Vec::len).sum::<usize>() + FRAME_BYTES
}
