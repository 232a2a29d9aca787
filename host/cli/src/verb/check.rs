//! `check`: validates a configuration and shows what it would allow, without building or running anything.

use effect::{Digest, SafeText};
use package::{AuthoredManifest, ComponentSource, Manifest, ResolvedAgent, Row, TrustError, Trusted, admission};
use run::{OutsideError, Place};
use serde::Serialize;

use super::ConfigArg;
use crate::agent::Obtained;
use crate::configured::Configured;
use crate::err::CliError;
use crate::{exit, out, place, words};

/// Validate a configuration and show who may do what
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the matrix as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick check
  bailiwick check --config other.toml --json

Nothing is built, run or trusted. Effective is what the agent declares and the file grants; for a folder that was never built it is what \
its agent.toml says.";

#[derive(Serialize)]
struct Matrix {
    file: String,
    digest: Digest,
    trusted: bool,
    agents: Vec<Agent>,
}

#[derive(Serialize)]
struct Agent {
    name: String,
    /// The digest of everything that it may cause, which is what is trusted and accepted.
    authority: Digest,
    component: String,
    owner: Option<String>,
    purpose: Option<String>,
    expires: Option<String>,
    /// Absent where the component could not be looked at; `problem` says why.
    capabilities: Vec<Row>,
    problem: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let proof = package::trust::find(&place.home, &configured.authored, &configured.whole)?;
    let trusted = proof.is_some();
    let agents = configured.resolved.agents.iter().map(|(name, agent)| look(&place, (name, agent), &configured, proof.as_ref()));
    let agents = agents.collect::<Result<_, _>>()?;
    let file = configured.authored.file.to_string_lossy().into_owned();
    let matrix = Matrix { file, digest: configured.authored.digest, trusted, agents };
    if args.json {
        out::json(&matrix)?;
    } else {
        print(&matrix)?;
        let words = if trusted { "trusted" } else { "not trusted: `bailiwick trust` allows it" };
        out::words(&format!("{} is well formed, and {words}", words::safe(&matrix.file)));
    }
    check_destinations(&place, &configured)?;
    Ok(exit::DONE)
}

/// Whether a value of the vault would be sent where its owner does not allow it.
fn check_destinations(place: &Place, configured: &Configured) -> Result<(), CliError> {
    let vault = run::local_vault(place, place::passphrase_file().as_deref());
    let agents = configured.resolved.agents.iter().map(|(name, agent)| (name.as_str(), &agent.grants));
    let bindings = run::outside(&vault, configured.resolved.credentials.values());
    let outside = match bindings.and_then(|found| Ok((found, run::outside_grants(&vault, agents)?))) {
        Ok((bindings, grants)) if bindings.is_empty() => {
            let (outside, in_part): (Vec<_>, Vec<_>) =
                grants.into_iter().partition(|it| matches!(it, OutsideError::Granted { wholly: true, .. }));
            in_part.iter().for_each(|it| out::words(&words::safe(&it.to_string())));
            outside
        }
        // What is granted under a binding that leads elsewhere leads elsewhere too.
        Ok((bindings, _)) => bindings,
        Err(err) => {
            out::words(&format!("where values may go was not looked at: {}", words::safe(&err.to_string())));
            return Ok(());
        }
    };
    if outside.is_empty() { Ok(()) } else { Err(CliError::Outside(outside)) }
}

fn look(
    place: &Place,
    (name, agent): (&str, &ResolvedAgent),
    configured: &Configured,
    trusted: Option<&Trusted>,
) -> Result<Agent, CliError> {
    let (source, seen) = match &agent.component {
        ComponentSource::Folder(folder) => {
            let manifest = AuthoredManifest::load(folder).map_err(CliError::from);
            (folder, manifest.map(|authored| rows(Some(&authored.manifest), &[], agent)))
        }
        ComponentSource::File(file) => {
            let obtained = Obtained::read(place, file);
            let held = |it: Obtained| {
                trusted.map_or(Ok(()), |trusted| trusted.holds(name, file, &it.component)).map_err(TrustError::from)?;
                Ok(rows(it.component.manifest.as_ref(), &it.component.imports, agent))
            };
            (file, obtained.and_then(held))
        }
    };
    let (capabilities, problem) = match seen {
        Ok(rows) => (rows, None),
        Err(err) => (rows(None, &[], agent), Some(words::safe(&err.to_string()))),
    };
    Ok(Agent {
        authority: configured.authority(name)?.digest()?,
        name: name.to_owned(),
        component: SafeText::new(&source.to_string_lossy(), 4096).to_string(),
        owner: agent.owner.clone(),
        purpose: agent.purpose.clone(),
        expires: agent.expires.map(|until| until.to_string()),
        capabilities,
        problem,
    })
}

fn rows(manifest: Option<&Manifest>, imports: &[package::Import], agent: &ResolvedAgent) -> Vec<Row> {
    admission::table(manifest, imports, &agent.grants)
}

fn print(matrix: &Matrix) -> Result<(), CliError> {
    let mut table = vec![["AGENT", "CAPABILITY", "DECLARED", "GRANTED", "EFFECTIVE"].map(str::to_owned).to_vec()];
    for agent in &matrix.agents {
        for row in &agent.capabilities {
            let declared = if row.declared.is_some() { "yes" } else { "no" };
            let lines = row.granted.len().max(row.effective.len()).max(1);
            for at in 0..lines {
                let first = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
                let cell = |list: &[String]| list.get(at).cloned().unwrap_or_else(|| first("nothing"));
                table.push(vec![
                    first(&agent.name),
                    first(row.capability.as_str()),
                    first(declared),
                    cell(&row.granted),
                    cell(&row.effective),
                ]);
            }
        }
    }
    words::table(&table).iter().try_for_each(|line| out::line(line))?;
    for agent in &matrix.agents {
        if let Some(problem) = &agent.problem {
            out::words(&format!("{}: {problem}", agent.name));
        }
    }
    Ok(())
}
