//! `audit accept-rollback`: takes the record as it is, after an older copy was put back.

use effect::Digest;
use effect::record::{Kind, Record, RollbackAccepted, VERSION};
use serde::Serialize;

use crate::err::CliError;
use crate::{exit, log, out, place, words};

/// Take the record as it is, though it is known to have been longer: after restoring a backup
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
  bailiwick audit accept-rollback        and that is meant to be so

What was recorded after the copy was made is gone, and what agents did then can't be shown any more. If nobody put a copy back, somebody \
has taken records away: do not accept that.";

#[derive(Serialize)]
struct Accepted {
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
        at: place::now_s() * 1000,
        by: ::run::own_principal(),
        kind: Kind::RollbackAccepted,
        now_root: accepted.now.root,
        now_size: accepted.now.size,
        v: VERSION,
        was_root: accepted.was.map(|was| was.root),
        was_size: accepted.was.map(|was| was.size),
    };
    Record::from(record).to_bytes()
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    // A home without a log has nothing to be accepted.
    log::reader(&place)?;
    let accepted = journal::accept_rollback(&place.home, Some(&place.state), record).map_err(CliError::Accept)?;
    let accepted = Accepted { was: accepted.was.map(Into::into), now: accepted.now.into() };
    if args.json {
        out::json(&accepted)?;
        return Ok(exit::DONE);
    }
    let size = |it: &Remembered| format!("{}, root {}", words::many(it.size, "record", "records"), words::short_hex(&it.root));
    out::words(&format!("was   {}", accepted.was.as_ref().map_or_else(|| "not remembered".to_owned(), size)));
    out::words(&format!("now   {}", size(&accepted.now)));
    Ok(exit::DONE)
}
