//! An agent in Rust: cargo, for `wasm32-wasip2`.
//!
//! There are three steps. `plan` asks cargo which packages of the project are needed, and runs nothing from the project. `fetch` has cargo
//! download what the lock names, with the network and without the project's code. `build` runs that code, contained and without a network.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::inputs::CARGO_LOCK;
use super::stage::BuildStage;
use super::tool::{self, BuildWatcher};
use super::toolchain::Rust;
use super::workplace::Workplace;
use super::{BuildError, Helper};
use crate::file;
use crate::tools::{self, Tools};

mod plan;
pub(super) use plan::{Plan, plan};

const CARGO: &str = "cargo";
const TARGET: &str = "wasm32-wasip2";
/// The profile that agents are built with instead of `release`, if the workspace defines it.
const PROFILE: &str = "agent";
/// BOUND: bytes of a manifest, and of a lock.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Prefixes of sources in a lock that cargo would fetch from this machine, or with the operator's credentials.
const NOT_FETCHED: &[&str] = &["git+file:", "git+ssh:", "registry+file:", "sparse+file:", "local-registry+", "directory+"];

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// One build.
pub(super) struct Job<'a> {
    pub(super) folder: &'a Path,
    pub(super) helper: &'a Helper,
    pub(super) plan: &'a Plan,
    pub(super) rust: &'a Rust,
    pub(super) stage: &'a BuildStage,
    pub(super) tools: &'a Tools,
    pub(super) workplace: &'a Workplace,
}

impl Job<'_> {
    fn manifest(&self) -> PathBuf {
        self.stage.place(&self.folder.join("Cargo.toml"))
    }

    fn staged_lock(&self) -> PathBuf {
        self.stage.place(&self.plan.root).join(CARGO_LOCK)
    }

    /// Lets rustup install the standard library of components, if this compiler lacks it. Like `fetch`, this runs nothing of the project.
    fn bring_target(&self, watcher: &mut BuildWatcher<'_>) -> Result<(), BuildError> {
        if self.rust.sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            return Ok(());
        }
        let toolchain = self.rust.sysroot.file_name().unwrap_or_default();
        let none = || BuildError::NoTarget(toolchain.to_string_lossy().into_owned());
        let rustup = self.tools.find("rustup").ok_or_else(none)?;
        (watcher.say)(&format!("rustup installs the target {TARGET}, which this compiler lacks"));
        let mut command = tools::command(&rustup);
        command.args(["target", "add", "--toolchain"]).arg(toolchain).arg(TARGET).env("PATH", Workplace::path(&[], self.tools)?);
        command.envs(tools::TO_FETCH.iter().filter_map(|name| Some((*name, tools::variable(name)?))));
        tool::output("rustup", &mut command, watcher).map(drop).map_err(|err| match err {
            BuildError::ToolFailed { .. } => none(),
            err => err,
        })
    }

    /// Lets cargo download what the lock names, and write a lock if there is none. SECURITY: cargo runs as the operator here, with the
    /// network and the registries that the operator configured. So it runs nothing of the project, and sees no home: with what git or ssh
    /// keep there, a manifest could fetch what only the operator may read. Returns whether cargo wrote a lock.
    pub(super) fn fetch(&self, watcher: &mut BuildWatcher<'_>) -> Result<bool, BuildError> {
        self.bring_target(watcher)?;
        let lock = self.staged_lock();
        let had_lock = lock.is_file();
        refuse_what_is_not_fetched(&lock)?;
        if had_lock && file::holds(&self.workplace.fetched, &self.need()) {
            return Ok(false);
        }
        let Some(cargo_home) = cargo_home() else { return Err(BuildError::NotFound("a home for cargo")) };
        let arguments = ["fetch", "--target", TARGET, "--target", &self.rust.host, "--manifest-path"].map(str::to_owned);
        let mut command = tools::command(&self.rust.cargo);
        command.args(arguments).arg(self.manifest()).args(had_lock.then_some("--locked"));
        command.env("HOME", self.workplace.home()).env("CARGO_HOME", cargo_home).env("RUSTC", &self.rust.rustc);
        command.env("PATH", Workplace::path(&[], self.tools)?).env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
        command.envs(tools::TO_FETCH.iter().filter_map(|name| Some((*name, tools::variable(name)?))));
        tool::output(CARGO, &mut command, watcher)?;
        refuse_what_is_not_fetched(&lock)?;
        file::write(&self.workplace.fetched, &self.need())?;
        if !had_lock {
            // Cargo does the same in a manual build, so the next build uses the same versions.
            file::write(&self.plan.root.join(CARGO_LOCK), &file::read(&lock, FILE_BYTES_MAX)?)?;
        }
        Ok(!had_lock)
    }

    /// Identifies what has to be fetched before a build, because a build can't download anything.
    fn need(&self) -> Vec<u8> {
        let lock = file::read(&self.staged_lock(), FILE_BYTES_MAX).unwrap_or_default();
        format!("{} {}\n", self.rust.version, vocabulary::Digest::of(&lock)).into_bytes()
    }

    /// Builds the component, contained. The component is written to the workplace.
    pub(super) fn build(&self, watcher: &mut BuildWatcher<'_>) -> Result<PathBuf, BuildError> {
        self.lay_out_cargo_home()?;
        let root = self.stage.place(&self.plan.root);
        let manifest = self.manifest();
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or(BuildError::NotText);
        let profile = if has_profile(&root) { PROFILE } else { "release" };
        let mut arguments = ["build", "--offline", "--locked", "--target", TARGET].map(str::to_owned).to_vec();
        arguments.extend(["--message-format", "json-render-diagnostics", "--profile", profile].map(str::to_owned));
        arguments.extend(["--target-dir".to_owned(), text(&self.workplace.target)?, "--manifest-path".to_owned(), text(&manifest)?]);
        arguments.extend(["--config".to_owned(), self.rustflags(&root)]);
        let read = [self.rust.sysroot.clone()].into_iter().chain(fetched()).collect();
        let mut command = self.workplace.tool(self.helper, &self.rust.cargo, arguments, read)?;
        let bin = self.rust.sysroot.join("bin");
        command.env("PATH", Workplace::path(&[bin], self.tools)?).env("CARGO_HOME", self.workplace.cargo_home());
        command.env("RUSTC", &self.rust.rustc).env("CARGO_TERM_COLOR", "never");
        let printed = tool::output(CARGO, &mut command, watcher).inspect_err(|_| {
            // The build may need a package that was fetched and has been removed. The next build fetches it again.
            let _ = file::write(&self.workplace.fetched, b"");
        })?;
        self.artifact(&printed, &manifest)
    }

    /// Makes a `CARGO_HOME` with the fetched packages and nothing else of the operator's: no tokens, and no programs that would be run.
    fn lay_out_cargo_home(&self) -> Result<(), BuildError> {
        let ours = self.workplace.cargo_home();
        for folder in fetched() {
            let link = ours.join(folder.file_name().unwrap_or_default());
            std::os::unix::fs::symlink(&folder, &link).map_err(file::failed("make", &link))?;
        }
        let config = cargo_home().map(|home| sources_configured(&home)).unwrap_or_default();
        Ok(file::write(&ours.join("config.toml"), config.to_string().as_bytes())?)
    }

    /// Flags for SIMD, which the engine always has, and to keep paths of this machine out of the component's messages.
    fn rustflags(&self, root: &Path) -> String {
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let registry = self.workplace.cargo_home().join("registry/src");
        let mut flags = vec!["-C".to_owned(), "target-feature=+simd128".to_owned(), remap(root, "."), remap(&registry, "registry")];
        flags.extend(fetched().iter().map(|folder| remap(&folder.join("src"), "registry")));
        let list = toml::Value::Array(flags.into_iter().map(toml::Value::String).collect());
        format!("target.{TARGET}.rustflags={list}")
    }

    /// The one component that cargo reports for this package. SECURITY: a build script can write to the same output as cargo, so only a
    /// file in the target folder is accepted.
    fn artifact(&self, printed: &[u8], manifest: &Path) -> Result<PathBuf, BuildError> {
        let messages = printed.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Message>(line).ok());
        let ours = messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
        let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
        let mut components: Vec<PathBuf> = ours.flat_map(|message| message.filenames).filter(is_wasm).collect();
        let component = components.pop().ok_or_else(|| said("made no component; an agent is a `cdylib`, or one binary"))?;
        if !components.is_empty() {
            return Err(said("made more than one component; an agent must be exactly one"));
        }
        let real = component.canonicalize().map_err(file::failed("find", &component))?;
        let target = self.workplace.target.canonicalize().map_err(file::failed("find", &self.workplace.target))?;
        if real.starts_with(target) { Ok(real) } else { Err(said("named a component outside of its target folder")) }
    }
}

fn said(said: &'static str) -> BuildError {
    BuildError::ToolSaid { tool: CARGO, said }
}

/// The folder in which cargo keeps what it fetched.
fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(tools::variable("HOME")?).join(".cargo"));
    tools::variable("CARGO_HOME").map(PathBuf::from).or_else(home).filter(|home| home.is_absolute())
}

/// The folders in it that a build may read.
fn fetched() -> Vec<PathBuf> {
    let folders = cargo_home().map(|home| ["registry", "git"].map(|name| home.join(name)));
    folders.into_iter().flatten().filter_map(|folder| folder.canonicalize().ok()).collect()
}

/// The part of the operator's cargo configuration that says where packages come from. Without it, a build does not find packages that were
/// fetched from a mirror.
fn sources_configured(home: &Path) -> toml::Table {
    let files = ["config.toml", "config"].map(|name| home.join(name));
    let text = files.iter().find_map(|file| String::from_utf8(file::read(file, FILE_BYTES_MAX).ok()?).ok());
    let mut config = text.and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    config.retain(|key, _| key == "source" || key == "registries");
    if let Some(toml::Value::Table(registries)) = config.get_mut("registries") {
        for (_, registry) in registries.iter_mut() {
            if let toml::Value::Table(registry) = registry {
                // SECURITY: the same table may contain a token.
                registry.retain(|key, _| key == "index");
            }
        }
    }
    config
}

fn refuse_what_is_not_fetched(lock: &Path) -> Result<(), BuildError> {
    let Ok(bytes) = file::read(lock, FILE_BYTES_MAX) else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().find(|line| line.starts_with("source") && NOT_FETCHED.iter().any(|source| line.contains(source))) {
        Some(line) => Err(BuildError::NotFetched(vocabulary::SafeText::new(line, 300))),
        None => Ok(()),
    }
}

fn has_profile(root: &Path) -> bool {
    let text = file::read(&root.join("Cargo.toml"), FILE_BYTES_MAX).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let workspace = text.and_then(|text| text.parse::<toml::Table>().ok());
    workspace.and_then(|workspace| workspace.get("profile")?.as_table()?.get(PROFILE).cloned()).is_some()
}

#[cfg(test)]
mod tests {
    use super::sources_configured;

    #[test]
    fn of_the_operators_cargo_a_build_sees_where_packages_come_from_and_no_token() {
        let home = tempfile::tempdir().unwrap_or_else(|err| unreachable!("{err}"));
        let text = "[build]\nrustc-wrapper = \"evil\"\n[source.crates-io]\nreplace-with = \"mirror\"\n\
                    [registries.own]\nindex = \"sparse+https://own.test/\"\ntoken = \"secret\"\n[registry]\ntoken = \"secret\"\n";
        let written = crate::file::write(&home.path().join("config.toml"), text.as_bytes());
        let seen = sources_configured(home.path()).to_string();
        assert!(written.is_ok() && seen.contains("mirror") && seen.contains("own.test"), "{seen}");
        assert!(!seen.contains("secret") && !seen.contains("evil"), "{seen}");
    }
}
