//! `inspect`: shows what a component is and what it could do. Runs nothing and builds nothing.

use std::path::Path;

use package::{AdmissionRow, AuthoredManifest, ComponentKind, ComponentSource, Manifest, ResolvedAgent, admission};
use serde::Serialize;
use vocabulary::{Digest, Grants, SafeText, exit};

use super::ConfigArg;
use crate::err::CliError;
use crate::out::OutError;
use crate::{out, place, words};
use service::{Configured, Obtained};

/// Show what a component is, imports, declares and could do; run nothing
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of an agent in `bailiwick.toml`, or the file of a component
    #[arg(value_name = "AGENT|FILE")]
    what: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Print it as one JSON document, with the schemas
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick inspect leak-scan            an agent of bailiwick.toml, with what it is granted
  bailiwick inspect ./agent.wasm         a file from somewhere, before it is granted anything
  bailiwick inspect leak-scan --json

For an agent in a folder that was not built yet, only what its agent.toml says is shown.";

#[derive(Serialize)]
struct Inspected {
    name: Option<String>,
    file: Option<String>,
    digest: Option<Digest>,
    bytes: Option<u64>,
    kind: Option<&'static str>,
    imports: Vec<SafeText>,
    manifest: Option<Manifest>,
    capabilities: Vec<AdmissionRow>,
    /// Why the agent would not be admitted.
    refused: Vec<String>,
    /// Whether a component was inspected. Without one, its imports are not known.
    built: bool,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let inspected = if looks_like_file(&args.what) {
        of_component(None, &Obtained::read(&place, Path::new(&args.what))?, &Grants::default())
    } else {
        let configured = Configured::load(args.config.config.as_deref(), &place)?;
        of_agent(&place, &args.what, configured.agent(&args.what)?)?
    };
    if args.json {
        out::json(&inspected)?
    } else {
        print(&inspected)?
    }
    Ok(exit::DONE)
}

/// Whether an argument is a path: the name of an agent has neither a slash nor a dot.
pub(super) fn looks_like_file(what: &str) -> bool {
    what.contains(['/', '.'])
}

fn of_agent(place: &run::HomePlace, name: &str, agent: &ResolvedAgent) -> Result<Inspected, CliError> {
    let folder = match &agent.component {
        ComponentSource::File(file) => return Ok(of_component(Some(name), &Obtained::read(place, file)?, &agent.grants)),
        ComponentSource::Folder(folder) => folder,
    };
    if let Some(frozen) = package::build::fresh(folder, &service::build_cache(place), None)? {
        return Ok(of_component(Some(name), &Obtained::read(place, &frozen.file)?, &agent.grants));
    }
    let manifest = AuthoredManifest::load(folder)?.manifest;
    out::words(&format!("{name} was not built since its source changed: this is what its agent.toml says"));
    Ok(Inspected {
        name: Some(name.to_owned()),
        file: None,
        digest: None,
        bytes: None,
        kind: None,
        imports: Vec::new(),
        capabilities: admission::table(Some(&manifest), &[], &agent.grants),
        manifest: Some(manifest),
        refused: Vec::new(),
        built: false,
    })
}

fn of_component(name: Option<&str>, obtained: &Obtained, grants: &Grants) -> Inspected {
    let component = &obtained.component;
    let manifest = component.manifest.as_ref();
    let refused = package::effective(manifest, &component.imports, grants).err().unwrap_or_default();
    Inspected {
        name: name.map(str::to_owned),
        file: Some(SafeText::new(&obtained.file.to_string_lossy(), 4096).to_string()),
        digest: Some(component.digest),
        bytes: Some(component.size),
        kind: Some(match component.kind {
            ComponentKind::Agent => "agent",
            ComponentKind::Command => "command",
        }),
        imports: component.imports.iter().map(|import| import.name.clone()).collect(),
        capabilities: admission::table(manifest, &component.imports, grants),
        manifest: component.manifest.clone(),
        refused: refused.iter().map(ToString::to_string).collect(),
        built: true,
    }
}

fn print(inspected: &Inspected) -> Result<(), OutError> {
    let mut facts: Vec<(&str, String)> = Vec::new();
    facts.extend(inspected.name.clone().map(|name| ("agent", name)));
    if let Some(manifest) = &inspected.manifest {
        facts.push(("calls itself", format!("{} {}", manifest.name, manifest.version)));
        facts.push(("says", SafeText::new(&manifest.description, 1024).to_string()));
        facts.extend(manifest.licence.as_ref().map(|licence| ("licence", SafeText::new(licence, 256).to_string())));
    }
    facts.extend(inspected.file.clone().map(|file| ("file", file)));
    facts.extend(inspected.digest.map(|digest| ("digest", digest.to_string())));
    facts.extend(inspected.bytes.map(|bytes| ("size", words::bytes(bytes))));
    facts.extend(inspected.kind.map(|kind| ("kind", kind.to_owned())));
    let schema = inspected.manifest.as_ref().and_then(|manifest| manifest.input.as_ref());
    facts.extend(schema.map(|schema| ("input", SafeText::new(&schema.to_string(), 2000).to_string().replace("\\\\", "\\"))));
    let rows: Vec<Vec<String>> = facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    out::table(&rows)?;
    if !inspected.imports.is_empty() {
        out::line("imports")?;
        inspected.imports.iter().try_for_each(|import| out::line(&format!("  {import}")))?;
    }
    inspected.capabilities.iter().try_for_each(|row| print_row(row, inspected.built))?;
    if inspected.refused.is_empty() {
        return Ok(());
    }
    out::line("would not be admitted")?;
    inspected.refused.iter().try_for_each(|reason| out::line(&format!("  {}", words::safe(reason))))
}

fn print_row(row: &AdmissionRow, is_built: bool) -> Result<(), OutError> {
    out::line(row.capability.as_str())?;
    let list = |lines: &[String]| if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") };
    let imported = match (is_built, row.imported) {
        (false, _) => "unknown until it is built",
        (true, true) => "yes",
        (true, false) => "no",
    };
    out::line(&format!("  imported   {imported}"))?;
    let declared = row.declared.as_ref().map_or_else(|| "no".to_owned(), |why| format!("\"{}\"", SafeText::new(why, 1024)));
    out::line(&format!("  declared   {declared}"))?;
    out::line(&format!("  granted    {}", list(&row.granted)))?;
    out::line(&format!("  effective  {}", list(&row.effective)))
}
