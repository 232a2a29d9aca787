//! `wait`: waits until a run has ended, and shows its report.

use std::time::Duration;

use ::run::{HomePlace, RunError};
use service::{Continuation, HostHandle, ResumeRequest, ServiceError};
use vocabulary::RunId;

use super::resume::Ready;
use super::{ConfigArg, EndArgs};
use crate::attend::{self, Beginning};
use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, log, place};

/// Wait until a run has ended, and show its report
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    end: EndArgs,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick run nightly --durable --detach   ends with 7 when the run is suspended
  bailiwick wait 01K8M3
  bailiwick wait latest --json | jq .outcome

Shows the report at once if the run has ended, and ends with the exit code of the run, but never with 10. If no process holds the home, this \
one resumes the run when its wait is over. Ctrl-C, SIGTERM and a closed terminal stop the run; if another command attends it, they end only \
this command.";

/// The time between two looks at a run that another command attends: at first, and at most.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_MAX: Duration = Duration::from_secs(2);

/// What is known of the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It has ended.
    Ended,
    Suspended,
    /// A process runs it now, or another command is about to resume or end it.
    Active,
    /// It was cut off.
    CutOff,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let run = log::run_id(&reader, &args.run)?;
    let mut signals = Signals::new()?;
    let Ready { agent, config, showing } = Ready::of(&args.config, &place, (&reader, run), &args.end)?;
    let (mut before, mut pause) = (Found::Active, LOOK);
    loop {
        let host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
        let found = signals.or(found(&host, &place, run)).await?;
        let beginning = match found {
            Found::Ended => Beginning::Continue(run, Continuation::Resumed { config: config.clone() }),
            Found::Suspended => Beginning::Resume(ResumeRequest { config: config.clone(), run }),
            // The run may have been resumed between the two questions. So it was cut off only if it is found so twice.
            Found::CutOff if before == Found::CutOff => {
                leave::leave(host, &mut signals).await?;
                return Err(CliError::WasCutOff(run));
            }
            Found::Active | Found::CutOff => {
                leave::leave(host, &mut signals).await?;
                before = found;
                signals.or(sleep(&mut pause)).await?;
                continue;
            }
        };
        match attend::attend(host, vec![beginning], &agent, showing.clone(), &mut signals).await {
            // Another command attends it, or has just resumed or ended it.
            Err(err) if is_elsewhere(&err) => signals.or(sleep(&mut pause)).await?,
            done => return done,
        }
    }
}

async fn sleep(pause: &mut Duration) -> Result<(), CliError> {
    tokio::time::sleep(*pause).await;
    *pause = LOOK_MAX.min(*pause * 2);
    Ok(())
}

fn is_elsewhere(err: &CliError) -> bool {
    let is_elsewhere = |err: &RunError| matches!(err, RunError::Running(_) | RunError::Taken(_) | RunError::NoSuchRun(_));
    match err {
        CliError::Run(err) => is_elsewhere(err),
        err => matches!(err.service(), Some(ServiceError::Run(err)) if is_elsewhere(err)),
    }
}

/// Asks the host which runs are active, and looks at the record.
async fn found(host: &HostHandle, place: &HomePlace, run: RunId) -> Result<Found, CliError> {
    let is_active = host.going().await?.iter().any(|(going, _)| *going == run);
    let ledger = log::ledger(&journal::Reader::open(&place.home)?.believing(), |_| {})?;
    Ok(match ledger.open_run(run) {
        _ if is_active => Found::Active,
        None => Found::Ended,
        Some(open) if open.suspended.is_some() || open.is_left() => Found::Suspended,
        Some(_) => Found::CutOff,
    })
}
