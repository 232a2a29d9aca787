//! Reading the record back: runs by a part of their id, records as people and programs see them.

use std::collections::BTreeSet;

use effect::RunId;
use effect::record::Record;
use journal::{Reader, log_run};
use run::Place;

use crate::err::CliError;

/// A record with its place.
#[derive(serde::Serialize)]
pub(crate) struct Shown {
    /// In the log, from 0.
    pub(crate) index: u64,
    /// Absent for what belongs to no run.
    pub(crate) run: Option<RunId>,
    /// In the run, from 1.
    pub(crate) seq: u64,
    /// Its leaf hash.
    pub(crate) leaf: effect::Digest,
    /// That of the run's previous record.
    pub(crate) prev: effect::Digest,
    /// How many sealed payloads lie beside it.
    pub(crate) payloads: usize,
    /// What was recorded; as text where this version does not know its kind.
    pub(crate) record: serde_json::Value,
    #[serde(skip)]
    pub(crate) known: Option<Record>,
}

impl Shown {
    pub(crate) fn new(record: &journal::Record) -> Self {
        let text = || serde_json::Value::String(String::from_utf8_lossy(&record.body).into_owned());
        Self {
            index: record.at.index,
            run: (record.run != log_run()).then_some(record.run),
            seq: record.seq,
            leaf: record.leaf,
            prev: record.prev,
            payloads: record.payloads(),
            record: serde_json::from_slice(&record.body).unwrap_or_else(|_| text()),
            known: Record::parse(&record.body).ok(),
        }
    }

    /// The kind, also of one that this version does not know.
    pub(crate) fn kind(&self) -> &str {
        self.record.get("kind").and_then(serde_json::Value::as_str).unwrap_or("unknown")
    }

    /// When it was recorded, where the kind says so.
    pub(crate) fn at_ms(&self) -> Option<u64> {
        self.record.get("at").and_then(serde_json::Value::as_u64)
    }
}

pub(crate) fn reader(place: &Place) -> Result<Reader, CliError> {
    Ok(Reader::open(&place.home)?)
}

/// What stands for the run that was begun last.
const LATEST: &str = "latest";

/// The run that is meant: a whole id, enough of its beginning or its end, or the word for the one that was begun last.
pub(crate) fn run_id(reader: &Reader, text: &str) -> Result<RunId, CliError> {
    if let Ok(run) = text.parse() {
        return Ok(run);
    }
    let part = text.to_ascii_uppercase();
    if part.is_empty() || part.len() > 26 || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(CliError::NotARun(text.to_owned()));
    }
    let (mut found, mut latest) = (BTreeSet::new(), None);
    for record in reader.records() {
        let record = record?;
        // A run's first record names it; the rest need not be looked at.
        if record.seq == 1 && record.run != log_run() {
            let id = record.run.to_string();
            if id.starts_with(&part) || id.ends_with(&part) {
                found.insert(record.run);
            }
            latest = Some(record.run);
        }
    }
    if text == LATEST {
        return latest.ok_or_else(|| CliError::NoSuchRun(text.to_owned()));
    }
    let mut runs = found.iter().copied();
    match (runs.next(), runs.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => Err(CliError::NoSuchRun(text.to_owned())),
        (Some(_), Some(_)) => Err(CliError::SeveralRuns { text: text.to_owned(), runs: found.into_iter().take(10).collect() }),
    }
}
