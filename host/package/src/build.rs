//! Builds a folder of source into a component that contains its manifest.
//!
//! Building runs the author's code, so it needs the proof that the operator trusts the file which names the folder. That code runs
//! contained, on a copy of the source (`stage`), with tools that are found outside of the project. A build can read exactly what its
//! [`SourcePin`] covers. If a pin was accepted, the two are compared before anything runs. Schemas come from the component itself, which
//! only `sandbox` can run. So a build ends in [`Raw`], and [`Raw::freeze`] makes a component of it. The component is kept. It is built
//! again only after something in its source has changed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use vocabulary::Digest;

use crate::component::{self, COMPONENT_BYTES_MAX};
use crate::file;
use crate::manifest::{self, AuthoredManifest, Manifest};
use crate::tools::Tools;
use crate::trust::Trusted;

mod cargo;
mod err;
mod inputs;
mod listing;
mod python;
mod slot;
mod stage;
mod tool;
mod toolchain;
mod workplace;

pub use err::BuildError;
use inputs::{Nobody, Places};
use listing::Listing;
pub use listing::{Change, ListingChange};
pub use slot::age_out;
use slot::{BuildSlot, Stamp};
use stage::BuildStage;
pub use tool::BuildWatcher;
pub use toolchain::{Rust, rust};
use workplace::Workplace;

/// The input to which an agent made with the SDK answers with its schemas.
pub const SCHEMAS_INPUT: &str = r#"{"$schema":"bailiwick:schemas"}"#;

/// How a tool is started so that it reaches only what it was given: this program is started with one of two words that it knows.
#[derive(Clone, Debug)]
pub struct Helper {
    /// The path of this program.
    pub program: PathBuf,
    /// The word for the process that ends all others when nobody waits for the tool any more.
    pub keeper: String,
    /// The word for the process that restricts itself and becomes the tool.
    pub worker: String,
}

/// The parameters of a build.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// A folder with `agent.toml`.
    pub folder: &'a Path,
    /// The folder of the home in which built components are kept.
    pub cache: &'a Path,
    /// The proof that the folder may be built.
    pub trusted: &'a Trusted,
    /// The source that was accepted. Only this source is built, and in an empty folder, so that nothing of an earlier source gets into the
    /// component.
    pub expected: Option<&'a SourcePin>,
    /// How tools are started.
    pub helper: &'a Helper,
}

/// Identifies everything that a component is made from. It can be accepted even if each build makes different bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePin {
    /// The digest of every file of the project that the build can read.
    pub source: Digest,
    /// The tools of the build, with their versions.
    pub tools: String,
}

impl SourcePin {
    fn new(inside: Digest, outside: Digest, tools: String) -> Self {
        Self { source: Digest::of(&[inside.as_bytes().as_slice(), outside.as_bytes()].concat()), tools }
    }
}

/// The result of a build.
#[derive(Debug)]
pub enum Built {
    /// Nothing has changed since this component was frozen.
    Fresh(Frozen),
    /// A component without its manifest.
    Raw(Box<Raw>),
}

/// A component with its manifest in it, in the cache.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// The path of the file. The next build replaces it.
    pub file: PathBuf,
    /// The digest of the component. Check it when you read the file, or use [`Frozen::read`].
    pub digest: Digest,
    /// The source and the tools that it was built from.
    pub pin: SourcePin,
}

/// A component that was just built.
#[derive(Debug)]
pub struct Raw {
    component: Vec<u8>,
    manifest: Manifest,
    stamp: Stamp,
    slot: BuildSlot,
}

/// How an agent describes its input and output.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schemas {
    /// The JSON schema of the input.
    pub input: Json,
    /// The JSON schema of the output.
    pub output: Json,
}

/// Identifies everything that a component depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The digest of everything in its folder.
    pub source: Digest,
    /// The digest of the files outside of the folder. Only a build finds them, so it is `None` before the first one.
    pub others: Option<Digest>,
}

/// What is built, and by which tools.
enum Recipe {
    Rust { plan: Box<cargo::Plan>, rust: Box<Rust> },
    Python { module: String, places: Places, python: Box<python::Python> },
}

impl Recipe {
    /// Queries the operator's tools, and runs nothing from the project.
    fn find(folder: &Path, authored: &AuthoredManifest, tools: &Tools) -> Result<Self, BuildError> {
        match (folder.join("Cargo.toml").is_file(), &authored.python) {
            (true, None) => {
                let (plan, rust) = cargo::plan(folder, &authored.sources, tools)?;
                Ok(Self::Rust { plan: Box::new(plan), rust: Box::new(rust) })
            }
            (false, Some(module)) => {
                let outside = declared(folder, &authored.sources, &project(folder, folder))?;
                let places = Places { folder: folder.to_owned(), outside, stubs: Vec::new() };
                Ok(Self::Python { module: module.clone(), places, python: Box::new(python::find(tools)?) })
            }
            (true, Some(_)) => Err(BuildError::TwoRecipes(folder.to_owned())),
            (false, None) => Err(BuildError::NoRecipe(folder.to_owned())),
        }
    }

    fn places(&self) -> &Places {
        match self {
            Self::Rust { plan, .. } => &plan.places,
            Self::Python { places, .. } => places,
        }
    }

    fn tools(&self) -> String {
        match self {
            Self::Rust { rust, .. } => rust.version.clone(),
            Self::Python { python, .. } => format!("componentize-py {}", python.version),
        }
    }
}

/// The folders within which a build's source may lie: the agent's folder, its workspace, and the nearest folder above with a configuration.
/// SECURITY: a folder that contains the user's home does not count, whatever lies in it.
fn project(folder: &Path, root: &Path) -> Vec<PathBuf> {
    let configured = folder.ancestors().find(|above| above.join(crate::config::FILE_NAME).is_file());
    let mut project: Vec<PathBuf> = [Some(root), configured].into_iter().flatten().map(Path::to_owned).collect();
    project.retain(|root| !crate::tools::holds_the_home(root));
    project.push(folder.to_owned());
    project.sort();
    project.dedup();
    project
}

/// The paths in `[build] sources`, without links.
fn declared(folder: &Path, sources: &[PathBuf], project: &[PathBuf]) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    for source in sources {
        let path = folder.join(source);
        let path = path.canonicalize().map_err(file::failed("find", &path))?;
        if !project.iter().any(|root| path.starts_with(root)) {
            return Err(BuildError::Outside { path, project: project.to_vec() });
        }
        found.push(path);
    }
    Ok(found)
}

/// Builds a folder. If nothing has changed, returns what was built before.
///
/// # Errors
/// A folder that is not an agent or not what was accepted, a tool that is missing or fails, a result that can't run here.
pub fn build(order: &Order<'_>, watcher: &mut BuildWatcher<'_>) -> Result<Built, BuildError> {
    let folder = order.folder.canonicalize().map_err(file::failed("find", order.folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    let slot = BuildSlot::open(order.cache, &folder)?;
    if let Some(frozen) = slot.fresh(&folder, |inside| with_sdk(&authored, inside), order.expected) {
        return Ok(Built::Fresh(frozen));
    }
    let tools = Tools::outside_of(&folder);
    let recipe = Recipe::find(&folder, &authored, &tools)?;
    let work = Work { authored: &authored, folder: &folder, order, recipe: &recipe, slot: &slot, tools: &tools };
    let (component, stamp) = work.run(watcher)?;
    let component = file::read_here(&component, COMPONENT_BYTES_MAX)?;
    component::inspect(&component).map_err(BuildError::Component)?;
    Ok(Built::Raw(Box::new(Raw { component, manifest: authored.manifest, stamp, slot })))
}

/// One build, with the values that it uses.
struct Work<'a> {
    authored: &'a AuthoredManifest,
    folder: &'a Path,
    order: &'a Order<'a>,
    recipe: &'a Recipe,
    slot: &'a BuildSlot,
    tools: &'a Tools,
}

impl Work<'_> {
    /// Returns the component, and what it was made of.
    fn run(&self, watcher: &mut BuildWatcher<'_>) -> Result<(PathBuf, Stamp), BuildError> {
        let workplace = Workplace::in_folder(&self.slot.folder);
        let (stage, mut stamp) = self.take(&workplace)?;
        self.hold(&stamp)?;
        // The first build of a folder is as clean as one that has to be: its component can be accepted without another build.
        let is_clean = workplace.prepare(self.order.expected.is_some())? || matches!(self.recipe, Recipe::Python { .. });
        stamp.is_clean = is_clean;
        let (folder, helper, tools) = (self.folder, self.order.helper, self.tools);
        match self.recipe {
            Recipe::Rust { plan, rust } => {
                let job = cargo::Job { folder, helper, plan, rust, stage: &stage, tools, workplace: &workplace };
                if !job.fetch(watcher)? {
                    return Ok((job.build(watcher)?, stamp));
                }
                // There was no `Cargo.lock`, and now there is one, which belongs to the source. Nothing else may have changed.
                let (stage, mut with_lock) = self.take(&workplace)?;
                with_lock.is_clean = is_clean;
                if with_lock.inside != stamp.inside {
                    return Err(BuildError::Unexpected { was: Box::new(stamp.pin()), now: Box::new(with_lock.pin()) });
                }
                Ok((cargo::Job { stage: &stage, ..job }.build(watcher)?, with_lock))
            }
            Recipe::Python { module, python, .. } => {
                let staged = stage.place(folder);
                let job = python::Job { staged: &staged, helper, module, python, slot: self.slot, tools, workplace: &workplace };
                Ok((job.build(watcher)?, stamp))
            }
        }
    }

    /// Copies the source to the place where it is built, and hashes exactly the copied bytes.
    fn take(&self, workplace: &Workplace) -> Result<(BuildStage, Stamp), BuildError> {
        let places = self.recipe.places();
        let mut stage = BuildStage::new(workplace.stage.clone())?;
        let mut listing = Listing::of(&places.folder, &mut stage);
        let (inside, outside) = places.digests(&places.find(&[])?, &mut listing)?;
        let files = listing.files();
        stage.finish()?;
        let mut stamp = Stamp::new(places, (with_sdk(self.authored, inside), outside), &self.recipe.tools());
        stamp.files = files;
        Ok((stage, stamp))
    }

    /// Compares the source with what was accepted.
    fn hold(&self, stamp: &Stamp) -> Result<(), BuildError> {
        let now = stamp.pin();
        match self.order.expected {
            Some(was) if *was != now => Err(BuildError::Unexpected { was: Box::new(was.clone()), now: Box::new(now) }),
            _ => Ok(()),
        }
    }
}

/// What was built from a folder, if nothing has changed since. With `expected`, it must have been built from that source. Builds nothing,
/// so it needs no proof of trust.
///
/// # Errors
/// A folder that is not an agent's.
pub fn fresh(folder: &Path, cache: &Path, expected: Option<&SourcePin>) -> Result<Option<Frozen>, BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    Ok(BuildSlot::open(cache, &folder)?.fresh(&folder, |inside| with_sdk(&authored, inside), expected))
}

/// What a folder would be built from now. Builds nothing, but queries the operator's tools for the packages and the compiler.
///
/// # Errors
/// A folder that is not an agent's, a tool that is missing.
pub fn pin(folder: &Path) -> Result<SourcePin, BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    let recipe = Recipe::find(&folder, &authored, &Tools::outside_of(&folder))?;
    let (inside, outside) = recipe.places().digests(&recipe.places().find(&[])?, &mut Nobody)?;
    Ok(Stamp::new(recipe.places(), (with_sdk(&authored, inside), outside), &recipe.tools()).pin())
}

/// The files that differ from those of which the source `was` was built here. `None` if the last build here was of another source. The list
/// is for people; only the pin decides. Builds nothing, and starts no process.
///
/// # Errors
/// A folder that is not an agent's, or that can't be read.
pub fn changes(folder: &Path, cache: &Path, was: Digest) -> Result<Option<Vec<ListingChange>>, BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let Some(stamp) = slot::stamped(cache, &folder).filter(|stamp| stamp.pin().source == was && !stamp.files.is_empty()) else {
        return Ok(None);
    };
    let (places, mut nobody) = (stamp.places(&folder), Nobody);
    let mut listing = Listing::of(&folder, &mut nobody);
    places.digests(&places.find(&[])?, &mut listing)?;
    Ok(Some(listing::between(&stamp.files, &listing.files())))
}

/// The digest of what a folder's component depends on now, without the files in `but`. Also the same digest at the last build, if that was
/// of this source. It is for a caller that watches a folder. Builds nothing, and starts no process.
///
/// # Errors
/// A folder that is not an agent's, or that can't be read.
pub fn states(folder: &Path, cache: &Path, but: &[PathBuf]) -> Result<(State, Option<State>), BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    let stamp = slot::stamped(cache, &folder);
    let places = stamp.as_ref().map_or_else(|| Places { folder: folder.clone(), ..Places::default() }, |stamp| stamp.places(&folder));
    let digests = |but: &[PathBuf]| {
        let (inside, outside) = places.digests(&places.find(but)?, &mut Nobody)?;
        Ok::<_, BuildError>((with_sdk(&authored, inside), outside))
    };
    let (source, others) = digests(but)?;
    let all = if but.is_empty() { source } else { digests(&[])?.0 };
    let then = stamp.as_ref().filter(|stamp| stamp.inside == all).map(|stamp| State { source, others: Some(stamp.outside) });
    Ok((State { source, others: stamp.is_some().then_some(others) }, then))
}

/// The code that this host adds to an agent in Python is part of its source.
fn with_sdk(authored: &AuthoredManifest, source: Digest) -> Digest {
    match authored.python {
        Some(_) => Digest::of(&[source.as_bytes().as_slice(), python::sdk_digest().as_bytes()].concat()),
        None => source,
    }
}

impl Schemas {
    /// Parses a component's answer to [`SCHEMAS_INPUT`].
    ///
    /// # Errors
    /// Anything but an object with `input` and `output`.
    pub fn parse(output: &str) -> Result<Self, BuildError> {
        serde_json::from_str(output).map_err(BuildError::Schemas)
    }
}

impl Raw {
    /// The component without its manifest, which a caller runs to get its schemas.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// The manifest that will be frozen into the component.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Freezes the manifest and the schemas into the component, and keeps it. A component without schemas (a command) has `None`.
    ///
    /// # Errors
    /// A manifest that does not fit, a file that can't be written.
    pub fn freeze(self, schemas: Option<Schemas>) -> Result<Frozen, BuildError> {
        let (input, output) = schemas.map_or((None, None), |schemas| (Some(schemas.input), Some(schemas.output)));
        let manifest = Manifest { input, output, ..self.manifest };
        let frozen = manifest::freeze(&self.component, &manifest).map_err(BuildError::Freeze)?;
        self.slot.keep(&frozen, self.stamp)
    }
}

impl Frozen {
    /// Reads the component.
    ///
    /// # Errors
    /// A file that can't be read, or that differs from what was built.
    pub fn read(&self) -> Result<Vec<u8>, BuildError> {
        let bytes = file::read(&self.file, COMPONENT_BYTES_MAX)?;
        if Digest::of(&bytes) == self.digest { Ok(bytes) } else { Err(BuildError::Changed(self.file.clone())) }
    }
}

#[cfg(test)]
mod tests;
