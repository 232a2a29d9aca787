//! Reading the record back: runs by a part of their id, records as people and programs see them.

use effect::RunId;
use effect::record::Record;
use journal::{Position, Reader, log_run};
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
    run(reader, text).map(|(run, _)| run)
}

/// The same, with the place of its first record: what lies before it need not be read.
pub(crate) fn run(reader: &Reader, text: &str) -> Result<(RunId, Position), CliError> {
    let runs = gate::runs(reader)?;
    let place = |part: &gate::Part| (part.run, Position::from(part.at));
    let none = || CliError::NoSuchRun(text.to_owned());
    if let Ok(run) = text.parse::<RunId>() {
        return runs.iter().find(|part| part.run == run).map(place).ok_or_else(none);
    }
    let part = text.to_ascii_uppercase();
    if part.is_empty() || part.len() > 26 || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(CliError::NotARun(text.to_owned()));
    }
    if text == LATEST {
        return runs.last().map(place).ok_or_else(none);
    }
    let is_meant = |run: RunId| {
        let id = run.to_string();
        id.starts_with(&part) || id.ends_with(&part)
    };
    let found: Vec<(RunId, Position)> = runs.iter().filter(|part| is_meant(part.run)).map(place).collect();
    match found.as_slice() {
        [found] => Ok(*found),
        [] => Err(none()),
        several => {
            let mut runs: Vec<RunId> = several.iter().map(|(run, _)| *run).collect();
            runs.sort_unstable();
            runs.truncate(10);
            Err(CliError::SeveralRuns { text: text.to_owned(), runs })
        }
    }
}
