//! The list itself: `trust.toml` in the home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, SafeText};

use super::{HeldComponent, Said, TrustError, Trusted};
use crate::authority::{Spelling, Whole};
use crate::config::Authored;
use crate::file;

/// BOUND: bytes of the list; an entry has some 300, what was shown of it, and some 2,000 more for each agent that is a component.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// BOUND: lines that are kept of what was shown, and their bytes together.
const SHOWN_LINES_MAX: usize = 200;
const SHOWN_BYTES_MAX: usize = 16 << 10;
/// The least number of hexadecimal digits that a person must type of a digest.
const HEX_DIGITS_MIN: usize = 8;

/// A configuration that was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Of everything that it may cause.
    pub authority: Digest,
    /// Who said it.
    pub by: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Where it is.
    pub path: String,
    /// Seconds since 1970.
    pub when: u64,
    /// What it came to, a line each, as it was shown; for people, and nothing is compared with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<String>,
    /// Components that are not built here, by the agent's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, HeldComponent>,
}

/// An agent that was accepted in this home. It shows when the lock has lost its entry, or has another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Its name.
    pub agent: String,
    /// Of everything that was accepted.
    pub authority: Digest,
    /// Who accepted it.
    pub by: String,
    /// Where the configuration is.
    pub path: String,
    /// Seconds since 1970.
    pub when: u64,
}

/// Called under the lock of the list with its file and what that will hold, before anything is changed. If it fails, nothing is.
pub type TrustWitness<'a> = dyn Fn(&Path, &[u8]) -> std::io::Result<()> + 'a;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<Acceptance>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trusted: Vec<Trust>,
}

/// Notes that this file may be used, with these components.
///
/// # Errors
/// A list that can't be read or written.
pub fn trust(
    home: &Path,
    file: &Authored,
    whole: &Whole,
    components: BTreeMap<String, HeldComponent>,
    said: Said<'_>,
    witness: &TrustWitness<'_>,
) -> Result<Trusted, TrustError> {
    let (path, authority) = (named(&file.file), whole.digest()?);
    let by = SafeText::new(said.by, 256).to_string();
    let lines = whole.lines(&Spelling::from_folder_of(&file.file));
    let is_long = lines.len() > SHOWN_LINES_MAX || lines.iter().map(String::len).sum::<usize>() > SHOWN_BYTES_MAX;
    let shown = if is_long { Vec::new() } else { lines };
    let entry = Trust { authority, by, digest: file.digest, path, when: said.when_s, components: components.clone(), shown };
    let put = |list: &mut List| {
        list.trusted.retain(|other| other.path != entry.path);
        list.trusted.push(entry);
    };
    change(home, put, witness)?;
    Ok(Trusted { authority, components, digest: file.digest, for_this_run: false })
}

/// Everything that is trusted.
///
/// # Errors
/// A list that can't be used.
pub fn list(home: &Path) -> Result<Vec<Trust>, TrustError> {
    Ok(load(home)?.trusted)
}

/// Takes back the trust in this one. What was accepted of its agents stays, because it only narrows.
///
/// # Errors
/// A list that can't be read or written.
pub fn untrust(home: &Path, entry: &Trust, witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    change(home, |list| list.trusted.retain(|other| other != entry), witness)
}

/// What was accepted in this home, of all configurations.
///
/// # Errors
/// A list that can't be used.
pub fn acceptance(home: &Path) -> Result<Vec<Acceptance>, TrustError> {
    Ok(load(home)?.accepted)
}

/// Notes that an agent was accepted here. If its configuration is trusted, an accepted component becomes the trusted one, because the
/// acceptance is the newer decision on the same bytes.
///
/// # Errors
/// A list that can't be read or written.
pub fn accept(
    home: &Path,
    file: &Authored,
    accepted: Acceptance,
    component: Option<HeldComponent>,
    witness: &TrustWitness<'_>,
) -> Result<(), TrustError> {
    let path = named(&file.file);
    let accepted = Acceptance { path: path.clone(), ..accepted };
    let put = |list: &mut List| {
        list.accepted.retain(|other| (&other.path, &other.agent) != (&accepted.path, &accepted.agent));
        for entry in list.trusted.iter_mut().filter(|entry| entry.path == path && entry.digest == file.digest) {
            entry.components.extend(component.clone().map(|held| (accepted.agent.clone(), held)));
        }
        list.accepted.push(accepted);
    };
    change(home, put, witness)
}

/// Forgets that an agent was accepted here.
///
/// # Errors
/// A list that can't be read or written.
pub fn unaccept(home: &Path, file: &Path, agent: &str, witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    let path = named(file);
    change(home, |list| list.accepted.retain(|other| (other.path.as_str(), other.agent.as_str()) != (path.as_str(), agent)), witness)
}

impl Trust {
    /// Whether a person means this one: by its path, or by at least the first eight digits of its digest.
    pub fn is_called(&self, word: &str) -> bool {
        let path = Path::new(word);
        let real = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
        let hex = word.strip_prefix("sha256:").unwrap_or(word);
        let is_of_digest = hex.len() >= HEX_DIGITS_MIN && self.digest.hex().starts_with(hex);
        self.path == word || self.path == named(&real) || is_of_digest
    }
}

impl Acceptance {
    /// Whether it is of this agent of this configuration.
    pub fn is_of(&self, config: &Path, agent: &str) -> bool {
        self.path == named(config) && self.agent == agent
    }
}

/// The path as text. If it is not text, the digest of its bytes, so that two paths which print the same stay different.
pub(super) fn named(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => Digest::of(path.as_os_str().as_encoded_bytes()).to_string(),
    }
}

/// The lock is held until the end, so that of two changes at the same time none is lost.
fn change(home: &Path, change: impl FnOnce(&mut List), witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    file::folder(home)?;
    let _lock = file::lock_own(&home.join("trust.lock"), "has locked the list of what is trusted", home::WAIT_MAX)?;
    let mut list = load(home)?;
    change(&mut list);
    let text = toml::to_string(&list).map_err(TrustError::Unwritable)?;
    if text.len() as u64 > LIST_BYTES_MAX {
        return Err(TrustError::Full(list_path(home)));
    }
    let path = list_path(home);
    witness(&path, text.as_bytes()).map_err(TrustError::Unwitnessed)?;
    Ok(file::write(&path, text.as_bytes())?)
}

fn list_path(home: &Path) -> PathBuf {
    home.join("trust.toml")
}

fn load(home: &Path) -> Result<List, TrustError> {
    let path = list_path(home);
    let bytes = match file::read_own(&path, LIST_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(err) if err.is_absence() => return Ok(List::default()),
        Err(err) => return Err(err.into()),
    };
    let text = str::from_utf8(&bytes).map_err(|_| TrustError::NotText(path.clone()))?;
    toml::from_str(text).map_err(|cause| TrustError::Broken { file: path, cause: Box::new(cause) })
}
