//! Why an agent can't be built.

use std::path::PathBuf;

use vocabulary::SafeText;

use super::SourcePin;
use crate::component::ComponentError;
use crate::file::FileError;
use crate::manifest::{FrozenError, ManifestError};

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
    /// Two files say how.
    #[error("`{}` has a `Cargo.toml`, and `[build] python` in its `agent.toml`: one of them is too many", .0.display())]
    TwoRecipes(PathBuf),
    /// The source is too large.
    #[error("`{}` has more than {max} {what}", folder.display())]
    TooMuchSource {
        /// Which folder.
        folder: PathBuf,
        /// Of what.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A link in the source leads to something that is not source.
    #[error("`{}` is a link to `{}`, which is not part of the source; put a copy there, or name what it means in `[build] sources`", link.display(), to.display())]
    LeadsOut {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// The build needs something that lies elsewhere.
    #[error("`{}` is needed and lies outside of the project ({})", path.display(), shown(project))]
    Outside {
        /// What.
        path: PathBuf,
        /// The folders of the project.
        project: Vec<PathBuf>,
    },
    /// It is not what was accepted.
    #[error("the source is {} ({}), and what was accepted is {} ({})", now.source, now.tools, was.source, was.tools)]
    Unexpected {
        /// What was accepted.
        was: Box<SourcePin>,
        /// What is there.
        now: Box<SourcePin>,
    },
    /// A file that names a compiler can't be used.
    #[error("`{}` can't be used: {why}", file.display())]
    Toolchain {
        /// Which file.
        file: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The compiler that is named is not installed.
    #[error("the Rust toolchain `{0}` is not installed; `rustup toolchain install {0} --target wasm32-wasip2`")]
    NoToolchain(String),
    /// A dependency comes from this machine, or would be fetched as the operator.
    #[error("a build fetches from registries and public repositories only; this is neither: {0}")]
    NotFetched(SafeText),
    /// A path that is passed to a tool is not UTF-8.
    #[error("a path of this build is not UTF-8")]
    NotText,
    /// A tool is not there.
    #[error("`{0}` is not in any folder of PATH outside of the project")]
    NotFound(&'static str),
    /// componentize-py is not installed as pip installs it.
    #[error("`{}` does not name its Python by an absolute path; install componentize-py with pip, pipx or uv", .0.display())]
    NotPython(PathBuf),
    /// A tool took longer than it may.
    #[error("`{tool}` was ended at the limit `build-time`: {minutes} minutes")]
    TooLong {
        /// Which.
        tool: &'static str,
        /// The limit.
        minutes: u32,
    },
    /// The operator ended it.
    #[error("the build was ended")]
    Stopped,
    /// A tool that runs nothing from the project failed.
    #[error("`{tool}` failed: {said}")]
    ToolComplained {
        /// Which.
        tool: &'static str,
        /// Its output.
        said: SafeText,
    },
    /// A tool can't be started.
    #[error("could not start `{tool}`; is it installed?")]
    NoTool {
        /// Which.
        tool: &'static str,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A tool failed; its output was passed on line by line.
    #[error("`{tool}` failed with {status}")]
    ToolFailed {
        /// Which.
        tool: &'static str,
        /// How.
        status: std::process::ExitStatus,
    },
    /// A tool answered something that is not understood here.
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
    /// The answer to [`super::SCHEMAS_INPUT`] is not two schemas.
    #[error("the component's schemas are not of a known form")]
    Schemas(#[source] serde_json::Error),
    /// What is kept was changed.
    #[error("`{}` was changed since it was built", .0.display())]
    Changed(PathBuf),
}

/// The folders of a project, in words.
fn shown(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ")
}
