//! Which configurations an operator has said may be used: digests, kept in the home.
//!
//! Trust is for these bytes in this place, and for what they came to when it was said. The same bytes in another checkout name
//! other folders, whose code nobody has looked at; and a folder that became a link to another is another folder.

use std::path::{Path, PathBuf};

use effect::{Digest, SafeText};
use serde::{Deserialize, Serialize};

use crate::config::{Authored, Resolved, authority};
use crate::file::{self, FileError};

/// BOUND: bytes of the list; an entry has some 300.
const LIST_BYTES_MAX: u64 = 4 << 20;

/// The proof that a configuration may be used. Whoever builds or runs something because of a file takes this as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    digest: Digest,
    for_this_run: bool,
}

impl Trusted {
    /// The operator said so on this command line, for this file and this once: `run --trust`.
    pub fn for_this_run(file: &Authored) -> Self {
        Self { digest: file.digest, for_this_run: true }
    }

    /// Of which file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it was said for once only.
    pub fn is_for_this_run(&self) -> bool {
        self.for_this_run
    }
}

/// A configuration that nobody has said may be used.
#[derive(Debug, thiserror::Error)]
#[error("`{}` ({digest}) is not trusted; say `bailiwick trust` once you have read what it asks for", file.display())]
pub struct Untrusted {
    /// Which file.
    pub file: PathBuf,
    /// Of all its bytes.
    pub digest: Digest,
    /// What it asks for, a line each, safe to print.
    pub authority: Vec<String>,
}

/// The list of trusted files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not of the form in which it was written. Nothing is trusted until a person has looked at it.
    #[error("`{}` is broken", file.display())]
    Broken {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// It is not UTF-8.
    #[error("`{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// Others may write to it, or it is another's.
    #[error("`{}` could have been written by others; it must belong to you and be writable by you alone", .0.display())]
    Exposed(PathBuf),
    /// The file is not trusted.
    #[error(transparent)]
    Untrusted(#[from] Box<Untrusted>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    trusted: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Of the authority, as it was printed: paths without links.
    authority: Digest,
    digest: Digest,
    path: String,
    /// Seconds since 1970.
    when: u64,
    by: String,
}

/// Who says it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Seconds since 1970.
    pub when_s: u64,
    /// The operator.
    pub by: &'a str,
}

/// Records that this file may be used.
///
/// # Errors
/// A list that can't be read or written.
pub fn trust(home: &Path, file: &Authored, resolved: &Resolved, said: Said<'_>) -> Result<Trusted, TrustError> {
    file::folder(home)?;
    // Held until the end: two that say it at once should both have said it.
    let _lock = file::lock_own(&home.join("trust.lock"))?;
    let mut list = load(home)?;
    let path = named(&file.file);
    list.trusted.retain(|entry| entry.path != path);
    let by = SafeText::new(said.by, 256).to_string();
    list.trusted.push(Entry { authority: authority_digest(resolved), digest: file.digest, path, when: said.when_s, by });
    // Serialising such a list can't fail; were it to, nothing would be trusted.
    let text = toml::to_string(&list).unwrap_or_default();
    file::write(&list_path(home), text.as_bytes())?;
    Ok(Trusted { digest: file.digest, for_this_run: false })
}

/// The proof that this file may be used.
///
/// # Errors
/// [`TrustError::Untrusted`] with what it asks for, or a list that can't be used.
pub fn check(home: &Path, file: &Authored, resolved: &Resolved) -> Result<Trusted, TrustError> {
    if is_trusted(home, file, resolved)? {
        return Ok(Trusted { digest: file.digest, for_this_run: false });
    }
    Err(Box::new(Untrusted { file: file.file.clone(), digest: file.digest, authority: authority(resolved) }).into())
}

/// Whether these bytes in this place were trusted, and come to the same as then.
///
/// # Errors
/// A list that can't be used.
pub fn is_trusted(home: &Path, file: &Authored, resolved: &Resolved) -> Result<bool, TrustError> {
    let (path, authority) = (named(&file.file), authority_digest(resolved));
    let same = |entry: &Entry| entry.digest == file.digest && entry.path == path && entry.authority == authority;
    Ok(load(home)?.trusted.iter().any(same))
}

fn authority_digest(resolved: &Resolved) -> Digest {
    Digest::of(authority(resolved).join("\n").as_bytes())
}

/// Text and digest of the bytes, so that two paths that print alike are not one.
fn named(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => Digest::of(path.as_os_str().as_encoded_bytes()).to_string(),
    }
}

fn list_path(home: &Path) -> PathBuf {
    home.join("trust.toml")
}

fn load(home: &Path) -> Result<List, TrustError> {
    let path = list_path(home);
    match file::check_own(&path) {
        Ok(true) => {}
        Ok(false) => return Err(TrustError::Exposed(path)),
        Err(err) if err.is_absence() => return Ok(List::default()),
        Err(err) => return Err(err.into()),
    }
    let bytes = file::read_own(&path, LIST_BYTES_MAX)?;
    let text = str::from_utf8(&bytes).map_err(|_| TrustError::NotText(path.clone()))?;
    toml::from_str(text).map_err(|cause| TrustError::Broken { file: path, cause: Box::new(cause) })
}

#[cfg(test)]
mod tests;
