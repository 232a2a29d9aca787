//! Reads the record: finds runs by a part of their id, and prepares records for people and programs.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use gate::{Ledger, Times};
use journal::{Damage, Position, Reader, log_run};
use run::HomePlace;
use vocabulary::RunId;
use vocabulary::record::Record;

use crate::err::CliError;
use crate::place;

/// A record with its position.
#[derive(serde::Serialize)]
pub(crate) struct Shown {
    /// Its index in the log, from 0.
    pub(crate) index: u64,
    /// Its run; absent for a record that belongs to no run.
    pub(crate) run: Option<RunId>,
    /// Its number in the run, from 1.
    pub(crate) seq: u64,
    /// Its leaf hash.
    pub(crate) leaf: vocabulary::Digest,
    /// The leaf hash of the run's previous record.
    pub(crate) prev: vocabulary::Digest,
    /// How many sealed payloads it has.
    pub(crate) payloads: usize,
    /// The body; as text if it is not JSON.
    pub(crate) record: serde_json::Value,
    #[serde(skip)]
    pub(crate) known: Option<Record>,
}

impl Shown {
    pub(crate) fn new(record: &journal::StoredRecord) -> Self {
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

    /// The name of its kind, even if this version does not know the kind.
    pub(crate) fn kind(&self) -> &str {
        self.record.get("kind").and_then(serde_json::Value::as_str).unwrap_or("unknown")
    }

    /// When it was recorded, in milliseconds since 1970, if its kind has a time.
    pub(crate) fn at_ms(&self) -> Option<u64> {
        self.record.get("at").and_then(serde_json::Value::as_u64)
    }
}

/// The readers of this process. The parts that they skip are reported when the verb is done.
static READERS: Mutex<Vec<Reader>> = Mutex::new(Vec::new());

/// A reader of the undamaged parts. The parts that it skips are reported at the end, and decide the exit code.
pub(crate) fn reader(place: &HomePlace) -> Result<Reader, CliError> {
    let reader = Reader::of_what_is_whole(&place.home, Some(&place.state))?;
    READERS.lock().unwrap_or_else(PoisonError::into_inner).push(reader.clone());
    Ok(reader)
}

/// Fails if the record is gone although the state remembers one.
pub(crate) fn not_gone(place: &HomePlace) -> Result<(), CliError> {
    match Reader::of_what_is_whole(&place.home, Some(&place.state)) {
        Err(err @ journal::ReadError::Gone { .. }) => Err(err.into()),
        _ => Ok(()),
    }
}

/// The parts of the record that could not be read so far, each once.
pub(crate) fn damage() -> Vec<Damage> {
    let readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<Damage> = Vec::new();
    for damage in readers.iter().flat_map(Reader::damage) {
        if !all.contains(&damage) {
            all.push(damage);
        }
    }
    all
}

/// Forgets the damage so far, since the damaged part was set aside.
pub(crate) fn forget_damage() {
    READERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The first reader of this process.
pub(crate) fn first_reader() -> Option<Reader> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
}

/// The fold of the log: the last snapshot that the host kept, and the records after it. `each` is called for the run of each of them. This
/// is for an overview and is not evidence, so it reads as little as it can.
pub(crate) fn ledger(reader: &Reader, mut each: impl FnMut(RunId)) -> Result<Ledger, CliError> {
    let reader = reader.clone().believing();
    let kept = reader.snapshot().and_then(|(bytes, from)| Some((Ledger::from_snapshot(&bytes)?, from)));
    let (mut ledger, from) = kept.unwrap_or_else(|| (Ledger::new(), Position::start()));
    ledger.open_runs().for_each(|(run, _)| each(run));
    let cut: HashSet<RunId> = reader.cut_runs().collect();
    for record in reader.records_from(from) {
        let record = record?;
        each(record.run);
        if cut.contains(&record.run) && record.run != log_run() {
            continue;
        }
        ledger.go_to(record.at.index);
        // `audit verify` reports records that are out of order.
        let _ = ledger.fold(record.run, record.seq, &record.body);
    }
    // A restore without keys could not be recorded yet.
    if ::run::was_put_back(&place::located()?, &reader.log().to_string())? {
        ledger.was_put_back();
    }
    Ok(ledger)
}

/// Converts times on the record to the clock as it is now, even if the clock was set since the last record.
pub(crate) fn times(reader: &Reader) -> Result<Times, CliError> {
    let ledger = ledger(reader, |_| {})?;
    Ok(Times::new(&ledger, ledger.clock_change(&::run::clock_now()).as_ref()))
}

/// The word for the run that was started last.
const LATEST: &str = "latest";

/// The run that `text` names: its whole id, enough of the beginning or end of it, or `latest` for the one that was started last.
pub(crate) fn run_id(reader: &Reader, text: &str) -> Result<RunId, CliError> {
    run(reader, text).map(|(run, _)| run)
}

/// The run that `text` names, with the position of its first record: records before it need not be read.
pub(crate) fn run(reader: &Reader, text: &str) -> Result<(RunId, Position), CliError> {
    // To find the run, records are read without proof. What is shown of it is proved when it is read.
    let runs = gate::runs(&reader.clone().believing())?;
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
