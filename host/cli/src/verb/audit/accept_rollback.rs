//! `audit accept-rollback`: accepts the record as it is, after an older copy was restored.

use serde::Serialize;
use vocabulary::record::{Record, RecordKind, RollbackAccepted, VERSION};
use vocabulary::{Digest, SafeText, exit};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{log, out, place, words};
use service::now_s;

/// Accept the record as it is, although the state remembers more of it or another one: after a backup was restored
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print what was remembered before and what is remembered now as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit verify                 says that the record is undamaged, but behind what is remembered
  bailiwick audit accept-rollback        if a person has restored a copy

What was recorded after the copy was made is gone, and what agents did then can't be shown any more. If nobody restored or moved the home, \
the record was changed from outside: keep the disk as it is and do not run `accept-rollback`.

It also accepts a home that was removed and starts again, and one whose file `keys` is lost for good: what runs have sealed can't be \
opened after that. All of this is recorded.";

/// BOUND: bytes of the name of a log in a record.
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
    // A home without a log has nothing to accept. All other errors are what this verb is for.
    if let Err(err @ CliError::Read(journal::ReadError::NoLog { .. })) = log::reader(&place) {
        return Err(err);
    }
    let asked = place.clone();
    let work =
        move || journal::accept_rollback(&asked.home, Some(&asked.state), place::journal_options(), record).map_err(CliError::Accept);
    let accepted = signals.finishing(work).await?;
    log::forget_damage();
    // From now on the record says that the runs which were open wait for a person's decision.
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
