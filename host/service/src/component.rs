//! Turns an agent of a trusted configuration into a component that may be run: builds, inspects and admits it.

use std::path::{Path, PathBuf};

use package::build::{BuildError, BuildWatcher, Built, Frozen, Helper, Order, Schemas, SourcePin};
use package::{AuthoredManifest, Component, ComponentKind, ComponentSource, Effective, Refused, ResolvedAgent, Trusted};
use run::{HomePlace, HostOptions};
use vocabulary::record::AgentRef;
use vocabulary::{Digest, Means, SafeText};

use crate::err::ServiceError;

/// A component that was read and inspected. It is complete, and its imports and exports allow it to run.
pub struct Obtained {
    bytes: Vec<u8>,
    /// The inspected component: its kind, imports and manifest.
    pub component: Component,
    /// The file from which it was read.
    pub file: PathBuf,
    /// Whether the home's store has it already.
    is_kept: bool,
    /// What it was built from. `None` for a component that was not built here.
    pub pin: Option<SourcePin>,
}

impl Obtained {
    fn new(place: &HomePlace, bytes: Vec<u8>, file: PathBuf) -> Result<Self, ServiceError> {
        let inspected = package::store::inspect(&place.home, &bytes);
        let (component, is_kept) = inspected.map_err(|cause| ServiceError::Component { what: file.display().to_string(), cause })?;
        Ok(Self { bytes, component, file, is_kept, pin: None })
    }

    /// Reads the result of a build.
    pub(crate) fn built(place: &HomePlace, frozen: &Frozen) -> Result<Self, ServiceError> {
        Ok(Self { pin: Some(frozen.pin.clone()), ..Self::new(place, frozen.read()?, frozen.file.clone())? })
    }

    /// Reads a component from a file. Nothing is built.
    ///
    /// # Errors
    /// A file that can't be read, or is not a component that can run here.
    pub fn read(place: &HomePlace, file: &Path) -> Result<Self, ServiceError> {
        Self::new(place, package::component::read(file).map_err(package::ConfigError::File)?, file.to_owned())
    }

    /// Puts the component into the home's store, to run it and to replay it.
    ///
    /// # Errors
    /// The home can't be written.
    pub fn keep(&self, place: &HomePlace) -> Result<Digest, ServiceError> {
        if !self.is_kept {
            package::store::put(&place.home, &self.bytes)?;
        }
        Ok(self.component.digest)
    }

    /// Admits the agent, and returns its effective grants.
    ///
    /// # Errors
    /// Why the agent is not admitted.
    pub fn admit(&self, name: &str, agent: &ResolvedAgent) -> Result<Effective, ServiceError> {
        let effective = package::effective(self.component.manifest.as_ref(), &self.component.imports, &agent.grants);
        effective.map_err(|reasons| refused(name, reasons))
    }

    /// The reference to this component on the record, under this name of an agent.
    pub fn reference(&self, name: &str) -> AgentRef {
        let version = self.component.manifest.as_ref().map_or("-", |manifest| &manifest.version);
        AgentRef { digest: self.component.digest, name: SafeText::new(name, 64), version: SafeText::new(version, 64) }
    }

    /// Whether the component is an agent, which takes and returns JSON. A command takes and returns text.
    pub fn is_agent(&self) -> bool {
        self.component.kind == ComponentKind::Agent
    }
}

fn refused(name: &str, reasons: Vec<Refused>) -> ServiceError {
    ServiceError::NotAdmitted { agent: name.to_owned(), reasons }
}

/// Checks from its `agent.toml` whether an agent in a folder will be admitted, so that nothing is built that would be refused.
///
/// # Errors
/// Why it is not admitted.
pub fn admit_early(name: &str, agent: &ResolvedAgent) -> Result<(), ServiceError> {
    let ComponentSource::Folder(folder) = &agent.component else { return Ok(()) };
    let manifest = AuthoredManifest::load(folder)?.manifest;
    package::effective(Some(&manifest), &[], &agent.grants).map(drop).map_err(|reasons| refused(name, reasons))
}

/// The folder of the home in which built components are kept.
pub fn build_cache(place: &HomePlace) -> PathBuf {
    place.home.join("build")
}

/// What a build needs besides the source.
pub struct Workbench<'a> {
    /// The home.
    pub place: &'a HomePlace,
    /// The options of the host that asks a component for its schemas.
    pub options: HostOptions,
    /// The program that starts build tools.
    pub helper: Helper,
    /// The pin of the accepted source, which the build must match.
    pub expected: Option<&'a SourcePin>,
}

/// Shows the progress of a build, and may end it.
pub trait BuildProgress {
    /// Shows that a step begins, which may take long.
    fn step(&mut self, text: &str);
    /// Shows something that a person should know.
    fn note(&mut self, text: &str);
    /// Shows a line that a build tool printed.
    fn tool(&mut self, line: &str);
    /// Shows the last lines of the build tools, because the build failed.
    fn show_tail(&mut self);
    /// How the build is to be ended; `None` if it is not to be ended.
    fn ended_by(&mut self) -> Option<Means>;
}

/// The component of an agent. It is built if its source has changed.
///
/// # Errors
/// A component that can't be read, built or run.
pub async fn obtain(
    bench: &Workbench<'_>,
    (name, agent): (&str, &ResolvedAgent),
    trusted: &Trusted,
    progress: &mut (dyn BuildProgress + Send),
) -> Result<Obtained, ServiceError> {
    let folder = match &agent.component {
        ComponentSource::File(file) => return Obtained::read(bench.place, file),
        ComponentSource::Folder(folder) => folder,
    };
    let raw = match build(bench, (name, folder), trusted, progress)? {
        Built::Fresh(frozen) => return Obtained::built(bench.place, &frozen),
        Built::Raw(raw) => raw,
    };
    let inspected = package::inspect(raw.component()).map_err(|cause| ServiceError::Component { what: name.to_owned(), cause })?;
    // A component with imports that this host does not serve would not start. Whether they are granted is checked later.
    package::served(&inspected.imports).map_err(|reasons| refused(name, reasons))?;
    progress.step(&format!("asking {name} for its schemas"));
    let answer = run::schemas(bench.place, &bench.options, raw.component().to_vec(), &agent.limits).await?;
    let schemas = answer.and_then(|answer| Schemas::parse(&answer).ok());
    if schemas.is_none() && inspected.kind == ComponentKind::Agent {
        progress.note(&format!("note: {name} declares no schemas, so its input is not checked before it runs"));
    }
    let frozen = raw.freeze(schemas)?;
    Obtained::built(bench.place, &frozen)
}

fn build(
    bench: &Workbench<'_>,
    (name, folder): (&str, &Path),
    trusted: &Trusted,
    progress: &mut (dyn BuildProgress + Send),
) -> Result<Built, ServiceError> {
    let cache = build_cache(bench.place);
    let order = Order { folder, cache: &cache, trusted, expected: bench.expected, helper: &bench.helper };
    // An accepted source is built from nothing. If its last build reused files of an earlier source, it is built once more.
    let is_once_more = || bench.expected.is_some_and(|pin| matches!(package::build::changes(folder, &cache, pin.source), Ok(Some(_))));
    let (mut begun, mut ended_by) = (false, None);
    // Both closures below use it, one after the other.
    let progress = std::cell::RefCell::new(progress);
    let mut say = |line: &str| {
        let mut progress = progress.borrow_mut();
        if !std::mem::replace(&mut begun, true) {
            progress.step(&format!("building {name}"));
            if is_once_more() {
                progress.note(&format!("note: {name} is rebuilt from nothing: its last build had files that an earlier source left"));
            }
            if sandbox::landlock().is_none() {
                progress.note(&format!("note: this kernel has no Landlock, so the build of {name} may read and write what you may"));
            }
        }
        progress.tool(line);
    };
    let mut stop = || {
        ended_by = ended_by.or_else(|| progress.borrow_mut().ended_by());
        ended_by.is_some()
    };
    // This thread is blocked while a tool runs. Other threads continue.
    let built = tokio::task::block_in_place(|| package::build::build(&order, &mut BuildWatcher { say: &mut say, stop: &mut stop }));
    match (built, ended_by) {
        (Err(BuildError::Stopped), Some(means)) => Err(ServiceError::EndedEarly { means }),
        (built, _) => Ok(built.inspect_err(|_| progress.borrow_mut().show_tail())?),
    }
}
