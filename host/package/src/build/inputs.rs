//! What a build hangs on, as digests of contents: times lie after a checkout.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use effect::Digest;
use sha2::{Digest as _, Sha256};

use super::BuildError;
use crate::file::{self, failed};

/// BOUND: files in a folder of source.
const FILES_MAX: u64 = 20_000;
/// BOUND: bytes of one file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// BOUND: bytes in a folder of source.
const SOURCE_BYTES_MAX: u64 = 256 << 20;

/// What tools leave behind at the top of a folder, and what holds no source. Cargo writes its lock file while it builds, so that one is looked at afterwards,
/// among the files outside.
const NO_SOURCE: &[&str] = &["Cargo.lock", "target", ".git", "node_modules", ".venv"];
/// The same anywhere.
const NEVER_SOURCE: &[&str] = &["__pycache__", ".pytest_cache", ".DS_Store"];
/// How names end, or begin, of what editors keep beside a file while it is open.
const OF_EDITORS: (&[&str], &[&str]) = (&["~", ".swp", ".swx", ".swo"], &[".#"]);

/// What a component was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inputs {
    /// Of everything in its folder.
    pub(super) source: Digest,
    /// Of the files outside.
    pub(super) others: Digest,
    /// Which these are.
    pub(super) paths: Vec<PathBuf>,
}

/// The digest of everything in a folder, but for what tools leave behind, and for these files.
pub(super) fn source(folder: &Path, but: &[PathBuf]) -> Result<Digest, BuildError> {
    let mut files = Vec::new();
    walk(folder, &mut files, folder)?;
    files.retain(|file| !but.contains(file));
    files.sort();
    let mut sum = Sum::default();
    for path in &files {
        sum.add(path.strip_prefix(folder).unwrap_or(path), path)?;
        if sum.bytes > SOURCE_BYTES_MAX {
            return Err(BuildError::TooMuchSource { folder: folder.to_owned(), what: "bytes", max: SOURCE_BYTES_MAX });
        }
    }
    Ok(sum.digest())
}

/// The digest of these files, in this order. One that is not there counts as that.
pub(super) fn others(paths: &[PathBuf]) -> Result<Digest, BuildError> {
    let mut sum = Sum::default();
    paths.iter().try_for_each(|path| sum.add(path, path))?;
    Ok(sum.digest())
}

#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
fn walk(folder: &Path, files: &mut Vec<PathBuf>, top: &Path) -> Result<(), BuildError> {
    // Not by recursion: how deep folders lie is not ours to say.
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(failed("list", &folder))? {
            let entry = entry.map_err(failed("list", &folder))?;
            let kind = entry.file_type().map_err(failed("look at", &folder))?;
            let at_top = folder == top && NO_SOURCE.iter().any(|name| entry.file_name() == *name);
            if at_top || is_left_behind(&entry.file_name().to_string_lossy()) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
            if files.len() as u64 + folders.len() as u64 > FILES_MAX {
                return Err(BuildError::TooMuchSource { folder: top.to_owned(), what: "files", max: FILES_MAX });
            }
        }
    }
    Ok(())
}

fn is_left_behind(name: &str) -> bool {
    let (ends, begins) = OF_EDITORS;
    NEVER_SOURCE.contains(&name) || ends.iter().any(|end| name.ends_with(end)) || begins.iter().any(|begin| name.starts_with(begin))
}

#[derive(Default)]
struct Sum {
    hash: Sha256,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, name: &Path, path: &Path) -> Result<(), BuildError> {
        self.field(name.as_os_str().as_bytes());
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => {
                self.field(b"link");
                let target = std::fs::read_link(path).map_err(failed("read", path))?;
                self.field(target.as_os_str().as_bytes());
                // What it leads to may change while the link stays; where that is a folder, the tool names the files that it used.
                if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
                    self.content(path)?;
                }
            }
            Ok(metadata) if metadata.is_file() => {
                self.field(b"file");
                self.content(path)?;
            }
            Ok(_) => self.field(b"other"),
            Err(_) => self.field(b"absent"),
        }
        Ok(())
    }

    fn content(&mut self, path: &Path) -> Result<(), BuildError> {
        let bytes = file::read(path, FILE_BYTES_MAX)?;
        self.bytes += bytes.len() as u64;
        self.field(&bytes);
        Ok(())
    }

    /// With its length first, so that no two lists of fields are the same bytes.
    fn field(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}
