//! `resume`: continues a run that was cut off.

use ::run::HomePlace;
use journal::Reader;
use vocabulary::RunId;
use vocabulary::record::{Record, RunOpened};

use super::settle::{WordArgs, settle};
use super::{ConfigArg, EndArgs};
use crate::attend::{self, Beginning, Showing};
use crate::err::CliError;
use crate::signals::Signals;
use crate::suspended::Detach;
use crate::{leave, log, place};
use service::{ConfigRef, Configured, HostHandle, ResumeRequest, ServiceError};

/// Continue a run that was cut off
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    #[command(flatten)]
    word: WordArgs,
    /// Continue although the run was open in a copy of the home that was restored: what it did since may be done again
    #[arg(long)]
    restored: bool,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    end: EndArgs,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick ps                           which runs were cut off, and what waits to be settled
  bailiwick resume 01K8M3
  bailiwick resume 01K8M3 --settle did-not
  bailiwick resume 01K8M3 --settle did --op 6,8   where `ps` names several

Requests whose answers are recorded get those answers. A request that was in progress is sent again only if that is harmless (GET, HEAD). \
Grants, limits and component are those that the run was opened with. With `--settle`, your answer is recorded even if the run can't \
continue yet.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let run = log::run_id(&reader, &args.run)?;
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
    // Each statement is recorded, whether or not the run can continue then.
    let ready = match signals.or(said(&host, run, &args)).await.map_err(CliError::from) {
        Ok(()) => Ready::of(&args.config, &place, (&reader, run), &args.end),
        Err(err) => Err(err),
    };
    match ready {
        Ok(Ready { agent, config, showing }) => {
            let request = ResumeRequest { config, run };
            attend::attend(host, vec![Beginning::Resume(request)], &agent, showing, &mut signals).await
        }
        Err(err) => {
            leave::leave(host, &mut signals).await?;
            Err(err)
        }
    }
}

/// Records the person's statements: on acts with an unknown outcome, and on a run that was open in a restored copy.
async fn said(host: &HostHandle, run: RunId, args: &Args) -> Result<(), CliError> {
    settle(host, run, &args.word).await?;
    if args.restored {
        host.release(run).await?;
    }
    Ok(())
}

/// What is needed to continue a run and to show its end.
pub(super) struct Ready {
    pub(super) agent: String,
    /// The configuration with name servers and certificates, which are not on the record.
    pub(super) config: Option<ConfigRef>,
    pub(super) showing: Showing,
}

impl Ready {
    pub(super) fn of(config_arg: &ConfigArg, place: &HomePlace, (reader, run): (&Reader, RunId), end: &EndArgs) -> Result<Self, CliError> {
        let opened = opened(reader, run)?;
        let config = config(config_arg, place)?;
        let is_agent = package::store::get(&place.home, opened.agent.digest)
            .map_err(ServiceError::from)
            .and_then(|bytes| {
                package::inspect(&bytes).map_err(|cause| ServiceError::Component { what: opened.agent.name.to_string(), cause })
            })
            .map(|component| component.kind == package::ComponentKind::Agent)?;
        let showing = Showing { json: end.json, strictness: end.strictness(), is_agent, sarif: None, fail_on: None, detach: Detach::Never };
        Ok(Self { agent: opened.agent.name.to_string(), config, showing })
    }
}

/// What the run was opened with, according to the record.
fn opened(reader: &Reader, run: RunId) -> Result<RunOpened, CliError> {
    for record in reader.of_run(run) {
        if let Ok(Record::RunOpened(opened)) = Record::parse(&record?.body) {
            return Ok(opened);
        }
    }
    Err(CliError::NoSuchRun(run.to_string()))
}

/// The configuration that was named. Without one, the host uses that with which the run was started.
fn config(config: &ConfigArg, place: &HomePlace) -> Result<Option<ConfigRef>, CliError> {
    let named = config.config.as_deref().map(|file| Configured::load(Some(file), place)).transpose()?;
    Ok(named.map(|configured| configured.reference()))
}
