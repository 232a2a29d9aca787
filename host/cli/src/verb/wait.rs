//! `wait`: waits until a run has ended, and shows its report.

use std::time::Duration;

use ::run::RunError;
use gate::Suspended;
use service::{ConfigRef, Continuation, HostHandle, ResumeRequest, ServiceError};
use vocabulary::RunId;
use vocabulary::exit::Strictness;

use super::ConfigArg;
use super::resume::Ready;
use crate::attend::{self, Beginning};
use crate::err::CliError;
use crate::signals::Signals;
use crate::{log, place};

/// Wait until a run has ended, and show its report
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    #[command(flatten)]
    config: ConfigArg,
    /// End with 4 if anything was refused, even if the agent continued
    #[arg(long)]
    strict: bool,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick run nightly --durable --detach   ends with 7 when the run is suspended
  bailiwick wait 01K8M3
  bailiwick wait latest --json | jq .outcome

Shows the report at once if the run has ended, and ends with the exit code of the run, but never with 10. If no process holds the home, this \
one resumes the run when its wait is over. Ctrl-C, SIGTERM and a closed terminal stop the run; if another command attends it, they end only \
this command.";

/// The time between two looks at a run that another process runs.
const LOOK: Duration = Duration::from_millis(200);

/// What is known of the run.
enum Found {
    /// It has ended.
    Ended,
    Suspended,
    /// A process runs it now.
    Active,
    /// It was cut off.
    CutOff,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let run = log::run_id(&reader, &args.run)?;
    let mut signals = Signals::new()?;
    let Ready { agent, config, showing } = Ready::of(&args.config, &place, (&reader, run), args.showing())?;
    loop {
        let host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
        let beginning = match signals.or(found(&host, run)).await? {
            Found::Ended => ended(run, config.clone()),
            Found::Suspended => Beginning::Resume(ResumeRequest { config: config.clone(), run }),
            Found::CutOff => return Err(CliError::WasCutOff(run)),
            Found::Active => {
                drop(host);
                signals.or(pause()).await?;
                continue;
            }
        };
        match attend::attend(host, vec![beginning], &agent, showing.clone(), &mut signals).await {
            // Another command attends it.
            Err(err) if is_attended(&err) => signals.or(pause()).await?,
            done => return done,
        }
    }
}

async fn pause() -> Result<(), CliError> {
    tokio::time::sleep(LOOK).await;
    Ok(())
}

fn is_attended(err: &CliError) -> bool {
    matches!(err.service(), Some(ServiceError::Run(RunError::Running(_)))) || matches!(err, CliError::Run(RunError::Running(_)))
}

impl Args {
    fn showing(&self) -> (Strictness, bool) {
        (if self.strict { Strictness::Strict } else { Strictness::Lenient }, self.json)
    }
}

fn ended(run: RunId, config: Option<ConfigRef>) -> Beginning {
    Beginning::Continue(run, Continuation::Resumed { config })
}

/// Looks at the record, and asks the host which runs are active.
async fn found(host: &HostHandle, run: RunId) -> Result<Found, CliError> {
    let is_active = host.going().await?.iter().any(|(going, _)| *going == run);
    let ledger = log::ledger(&log::reader(&place::place()?)?.believing(), |_| {})?;
    let suspended = ledger.open_run(run).map(|open| open.suspended.clone());
    Ok(match suspended {
        _ if is_active => Found::Active,
        None => Found::Ended,
        Some(None::<Suspended>) => Found::CutOff,
        Some(Some(_)) => Found::Suspended,
    })
}
