//! `build`: builds components from folders of source.

use package::ComponentSource;
use package::build::SourcePin;
use serde::Serialize;
use vocabulary::{Digest, exit};

use super::ConfigArg;
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{out, place, trusting, words};
use service::{Configured, TrustWord};

/// Build an agent's folder, or all of them, into components with their manifests
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of an agent in `bailiwick.toml`; without one, every agent that is a folder is built
    agent: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this build, although `bailiwick trust` was not run for it
    #[arg(long)]
    trust: bool,
    /// Print what was built as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick build leak-scan
  bailiwick build                        all of them

Building runs the author's code on this machine, without a network and without any file but the project's, so it needs a trusted \
configuration. `run` builds an agent by itself if one of its files has changed.";

#[derive(Serialize)]
struct BuiltAgent {
    name: String,
    digest: Digest,
    bytes: u64,
    file: String,
    /// The source that it was built from, in the form that can be accepted.
    source: Option<SourcePin>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    // First of all, so that a signal also ends a build tool.
    let mut signals = Signals::new()?;
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let wanted: Vec<&str> = match &args.agent {
        Some(name) => vec![name],
        None => configured.resolved.agents.keys().map(String::as_str).collect(),
    };
    let mut chosen = Vec::new();
    for name in wanted {
        let agent = configured.agent(name)?;
        match (&agent.component, &args.agent) {
            (ComponentSource::Folder(_), _) => chosen.push((name, agent)),
            (ComponentSource::File(_), Some(_)) => return Err(CliError::NothingToBuild { agent: name.to_owned() }),
            (ComponentSource::File(_), None) => {}
        }
    }
    let names: Vec<&str> = chosen.iter().map(|(name, _)| *name).collect();
    let trusted = trusting::recorded(trusting::proof(&configured, &place, TrustWord::of_flag(args.trust), &names)?, &place).await?;
    let mut built = Vec::new();
    for (name, agent) in chosen {
        let mut screen = Screen::new();
        let expected = service::check_before_build(&configured, &place, name)?;
        let holding = HeldAgent { expected: expected.as_ref(), signals: Some(&mut signals) };
        let obtained = building::obtain(&place, (name, agent), &trusted, &mut screen, holding).await?;
        drop(screen);
        let (digest, bytes) = (obtained.component.digest, obtained.component.size);
        let file = obtained.file.to_string_lossy().into_owned();
        if !args.json {
            out::line(&format!("{name}  {digest}  {}  {}", words::bytes(bytes), words::safe(&file)))?;
        }
        built.push(BuiltAgent { name: name.to_owned(), digest, bytes, file, source: obtained.pin });
    }
    if args.json {
        out::json(&built)?;
    }
    Ok(exit::DONE)
}
