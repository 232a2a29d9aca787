//! `logs`: shows what an agent said.

use std::time::Duration;

use ::run::HomePlace;
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{Claim, RunId, exit};

use crate::err::CliError;
use crate::gaps::GapLines;
use crate::out::OutError;
use crate::{line, log, out, place};
use service::HostHandle;

/// How long `--follow` waits before it reads the log again.
const AGAIN: Duration = Duration::from_millis(200);
/// How many times in a row no host may have the run before it counts as cut off. If its host exits, its client soon continues it.
const NOBODY_MAX: u32 = 10;

/// Show what an agent said
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    /// Continue until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON document per line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick logs 01K8M3
  bailiwick logs 01K8M3 -f               follow until it has ended

On a terminal, and where standard output and standard error are the same file, each line begins with the agent's name, so that it can't be \
taken for a line of the host. Another program gets the text unchanged. What an agent says is a claim; what it did is in `bailiwick show` \
and `bailiwick audit touched`.";

#[derive(Serialize)]
struct LogLine<'a> {
    seq: u64,
    claim: &'a Claim,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let (run, from) = log::run(&reader, &args.run)?;
    let mut records = reader.of_run_from(run, from);
    let (mut seen, mut agent) = (false, String::new());
    let mut nobody = 0;
    loop {
        // The host is asked before the log is read, so that this read finds all that was said until the end.
        let goes_on = args.follow && goes_on(&place, run).await;
        nobody = if goes_on { 0 } else { nobody + 1 };
        let last = !args.follow || nobody > NOBODY_MAX;
        for record in records.by_ref() {
            let record = record?;
            seen = true;
            let body = Record::parse(&record.body);
            if let Ok(Record::RunOpened(opened)) = &body {
                agent = opened.agent.name.to_string();
            }
            if let Ok(Record::Said(said)) = body {
                said.claims.iter().try_for_each(|claim| print(&agent, record.seq, claim, args.json))?;
            }
            if record.ends {
                GapLines::of_run(&reader, (run, from))?.end(args.json)?;
                return Ok(exit::DONE);
            }
        }
        if !seen {
            return Err(CliError::NoSuchRun(args.run.clone()));
        }
        if last {
            GapLines::of_run(&reader, (run, from))?.end(args.json)?;
            return Ok(exit::DONE);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether a run is suspended, so that it will say more.
fn is_suspended(place: &HomePlace, run: RunId) -> bool {
    let ledger = journal::Reader::open(&place.home).map_err(CliError::from).and_then(|reader| log::ledger(&reader.believing(), |_| {}));
    ledger.is_ok_and(|ledger| ledger.open_run(run).is_some_and(|open| open.suspended.is_some()))
}

/// Whether a run is active or suspended. One that was cut off says nothing more, and has no end to wait for.
async fn goes_on(place: &HomePlace, run: RunId) -> bool {
    match HostHandle::ask(place).await {
        Ok(Some(host)) if host.going().await.is_ok_and(|going| going.iter().any(|(other, _)| *other == run)) => true,
        Ok(_) => is_suspended(place, run),
        // A process holds the home and does not answer, so the run may still be active.
        Err(_) => true,
    }
}

fn print(agent: &str, seq: u64, claim: &Claim, json: bool) -> Result<(), OutError> {
    if json { out::json_line(&LogLine { seq, claim }) } else { out::guest(agent, &format!("{}\n", line::claim(claim))) }
}
