//! `trust`: says that a configuration may be used.

use ::run::{Holder, own_principal};
use package::trust::{Said, trust};
use serde::Serialize;

use super::ConfigArg;
use crate::agent::Configured;
use crate::err::CliError;
use crate::signals::Signals;
use crate::{attend, exit, out, place};

/// Say that a configuration may be used, and show what it allows
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print what was trusted as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick check                        read first what it asks for
  bailiwick trust                        then allow it
  bailiwick trust --config other.toml

Trust is for these bytes in this place: a file that was changed, or a copy elsewhere, must be trusted again. It is recorded.";

#[derive(Serialize)]
struct TrustedFile {
    file: String,
    digest: effect::Digest,
    by: effect::Principal,
    authority: Vec<String>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let authority = package::authority(&configured.resolved);
    let (digest, by) = (configured.authored.digest, own_principal());
    let file = configured.authored.file.to_string_lossy().into_owned();
    let mut signals = Signals::new()?;
    let holder = Holder::find(&place, &place::house_options()).await?;
    // On the record first: what is not there is not trusted.
    let recorded = holder.record_trust(digest, &file).await;
    let trusted = match recorded {
        Ok(()) => {
            let said = Said { when_s: place::now_s(), by: &by.to_string() };
            trust(&place.home, &configured.authored, &configured.resolved, said).map_err(CliError::from)
        }
        Err(err) => Err(err.into()),
    };
    if trusted.is_ok() {
        if args.json {
            out::json(&TrustedFile { file, digest, by, authority })?;
        } else {
            authority.iter().try_for_each(|line| out::line(line))?;
            out::words(&format!("trusted: {} {digest}", crate::words::safe(&file)));
        }
    }
    let left = attend::leave(holder, &mut signals).await;
    trusted?;
    left?;
    Ok(exit::DONE)
}
