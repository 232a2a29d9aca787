//! `trust`: records that a configuration may be used, lists what is trusted, and withdraws trust.

use std::collections::BTreeMap;

use ::run::{HomePlace, TrustChange, TrustSaid, own_principal};
use package::trust::{self, HeldComponent, Trust, TrustStatement};
use package::{ComponentSource, ResolvedAgent, config};
use serde::Serialize;
use vocabulary::{Digest, exit};

use super::ConfigArg;
use crate::err::CliError;
use crate::{out, place, trusting, words};
use service::{Configured, Obtained, ServiceError, now_s};

/// Allow the use of a configuration, and show everything that it may cause
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    config: ConfigArg,
    /// Print what was trusted as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List what is trusted in this home, and whether it is still the same
    #[command(after_help = LS)]
    Ls {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw the trust in a configuration
    #[command(after_help = RM)]
    Rm {
        /// Its path, its digest, or at least eight digits of the digest
        #[arg(value_name = "PATH|DIGEST")]
        which: String,
        /// Print what is no longer trusted as JSON
        #[arg(long)]
        json: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  bailiwick check                        first read what it asks for
  bailiwick trust                        then allow it
  bailiwick trust --config other.toml
  bailiwick trust ls                     list what is trusted, and whether it is still the same
  bailiwick trust rm bailiwick.toml      withdraw the trust

Trust is for the bytes of a file at one path and for everything that it names: a changed file, a copy elsewhere, a folder or secret that \
became a link, and a replaced component must be trusted again. A folder of source may change, and its build is contained. The decision is \
recorded.";
const LS: &str = "\
Example:
  bailiwick trust ls --json";
const RM: &str = "\
Examples:
  bailiwick trust rm bailiwick.toml
  bailiwick trust rm sha256:4c1f08a2b7d3";

#[derive(Serialize)]
struct TrustedFile {
    file: String,
    digest: Digest,
    by: vocabulary::Principal,
    authority: Vec<String>,
    /// Components that could not be read and are therefore not trusted.
    missing: Vec<String>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    match &args.what {
        None => say(&place, &args).await,
        Some(What::Ls { json }) => ls(&place, *json),
        Some(What::Rm { which, json }) => rm(&place, which, *json).await,
    }
}

async fn say(place: &HomePlace, args: &Args) -> Result<u8, CliError> {
    let configured = Configured::load(args.config.config.as_deref(), place)?;
    let names: Vec<&str> = configured.resolved.agents.keys().map(String::as_str).collect();
    let components = configured.components(place, &names);
    let missing = missing(place, &configured, &components);
    let whole = configured.whole.clone().held_to(&components);
    let authority = whole.lines(&configured.spelling);
    let (digest, by) = (configured.authored.digest, own_principal());
    let change = TrustChange::Trusted { authority: whole.digest()?, config: digest, once: false };
    let (by_text, when_s) = (by.to_string(), now_s());
    // Recorded first: what is not on the record is not trusted.
    trusting::decide(place, configured.said(change), None, |witness| {
        let said = TrustStatement { when_s, by: &by_text };
        Ok(trust::trust(&place.home, &configured.authored, &configured.whole, components, said, witness)?)
    })
    .await?;
    let file = configured.authored.file.to_string_lossy().into_owned();
    if args.json {
        out::json(&TrustedFile { file, digest, by, authority, missing })?;
    } else {
        words::wrapped(&authority, "").iter().try_for_each(|line| out::line(line))?;
        out::words(&format!("trusted: {}", words::safe(&file)));
        out::words(&format!("  {digest}"));
        missing.iter().for_each(|line| out::words(&format!("but {line}")));
        if !missing.is_empty() {
            out::command("help: `run` refuses a component that was missing; when it is there, inspect it and run `bailiwick trust` again");
        }
    }
    Ok(exit::DONE)
}

/// Components that could not be read and are therefore not trusted, one line each.
fn missing(place: &HomePlace, configured: &Configured, components: &BTreeMap<String, HeldComponent>) -> Vec<String> {
    let why = |(name, agent): (&String, &ResolvedAgent)| match &agent.component {
        ComponentSource::File(file) if !components.contains_key(name) => {
            let why =
                Obtained::read(place, file).err().map_or_else(|| "it is changing now".to_owned(), |err| CliError::from(err).in_one_line());
            Some(format!("the component of agent {} is not trusted with it: {why}", words::safe(name)))
        }
        ComponentSource::File(_) | ComponentSource::Folder(_) => None,
    };
    configured.resolved.agents.iter().filter_map(why).collect()
}

#[derive(Serialize)]
struct Listed {
    path: String,
    digest: Digest,
    authority: Digest,
    by: String,
    /// When it was trusted, in seconds since 1970.
    when: u64,
    /// Whether it is still what was trusted: `same`, `changed` or `gone`.
    now: &'static str,
}

impl Listed {
    fn new(place: &HomePlace, entry: Trust) -> Self {
        let Trust { authority, by, digest, path, when, .. } = entry;
        let now = match Configured::load(Some(path.as_ref()), place) {
            Ok(now) if now.authored.digest == digest => {
                // With all components: one that was added was not trusted, just like one that was replaced.
                let names: Vec<&str> = now.resolved.agents.keys().map(String::as_str).collect();
                let whole = now.whole.clone().held_to(&now.components(place, &names));
                if whole.digest().is_ok_and(|now| now == authority) { "same" } else { "changed" }
            }
            Err(ServiceError::Config(config::ConfigError::File(err))) if err.is_absence() => "gone",
            Ok(_) | Err(_) => "changed",
        };
        Self { path, digest, authority, by, when, now }
    }
}

fn ls(place: &HomePlace, json: bool) -> Result<u8, CliError> {
    let listed: Vec<Listed> = trust::list(&place.home)?.into_iter().map(|entry| Listed::new(place, entry)).collect();
    if json {
        out::json(&listed)?;
        return Ok(exit::DONE);
    }
    if listed.is_empty() {
        out::words("nothing is trusted in this home");
        return Ok(exit::DONE);
    }
    let mut table = vec![["NOW", "DIGEST", "WHEN", "BY", "CONFIGURATION"].map(str::to_owned).to_vec()];
    table.extend(listed.iter().map(|one| {
        let (when, by, path) = (words::utc(one.when.saturating_mul(1000)), words::safe(&one.by), words::safe(&one.path));
        vec![one.now.to_owned(), words::digest(&one.digest), when, by, path]
    }));
    out::table(&table)?;
    Ok(exit::DONE)
}

async fn rm(place: &HomePlace, which: &str, json: bool) -> Result<u8, CliError> {
    let meant: Vec<Trust> = trust::list(&place.home)?.into_iter().filter(|entry| entry.is_called(which)).collect();
    if meant.is_empty() {
        return Err(CliError::NeverTrusted { which: which.to_owned() });
    }
    for entry in &meant {
        let change = TrustChange::Untrusted { config: entry.digest };
        // Recorded first, like the trust itself: if nothing can be recorded, nothing can run with this configuration either.
        let said = TrustSaid { path: entry.path.clone(), change };
        trusting::decide(place, said, None, |witness| Ok(trust::untrust(&place.home, entry, witness)?)).await?;
        if !json {
            out::words(&format!("no longer trusted: {}", words::safe(&entry.path)));
        }
    }
    if json {
        out::json(&meant)?;
    }
    Ok(exit::DONE)
}
