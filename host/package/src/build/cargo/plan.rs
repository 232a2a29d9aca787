//! Queries cargo for the packages of a project that an agent in Rust is built from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::BuildError;
use super::super::inputs::{CARGO_LOCK, Places};
use super::super::toolchain::{self, Rust};
use super::{CARGO, FILE_BYTES_MAX, said};
use crate::file;
use crate::tools::{self, Tools};

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Clone, Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Deserialize)]
struct Target {
    src_path: PathBuf,
}

#[derive(Clone, Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
    kind: Option<String>,
}

/// The folders that are built.
#[derive(Clone, Debug)]
pub(in super::super) struct Plan {
    /// The folder of the workspace.
    pub(in super::super) root: PathBuf,
    pub(in super::super) places: Places,
}

/// The packages by their folders.
#[derive(Default)]
struct KnownPackages(BTreeMap<PathBuf, Package>);

/// Plans the build of a folder within the project. A package that lies outside of the project is refused. Cargo is queried in a folder
/// where no project's files apply, and runs nothing.
///
/// Cargo needs a compiler for this, which is the operator's default. The compiler that the folder names is looked up afterwards.
pub(in super::super) fn plan(folder: &Path, sources: &[PathBuf], tools: &Tools) -> Result<(Plan, Rust), BuildError> {
    let asked = match toolchain::cargo(None, tools) {
        Ok(cargo) => cargo,
        Err(err) => named(folder, &[folder.to_owned()], tools)?.ok_or(err)?.cargo,
    };
    let metadata = metadata(&asked, folder)?;
    let root = metadata.workspace_root.canonicalize().map_err(file::failed("find", &metadata.workspace_root))?;
    let project = super::super::project(folder, &root);
    let rust = named(folder, &project, tools)?.map_or_else(|| toolchain::rust(None, tools), Ok)?;
    let mut known = KnownPackages::default();
    known.learn(metadata);
    let needed = known.needed(folder, &root, &asked)?;
    let places = known.places(folder, &root, &needed, sources, &project)?;
    Ok((Plan { root, places }, rust))
}

/// The compiler that a file of the project names.
fn named(folder: &Path, project: &[PathBuf], tools: &Tools) -> Result<Option<Rust>, BuildError> {
    let Some(file) = toolchain::named_in(folder, project) else { return Ok(None) };
    toolchain::rust(Some(&toolchain::channel(&file)?), tools).map(Some)
}

fn metadata(cargo: &Path, folder: &Path) -> Result<Metadata, BuildError> {
    let manifest = folder.join("Cargo.toml");
    let mut command = tools::command(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let printed = super::tool::answer(CARGO, &mut command)?;
    serde_json::from_slice(&printed).map_err(|_| said("printed metadata of an unknown form"))
}

impl KnownPackages {
    fn learn(&mut self, metadata: Metadata) {
        for package in metadata.packages {
            if let Some(folder) = package.manifest_path.parent().and_then(|folder| folder.canonicalize().ok()) {
                self.0.insert(folder, package);
            }
        }
    }

    /// The folders of the packages that are part of the build. It also reads packages outside of the workspace, because cargo requires all
    /// of them to exist.
    fn needed(&mut self, folder: &Path, root: &Path, cargo: &Path) -> Result<Vec<PathBuf>, BuildError> {
        let mut needed: Vec<PathBuf> = Vec::new();
        let mut todo: Vec<(PathBuf, bool)> = self.0.keys().map(|other| (other.clone(), other == folder)).collect();
        todo.extend(patches(root).into_iter().filter_map(|path| Some((path.canonicalize().ok()?, true))));
        let mut seen: BTreeMap<PathBuf, bool> = BTreeMap::new();
        while let Some((package, is_needed)) = todo.pop() {
            if seen.get(&package).is_some_and(|before| *before || !is_needed) {
                continue;
            }
            seen.insert(package.clone(), is_needed);
            if !self.0.contains_key(&package) {
                self.learn(metadata(cargo, &package)?);
            }
            if is_needed {
                needed.push(package.clone());
            }
            for dependency in self.0.get(&package).into_iter().flat_map(|package| &package.dependencies) {
                let Some(path) = dependency.path.as_ref().and_then(|path| path.canonicalize().ok()) else { continue };
                todo.push((path, is_needed && dependency.kind.as_deref() != Some("dev")));
            }
        }
        Ok(needed)
    }

    fn places(
        &self,
        folder: &Path,
        root: &Path,
        needed: &[PathBuf],
        sources: &[PathBuf],
        project: &[PathBuf],
    ) -> Result<Places, BuildError> {
        let mut places = Places { folder: folder.to_owned(), ..Places::default() };
        places.outside.extend(["Cargo.toml", CARGO_LOCK].map(|name| root.join(name)));
        places.outside.extend(toolchain::named_in(folder, project));
        for (other, package) in &self.0 {
            if !project.iter().any(|root| other.starts_with(root)) {
                return Err(BuildError::Outside { path: other.clone(), project: project.to_vec() });
            }
            if needed.contains(other) {
                if other != folder {
                    places.outside.push(other.clone());
                }
                continue;
            }
            places.outside.push(other.join("Cargo.toml"));
            places.stubs.extend(package.targets.iter().map(|target| target.src_path.clone()).filter(|path| path.starts_with(other)));
        }
        places.outside.extend(super::super::declared(folder, sources, project)?);
        places.outside.sort();
        places.outside.dedup();
        Ok(places)
    }
}

/// Packages that the workspace uses in place of others.
fn patches(root: &Path) -> Vec<PathBuf> {
    let text = file::read(&root.join("Cargo.toml"), FILE_BYTES_MAX).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(manifest) = text.and_then(|text| text.parse::<toml::Table>().ok()) else { return Vec::new() };
    let path = |entry: &toml::Value| Some(root.join(entry.as_table()?.get("path")?.as_str()?));
    let tables = manifest.get("patch").and_then(toml::Value::as_table).into_iter().flat_map(|patches| patches.values());
    let replaced = manifest.get("replace").into_iter();
    tables.chain(replaced).filter_map(toml::Value::as_table).flat_map(|table| table.values()).filter_map(path).collect()
}
