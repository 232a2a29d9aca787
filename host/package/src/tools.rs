//! Finds the operator's program of a given name, and queries it.
//!
//! An untrusted folder may hold a program of the same name, a `rust-toolchain.toml` that names another compiler, or a configuration of a
//! tool. So a tool is found in the absolute folders of `PATH` that lie outside of the project, is started by its absolute path in the root
//! folder, where no project's files apply, and sees a fixed list of variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

/// The variables that a tool sees when it is queried: they say where it keeps its own files.
pub(crate) const ENVIRONMENT: &[&str] = &["HOME", "CARGO_HOME", "RUSTUP_HOME", "PYENV_ROOT"];
/// Further variables that a tool sees when it fetches from a registry.
pub(crate) const TO_FETCH: &[&str] = &[
    "CARGO_HTTP_CAINFO",
    "RUSTUP_DIST_SERVER",
    "CARGO_NET_OFFLINE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The folders of `PATH` in which tools are looked for.
#[derive(Clone, Debug)]
pub struct Tools {
    folders: Vec<PathBuf>,
    /// No program in this folder is run. `None` if the project contains the home of its user.
    project: Option<PathBuf>,
}

#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether a folder contains the user's home, as `/` does. Such a folder is not a project.
pub(crate) fn holds_the_home(folder: &Path) -> bool {
    let home = variable("HOME").map(PathBuf::from).and_then(|home| home.canonicalize().ok());
    home.is_some_and(|home| home.starts_with(folder))
}

impl Tools {
    /// The operator's tools, for a project in this folder.
    pub fn outside_of(project: &Path) -> Self {
        Self::in_folders(std::env::split_paths(&variable("PATH").unwrap_or_default()), project)
    }

    fn in_folders(folders: impl Iterator<Item = PathBuf>, project: &Path) -> Self {
        let project = project.canonicalize().unwrap_or_else(|_| project.to_owned());
        let project = Some(project).filter(|project| !holds_the_home(project));
        Self { folders: folders.filter(|folder| folder.is_absolute()).collect(), project }
    }

    /// The absolute path of the program of that name. SECURITY: relative folders of `PATH` are ignored. A program that lies in the project
    /// is ignored too, even if a link leads to it.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let candidates = self.folders.iter().map(|folder| folder.join(name));
        candidates.into_iter().find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok() && self.is_outside(file))
    }

    /// Folders of `PATH` in which the system keeps programs, which every build may see.
    pub(crate) fn of_the_system(&self) -> impl Iterator<Item = &PathBuf> {
        const ROOTS: &[&str] = &["/usr", "/bin", "/sbin", "/nix/store", "/gnu/store"];
        self.folders.iter().filter(|folder| ROOTS.iter().any(|root| folder.starts_with(root)))
    }

    fn is_outside(&self, file: &Path) -> bool {
        let Some(project) = &self.project else { return true };
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        let lies_in = |path: Option<PathBuf>| path.is_none_or(|path| path.starts_with(project));
        !lies_in(folder) && !lies_in(file.canonicalize().ok())
    }
}

/// A tool by its absolute path, in the root folder, with only [`ENVIRONMENT`] of the environment.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_clear().stdin(Stdio::null());
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((*name, variable(name)?))));
    command
}

/// What a tool prints on its standard output. `None` if it fails.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(crate) fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = command(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and writes files of its own")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use super::Tools;

    fn program(folder: &Path, mode: u32) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join("tool");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_tool_is_neither_found_relatively_nor_in_the_project_nor_by_a_link_into_it() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        let (project, outside, links, plain) = (real.join("project"), real.join("outside"), real.join("links"), real.join("plain"));
        program(&project.join("bin"), 0o755);
        let found = program(&outside, 0o755);
        program(&plain, 0o644);
        std::fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(project.join("bin/tool"), links.join("tool")).unwrap();
        std::os::unix::fs::symlink(project.join("bin"), real.join("bin")).unwrap();
        let find = |folders: &[&Path]| Tools::in_folders(folders.iter().map(|path| path.to_path_buf()), &project).find("tool");
        for hostile in [Path::new("."), Path::new(""), Path::new("bin"), &project.join("bin"), &links, &real.join("bin"), &plain] {
            assert_eq!(find(&[hostile]), None, "{}", hostile.display());
            assert_eq!(find(&[hostile, &outside]), Some(found.clone()), "{}", hostile.display());
        }
    }
}
