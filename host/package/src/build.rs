//! From a folder of source to a component with its manifest in it.
//!
//! Building runs its author's code with the operator's rights, so it takes the proof that the operator trusts the file which names the
//! folder. Schemas come from the component itself, which only `sandbox` can run: so a build ends in [`Raw`], and
//! [`Raw::freeze`] makes a component of it. What was frozen is kept, and built again only when one of its files changed.

use std::path::{Path, PathBuf};

use effect::Digest;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::component::{self, COMPONENT_BYTES_MAX, ComponentError};
use crate::file::{self, FileError};
use crate::manifest::{self, AuthoredManifest, FrozenError, Manifest, ManifestError};
use crate::trust::Trusted;

mod cargo;
mod inputs;
mod python;
mod slot;
mod tool;

use inputs::Inputs;
use slot::{Slot, Stamp};

/// The input to which an agent made with the SDK answers with its schemas.
pub const SCHEMAS_INPUT: &str = r#"{"$schema":"bailiwick:schemas"}"#;

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// A folder with `agent.toml`.
    pub folder: &'a Path,
    /// Where what was built is kept: a folder of the home.
    pub cache: &'a Path,
    /// That it may be built.
    pub trusted: &'a Trusted,
}

/// What came of it.
#[derive(Debug)]
pub enum Built {
    /// Nothing changed since this was frozen.
    Fresh(Frozen),
    /// A component without its manifest.
    Raw(Box<Raw>),
}

/// A component with its manifest in it, in the cache.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// Where it is; replaced by the next build.
    pub file: PathBuf,
    /// What was in it: check when you read it, or take [`Frozen::read`].
    pub digest: Digest,
}

/// A component that was just built.
#[derive(Debug)]
pub struct Raw {
    component: Vec<u8>,
    manifest: Manifest,
    inputs: Inputs,
    slot: Slot,
}

/// What an agent says its input and output look like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schemas {
    /// JSON schema of the input.
    pub input: Json,
    /// JSON schema of the output.
    pub output: Json,
}

/// Stands for all that a component hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Everything in its folder.
    pub source: Digest,
    /// The files outside, of which only a build tells; `None` before there was one.
    pub others: Option<Digest>,
}

/// An agent can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Something could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its `agent.toml` can't be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Nothing in the folder says how.
    #[error("`{}` has neither a `Cargo.toml` nor `[build] python` in its `agent.toml`", .0.display())]
    NoRecipe(PathBuf),
    /// Both say how.
    #[error("`{}` has a `Cargo.toml`, and `[build] python` in its `agent.toml`: one of them is too many", .0.display())]
    TwoRecipes(PathBuf),
    /// The source is more than anybody writes by hand.
    #[error("`{}` has more than {max} {what}", folder.display())]
    TooMuchSource {
        /// Which folder.
        folder: PathBuf,
        /// Of what.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A tool is not there, or can't be started.
    #[error("could not start `{tool}`; is it installed?")]
    NoTool {
        /// Which.
        tool: &'static str,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A tool failed; its words were handed on as they came.
    #[error("`{tool}` failed with {status}")]
    ToolFailed {
        /// Which.
        tool: &'static str,
        /// How.
        status: std::process::ExitStatus,
    },
    /// A tool said something that is not understood here.
    #[error("`{tool}` {said}")]
    ToolSaid {
        /// Which.
        tool: &'static str,
        /// What.
        said: &'static str,
    },
    /// What was built can't run here.
    #[error("what was built can't run here")]
    Component(#[source] ComponentError),
    /// The manifest does not go into it.
    #[error("the manifest can't be frozen into the component")]
    Freeze(#[source] FrozenError),
    /// The answer to [`SCHEMAS_INPUT`] is not two schemas.
    #[error("the component's schemas are not of a known form")]
    Schemas(#[source] serde_json::Error),
    /// What is kept was changed.
    #[error("`{}` was changed since it was built", .0.display())]
    Changed(PathBuf),
}

/// Builds a folder, or finds that nothing changed. Each line that a tool prints goes to `say`, safe to print.
///
/// # Errors
/// A folder that is no agent's, a tool that is missing or fails, a result that can't run here.
pub fn build(order: &Order<'_>, say: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let folder = order.folder.canonicalize().map_err(file::failed("find", order.folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    let slot = Slot::open(order.cache, &folder)?;
    let source = source(&folder, &authored)?;
    if let Some(frozen) = slot.fresh(&source) {
        return Ok(Built::Fresh(frozen));
    }
    let cargo = folder.join("Cargo.toml").is_file();
    let made = match (cargo, &authored.python) {
        (true, None) => cargo::build(&folder, order.cache, say)?,
        (false, Some(module)) => python::build(&folder, module, &slot, say)?,
        (true, Some(_)) => return Err(BuildError::TwoRecipes(folder)),
        (false, None) => return Err(BuildError::NoRecipe(folder)),
    };
    let component = file::read(&made.component, COMPONENT_BYTES_MAX)?;
    component::look(&component).map_err(BuildError::Component)?;
    let inputs = Inputs { source, others: inputs::others(&made.others)?, paths: made.others };
    Ok(Built::Raw(Box::new(Raw { component, manifest: authored.manifest, inputs, slot })))
}

/// What was built of a folder, if nothing changed since: for those who only look. Builds nothing, so it needs no proof of trust.
///
/// # Errors
/// A folder that is no agent's.
pub fn fresh(folder: &Path, cache: &Path) -> Result<Option<Frozen>, BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let source = source(&folder, &AuthoredManifest::load(&folder)?)?;
    Ok(Slot::open(cache, &folder)?.fresh(&source))
}

/// What a folder's component hangs on, as it is now, but for these files; and the same as the last build met it, where that was of this source. For
/// whoever watches a folder. Builds nothing.
///
/// # Errors
/// A folder that is no agent's, or can't be read.
pub fn states(folder: &Path, cache: &Path, but: &[PathBuf]) -> Result<(State, Option<State>), BuildError> {
    let folder = folder.canonicalize().map_err(file::failed("find", folder))?;
    let authored = AuthoredManifest::load(&folder)?;
    let source = with_sdk(&authored, inputs::source(&folder, but)?);
    let built = if but.is_empty() { source } else { with_sdk(&authored, inputs::source(&folder, &[])?) };
    let (then, others) = slot::outside(cache, &folder, &built);
    Ok((State { source, others }, then.map(|then| State { source, others: Some(then) })))
}

/// Everything in the folder, and what this host adds to an agent in Python.
fn source(folder: &Path, authored: &AuthoredManifest) -> Result<Digest, BuildError> {
    Ok(with_sdk(authored, inputs::source(folder, &[])?))
}

fn with_sdk(authored: &AuthoredManifest, source: Digest) -> Digest {
    match authored.python {
        Some(_) => Digest::of(&[source.as_bytes().as_slice(), python::sdk_digest().as_bytes()].concat()),
        None => source,
    }
}

/// What a recipe made.
struct Made {
    component: PathBuf,
    /// Files outside the folder on which it hangs.
    others: Vec<PathBuf>,
}

impl Schemas {
    /// Reads what a component answered to [`SCHEMAS_INPUT`].
    ///
    /// # Errors
    /// Anything but an object with `input` and `output`.
    pub fn parse(output: &str) -> Result<Self, BuildError> {
        serde_json::from_str(output).map_err(BuildError::Schemas)
    }
}

impl Raw {
    /// The component without its manifest, to be asked for its schemas.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// What goes into it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Freezes manifest and schemas into it, and keeps it. A component that has no schemas (a command) goes without.
    ///
    /// # Errors
    /// A manifest that does not fit, a file that can't be written.
    pub fn freeze(self, schemas: Option<Schemas>) -> Result<Frozen, BuildError> {
        let (input, output) = schemas.map_or((None, None), |schemas| (Some(schemas.input), Some(schemas.output)));
        let manifest = Manifest { input, output, ..self.manifest };
        let frozen = manifest::freeze(&self.component, &manifest).map_err(BuildError::Freeze)?;
        self.slot.keep(&frozen, &Stamp::new(self.inputs, Digest::of(&frozen)))
    }
}

impl Frozen {
    /// The component.
    ///
    /// # Errors
    /// A file that can't be read, or is not what was built.
    pub fn read(&self) -> Result<Vec<u8>, BuildError> {
        let bytes = file::read(&self.file, COMPONENT_BYTES_MAX)?;
        if Digest::of(&bytes) == self.digest { Ok(bytes) } else { Err(BuildError::Changed(self.file.clone())) }
    }
}

#[cfg(test)]
mod tests;
