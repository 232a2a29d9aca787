//! `stop`: ends a run that goes on in another terminal, or that was cut off.

use std::time::Duration;

use ::run::{Holder, own_principal};
use effect::{Principal, RunId, UnknownAct};
use serde::Serialize;

use super::settle::{WordArgs, settle};
use crate::err::CliError;
use crate::signals::Signals;
use crate::{attend, exit, log, out, place};

/// How often it is looked whether the run has ended, and how many times.
const AGAIN: Duration = Duration::from_millis(5);
const TIMES: u32 = 2000;

/// End a run
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    #[command(flatten)]
    word: WordArgs,
    /// Print what was stopped as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick ps
  bailiwick stop 01K8M3
  bailiwick stop 01K8M3 --settle did-not          closes one that was cut off
  bailiwick stop 01K8M3 --settle did --op 6,8     where `ps` names several

Returns when the run has ended: nothing was asked after that, and the end is on the record with who wanted it. A run that was cut off \
is closed, whatever keeps it from going on; the record says what that is. If something was under way of which nobody knows whether it happened, \
your word on it is needed (`--settle`). Each word is kept as you say it, and the run is closed with the last one.";

#[derive(Serialize)]
struct Stopped {
    run: RunId,
    by: Principal,
    /// On which acts a word was kept.
    settled: Vec<UnknownAct>,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let run = log::run_id(&log::reader(&place)?, &args.run)?;
    let mut signals = Signals::new()?;
    // Where nobody holds the home nothing goes on; then it is taken, to close a run that was cut off.
    let holder = Holder::find(&place, &place::house_options()).await?;
    let ended = end(&holder, run, &args.word).await;
    let left = attend::leave(holder, &mut signals).await;
    let settled = ended?;
    left?;
    let words = format!("run {run} has ended");
    if args.json {
        out::json(&Stopped { run, by: own_principal(), settled })?
    } else {
        out::words(&words)
    }
    Ok(exit::DONE)
}

/// Keeps a word, if one was said, and ends the run. Gives the acts that the word was on.
async fn end(holder: &Holder, run: RunId, word: &WordArgs) -> Result<Vec<UnknownAct>, CliError> {
    let settled = settle(holder, run, word).await?;
    match holder.stop(run).await? {
        true => wait(holder, run).await.map(|()| settled),
        false => Err(CliError::Ended(run)),
    }
}

async fn wait(holder: &Holder, run: RunId) -> Result<(), CliError> {
    for _ in 0..TIMES {
        // A holder that is gone has ended its runs.
        let going = holder.going().await.is_ok_and(|going| going.iter().any(|(other, _)| *other == run));
        if !going {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(CliError::NotEnding(run))
}
