//! `show`: the records of one run, or one record in full.

use std::collections::BTreeMap;

use effect::Reason;
use effect::record::{AskedFor, Record};
use serde::Serialize;

use crate::allow::what_would_allow;
use crate::err::CliError;
use crate::log::{self, Shown};
use crate::{exit, line, out, place, words};

/// Show the records of a run, or one of them in full
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run, or a record of it by its number
    #[arg(value_name = "RUN[/SEQ]")]
    what: String,
    /// Print JSON: a document a line, or the one record
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick show 01K8M3                  all of a run; the first or last letters of its id are enough
  bailiwick show 01K8M3/17               one record: for a refusal why, and what would have allowed it
  bailiwick show 01K8M3 --json";

#[derive(Serialize)]
struct Full<'a> {
    #[serde(flatten)]
    shown: &'a Shown,
    /// For a refusal, from the agent's own words.
    would_have_allowed: Option<Vec<String>>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let reader = log::reader(&place::place()?)?;
    let (run, seq) = match args.what.split_once('/') {
        Some((run, seq)) => (run, Some(seq.parse::<u64>().map_err(|_| CliError::NotARun(args.what.clone()))?)),
        None => (args.what.as_str(), None),
    };
    let run = log::run_id(&reader, run)?;
    let mut last = 0;
    let mut asked = BTreeMap::new();
    for record in reader.of_run(run) {
        let record = record?;
        last = record.seq;
        let shown = Shown::new(&record);
        match seq {
            Some(seq) if seq == record.seq => return full(&shown, refusal(&shown, &asked), args.json),
            Some(_) => {
                if let Some(Record::Asked(it)) = shown.known {
                    asked.insert(it.op, it.ask);
                }
            }
            None if args.json => out::json_line(&shown)?,
            None => out::line(&line::of(&shown, line::Column::Seq))?,
        }
    }
    match (seq, last) {
        (_, 0) => Err(CliError::NoSuchRun(run.to_string())),
        (Some(seq), last) => Err(CliError::NoSuchRecord { run, seq, last }),
        (None, _) => Ok(exit::DONE),
    }
}

/// What was refused and why: at once, or when an address turned out to be one that it may not have.
fn refusal<'a>(shown: &'a Shown, asked: &'a BTreeMap<u64, AskedFor>) -> Option<(&'a AskedFor, &'a Reason)> {
    match &shown.known {
        Some(Record::Refused(refused)) => Some((&refused.ask, &refused.reason)),
        Some(Record::Answered(answered)) => asked.get(&answered.op).zip(answered.reason.as_ref()),
        _ => None,
    }
}

fn full(shown: &Shown, refused: Option<(&AskedFor, &Reason)>, json: bool) -> Result<u8, CliError> {
    let would_have_allowed = refused.map(|(ask, reason)| what_would_allow(ask, reason));
    if json {
        out::json(&Full { shown, would_have_allowed })?;
        return Ok(exit::DONE);
    }
    let run = shown.run.map_or_else(|| "the log's own".to_owned(), |run| run.to_string());
    out::line(&format!("record {} of run {run}, {} of the log", shown.seq, shown.index))?;
    out::line(&format!("leaf {}", shown.leaf))?;
    out::line(&format!("prev {}", shown.prev))?;
    if shown.payloads > 0 {
        out::line(&words::many(shown.payloads as u64, "sealed payload lies beside it", "sealed payloads lie beside it"))?;
    }
    if let Some(at) = shown.at_ms() {
        out::line(&format!("at {} UTC", words::utc(at)))?;
    }
    let text = serde_json::to_string_pretty(&shown.record).unwrap_or_default();
    text.lines().try_for_each(|line| out::line(&words::safe(line)))?;
    if let (Some((_, reason)), Some(allow)) = (refused, would_have_allowed) {
        out::line(&format!("refused because {}", words::safe(&reason.to_string())))?;
        out::line("what would have allowed it, made from the agent's own words: nobody has checked that it should be")?;
        allow.iter().try_for_each(|line| out::line(&format!("  > {}", words::safe(line))))?;
    }
    Ok(exit::DONE)
}
