//! `enable`: lets agents run again that `stop --agent`, `--digest` or `--all` has stopped.

use serde::Serialize;
use vocabulary::{Principal, Stoppable, exit};

use super::stop::What;
use crate::err::{CliError, StopError};
use crate::{out, place};
use service::HostHandle;

/// Let agents run again that were stopped as a whole
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick enable --agent rotate-secret
  bailiwick enable --digest sha256:5f0c…           the whole digest, as `stop` and `status` show it
  bailiwick enable --all

The record says who did this. It starts nothing: runs that were ended stay ended. An agent that was stopped in two ways must be enabled in \
both.";

#[derive(Serialize)]
struct Enabled {
    by: Principal,
    what: Stoppable,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let what = args.what.named().ok_or(StopError::EnableWhat)?;
    let place = place::place()?;
    let host = HostHandle::find(&place, &place::host_options()).await?;
    let enabled = host.enable_agents(what.clone()).await;
    let left = host.leave().await;
    let enabled = enabled?;
    left?;
    if !enabled {
        return Err(StopError::NotStopped(what).into());
    }
    if args.json {
        out::json(&Enabled { by: ::run::own_principal(), what })?;
    } else {
        out::words(&format!("{what} may run again"));
    }
    Ok(exit::DONE)
}
