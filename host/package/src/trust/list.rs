//! The list of trusted configurations: `trust.toml` in the home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, SafeText};

use super::{HeldComponent, TrustError, TrustStatement, Trusted};
use crate::authority::Whole;
use crate::config::Authored;
use crate::file;

/// BOUND: bytes of the list. An entry has some 300, plus the value that was trusted, plus some 2,000 for each agent that is a component.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// BOUND: bytes of a value that was trusted, as JSON. Of a larger one only the digest is kept.
const WHOLE_BYTES_MAX: usize = 64 << 10;
/// The least number of hexadecimal digits of a digest that a person must type.
const HEX_DIGITS_MIN: usize = 8;

/// A configuration that was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The digest of everything that it may cause, with `components`.
    pub authority: Digest,
    /// The person who trusted it.
    pub by: String,
    /// The digest of the file's bytes.
    pub digest: Digest,
    /// The path of the file.
    pub path: String,
    /// When it was trusted, in seconds since 1970.
    pub when: u64,
    /// Everything that it may cause, without `components`. It shows people what differs; only `authority` is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<Whole>,
    /// The components that are not built here, by the agent's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, HeldComponent>,
}

/// An agent that was accepted in this home. It reveals a lock that has lost its entry or has another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The name of the agent.
    pub agent: String,
    /// The digest of everything that was accepted.
    pub authority: Digest,
    /// The person who accepted it.
    pub by: String,
    /// The path of the configuration.
    pub path: String,
    /// When it was accepted, in seconds since 1970.
    pub when: u64,
}

/// Is called under the lock of the list, with the path of the list and its next contents, before anything is changed. If it fails, nothing
/// is changed.
pub type TrustWitness<'a> = dyn Fn(&Path, &[u8]) -> std::io::Result<()> + 'a;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<Acceptance>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trusted: Vec<Trust>,
}

/// Adds this file, with these components, to the list.
///
/// # Errors
/// A list that can't be read or written.
pub fn trust(
    home: &Path,
    file: &Authored,
    whole: &Whole,
    components: BTreeMap<String, HeldComponent>,
    said: TrustStatement<'_>,
    witness: &TrustWitness<'_>,
) -> Result<Trusted, TrustError> {
    let path = named(&file.file);
    let kept = (whole.canonical_bytes()?.len() <= WHOLE_BYTES_MAX).then(|| whole.clone());
    let whole = whole.clone().held_to(&components);
    let authority = whole.digest()?;
    let by = SafeText::new(said.by, 256).to_string();
    let entry = Trust { authority, by, digest: file.digest, path, when: said.when_s, components, whole: kept };
    let put = |list: &mut List| {
        list.trusted.retain(|other| other.path != entry.path);
        list.trusted.push(entry);
        Ok(())
    };
    change(home, put, witness)?;
    Ok(Trusted { authority, whole, digest: file.digest, for_this_run: false })
}

/// All trusted configurations.
///
/// # Errors
/// A list that can't be used.
pub fn list(home: &Path) -> Result<Vec<Trust>, TrustError> {
    Ok(load(home)?.trusted)
}

/// Removes this entry from the list. What was accepted of its agents stays, because it only narrows.
///
/// # Errors
/// A list that can't be read or written.
pub fn untrust(home: &Path, entry: &Trust, witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    let take = |list: &mut List| {
        list.trusted.retain(|other| other != entry);
        Ok(())
    };
    change(home, take, witness)
}

/// The agents that were accepted in this home, of all configurations.
///
/// # Errors
/// A list that can't be used.
pub fn acceptance(home: &Path) -> Result<Vec<Acceptance>, TrustError> {
    Ok(load(home)?.accepted)
}

/// Records that an agent was accepted here. If its configuration is trusted, an accepted component becomes the trusted one, because the
/// acceptance is the newer decision on the same bytes.
///
/// # Errors
/// A list that can't be read or written.
pub fn accept(
    home: &Path,
    (file, whole): (&Authored, &Whole),
    accepted: Acceptance,
    component: Option<HeldComponent>,
    witness: &TrustWitness<'_>,
) -> Result<(), TrustError> {
    let path = named(&file.file);
    let accepted = Acceptance { path: path.clone(), ..accepted };
    let put = |list: &mut List| {
        list.accepted.retain(|other| (&other.path, &other.agent) != (&accepted.path, &accepted.agent));
        for entry in list.trusted.iter_mut().filter(|entry| entry.path == path && entry.digest == file.digest) {
            entry.accept(whole, &accepted.agent, component.as_ref())?;
        }
        list.accepted.push(accepted);
        Ok(())
    };
    change(home, put, witness)
}

/// Removes the record that an agent was accepted here.
///
/// # Errors
/// A list that can't be read or written.
pub fn unaccept(home: &Path, file: &Path, agent: &str, witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    let path = named(file);
    let take = |list: &mut List| {
        list.accepted.retain(|other| (other.path.as_str(), other.agent.as_str()) != (path.as_str(), agent));
        Ok(())
    };
    change(home, take, witness)
}

impl Trust {
    /// Everything that it could cause when it was trusted, without its components. `None` if that was too large to be kept, or does not
    /// match its digest.
    pub fn whole(&self) -> Option<&Whole> {
        let is_it = |whole: &&Whole| (*whole).clone().held_to(&self.components).digest().is_ok_and(|digest| digest == self.authority);
        self.whole.as_ref().filter(is_it)
    }

    /// Replaces the trusted component by an accepted one, if the entry is for what the configuration allows now.
    fn accept(&mut self, whole: &Whole, agent: &str, component: Option<&HeldComponent>) -> Result<(), TrustError> {
        let Some(held) = component else { return Ok(()) };
        if whole.clone().held_to(&self.components).digest()? == self.authority {
            self.components.insert(agent.to_owned(), held.clone());
            self.authority = whole.clone().held_to(&self.components).digest()?;
        }
        Ok(())
    }

    /// Whether a person means this entry: by its path, or by at least the first eight digits of its digest.
    pub fn is_called(&self, word: &str) -> bool {
        let path = Path::new(word);
        let real = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
        let hex = word.strip_prefix("sha256:").unwrap_or(word);
        let is_of_digest = hex.len() >= HEX_DIGITS_MIN && self.digest.hex().starts_with(hex);
        self.path == word || self.path == named(&real) || is_of_digest
    }
}

impl Acceptance {
    /// Whether it is for this agent of this configuration.
    pub fn is_of(&self, config: &Path, agent: &str) -> bool {
        self.path == named(config) && self.agent == agent
    }
}

/// The path as text. If it is not UTF-8, the digest of its bytes, so that two paths which print the same stay different.
pub(super) fn named(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => Digest::of(path.as_os_str().as_encoded_bytes()).to_string(),
    }
}

/// Changes the list. The lock is held until the end, so that no change is lost if two are made at the same time.
fn change(home: &Path, change: impl FnOnce(&mut List) -> Result<(), TrustError>, witness: &TrustWitness<'_>) -> Result<(), TrustError> {
    file::folder(home)?;
    let _lock = file::lock_own(&home.join("trust.lock"), "has locked the list of what is trusted", home::WAIT_MAX)?;
    let mut list = load(home)?;
    change(&mut list)?;
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
