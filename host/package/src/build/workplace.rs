//! Where an agent is built: its own folders in the home, and the tools that run there, contained.
//!
//! SECURITY: each agent has its own folders. Only later builds of the same agent use what a build leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use vocabulary::{BuildLimits, ContainedBuild};

use super::{BuildError, Helper};
use crate::file::{self, FileError, failed};
use crate::tools;

/// BOUND: resources of each process of a build, by the limits `build-cpu`, `build-memory`, `build-file` and `build-processes`.
const LIMITS: BuildLimits = BuildLimits { cpu_s: 3600, memory_bytes: 16 << 30, file_bytes: 8 << 30, processes: 16_384 };

/// The folders of one agent's builds.
#[derive(Clone, Debug)]
pub(super) struct Workplace {
    /// The copy of the source.
    pub(super) stage: PathBuf,
    /// What is kept between builds.
    pub(super) target: PathBuf,
    /// What is not kept: temporary files, and a home and a `CARGO_HOME` that contain nothing of the operator's.
    pub(super) scratch: PathBuf,
    /// The file that says for which lock everything was fetched.
    pub(super) fetched: PathBuf,
}

impl Workplace {
    pub(super) fn in_folder(slot: &Path) -> Self {
        Self { stage: slot.join("stage"), target: slot.join("target"), scratch: slot.join("scratch"), fetched: slot.join("fetched") }
    }

    /// Prepares the folders for a build. With `is_first` everything that was kept is removed, so that nothing of an earlier source gets
    /// into this build. Returns whether nothing was kept.
    pub(super) fn prepare(&self, is_first: bool) -> Result<bool, FileError> {
        empty(&self.scratch)?;
        if is_first {
            empty(&self.target)?;
        }
        let is_clean = holds_nothing(&self.target)?;
        [self.home(), self.temporary(), self.cargo_home(), self.target.clone()].iter().try_for_each(|folder| file::folder(folder))?;
        Ok(is_clean)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.scratch.join("home")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.scratch.join("tmp")
    }

    pub(super) fn cargo_home(&self) -> PathBuf {
        self.scratch.join("cargo-home")
    }

    /// The command for a tool that reaches only this place and the paths in `read`. [`super::tool::output`] starts it.
    pub(super) fn tool(&self, helper: &Helper, program: &Path, arguments: Vec<String>, read: Vec<PathBuf>) -> Result<Command, BuildError> {
        let contained_build = ContainedBuild {
            program: program.to_owned(),
            arguments,
            read: read.into_iter().chain([self.stage.clone()]).collect(),
            write: vec![self.target.clone(), self.scratch.clone()],
            limits: LIMITS,
        };
        let order = serde_json::to_string(&contained_build).map_err(|_| BuildError::NotText)?;
        let mut command = Command::new(&helper.program);
        command.args([&helper.keeper, &helper.worker, &order]).current_dir("/").env_clear();
        command.env("HOME", self.home()).env("TMPDIR", self.temporary()).env("LANG", "C.UTF-8");
        Ok(command)
    }

    /// `PATH` for a tool: the folders in `first`, and those folders of the operator's `PATH` in which the system keeps programs.
    pub(super) fn path(first: &[PathBuf], tools: &tools::Tools) -> Result<std::ffi::OsString, BuildError> {
        let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        std::env::join_paths(first.iter().chain(tools.of_the_system()).chain(&usual)).map_err(|_| BuildError::NotText)
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
fn holds_nothing(folder: &Path) -> Result<bool, FileError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(err) => Err(failed("list", folder)(err)),
    }
}

fn empty(folder: &Path) -> Result<(), FileError> {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => file::folder(folder),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => file::folder(folder),
        Err(err) => Err(failed("empty", folder)(err)),
    }
}
