//! `show`: shows the records of a run, one of them in full, and their sealed payloads.

use std::collections::BTreeMap;

use journal::{Position, Reader};
use serde::Serialize;
use vocabulary::record::{AskedFor, Record};
use vocabulary::{Reason, exit};

use crate::allow::what_would_allow;
use crate::err::CliError;
use crate::gaps::GapLines;
use crate::log::{self, Shown};
use crate::out::OutError;
use crate::sealed::Stars;
use crate::{line, out, place, words};

mod beside;

use beside::Beside;

/// Show the records of a run, one of them in full, or their sealed payloads
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run, or one of its records by number
    #[arg(value_name = "RUN[/SEQ]")]
    what: String,
    /// Each record with all its sealed payloads: input, grants, requests, answers, output
    #[arg(long, group = "part")]
    full: bool,
    /// The body of one record: of the request if the record is an intent, otherwise of the answer
    #[arg(long, group = "part")]
    body: bool,
    /// The input of the run and its arguments
    #[arg(long, group = "part")]
    input: bool,
    /// The grants of the run
    #[arg(long, group = "part")]
    grants: bool,
    /// Each answer that the run received, in full
    #[arg(long, group = "part")]
    answers: bool,
    /// With `--body` or `--input`: the raw bytes, for a file or a pipe
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print JSON: one document per line, or one for a single record
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick show 01K8M3                  all records of a run; the first or last letters of its id are enough
  bailiwick show 01K8M3/17               one record; for a refusal also why, and what would have allowed it
  bailiwick show 01K8M3/17 --body        the body of that request or answer
  bailiwick show 01K8M3/18 --body --raw > answer.bin
  bailiwick show 01K8M3 --full           everything that is kept
  bailiwick show 01K8M3 --grants
  bailiwick show 01K8M3 --json

Sealed payloads are opened with the key of this home. Values of the vault are replaced by stars, also those that were replaced, revoked or \
removed in the last 30 days.";

#[derive(Serialize)]
struct Full<'a> {
    #[serde(flatten)]
    shown: &'a Shown,
    /// For a refusal: what would have allowed it, made from the agent's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_have_allowed: Option<Vec<String>>,
    /// Its sealed payloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<serde_json::Value>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let (run, seq) = match args.what.split_once('/') {
        Some((run, seq)) => (run, Some(seq.parse::<u64>().map_err(|_| CliError::NotARun(args.what.clone()))?)),
        None => (args.what.as_str(), None),
    };
    let (run, from) = log::run(&reader, run)?;
    if args.raw && !(args.body || args.input) {
        return Err(CliError::RawOfMore);
    }
    let is_bare = !(args.full || args.body || args.input || args.grants || args.answers);
    let sealed = || Ok::<_, CliError>(Beside { reader: &reader, run, from, stars: Stars::of(&place)? });
    match seq {
        Some(seq) if args.body => return sealed()?.body(seq, args.raw, args.json),
        Some(_) if args.input || args.grants || args.answers => return Err(CliError::OfAWholeRun),
        None if args.body => return Err(CliError::OfOneRecord),
        None if args.input => return sealed()?.input(args.raw, args.json),
        None if args.grants => return sealed()?.grants(args.json),
        None if args.answers => return sealed()?.answers(args.json),
        _ => {}
    }
    let beside = match (is_bare, seq) {
        (true, None) => None,
        // The record itself can be shown without its payloads.
        (true, Some(_)) => sealed().inspect_err(|err| out::words(&format!("the sealed content is not shown: {err}"))).ok(),
        (false, _) => Some(sealed()?),
    };
    records(&reader, &Wanted { run, from, seq, beside, json: args.json })
}

struct Wanted<'a> {
    run: vocabulary::RunId,
    from: Position,
    seq: Option<u64>,
    /// The sealed payloads, if they are shown too.
    beside: Option<Beside<'a>>,
    json: bool,
}

fn records(reader: &Reader, wanted: &Wanted<'_>) -> Result<u8, CliError> {
    let mut last = 0;
    let mut asked = BTreeMap::new();
    let given = wanted.beside.as_ref().map(Beside::given).transpose()?;
    let mut changes = clock_changes(reader, wanted)?.into_iter().peekable();
    for record in reader.of_run_from(wanted.run, wanted.from) {
        let record = record?;
        while let Some(change) = changes.next_if(|change| last > 0 && change.index < record.at.index) {
            show_change(&change, wanted.json)?;
        }
        last = record.seq;
        let shown = Shown::new(&record);
        let beside = || wanted.beside.as_ref().zip(given.as_ref());
        match wanted.seq {
            Some(seq) if seq == record.seq => {
                let kept = beside().map(|(beside, given)| beside.heads(&record, &shown, given));
                return one(&shown, refusal(&shown, &asked), kept.unwrap_or_default(), wanted.json);
            }
            Some(_) => {
                if let Some(Record::Asked(it)) = shown.known {
                    asked.insert(it.op, it.ask);
                }
            }
            None if wanted.json => {
                let sealed = beside().and_then(|(beside, given)| beside.document(&record, &shown, given));
                out::json_line(&Full { shown: &shown, would_have_allowed: None, sealed })?;
            }
            None => {
                out::line(&line::of(&shown, line::Column::Seq))?;
                let lines = beside().map(|(beside, given)| beside.whole(&record, &shown, given)).unwrap_or_default();
                lines.iter().try_for_each(|line| out::line(&format!("        {line}")))?;
            }
        }
        if record.ends {
            break;
        }
    }
    match (wanted.seq, last) {
        (_, 0) => Err(CliError::NoSuchRun(wanted.run.to_string())),
        (Some(seq), last) => Err(CliError::NoSuchRecord { run: wanted.run, seq, last }),
        (None, _) => {
            GapLines::of_run(reader, (wanted.run, wanted.from))?.end(wanted.json)?;
            Ok(exit::DONE)
        }
    }
}

/// Changes of the machine's clock after the run began; none if only one record is wanted.
fn clock_changes(reader: &Reader, wanted: &Wanted<'_>) -> Result<Vec<Shown>, CliError> {
    if wanted.seq.is_some() {
        return Ok(Vec::new());
    }
    let ledger = log::ledger(reader, |_| {})?;
    let after = ledger.clock_changes.iter().map(|(index, _)| *index).filter(|index| *index > wanted.from.index);
    let mut changes = Vec::new();
    for index in after {
        if let Some(record) = reader.records_from_index(index)?.next() {
            changes.push(Shown::new(&record?));
        }
    }
    Ok(changes)
}

fn show_change(change: &Shown, json: bool) -> Result<(), OutError> {
    if json { out::json_line(change) } else { out::line(&line::of(change, line::Column::Seq)) }
}

/// What was refused and why: when it was asked for, or later because of the address that it led to.
fn refusal<'a>(shown: &'a Shown, asked: &'a BTreeMap<u64, AskedFor>) -> Option<(&'a AskedFor, &'a Reason)> {
    match &shown.known {
        Some(Record::Refused(refused)) => Some((&refused.ask, &refused.reason)),
        Some(Record::Answered(answered)) => asked.get(&answered.op).zip(answered.reason.as_ref()),
        _ => None,
    }
}

fn one(shown: &Shown, refused: Option<(&AskedFor, &Reason)>, kept: beside::KeptBeside, json: bool) -> Result<u8, CliError> {
    let would_have_allowed = refused.map(|(ask, reason)| what_would_allow(ask, reason));
    if json {
        out::json(&Full { shown, would_have_allowed, sealed: kept.document })?;
        return Ok(exit::DONE);
    }
    let run = shown.run.map_or_else(|| "the log's own".to_owned(), |run| run.to_string());
    out::line(&format!("record {} of run {run}, {} of the log", shown.seq, shown.index))?;
    out::line(&format!("leaf {}", shown.leaf))?;
    out::line(&format!("prev {}", shown.prev))?;
    if shown.payloads > 0 {
        out::line(&words::many(shown.payloads as u64, "sealed payload", "sealed payloads"))?;
    }
    if let Some(at) = shown.at_ms() {
        out::line(&format!("at {} UTC", words::utc(at)))?;
    }
    let text = serde_json::to_string_pretty(&shown.record).unwrap_or_default();
    text.lines().try_for_each(|line| out::line(&words::safe(line)))?;
    kept.lines.iter().try_for_each(|line| out::line(line))?;
    if let (Some((_, reason)), Some(allow)) = (refused, would_have_allowed) {
        out::line(&format!("refused because {}", words::safe(&reason.to_string())))?;
        out::line("what would have allowed it. This is made from what the agent asked for; whether to allow that is your decision")?;
        allow.iter().try_for_each(|line| out::line(&format!("  > {}", words::safe(line))))?;
    }
    Ok(exit::DONE)
}
