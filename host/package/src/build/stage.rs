//! The copy of a source that is built: exactly the bytes that were hashed, and nothing else.
//!
//! A change in the project during a build does not affect the copy, and a build can't write into its source. Paths within the copy are
//! those of the project, so that packages find one another.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::BuildError;
use super::inputs::{InputKind, Sink, relative};
use crate::file::{self, FileError, failed};

/// A copy that is being made.
pub(super) struct BuildStage {
    root: PathBuf,
    /// The paths that belong to the copy. Everything else is removed at the end.
    kept: BTreeSet<PathBuf>,
}

impl BuildStage {
    pub(super) fn new(root: PathBuf) -> Result<Self, FileError> {
        file::folder(&root)?;
        Ok(Self { root, kept: BTreeSet::new() })
    }

    /// Where the copy of a path is.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Removes everything that does not belong to the copy, such as files of an earlier source.
    #[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
    pub(super) fn finish(&self) -> Result<(), FileError> {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
                let entry = entry.map_err(failed("list", &folder))?;
                let path = entry.path();
                let is_folder = entry.file_type().map_err(failed("look at", &path))?.is_dir();
                if !is_folder && !self.kept.contains(&path) {
                    fs::remove_file(&path).map_err(failed("remove", &path))?;
                } else if is_folder && self.holds_some(&path) {
                    folders.push(path);
                } else if is_folder {
                    fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    fn holds_some(&self, folder: &Path) -> bool {
        self.kept.range(folder.to_owned()..).next().is_some_and(|path| path.starts_with(folder))
    }

    /// Leaves a file that holds these bytes already untouched, so that tools which compare times have nothing to do.
    fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let same_mode =
            fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o777 == mode);
        if same_mode && file::holds(path, bytes) {
            return Ok(());
        }
        make_way(path)?;
        write_new(path, bytes, mode)
    }
}

impl Sink for BuildStage {
    fn take(&mut self, path: &Path, kind: &InputKind, bytes: &[u8]) -> Result<(), BuildError> {
        let place = self.place(path);
        match kind {
            InputKind::File { is_program } => Self::write(&place, bytes, if *is_program { 0o700 } else { 0o600 })?,
            InputKind::Stub => Self::write(&place, b"", 0o600)?,
            InputKind::Link(Some(to)) => {
                let to = relative(place.parent().unwrap_or(&self.root), &self.place(to));
                if fs::read_link(&place).ok().as_ref() != Some(&to) {
                    make_way(&place)?;
                    std::os::unix::fs::symlink(&to, &place).map_err(failed("make", &place))?;
                }
            }
            InputKind::Link(None) | InputKind::Other | InputKind::Absent => return Ok(()),
        }
        self.kept.insert(place);
        Ok(())
    }
}

/// Makes the parent folder of a path. Removes what is at the path, and files where folders must be.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
fn make_way(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(path);
    if let Some(in_the_way) = parent.ancestors().find(|above| fs::symlink_metadata(above).is_ok_and(|metadata| !metadata.is_dir())) {
        fs::remove_file(in_the_way).map_err(failed("remove", in_the_way))?;
    }
    file::folder(parent)?;
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(failed("remove", path))
}

#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed("make", path))?;
    file.write_all(bytes).map_err(failed("write", path))
}
