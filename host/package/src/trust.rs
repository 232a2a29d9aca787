//! Which configurations an operator has said may be used, and which agents of them were accepted here: digests, kept in the home.
//!
//! Trust is for these bytes in this place, and for everything that they allowed at that time: see [`crate::authority`]. What is compared is the
//! digest of that value, in which each agent is held to the component that it had. The same bytes in another checkout name other folders; a
//! folder that became a link to another is another folder; a component that was exchanged is another component. A folder of source is trusted as a place: its contents may change, and are built contained.

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
    /// Of `whole`.
    authority: Digest,
    digest: Digest,
    for_this_run: bool,
}

/// A component that was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldComponent {
    /// Of its bytes.
    pub digest: Digest,
    /// What it imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
}

impl HeldComponent {
    /// As it was looked at.
    pub fn of(component: &Component) -> Self {
        Self { digest: component.digest, imports: component.imports.iter().map(|import| import.name.to_string()).collect() }
    }
}

impl Whole {
    /// The same, in which each of these agents is held to a component.
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

    /// Of everything that it may cause, with its components.
    pub fn authority(&self) -> Digest {
        self.authority
    }

    /// Whether it was said for once only.
    pub fn is_for_this_run(&self) -> bool {
        self.for_this_run
    }

    /// Compares what an agent may cause with what was trusted. `now` is held to the component whose bytes are then run.
    ///
    /// # Errors
    /// It is not the same: another component, or there was none when the configuration was trusted.
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
    /// Whose.
    pub agent: String,
    /// What is other now. `None` if there was no component when it was trusted.
    pub difference: Option<Difference>,
    /// The component that is there.
    pub now: Option<Digest>,
}

impl OtherComponent {
    /// The differences, one line each, safe to print.
    pub fn lines(&self) -> Vec<String> {
        let unknown = || vec!["when it was trusted, there was no component that could be looked at".to_owned()];
        self.difference.as_ref().map_or_else(unknown, Difference::lines)
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
    /// What was trusted that is nearest to it.
    pub before: Option<Before>,
}

/// What was trusted before: of the same place, or the same bytes in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// What was said, by whom and when.
    pub trust: Trust,
    /// Whether it is of this place.
    pub is_here: bool,
    /// Whether its file is gone from its place.
    pub is_gone: bool,
    /// What differs from it, a line each, safe to print. `None` if it is of another place, or if what was trusted was too large to be kept.
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
    /// Whoever was to see the change first did not let it be made.
    #[error("the list of what is trusted was not changed")]
    Unwitnessed(#[source] std::io::Error),
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
    /// It would become too large.
    #[error("`{}` is full; take back what is no longer needed with `bailiwick trust rm`", .0.display())]
    Full(PathBuf),
    /// It could not be read back as it was written.
    #[error("what is trusted can't be written down")]
    Unwritable(#[source] toml::ser::Error),
    /// A number in the configuration can't be compared.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file is not trusted.
    #[error(transparent)]
    Untrusted(#[from] Box<Untrusted>),
    /// The file is trusted, but its component is not.
    #[error(transparent)]
    OtherComponent(#[from] Box<OtherComponent>),
}

/// Who says it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Seconds since 1970.
    pub when_s: u64,
    /// The operator.
    pub by: &'a str,
}

/// The proof that this file may be used.
///
/// # Errors
/// [`TrustError::Untrusted`] with what it asks for, or a list that can't be used.
pub fn check(home: &Path, file: &Authored, whole: &Whole) -> Result<Trusted, TrustError> {
    if let Some(trusted) = find(home, file, whole)? {
        return Ok(trusted);
    }
    let authority = whole.lines(&Spelling::from_folder_of(&file.file));
    Err(Box::new(Untrusted { file: file.file.clone(), digest: file.digest, authority, before: Before::of(home, file, whole)? }).into())
}

/// Whether these bytes in this place are in the list, whatever they allow now: then the file may be understood.
///
/// # Errors
/// A list that can't be used.
pub fn is_listed(home: &Path, file: &Authored) -> Result<bool, TrustError> {
    let path = list::named(&file.file);
    Ok(list(home)?.iter().any(|entry| entry.digest == file.digest && entry.path == path))
}

/// Whether these bytes in this place were trusted, and still allow the same. Components are not compared here: see [`Trusted::holds`].
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
