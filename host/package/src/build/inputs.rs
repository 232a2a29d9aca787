//! Finds the files that count as source of a build, and their digest. Contents count. Times don't, because a checkout changes them.
//!
//! Only the files that are found here are copied to the folder of the build (`stage`). So the digest covers everything that a build can
//! read of a project.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

use super::BuildError;
use crate::file::{self, failed};

/// BOUND: files of one build's source.
const FILES_MAX: usize = 20_000;
/// BOUND: bytes of one file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// BOUND: bytes of one build's source.
const SOURCE_BYTES_MAX: u64 = 256 << 20;

/// Folders without source, at the top of an agent's folder or of a package.
const NO_SOURCE: &[&str] = &["target", "node_modules", "cases"];
/// Hidden folders don't count as source either, except for this one, which changes how a tool works.
const HIDDEN_SOURCE: &str = ".cargo";
/// Endings of the files at the top of an agent's folder that count. Others there are reports, locks and notes, unless `[build] sources`
/// names them.
const TOP_ENDINGS: &[&str] = &["rs", "py", "pyi", "toml", "md", "txt", "wit"];
const TOP_NAMES: &[&str] = &["rust-toolchain"];
/// The operator's files in a project, which are trusted separately.
const NOT_AT_TOP: &[&str] = &[crate::config::FILE_NAME];
/// The file that cargo writes before it builds. It counts as source outside of the folder.
pub(super) const CARGO_LOCK: &str = "Cargo.lock";
/// Files and folders that tools and editors leave behind, at any depth.
const NEVER_SOURCE: &[&str] = &["__pycache__", ".pytest_cache", ".git", ".venv", ".DS_Store"];
const OF_EDITORS: (&[&str], &[&str]) = (&["~", ".swp", ".swx", ".swo"], &[".#"]);

/// The places of a build's source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The agent's folder, without links.
    pub(super) folder: PathBuf,
    /// Files and folders outside of it, and others that count although their names don't show it.
    pub(super) outside: Vec<PathBuf>,
    /// Files that cargo needs to be present, but that nothing is built from.
    pub(super) stubs: Vec<PathBuf>,
}

/// The kind of file at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    File {
        is_program: bool,
    },
    /// A link, with the file or folder of the source that it leads to. `None` if it leads nowhere.
    Link(Option<PathBuf>),
    Stub,
    /// A pipe, a socket or a device. It is part of the digest, but is not copied.
    Other,
    Absent,
}

/// Everything that a build reads, by path.
#[derive(Debug, Default)]
pub(super) struct InputFound {
    items: BTreeMap<PathBuf, InputKind>,
}

/// Receives each file while its digest is computed.
pub(super) trait Sink {
    fn take(&mut self, path: &Path, kind: &InputKind, bytes: &[u8]) -> Result<(), BuildError>;
}

/// A sink for callers that only need the digest.
pub(super) struct Nobody;

impl Sink for Nobody {
    fn take(&mut self, _: &Path, _: &InputKind, _: &[u8]) -> Result<(), BuildError> {
        Ok(())
    }
}

impl Places {
    /// Lists everything except the files in `but`.
    pub(super) fn find(&self, but: &[PathBuf]) -> Result<InputFound, BuildError> {
        let mut found = InputFound::default();
        found.walk(&self.folder, Some(&self.folder))?;
        for path in &self.outside {
            match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => found.walk(path, None)?,
                Ok(metadata) => found.add(path.clone(), kind_of(&metadata))?,
                Err(_) => found.add(path.clone(), InputKind::Absent)?,
            }
        }
        for stub in &self.stubs {
            found.items.entry(stub.clone()).or_insert(InputKind::Stub);
        }
        found.items.retain(|path, _| !but.contains(path));
        found.follow_links()?;
        Ok(found)
    }

    /// The digest of what is in the folder, and then of what is outside. Each file that is read for it is passed to `sink`.
    pub(super) fn digests(&self, found: &InputFound, sink: &mut dyn Sink) -> Result<(Digest, Digest), BuildError> {
        let (mut inside, mut outside, mut bytes) = (Sum::default(), Sum::default(), 0);
        let lock = self.folder.join(CARGO_LOCK);
        for (path, kind) in &found.items {
            let sum = if path.starts_with(&self.folder) && *path != lock { &mut inside } else { &mut outside };
            let content = sum.add(&relative(&self.folder, path), path, kind, &self.folder)?;
            bytes += content.len() as u64;
            if bytes > SOURCE_BYTES_MAX {
                return Err(BuildError::TooMuchSource { folder: self.folder.clone(), what: "bytes", max: SOURCE_BYTES_MAX });
            }
            sink.take(path, kind, &content)?;
        }
        Ok((inside.digest(), outside.digest()))
    }
}

impl InputFound {
    fn add(&mut self, path: PathBuf, kind: InputKind) -> Result<(), BuildError> {
        if self.items.len() >= FILES_MAX {
            let folder = path.parent().unwrap_or(&path).to_owned();
            return Err(BuildError::TooMuchSource { folder, what: "files", max: FILES_MAX as u64 });
        }
        self.items.insert(path, kind);
        Ok(())
    }

    /// It is not recursive, because folders may be nested to any depth.
    #[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
    fn walk(&mut self, top: &Path, agent: Option<&Path>) -> Result<(), BuildError> {
        let mut folders = vec![top.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(failed("list", &folder))? {
                let entry = entry.map_err(failed("list", &folder))?;
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                let metadata = std::fs::symlink_metadata(&path).map_err(failed("look at", &path))?;
                if is_left_behind(&name)
                    || is_target(&name, &path)
                    || folder == top && !counts_at_top(&name, &metadata, &path, agent.is_some())
                {
                    continue;
                }
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    self.add(path, kind_of(&metadata))?;
                }
                if folders.len() > FILES_MAX {
                    return Err(BuildError::TooMuchSource { folder: top.to_owned(), what: "folders", max: FILES_MAX as u64 });
                }
            }
        }
        Ok(())
    }

    /// SECURITY: a link in a checkout may lead to the operator's own files. A link is refused if its target is not source by itself, or is
    /// a folder that contains the link.
    fn follow_links(&mut self) -> Result<(), BuildError> {
        let links: Vec<PathBuf> =
            self.items.iter().filter(|(_, kind)| matches!(kind, InputKind::Link(_))).map(|(path, _)| path.clone()).collect();
        for link in links {
            let to = link.canonicalize().ok();
            if let Some(to) = &to
                && (link.starts_with(to) || !self.is_source(to))
            {
                return Err(BuildError::LeadsOut { link, to: to.clone() });
            }
            self.items.insert(link, InputKind::Link(to));
        }
        Ok(())
    }

    /// Whether the path is one of the files, or a folder that contains one.
    fn is_source(&self, path: &Path) -> bool {
        self.items.get(path).is_some_and(|kind| matches!(kind, InputKind::File { .. }))
            || self.items.range(path.to_owned()..).find(|(other, _)| *other != path).is_some_and(|(other, _)| other.starts_with(path))
    }
}

fn kind_of(metadata: &std::fs::Metadata) -> InputKind {
    match () {
        () if metadata.is_symlink() => InputKind::Link(None),
        () if metadata.is_file() => InputKind::File { is_program: metadata.mode() & 0o100 != 0 },
        () => InputKind::Other,
    }
}

fn counts_at_top(name: &str, metadata: &std::fs::Metadata, path: &Path, is_agents: bool) -> bool {
    if metadata.is_dir() || metadata.is_symlink() && path.is_dir() {
        return name == HIDDEN_SOURCE || !name.starts_with('.') && !NO_SOURCE.contains(&name);
    }
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    !is_agents || (TOP_ENDINGS.contains(&ending) && !NOT_AT_TOP.contains(&name)) || TOP_NAMES.contains(&name)
}

/// Whether cargo builds into this folder. Cargo marks such folders, wherever they are.
fn is_target(name: &str, path: &Path) -> bool {
    name == "target" && path.join("CACHEDIR.TAG").is_file()
}

fn is_left_behind(name: &str) -> bool {
    let (ends, begins) = OF_EDITORS;
    NEVER_SOURCE.contains(&name) || ends.iter().any(|end| name.ends_with(end)) || begins.iter().any(|begin| name.starts_with(begin))
}

/// The relative path from a folder to a path, both without links. It is the same on every machine that has the project.
pub(super) fn relative(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

#[derive(Default)]
struct Sum(Sha256);

impl Sum {
    /// Adds one file, and returns its contents.
    fn add(&mut self, name: &Path, path: &Path, kind: &InputKind, folder: &Path) -> Result<Vec<u8>, BuildError> {
        self.field(name.as_os_str().as_bytes());
        match kind {
            InputKind::File { is_program } => {
                self.field(if *is_program { b"program" } else { b"file" });
                let bytes = file::read_here(path, FILE_BYTES_MAX)?;
                self.field(&bytes);
                return Ok(bytes);
            }
            InputKind::Link(to) => {
                self.field(b"link");
                let to = to.as_ref().map(|to| relative(folder, to));
                self.field(to.unwrap_or_default().as_os_str().as_bytes());
            }
            InputKind::Stub => self.field(b"stub"),
            InputKind::Other => self.field(b"other"),
            InputKind::Absent => self.field(b"absent"),
        }
        Ok(Vec::new())
    }

    /// Adds a field with its length first, so that different lists of fields never give the same bytes.
    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}
