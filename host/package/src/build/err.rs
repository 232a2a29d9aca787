//! The reasons why an agent can't be built.

use std::path::PathBuf;

use vocabulary::SafeText;

use super::SourcePin;
use crate::component::ComponentError;
use crate::file::FileError;
use crate::manifest::{FrozenError, ManifestError};

/// An agent can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder's `agent.toml` can't be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Nothing in the folder says how to build it.
    #[error("`{}` has neither a `Cargo.toml` nor `[build] python` in its `agent.toml`", .0.display())]
    NoRecipe(PathBuf),
    /// Two files say how to build the folder.
    #[error("`{}` has a `Cargo.toml`, and `[build] python` in its `agent.toml`; remove one of them", .0.display())]
    TwoRecipes(PathBuf),
    /// The source is too large.
    #[error("`{}` has more than {max} {what}", folder.display())]
    TooMuchSource {
        /// The folder.
        folder: PathBuf,
        /// What is counted.
        what: &'static str,
        /// The largest number that is allowed.
        max: u64,
    },
    /// A link in the source leads to something that is not source.
    #[error("`{}` is a link to `{}`, which is not part of the source; put a copy there, or name its target in `[build] sources`", link.display(), to.display())]
    LeadsOut {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// The build needs a file that lies outside of the project.
    #[error("`{}` is needed and lies outside of the project ({})", path.display(), shown(project))]
    Outside {
        /// The path that is needed.
        path: PathBuf,
        /// The folders of the project.
        project: Vec<PathBuf>,
    },
    /// The source differs from what was accepted.
    #[error("the source is {} ({}), and what was accepted is {} ({})", now.source, now.tools, was.source, was.tools)]
    Unexpected {
        /// The source that was accepted.
        was: Box<SourcePin>,
        /// The source that is there.
        now: Box<SourcePin>,
    },
    /// A file that names a compiler can't be used.
    #[error("`{}` can't be used: {why}", file.display())]
    Toolchain {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// The compiler that is named is not installed.
    #[error("the Rust toolchain `{0}` is not installed; `rustup toolchain install {0} --target wasm32-wasip2`")]
    NoToolchain(String),
    /// The compiler has no standard library for components, and rustup could not install it.
    #[error("the Rust toolchain `{0}` lacks the target wasm32-wasip2; `rustup target add --toolchain {0} wasm32-wasip2`")]
    NoTarget(String),
    /// A dependency comes from this machine, or would be fetched with the operator's credentials.
    #[error("a build fetches from registries and public repositories only; this is neither: {0}")]
    NotFetched(SafeText),
    /// A path that is passed to a tool is not UTF-8.
    #[error("a path of this build is not UTF-8")]
    NotText,
    /// A tool was not found.
    #[error("`{0}` is not in any folder of PATH that lies outside of the project")]
    NotFound(&'static str),
    /// componentize-py was not installed in the way that pip installs it.
    #[error("`{}` does not name its Python by an absolute path; install componentize-py with pip, pipx or uv", .0.display())]
    NotPython(PathBuf),
    /// A tool exceeded its time.
    #[error("`{tool}` was ended at the limit `build-time`: {minutes} minutes")]
    TooLong {
        /// The tool.
        tool: &'static str,
        /// The limit.
        minutes: u32,
    },
    /// The operator stopped the build.
    #[error("the build was ended")]
    Stopped,
    /// A tool that runs nothing from the project failed.
    #[error("`{tool}` failed: {said}")]
    ToolComplained {
        /// The tool.
        tool: &'static str,
        /// Its output.
        said: SafeText,
    },
    /// A tool can't be started.
    #[error("could not start `{tool}`; is it installed?")]
    NoTool {
        /// The tool.
        tool: &'static str,
        /// The error of the system.
        #[source]
        cause: std::io::Error,
    },
    /// A tool failed. Its output was passed on line by line.
    #[error("`{tool}` failed with {status}")]
    ToolFailed {
        /// The tool.
        tool: &'static str,
        /// The status with which it exited.
        status: std::process::ExitStatus,
    },
    /// A tool gave an answer of an unknown form.
    #[error("`{tool}` {said}")]
    ToolSaid {
        /// The tool.
        tool: &'static str,
        /// The problem with its answer.
        said: &'static str,
    },
    /// The result of the build can't run here.
    #[error("what was built can't run here")]
    Component(#[source] ComponentError),
    /// The manifest can't be put into the component.
    #[error("the manifest can't be frozen into the component")]
    Freeze(#[source] FrozenError),
    /// The answer to [`super::SCHEMAS_INPUT`] is not two schemas.
    #[error("the component's schemas are not of a known form")]
    Schemas(#[source] serde_json::Error),
    /// The component that is kept was changed.
    #[error("`{}` was changed since it was built", .0.display())]
    Changed(PathBuf),
}

/// The folders of a project, for an error message.
fn shown(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ")
}
