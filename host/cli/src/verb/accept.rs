//! `accept`: pins an agent's component and authority in `bailiwick.lock`; `run` holds it to that.

use effect::{Digest, Grants};
use package::lock::{self, Accepted, Difference, Lock};
use serde::Serialize;

use super::ConfigArg;
use crate::agent::{self, Configured, TrustWord};
use crate::err::CliError;
use crate::screen::Screen;
use crate::{exit, out, place, words};

/// Pin an agent's component and what it may do, and show what is other than before
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Its name in `bailiwick.toml`
    agent: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this once, though nobody has said `bailiwick trust`
    #[arg(long)]
    trust: bool,
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick inspect leak-scan            look at it first
  bailiwick accept leak-scan             then pin it in bailiwick.lock

From then on another component, or more authority, is refused until it is accepted again. An agent that was never accepted is not pinned.";

#[derive(Serialize)]
struct Pinned {
    agent: String,
    digest: Digest,
    authority: Vec<String>,
    /// Absent for an agent that was not pinned before.
    difference: Option<Difference>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let agent = configured.agent(&args.agent)?;
    let trusted = configured.trusted(&place, TrustWord::of_flag(args.trust))?;
    let mut screen = Screen::new();
    let obtained = agent::obtain(&place, (&args.agent, agent), &trusted, &mut screen).await?;
    drop(screen);
    let effective = obtained.admit(&args.agent, agent)?;
    let (config, digest, authority) = (&configured.authored.file, obtained.component.digest, lock::authority(&effective.grants));
    let mut lock = Lock::load(config)?;
    let difference = lock.difference(&args.agent, digest, &authority);
    let accepted = Accepted { authority: authority.clone(), by: ::run::own_principal().to_string(), digest, when: place::now_s() };
    lock.accept(config, &args.agent, accepted)?;
    let pinned = Pinned { agent: args.agent, digest, authority, difference };
    if args.json {
        out::json(&pinned)?;
    } else {
        lines(&pinned).iter().try_for_each(|line| out::line(&words::safe(line)))?;
        out::words(&format!("pinned in {}", words::safe(&lock::path(config).to_string_lossy())));
    }
    Ok(exit::DONE)
}

fn lines(pinned: &Pinned) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", pinned.agent, pinned.digest)];
    match &pinned.difference {
        None => lines.extend(pinned.authority.iter().map(|line| format!("  + {line}"))),
        Some(difference) => lines.extend(told(difference)),
    }
    lines
}

/// What is other than what was accepted, a line each.
pub(crate) fn told(difference: &Difference) -> Vec<String> {
    let was = difference.digest_was.map(|was| format!("  was {was}"));
    let more = difference.more.iter().map(|line| format!("  + {line}"));
    let less = difference.less.iter().map(|line| format!("  - {line}"));
    was.into_iter().chain(more).chain(less).collect()
}

/// Holds an agent to what was accepted of it, where something was.
pub(crate) fn check(configured: &Configured, agent: &str, digest: Digest, grants: &Grants) -> Result<(), CliError> {
    let lock = Lock::load(&configured.authored.file)?;
    match lock.difference(agent, digest, &lock::authority(grants)) {
        Some(difference) if difference.matters() => {
            Err(CliError::NotAccepted { agent: agent.to_owned(), digest, difference: Box::new(difference) })
        }
        _ => Ok(()),
    }
}
