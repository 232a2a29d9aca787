//! `[[agents.NAME.files]]`: folders of the host, and where the guest sees them.

use std::path::{Path, PathBuf};

use vocabulary::{FilesGrant, FilesMode, ParseError};

use super::ConfigPlace;
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError, path_fault};

/// BOUND: mounts of one agent. Each costs a file descriptor.
const MOUNTS_MAX: usize = 64;
/// BOUND: bytes of a path.
const PATH_BYTES_MAX: usize = 4096;

/// `secrets` are the paths of files with values of credentials, both as written and without links.
///
/// SECURITY: an agent can keep whatever it may read, so no mount may contain one of these files.
pub(super) fn resolve(list: &ConfigValue<'_>, place: &ConfigPlace<'_>, secrets: &[PathBuf]) -> Result<Vec<FilesGrant>, WrongError> {
    let mut mounts: Vec<FilesGrant> = Vec::new();
    for item in list.some_items(MOUNTS_MAX)? {
        let table = item.table(8)?;
        table.only(&["guest", "host", "mode"], &[])?;
        let guest = guest(&table.required("guest")?, &mounts)?;
        let written = table.required("host")?;
        let host = host(&written, place)?;
        if secrets.iter().any(|secret| secret.starts_with(&host)) {
            return Err(written.wrong(ConfigFault::Impossible("holds the file of a credential, which no agent may read")));
        }
        mounts.push(FilesGrant { guest, host, mode: mode(&table)? });
    }
    Ok(mounts)
}

fn mode(table: &Table<'_>) -> Result<FilesMode, WrongError> {
    let value = table.required("mode")?;
    match value.text(16)? {
        "read" => Ok(FilesMode::Read),
        "stage" => Err(value.wrong(ConfigFault::Later("approvals"))),
        other => Err(value.wrong(ParseError::new("a mode", other, "`read`").into())),
    }
}

/// The path is absolute, normalized, and not inside an earlier mount, so that exactly one mount answers for each path.
fn guest(value: &ConfigValue<'_>, earlier: &[FilesGrant]) -> Result<String, WrongError> {
    let path = value.line(PATH_BYTES_MAX)?;
    let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('\\');
    if path != "/" && !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) {
        let form = "`/`, then segments; no `.` or `..`, no slash at the end";
        return Err(value.wrong(ParseError::new("a path of the guest", &path, form).into()));
    }
    let clashes = earlier.iter().any(|mount| Path::new(&path).starts_with(&mount.guest) || Path::new(&mount.guest).starts_with(&path));
    if clashes {
        Err(value.wrong(ConfigFault::Impossible("is the same as the `guest` of an earlier mount, or one of them is inside the other")))
    } else {
        Ok(path)
    }
}

/// The folder without links, so that the same folder is printed, trusted and opened.
fn host(value: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<PathBuf, WrongError> {
    let text = Path::new(value.text(PATH_BYTES_MAX)?);
    let written = place.folder.join(text);
    let fault = |why| value.wrong(path_fault(written.display(), why));
    let real = written.canonicalize().map_err(|_| fault("is not there, or can't be reached"))?;
    if !real.is_dir() {
        return Err(fault("is not a folder"));
    }
    // SECURITY: the home holds keys, the record and the list of what is trusted. An agent that could read it could read other runs.
    if real.starts_with(&place.home) {
        return Err(fault("is inside the host's own home"));
    }
    if place.home.starts_with(&real) {
        return Err(fault("contains the host's own home; mount a folder that does not"));
    }
    place.note(text, &real);
    Ok(real)
}
