//! An agent in Rust: cargo, for `wasm32-wasip2`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BuildError, Made, tool};
use crate::file;

const CARGO: &str = "cargo";
const TARGET: &str = "wasm32-wasip2";
/// Where a workspace defines it, agents are built with it instead of `release`.
const PROFILE: &str = "agent";
/// BOUND: bytes of a workspace's `Cargo.toml`, and of cargo's list of files.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

pub(super) fn build(folder: &Path, cache: &Path, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let manifest = folder.join("Cargo.toml");
    let root = workspace_root(folder, say)?;
    let mut command = tool::tool(CARGO, folder);
    command.args(["build", "--target", TARGET, "--message-format", "json-render-diagnostics", "--profile"]);
    command.arg(if has_profile(&root) { PROFILE } else { "release" });
    command.arg("--target-dir").arg(cache.join("cargo")).arg("--manifest-path").arg(&manifest);
    command.arg("--config").arg(rustflags(&root));
    if root.join("Cargo.lock").is_file() {
        command.arg("--locked");
    }
    let printed = tool::output(CARGO, &mut command, say)?;
    let component = artifact(&printed, &manifest)?;
    let others = others(folder, &root, &component);
    Ok(Made { component, others })
}

fn workspace_root(folder: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let mut command = tool::tool(CARGO, folder);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let printed = tool::output(CARGO, &mut command, say)?;
    let metadata: Metadata = serde_json::from_slice(&printed).map_err(|_| said("printed metadata of an unknown form"))?;
    Ok(metadata.workspace_root)
}

fn said(said: &'static str) -> BuildError {
    BuildError::ToolSaid { tool: CARGO, said }
}

fn has_profile(root: &Path) -> bool {
    let text = file::read(&root.join("Cargo.toml"), FILE_BYTES_MAX).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let workspace = text.and_then(|text| text.parse::<toml::Table>().ok());
    workspace.and_then(|workspace| workspace.get("profile")?.as_table()?.get(PROFILE).cloned()).is_some()
}

/// SIMD, which the engine always has; and no path of this machine in the component's messages.
fn rustflags(root: &Path) -> String {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec!["-C".to_owned(), "target-feature=+simd128".to_owned(), remap(root, ".")];
    flags.extend(tool::cargo_home().map(|home| remap(&home.join("registry/src"), "registry")));
    let list = toml::Value::Array(flags.into_iter().map(toml::Value::String).collect());
    format!("target.{TARGET}.rustflags={list}")
}

/// The one component among what cargo says it made of this package.
fn artifact(printed: &[u8], manifest: &Path) -> Result<PathBuf, BuildError> {
    let messages = printed.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    let ours = messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    let mut components: Vec<PathBuf> = ours.flat_map(|message| message.filenames).filter(is_wasm).collect();
    let component = components.pop().ok_or_else(|| said("made no component; an agent is a `cdylib`, or one binary"))?;
    if components.is_empty() { Ok(component) } else { Err(said("made more than one component; an agent is one")) }
}

/// What the component hangs on outside its folder: the workspace's files, and those of crates beside it.
fn others(folder: &Path, root: &Path, component: &Path) -> Vec<PathBuf> {
    let mut others: Vec<PathBuf> =
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"].iter().map(|name| root.join(name)).collect();
    for source in sources(component) {
        let crate_manifest = source.ancestors().map(|folder| folder.join("Cargo.toml")).find(|manifest| manifest.is_file());
        others.extend(crate_manifest);
        others.push(source);
    }
    // What lies in the folder is looked at there, but for what only a link within it leads to.
    let is_there = |path: &PathBuf| path.starts_with(folder) && path.canonicalize().is_ok_and(|real| real == *path);
    others.retain(|path| !is_there(path) || *path == root.join("Cargo.lock"));
    others.sort();
    others.dedup();
    others
}

/// Cargo writes beside the component which sources of this machine went into it, as a rule of make: blanks in names behind a backslash.
fn sources(component: &Path) -> Vec<PathBuf> {
    let bytes = file::read(&component.with_extension("d"), FILE_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace("\\ ", "\0");
    let (_, list) = text.split_once(": ").unwrap_or_default();
    list.split_ascii_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}
