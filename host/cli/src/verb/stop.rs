//! `stop`: ends a run that is running in another terminal, or that was cut off.

use std::time::Duration;

use ::run::{RunError, own_principal};
use serde::Serialize;
use vocabulary::{Principal, RunId, UnknownAct, exit};

use super::settle::{WordArgs, settle};
use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, log, out, place};
use service::{HostHandle, ServiceError};

/// The time between two checks whether the run has ended, and the number of checks.
const AGAIN: Duration = Duration::from_millis(5);
const TIMES: u32 = 2000;
/// BOUND: hosts that are asked one after the other.
const HOLDERS_MAX: u32 = 5;

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

Returns when the run has ended. After that it asks for nothing more, and the record says who stopped it. A run that was cut off \
is closed even if it could not be resumed; the record says why it could not. If it is unknown whether an act of the run happened, say what \
you found out (`--settle`). Each answer is recorded at once, and the last one closes the run.";

#[derive(Serialize)]
struct Stopped {
    run: RunId,
    by: Principal,
    /// The acts that were settled.
    settled: Vec<UnknownAct>,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let run = log::run_id(&log::reader(&place)?, &args.run)?;
    let mut signals = Signals::new()?;
    // If no process holds the home, no run is active. Then this process takes the home, to close a run that was cut off.
    let mut host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
    let ended = signals.or(end(&mut host, run, &args.word)).await;
    let left = leave::leave(host, &mut signals).await;
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

/// Records the statement on acts, if there is one, and ends the run. Returns the acts that were settled.
///
/// If the host exits meanwhile, the run has not ended: its client may continue it elsewhere, or it is closed here.
async fn end(host: &mut HostHandle, run: RunId, word: &WordArgs) -> Result<Vec<UnknownAct>, CliError> {
    let settled = settle(host, run, word).await?;
    let mut was_told = false;
    for _ in 0..HOLDERS_MAX {
        let ended = match host.stop(run).await {
            Ok(true) => {
                was_told = true;
                wait(host, run).await
            }
            // An earlier host was told to end the run and has done so.
            Ok(false) if was_told => return Ok(settled),
            Ok(false) => return Err(CliError::Ended(run)),
            Err(err) => Err(err.into()),
        };
        match ended {
            Err(err) if is_gone(&err) => host.find_again(&place::host_options()).await?,
            ended => return ended.map(|()| settled),
        }
    }
    Err(CliError::NotEnding(run))
}

/// Whether the host exited meanwhile. Then another process may hold the home.
fn is_gone(err: &CliError) -> bool {
    matches!(err, CliError::Run(RunError::Leaving)) || matches!(err.service(), Some(ServiceError::HostGone(_)))
}

async fn wait(host: &HostHandle, run: RunId) -> Result<(), CliError> {
    for _ in 0..TIMES {
        if !host.going().await?.iter().any(|(other, _)| *other == run) {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(CliError::NotEnding(run))
}
