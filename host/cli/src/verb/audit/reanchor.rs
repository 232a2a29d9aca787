//! `audit reanchor`: sets the damaged part of the record aside, so that the home can be used again.

use journal::{Entry, log_run};
use serde::Serialize;
use vocabulary::record::{Reanchored, Record, RecordKind, RunClosed, VERSION};
use vocabulary::{Digest, Outcome, RunId, SafeText, exit};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{log, out, place, words};
use service::now_s;

/// BOUND: bytes of the reason on the record.
const REASON_BYTES_MAX: usize = 1024;

/// Set the damaged part of the record aside, and continue from the undamaged part before it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Why the record is damaged, as far as it is known; the text is recorded
    #[arg(long, value_name = "TEXT", value_parser = crate::verb::said)]
    reason: String,
    /// Print what was set aside as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit verify                        names the first damaged place
  bailiwick audit reanchor --reason 'bad disk'  if there is no undamaged copy

Nothing is deleted: the damaged part and everything after it are moved to a folder of the home, which the record names with its digest. A \
run whose end is in that part is closed as SET ASIDE: the part of the record that was set aside has the rest of this run, so what it did \
then, and how it ended, is not known here. Such a run can't be resumed, since its next act may have happened already. If there is an \
undamaged copy of the home, restore that instead.";

#[derive(Serialize)]
struct Done {
    what: String,
    aside: String,
    bytes: u64,
    digest: Digest,
    was: Option<Head>,
    now: Head,
    /// Runs that were closed because their end, if they had one, is in the part that was set aside.
    closed: Vec<RunId>,
}

#[derive(Serialize)]
struct Head {
    size: u64,
    root: Digest,
}

impl From<journal::Remembered> for Head {
    fn from(it: journal::Remembered) -> Self {
        Self { size: it.size, root: it.root }
    }
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let place = place::place()?;
    // A home without a log has nothing that can be damaged. All other errors are what this verb is for.
    if let Err(err @ CliError::Read(journal::ReadError::NoLog { .. })) = log::reader(&place) {
        return Err(err);
    }
    let (asked, reason) = (place.clone(), args.reason.clone());
    let work = move || {
        let record = |done: &journal::Reanchored| entries(done, &reason);
        journal::reanchor(&asked.home, Some(&asked.state), place::journal_options(), record).map_err(CliError::Accept)
    };
    let done = signals.finishing(work).await?;
    log::forget_damage();
    let done = Done {
        what: done.what,
        aside: done.aside,
        bytes: done.bytes,
        digest: done.digest,
        was: done.was.map(Head::from),
        now: done.now.into(),
        closed: done.not_ended,
    };
    if args.json {
        out::json(&done)?;
        return Ok(exit::DONE);
    }
    let head = |head: &Head| format!("{}, root {}", words::many(head.size, "record", "records"), words::short_hex(&head.root));
    out::words(&format!("damaged    {}", words::safe(&done.what)));
    out::words(&format!("set aside  {} in {}", words::bytes(done.bytes), words::safe(&place.home.join(&done.aside).to_string_lossy())));
    out::words(&format!("was        {}", done.was.as_ref().map_or_else(|| "not remembered".to_owned(), head)));
    out::words(&format!("now        {}", head(&done.now)));
    for run in &done.closed {
        out::words(&format!("closed     run {run}, whose end is not in the part that stays"));
    }
    Ok(exit::DONE)
}

/// The record `reanchored`, and an end for each run whose own end is not in the part that stays. Such a run can't be resumed, since its
/// next act may have happened already.
fn entries(done: &journal::Reanchored, reason: &str) -> Vec<Entry> {
    let at = now_s() * 1000;
    let record = Reanchored {
        aside: SafeText::new(&done.aside, 64),
        at,
        by: ::run::own_principal(),
        bytes: done.bytes,
        digest: done.digest,
        kind: RecordKind::Reanchored,
        now_root: done.now.root,
        now_size: done.now.size,
        reason: SafeText::new(reason, REASON_BYTES_MAX),
        v: VERSION,
        was_root: done.was.map(|was| was.root),
        was_size: done.was.map(|was| was.size),
        what: SafeText::new(&done.what, 1024),
    };
    let closed = RunClosed {
        active_ms: 0,
        at,
        kind: RecordKind::RunClosed,
        obstacle: None,
        outcome: Outcome::SetAside,
        output: None,
        peak_memory: 0,
        v: VERSION,
    };
    let body = Record::from(closed).to_bytes();
    let ends = done.not_ended.iter().map(|run| Entry { ends: true, ..Entry::new(*run, body.clone()) });
    std::iter::once(Entry::new(log_run(), Record::from(record).to_bytes())).chain(ends).collect()
}
