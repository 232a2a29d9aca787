//! Orders about what is kept: removing the beginning of the record, forgetting what old runs have sealed, legal holds. Each order is on the
//! record before anything is changed.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use journal::Pruning;
use serde::{Deserialize, Serialize};
use vocabulary::Clock as _;
use vocabulary::record::{HoldLifted, HoldSet, PayloadsForgotten, Pruned, Record, RecordKind, VERSION};
use vocabulary::{Principal, RunId, SafeText};

use crate::err::RunError;
use crate::local_host::LocalHost;

/// BOUND: length of a path or a reason on the record, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// What is to be removed. The caller has read the record and decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneOrder {
    /// How many records the log had when the caller read it. If a run was put on hold since, the order is refused.
    pub read: u64,
    /// The part of the record to remove; `None` if all of it is kept.
    pub record: Option<PruneRecord>,
    /// The runs whose payloads are forgotten; `None` if all payloads are kept.
    pub payloads: Option<PrunePayloads>,
}

/// The beginning of the record, which is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneRecord {
    /// The first segment that stays.
    pub until: u32,
    /// The folder in which the segments before it are archived. If it is `None`, they are deleted.
    pub to: Option<PathBuf>,
    /// When the first of the removed records was made, in milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// When the last of the removed records was made, in milliseconds since 1970.
    pub to_ms: Option<u64>,
}

/// The runs whose sealed payloads are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunePayloads {
    /// These runs made their last record before this moment, in milliseconds since 1970.
    pub before_ms: u64,
    /// The runs. All of them have ended.
    pub runs: HashSet<RunId>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneDone {
    /// How many runs had payloads that are forgotten now.
    pub forgotten: u64,
    /// Bytes of the record that were removed.
    pub bytes: u64,
    /// Index of the first record that is left: how many records the log had before it.
    pub size: Option<u64>,
}

/// A person's decision that a run is to be kept, or need not be kept any longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldSaid {
    /// The run.
    pub run: RunId,
    /// Why it is kept. `None` lifts the hold.
    pub reason: Option<String>,
}

impl LocalHost {
    /// Removes what the order names, and records it. `progress` is called for each segment, and `Break` ends the removal.
    ///
    /// # Errors
    /// The record can't be written; what would be removed is not whole, or is still needed.
    pub async fn prune(
        &self,
        order: PruneOrder,
        by: Principal,
        mut progress: impl FnMut(&str, u32) -> ControlFlow<()> + Send + 'static,
    ) -> Result<PruneDone, RunError> {
        let mut done = PruneDone::default();
        let _keeping = self.inner.keeping.lock().await;
        self.held_since(order.read)?;
        if let Some(payloads) = order.payloads {
            done.forgotten = self.forget(payloads, by.clone()).await?;
        }
        let Some(record) = order.record else { return Ok(done) };
        // The ledger is saved first: it can't be rebuilt from the records that are left.
        self.inner.gate.snapshot(gate::BookSnapshot::Always)?;
        self.inner.journal.durable().await.map_err(gate::RecordBroken::new)?;
        let (journal, at) = (self.inner.journal.clone(), self.inner.clock.unix_ms());
        let pruned = tokio::task::spawn_blocking(move || {
            let pruning = Pruning { until: record.until, to: record.to.clone() };
            let mut written = None;
            let pruned = journal.prune(
                &pruning,
                |pruned| {
                    let record = told(pruned, &record, (by, at));
                    written = Some(record.clone());
                    record.to_bytes()
                },
                &mut progress,
            );
            pruned.map(|pruned| (pruned, written))
        });
        let (pruned, written) = pruned.await.map_err(|_| RunError::TaskLost("prunes"))??;
        if let (Some(index), Some(record)) = (pruned.recorded, written) {
            self.inner.gate.took_in(index, &record);
        }
        (done.bytes, done.size) = (pruned.bytes, Some(pruned.size));
        Ok(done)
    }

    /// Refuses an order if a run was put on hold after the caller read the record.
    fn held_since(&self, read: u64) -> Result<(), RunError> {
        let reader = self.inner.journal.reader()?;
        for record in reader.records_from_index(read)? {
            if let Ok(Record::HoldSet(set)) = Record::parse(&record?.body) {
                return Err(RunError::HeldMeanwhile(set.held));
            }
        }
        Ok(())
    }

    async fn forget(&self, payloads: PrunePayloads, by: Principal) -> Result<u64, RunError> {
        let PrunePayloads { before_ms, runs } = payloads;
        let (at, kind, v) = (self.inner.clock.unix_ms(), RecordKind::PayloadsForgotten, VERSION);
        let record: Record = PayloadsForgotten { at, before_ms, by, kind, runs: runs.len() as u64, v }.into();
        self.inner.gate.append_log(&record)?.durable.await?;
        let (forgotten, ticket) = self.inner.journal.forget_all(&runs).map_err(gate::RecordBroken::new)?;
        ticket.await.map_err(gate::RecordBroken::new)?;
        Ok(forgotten)
    }

    /// Removes compiled components and builds that were not used for a long time. They can be made again, so a failure here loses nothing.
    pub(crate) fn age_out(&self) {
        let Ok(settings) = package::settings::Settings::of(&self.inner.place.home) else { return };
        let now_s = self.inner.clock.unix_ms() / 1000;
        let before_s = i64::try_from(now_s.saturating_sub(settings.unused.compiled.0)).unwrap_or(0);
        self.inner.component_cache.cache.age_out(before_s);
        package::build::age_out(&self.inner.place.at("build"), before_s);
    }

    /// Puts a run on hold, or lifts the hold. Durable when this returns.
    ///
    /// # Errors
    /// The run is not on the record, or the record can't be written.
    pub async fn record_hold(&self, said: &HoldSaid, by: &Principal) -> Result<(), RunError> {
        let _keeping = self.inner.keeping.lock().await;
        // The caller has seen the run on the record. It may have been pruned since.
        let (reader, run) = (self.inner.journal.reader()?.believing(), said.run);
        let runs = tokio::task::spawn_blocking(move || gate::runs(&reader)).await;
        let runs = runs.map_err(|_| RunError::TaskLost("looks for the run"))??;
        if !runs.iter().any(|part| part.run == run) {
            return Err(RunError::PrunedMeanwhile(run));
        }
        let (at, by, v) = (self.inner.clock.unix_ms(), by.clone(), VERSION);
        let record: Record = match &said.reason {
            Some(reason) => {
                HoldSet { at, by, held: said.run, kind: RecordKind::HoldSet, reason: SafeText::new(reason, TEXT_BYTES_MAX), v }.into()
            }
            None => HoldLifted { at, by, held: said.run, kind: RecordKind::HoldLifted, v }.into(),
        };
        Ok(self.inner.gate.append_log(&record)?.durable.await?)
    }
}

fn told(pruned: &journal::Pruned, order: &PruneRecord, (by, at): (Principal, u64)) -> Record {
    Pruned {
        at,
        by,
        bytes: pruned.bytes,
        digest: pruned.digest,
        first: u64::from(pruned.first),
        from_ms: order.from_ms,
        kind: RecordKind::Pruned,
        root: pruned.root,
        size: pruned.size,
        to: order.to.as_ref().map(|to| SafeText::new(&to.to_string_lossy(), TEXT_BYTES_MAX)),
        to_ms: order.to_ms,
        until: u64::from(pruned.until),
        v: VERSION,
    }
    .into()
}
