//! `audit accept-rollback`: takes the record as it is, after an older copy was put back.

use serde::Serialize;
use vocabulary::record::{Record, RecordKind, RollbackAccepted, VERSION};
use vocabulary::{Digest, SafeText, exit};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{log, out, place, words};
use service::now_s;

/// Accept the record as it is, although more of it, or another one, is known: after restoring a backup
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print what was remembered, and what is from now on, as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit verify                 what is there is whole, but is behind what is remembered
  bailiwick audit accept-rollback        and a person has put a copy back

What was recorded after the copy was made is gone, and what agents did then can't be shown any more. If nobody put a copy back, somebody \
has taken records away: do not accept that.

It also takes a home that was removed and is to begin anew, and one whose file `keys` is lost for ever: what runs have sealed can't be opened \
then. All of it is on the record.";

/// BOUND: a log's name in a record.
const LOG_BYTES_MAX: usize = 64;

#[derive(Serialize)]
struct Accepted {
    /// The home from which the record was continued until now, if this one was a copy of it.
    was_home: Option<String>,
    /// The log that the home had, if it was another one.
    was_log: Option<String>,
    was: Option<Remembered>,
    now: Remembered,
}

#[derive(Serialize)]
struct Remembered {
    size: u64,
    root: Digest,
}

impl From<journal::Remembered> for Remembered {
    fn from(it: journal::Remembered) -> Self {
        Self { size: it.size, root: it.root }
    }
}

fn record(accepted: &journal::AcceptedRollback) -> Vec<u8> {
    let record = RollbackAccepted {
        at: now_s() * 1000,
        by: ::run::own_principal(),
        kind: RecordKind::RollbackAccepted,
        now_root: accepted.now.root,
        now_size: accepted.now.size,
        v: VERSION,
        was_home: accepted.was_home.as_ref().map(|home| SafeText::new(&home.to_string_lossy(), 4096)),
        was_log: accepted.was_log.map(|log| SafeText::new(&log.to_string(), LOG_BYTES_MAX)),
        was_root: accepted.was.map(|was| was.root),
        was_size: accepted.was.map(|was| was.size),
    };
    Record::from(record).to_bytes()
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let place = place::place()?;
    // A home without a log has nothing to be accepted. All other errors are what this verb is for.
    if let Err(err @ CliError::Read(journal::ReadError::NoLog { .. })) = log::reader(&place) {
        return Err(err);
    }
    let asked = place.clone();
    let work =
        move || journal::accept_rollback(&asked.home, Some(&asked.state), place::journal_options(), record).map_err(CliError::Accept);
    let accepted = signals.finishing(work).await?;
    log::forget_damage();
    // The record says now that runs which were open wait for a word.
    ::run::unmark(&place)?;
    let was_home = accepted.was_home.as_ref().map(|home| home.to_string_lossy().into_owned());
    let was_log = accepted.was_log.map(|log| log.to_string());
    let accepted = Accepted { was_home, was_log, was: accepted.was.map(Into::into), now: accepted.now.into() };
    if args.json {
        out::json(&accepted)?;
        return Ok(exit::DONE);
    }
    let size = |it: &Remembered| format!("{}, root {}", words::many(it.size, "record", "records"), words::short_hex(&it.root));
    accepted
        .was_home
        .iter()
        .for_each(|home| out::words(&format!("was   continued in {}, which is refused from now on", words::safe(home))));
    accepted.was_log.iter().for_each(|log| out::words(&format!("was   another log, {log}")));
    out::words(&format!("was   {}", accepted.was.as_ref().map_or_else(|| "not remembered".to_owned(), size)));
    out::words(&format!("now   {}", size(&accepted.now)));
    Ok(exit::DONE)
}
