//! From an agent of a configuration that may be used to a component that may be run: builds, inspects and admits it.

use std::path::{Path, PathBuf};

use package::build::{BuildError, BuildWatcher, Built, Frozen, Helper, Order, Schemas, SourcePin};
use package::{AuthoredManifest, Component, ComponentKind, ComponentSource, Effective, Refused, ResolvedAgent, Trusted};
use run::{HomePlace, HostOptions};
use vocabulary::record::AgentRef;
use vocabulary::{Digest, Grants, Means, SafeText};

use crate::err::ServiceError;

/// A component in hand, whole, and callable as far as can be seen from outside.
pub struct Obtained {
    bytes: Vec<u8>,
    /// What it says of itself.
    pub component: Component,
    /// Where it lies.
    pub file: PathBuf,
    /// Whether the home has it.
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

    /// What a build left in the home.
    pub(crate) fn built(place: &HomePlace, frozen: &Frozen) -> Result<Self, ServiceError> {
        Ok(Self { pin: Some(frozen.pin.clone()), ..Self::new(place, frozen.read()?, frozen.file.clone())? })
    }

    /// A component from a file, which is never built.
    ///
    /// # Errors
    /// A file that can't be read, or is no component that can run here.
    pub fn read(place: &HomePlace, file: &Path) -> Result<Self, ServiceError> {
        Self::new(place, package::component::read(file).map_err(package::ConfigError::File)?, file.to_owned())
    }

    /// Puts it into the home, to run it and to replay it.
    ///
    /// # Errors
    /// The home can't be written.
    pub fn keep(&self, place: &HomePlace) -> Result<Digest, ServiceError> {
        if !self.is_kept {
            package::store::put(&place.home, &self.bytes)?;
        }
        Ok(self.component.digest)
    }

    /// What is effective of the agent's grants.
    ///
    /// # Errors
    /// Why it is not admitted.
    pub fn admit(&self, name: &str, agent: &ResolvedAgent) -> Result<Effective, ServiceError> {
        let effective = package::effective(self.component.manifest.as_ref(), &self.component.imports, &agent.grants);
        effective.map_err(|reasons| refused(name, reasons))
    }

    /// Under this name.
    pub fn reference(&self, name: &str) -> AgentRef {
        let version = self.component.manifest.as_ref().map_or("-", |manifest| &manifest.version);
        AgentRef { digest: self.component.digest, name: SafeText::new(name, 64), version: SafeText::new(version, 64) }
    }

    /// Whether it takes and gives JSON. A command takes and gives text.
    pub fn is_agent(&self) -> bool {
        self.component.kind == ComponentKind::Agent
    }
}

fn refused(name: &str, reasons: Vec<Refused>) -> ServiceError {
    ServiceError::NotAdmitted { agent: name.to_owned(), reasons }
}

/// Checks whether an agent in a folder will be admitted, as far as its `agent.toml` says. So nothing is built that would be refused.
///
/// # Errors
/// Why it is not admitted.
pub fn admit_early(name: &str, agent: &ResolvedAgent) -> Result<(), ServiceError> {
    let ComponentSource::Folder(folder) = &agent.component else { return Ok(()) };
    let manifest = AuthoredManifest::load(folder)?.manifest;
    package::effective(Some(&manifest), &[], &agent.grants).map(drop).map_err(|reasons| refused(name, reasons))
}

/// Where built components are kept.
pub fn build_cache(place: &HomePlace) -> PathBuf {
    place.home.join("build")
}

/// What building needs besides the source.
pub struct Workbench<'a> {
    /// The home.
    pub place: &'a HomePlace,
    /// How a component is asked for its schemas.
    pub options: HostOptions,
    /// How build tools are started.
    pub helper: Helper,
    /// What was accepted of the source. The build must match it.
    pub expected: Option<&'a SourcePin>,
}

/// Hears of a build, and may end it.
pub trait BuildProgress {
    /// A step begins, which may take long.
    fn step(&mut self, text: &str);
    /// Something that a person should know.
    fn note(&mut self, text: &str);
    /// A line of a tool.
    fn tool(&mut self, line: &str);
    /// The build failed: what the tools said last is worth reading.
    fn show_tail(&mut self);
    /// By what the build is to be ended, if it is.
    fn ended_by(&mut self) -> Option<Means>;
}

/// The component of an agent, built where its source changed.
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
    // What imports that which nobody serves would not even start; granted or not is asked later.
    package::effective(None, &inspected.imports, &Grants::default()).map_err(|reasons| refused(name, reasons))?;
    progress.step(&format!("asking {name} for its schemas"));
    let answer = run::schemas(bench.place, &bench.options, raw.component().to_vec(), &agent.limits).await?;
    let schemas = answer.and_then(|answer| Schemas::parse(&answer).ok());
    if schemas.is_none() && inspected.kind == ComponentKind::Agent {
        progress.note(&format!("note: {name} tells no schemas, so its input is not checked before it runs"));
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
    // What is accepted is built from nothing. Where the last build was of the same source and did not begin so, it is built once more.
    let is_once_more = || bench.expected.is_some_and(|pin| matches!(package::build::changes(folder, &cache, pin.source), Ok(Some(_))));
    let (mut begun, mut ended_by) = (false, None);
    // Both closures below speak to it, one after the other.
    let progress = std::cell::RefCell::new(progress);
    let mut say = |line: &str| {
        let mut progress = progress.borrow_mut();
        if !std::mem::replace(&mut begun, true) {
            progress.step(&format!("building {name}"));
            if is_once_more() {
                progress.note(&format!("note: {name} is built once more, from nothing: its last build had what an earlier source left"));
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
    // This thread is blocked as long as a tool runs. Others continue.
    let built = tokio::task::block_in_place(|| package::build::build(&order, &mut BuildWatcher { say: &mut say, stop: &mut stop }));
    match (built, ended_by) {
        (Err(BuildError::Stopped), Some(means)) => Err(ServiceError::EndedEarly { means }),
        (built, _) => Ok(built.inspect_err(|_| progress.borrow_mut().show_tail())?),
    }
}
