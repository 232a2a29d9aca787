//! Records which configurations an operator trusts, and which of their agents were accepted here. Both are digests, kept in the home.
//!
//! Trust is for these bytes in this place, and for everything that they allowed at that time: see [`crate::authority`]. The digest of that
//! value is compared, in which each agent is held to the component that it had. Trust ends if the same bytes lie in another checkout,
//! because they name other folders there; if a folder becomes a link to another folder; or if a component is replaced. A folder of source
//! is trusted as a place: its contents may change, and are built contained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::Digest;

use crate::authority::{Authority, Code, Difference, Spelling, Whole};
use crate::component::Component;
use crate::config::{Authored, ConfigError};
use crate::file::FileError;

mod list;

pub use list::{Acceptance, Trust, TrustWitness, accept, acceptance, list, trust, unaccept, untrust};

/// The proof that a configuration may be used. Code that builds or runs something because of a file takes this as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// What was trusted, with its components.
    whole: Whole,
    /// The digest of `whole`.
    authority: Digest,
    digest: Digest,
    for_this_run: bool,
}

/// A component that was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldComponent {
    /// The digest of its bytes.
    pub digest: Digest,
    /// The interfaces that it imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
}

impl HeldComponent {
    /// The component as it was inspected.
    pub fn of(component: &Component) -> Self {
        Self { digest: component.digest, imports: component.imports.iter().map(|import| import.name.to_string()).collect() }
    }
}

impl Whole {
    /// The same value, in which each of these agents is held to a component.
    #[must_use]
    pub fn held_to(mut self, components: &BTreeMap<String, HeldComponent>) -> Self {
        for (name, authority) in &mut self.agents {
            if let Some(held) = components.get(name) {
                *authority = authority.clone().held_to_component(held.digest, held.imports.clone());
            }
        }
        self
    }
}

impl Trusted {
    /// The operator trusted this file on the command line, for one command: `run --trust`.
    ///
    /// # Errors
    /// A number in it that can't be compared.
    pub fn for_this_run(file: &Authored, whole: &Whole, components: &BTreeMap<String, HeldComponent>) -> Result<Self, ConfigError> {
        let whole = whole.clone().held_to(components);
        Ok(Self { authority: whole.digest()?, whole, digest: file.digest, for_this_run: true })
    }

    /// The digest of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of everything that the configuration may cause, with its components.
    pub fn authority(&self) -> Digest {
        self.authority
    }

    /// Whether the file is trusted for one command only.
    pub fn is_for_this_run(&self) -> bool {
        self.for_this_run
    }

    /// Compares what an agent may cause with what was trusted. `now` is held to the component whose bytes are then run.
    ///
    /// # Errors
    /// The component is not the trusted one, or there was no component when the configuration was trusted.
    pub fn holds(&self, agent: &str, now: &Authority, spelling: &Spelling) -> Result<(), TrustError> {
        let had_component = |was: &&Authority| !matches!(was.component, Code::File { digest: None, .. });
        let was = self.whole.agents.get(agent).filter(had_component);
        if let Some(was) = was
            && was.digest()? == now.digest()?
        {
            return Ok(());
        }
        let difference = was.map(|was| Difference::between(was, now, spelling));
        Err(Box::new(OtherComponent { agent: agent.to_owned(), difference, now: now.component.held_to() }).into())
    }
}

/// A component that is not the one that was trusted.
#[derive(Debug, thiserror::Error)]
#[error("the component of agent `{agent}` is not the one that was trusted{}", now.map_or_else(String::new, |now| format!(": it is {now} now")))]
pub struct OtherComponent {
    /// The name of the agent.
    pub agent: String,
    /// What differs now. `None` if there was no component when the configuration was trusted.
    pub difference: Option<Difference>,
    /// The digest of the component that is there now.
    pub now: Option<Digest>,
}

impl OtherComponent {
    /// The differences, one line each, safe to print.
    pub fn lines(&self) -> Vec<String> {
        let unknown = || vec!["when it was trusted, there was no component that could be read".to_owned()];
        self.difference.as_ref().map_or_else(unknown, Difference::lines)
    }
}

/// A configuration that is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("`{}` ({digest}) is not trusted; run `bailiwick trust` once you have read what it asks for", file.display())]
pub struct Untrusted {
    /// The configuration file.
    pub file: PathBuf,
    /// The digest of all its bytes.
    pub digest: Digest,
    /// What the file asks for, one line each, safe to print.
    pub authority: Vec<String>,
    /// The nearest earlier trust.
    pub before: Option<Before>,
}

/// An earlier trust: of the same place, or of the same bytes in another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The entry of the list, with its operator and time.
    pub trust: Trust,
    /// Whether it is for this place.
    pub is_here: bool,
    /// Whether the file no longer exists in its place.
    pub is_gone: bool,
    /// What differs from it, one line each, safe to print. `None` if it is for another place, or if what was trusted was too large to be
    /// kept.
    pub difference: Option<Vec<String>>,
}

impl Before {
    fn of(home: &Path, file: &Authored, now: &Whole) -> Result<Option<Self>, TrustError> {
        let path = list::named(&file.file);
        let (here, elsewhere): (Vec<Trust>, Vec<Trust>) = list(home)?.into_iter().partition(|entry| entry.path == path);
        let same = elsewhere.into_iter().rev().filter(|entry| entry.digest == file.digest);
        let nearest = here.into_iter().next().map(|trust| (trust, true)).or_else(|| same.map(|trust| (trust, false)).next());
        Ok(nearest.map(|(trust, is_here)| {
            let was = trust.whole().filter(|_| is_here);
            let difference = was.map(|was| now.difference_from(was, &Spelling::from_folder_of(&file.file)));
            Self { is_gone: !Path::new(&trust.path).exists(), difference, is_here, trust }
        }))
    }
}

/// The list of trusted files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The caller that records each change first returned an error.
    #[error("the list of what is trusted was not changed")]
    Unwitnessed(#[source] std::io::Error),
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not in the form that this program writes. Nothing is trusted until a person has looked at it.
    #[error("`{}` is broken", file.display())]
    Broken {
        /// The list.
        file: PathBuf,
        /// The parse error.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// The file is not UTF-8.
    #[error("`{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The list would become too large.
    #[error("`{}` is full; remove entries that you no longer need with `bailiwick trust rm`", .0.display())]
    Full(PathBuf),
    /// The list could not be serialized.
    #[error("what is trusted can't be written down")]
    Unwritable(#[source] toml::ser::Error),
    /// A number in the configuration can't be compared exactly.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration is not trusted.
    #[error(transparent)]
    Untrusted(#[from] Box<Untrusted>),
    /// The configuration is trusted, but its component is not.
    #[error(transparent)]
    OtherComponent(#[from] Box<OtherComponent>),
}

/// The operator of a decision, and its time.
#[derive(Clone, Copy, Debug)]
pub struct TrustStatement<'a> {
    /// The time, in seconds since 1970.
    pub when_s: u64,
    /// The operator.
    pub by: &'a str,
}

/// Returns the proof that this file may be used.
///
/// # Errors
/// [`TrustError::Untrusted`] with what the file asks for, or a list that can't be used.
pub fn check(home: &Path, file: &Authored, whole: &Whole) -> Result<Trusted, TrustError> {
    if let Some(trusted) = find(home, file, whole)? {
        return Ok(trusted);
    }
    let authority = whole.lines(&Spelling::from_folder_of(&file.file));
    Err(Box::new(Untrusted { file: file.file.clone(), digest: file.digest, authority, before: Before::of(home, file, whole)? }).into())
}

/// Whether these bytes in this place are in the list, whatever they allow now. If so, the file may be resolved.
///
/// # Errors
/// A list that can't be used.
pub fn is_listed(home: &Path, file: &Authored) -> Result<bool, TrustError> {
    let path = list::named(&file.file);
    Ok(list(home)?.iter().any(|entry| entry.digest == file.digest && entry.path == path))
}

/// The trust in these bytes in this place, if they still allow the same. Components are not compared here: see [`Trusted::holds`].
///
/// # Errors
/// A list that can't be used.
pub fn find(home: &Path, file: &Authored, whole: &Whole) -> Result<Option<Trusted>, TrustError> {
    let path = list::named(&file.file);
    for entry in list(home)?.into_iter().filter(|entry| entry.digest == file.digest && entry.path == path) {
        let whole = whole.clone().held_to(&entry.components);
        if whole.digest()? == entry.authority {
            return Ok(Some(Trusted { authority: entry.authority, whole, digest: file.digest, for_this_run: false }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
