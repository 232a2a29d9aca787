//! From an agent of a configuration that may be used to a component that may be run: builds, inspects and admits it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use package::build::{BuildError, BuildWatcher, Built, Frozen, Order, Schemas, SourcePin};
use package::{AuthoredManifest, Component, ComponentKind, ComponentSource, Effective, NetworkConfig, Refused, ResolvedAgent, Trusted};
use run::{HomePlace, NetworkOrder};
use vocabulary::record::AgentRef;
use vocabulary::{Digest, Grants, SafeText};

use crate::err::CliError;
use crate::place;
use crate::screen::Screen;
use crate::signals::Signals;

/// A component in hand, whole, and callable as far as can be seen from outside.
pub(crate) struct Obtained {
    bytes: Vec<u8>,
    pub(crate) component: Component,
    /// Where it lies.
    pub(crate) file: PathBuf,
    /// Whether the home has it.
    is_kept: bool,
    /// What it was built from. `None` for a component that was not built here.
    pub(crate) pin: Option<SourcePin>,
}

impl Obtained {
    fn new(place: &HomePlace, bytes: Vec<u8>, file: PathBuf) -> Result<Self, CliError> {
        let inspected = package::store::inspect(&place.home, &bytes);
        let (component, is_kept) = inspected.map_err(|cause| CliError::Component { what: file.display().to_string(), cause })?;
        Ok(Self { bytes, component, file, is_kept, pin: None })
    }

    /// What a build left in the home.
    fn built(place: &HomePlace, frozen: &Frozen) -> Result<Self, CliError> {
        Ok(Self { pin: Some(frozen.pin.clone()), ..Self::new(place, frozen.read()?, frozen.file.clone())? })
    }

    /// A component from a file, which is never built.
    pub(crate) fn read(place: &HomePlace, file: &Path) -> Result<Self, CliError> {
        Self::new(place, package::component::read(file).map_err(package::ConfigError::File)?, file.to_owned())
    }

    /// Sees to it that the home has it, to run it and to replay it.
    pub(crate) fn keep(&self, place: &HomePlace) -> Result<Digest, CliError> {
        if !self.is_kept {
            package::store::put(&place.home, &self.bytes)?;
        }
        Ok(self.component.digest)
    }

    /// What is effective of the agent's grants.
    pub(crate) fn admit(&self, name: &str, agent: &ResolvedAgent) -> Result<Effective, CliError> {
        let effective = package::effective(self.component.manifest.as_ref(), &self.component.imports, &agent.grants);
        effective.map_err(|reasons| refused(name, reasons))
    }

    pub(crate) fn reference(&self, name: &str) -> AgentRef {
        let version = self.component.manifest.as_ref().map_or("-", |manifest| &manifest.version);
        AgentRef { digest: self.component.digest, name: SafeText::new(name, 64), version: SafeText::new(version, 64) }
    }

    pub(crate) fn is_agent(&self) -> bool {
        self.component.kind == ComponentKind::Agent
    }
}

fn refused(name: &str, reasons: Vec<Refused>) -> CliError {
    CliError::NotAdmitted { agent: name.to_owned(), reasons }
}

/// Checks whether an agent in a folder will be admitted, as far as its `agent.toml` says. So nothing is built that would be refused.
pub(crate) fn admit_early(name: &str, agent: &ResolvedAgent) -> Result<(), CliError> {
    let ComponentSource::Folder(folder) = &agent.component else { return Ok(()) };
    let manifest = AuthoredManifest::load(folder)?.manifest;
    package::effective(Some(&manifest), &[], &agent.grants).map(drop).map_err(|reasons| refused(name, reasons))
}

/// What a build must match, and who may end it.
#[derive(Default)]
pub(crate) struct HeldAgent<'a> {
    /// What was accepted of its source.
    pub(crate) expected: Option<&'a SourcePin>,
    pub(crate) signals: Option<&'a mut Signals>,
}

/// The component of an agent, built where its source changed.
pub(crate) async fn obtain(
    place: &HomePlace,
    (name, agent): (&str, &ResolvedAgent),
    trusted: &Trusted,
    screen: &mut Screen,
    holding: HeldAgent<'_>,
) -> Result<Obtained, CliError> {
    let folder = match &agent.component {
        ComponentSource::File(file) => return Obtained::read(place, file),
        ComponentSource::Folder(folder) => folder,
    };
    let raw = match build(place, (name, folder), trusted, screen, holding)? {
        Built::Fresh(frozen) => return Obtained::built(place, &frozen),
        Built::Raw(raw) => raw,
    };
    let inspected = package::inspect(raw.component()).map_err(|cause| CliError::Component { what: name.to_owned(), cause })?;
    // What imports that which nobody serves would not even start; granted or not is asked later.
    package::effective(None, &inspected.imports, &Grants::default()).map_err(|reasons| refused(name, reasons))?;
    screen.step(&format!("asking {name} for its schemas"));
    let answer = run::schemas(place, &place::host_options(), raw.component().to_vec(), &agent.limits).await?;
    let schemas = answer.and_then(|answer| Schemas::parse(&answer).ok());
    if schemas.is_none() && inspected.kind == ComponentKind::Agent {
        screen.line(&format!("note: {name} tells no schemas, so its input is not checked before it runs"));
    }
    let frozen = raw.freeze(schemas)?;
    screen.clear();
    Obtained::built(place, &frozen)
}

fn build(
    place: &HomePlace,
    (name, folder): (&str, &Path),
    trusted: &Trusted,
    screen: &mut Screen,
    holding: HeldAgent<'_>,
) -> Result<Built, CliError> {
    let (cache, helper) = (place::build_cache(place), place::build_helper());
    let order = Order { folder, cache: &cache, trusted, expected: holding.expected, helper: &helper };
    // What is accepted is built from nothing. Where the last build was of the same source and did not begin so, it is built once more.
    let is_once_more = || holding.expected.is_some_and(|pin| matches!(package::build::changes(folder, &cache, pin.source), Ok(Some(_))));
    let (mut begun, mut signals, mut ended_by) = (false, holding.signals, None);
    let mut say = |line: &str| {
        if !std::mem::replace(&mut begun, true) {
            screen.step(&format!("building {name}"));
            if is_once_more() {
                screen.line(&format!("note: {name} is built once more, from nothing: its last build had what an earlier source left"));
            }
            if sandbox::landlock().is_none() {
                screen.line(&format!("note: this kernel has no Landlock, so the build of {name} may read and write what you may"));
            }
        }
        screen.tool(line);
    };
    let mut stop = || {
        ended_by = ended_by.or_else(|| signals.as_mut()?.pending());
        ended_by.is_some()
    };
    // This thread is blocked as long as a tool runs. Others continue.
    let built = tokio::task::block_in_place(|| package::build::build(&order, &mut BuildWatcher { say: &mut say, stop: &mut stop }));
    match (built, ended_by) {
        (Err(BuildError::Stopped), Some(means)) => Err(CliError::EndedEarly { means }),
        (built, _) => Ok(built.inspect_err(|_| screen.show_tail())?),
    }
}

/// The name servers and the certificates that TLS accepts, for an agent that may make requests. These are the bytes that were trusted.
pub(crate) fn network(network: &NetworkConfig) -> NetworkOrder {
    NetworkOrder { resolvers: network.resolvers.clone(), roots: network.roots.iter().map(|root| root.bytes.clone()).collect() }
}

/// The first bytes of a file that the operator named, so many at most.
#[expect(clippy::disallowed_methods, reason = "door: files that the operator named")]
pub(crate) fn read_some(file: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let open = std::fs::File::open(file).map_err(CliError::file("open", file))?;
    let mut bytes = Vec::new();
    open.take(max).read_to_end(&mut bytes).map_err(CliError::file("read", file))?;
    Ok(bytes)
}

/// All of a file that the operator named, unless it is longer than `max`.
pub(crate) fn read_bounded(file: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let bytes = read_some(file, max.saturating_add(1))?;
    if bytes.len() as u64 > max { Err(CliError::TooLarge { path: file.to_owned(), max }) } else { Ok(bytes) }
}
