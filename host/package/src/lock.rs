//! `bailiwick.lock`, beside the configuration: what was accepted of which agent, and by whom. It is a list, not a file lock. An agent that
//! has no entry is not pinned.
//!
//! It is in the checkout so that others see it and review it. It narrows what trust allows and never widens it. Its paths are relative to its
//! folder, so it still holds if the project is moved or cloned: see [`crate::authority`].
//!
//! INVARIANT: the digest of an entry is that of its authority's canonical bytes. An entry that was edited by hand is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, SafeText};

use crate::authority::Authority;
use crate::config::ConfigError;
use crate::file::{self, FileError};

/// BOUND: bytes of the file.
const LOCK_BYTES_MAX: u64 = 4 << 20;
/// What stands first in it.
const HEAD: &str = "# What was accepted of each agent. `bailiwick accept` writes it; `run` refuses anything else.\n\n";

/// The file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not of the form in which it was written: nothing is taken for accepted.
    #[error("`{}` is broken; remove it, and accept what it pinned again", file.display())]
    Broken {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// It is a link. Its paths would be relative to two folders.
    #[error("`{}` is a link; put the file itself there, or remove the link and accept again", .0.display())]
    Link(PathBuf),
    /// An entry was changed by hand, or written by a version that has another form of canonical bytes.
    #[error("the entry of agent `{agent}` in `{}` was changed: it has another digest than it names; put the file back as it was, or remove it and accept what it pinned again", file.display())]
    Altered {
        /// Which file.
        file: PathBuf,
        /// Whose entry, safe to print.
        agent: Box<SafeText>,
    },
    /// It is not UTF-8.
    #[error("`{}` is not UTF-8; remove it, and accept what it pinned again", .0.display())]
    NotText(PathBuf),
    /// It could not be read back as it was written.
    #[error("what was accepted can't be written down")]
    Unwritable(#[source] toml::ser::Error),
    /// What it says about an agent can't be compared.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What was accepted of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accepted {
    /// Who accepted it.
    pub by: String,
    /// Of the canonical bytes of `authority`.
    pub digest: Digest,
    /// Seconds since 1970.
    pub when: u64,
    /// Everything that it may cause, with the component or the source that it must have.
    pub authority: Authority,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceLock {
    #[serde(default)]
    agents: BTreeMap<String, Accepted>,
}

impl AcceptanceLock {
    /// The lock beside a configuration; an empty one, where there is none.
    ///
    /// # Errors
    /// One that can't be read.
    pub fn load(config: &Path) -> Result<Self, LockError> {
        let file = path(config);
        // What an acceptance left beside it that was killed. The name is the whole of what may be swept here: this is the user's own folder.
        if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
            home::sweep(folder, |left| name == left);
        }
        let bytes = match file::read_here(&file, LOCK_BYTES_MAX) {
            Err(err) if err.is_absence() => return Ok(Self::default()),
            // SECURITY: a link may lead to the lock of another project, which has other folders behind the same paths.
            Err(err) if err.is_link() => return Err(LockError::Link(file)),
            bytes => bytes?,
        };
        let text = String::from_utf8(bytes).map_err(|_| LockError::NotText(file.clone()))?;
        let lock: Self = toml::from_str(&text).map_err(|cause| LockError::Broken { file: file.clone(), cause: Box::new(cause) })?;
        for (agent, accepted) in &lock.agents {
            if accepted.authority.digest()? != accepted.digest {
                return Err(LockError::Altered { file, agent: Box::new(SafeText::new(agent, 64)) });
            }
        }
        Ok(lock)
    }

    /// What was accepted of an agent.
    pub fn accepted(&self, agent: &str) -> Option<&Accepted> {
        self.agents.get(agent)
    }

    /// All of them, by name.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &Accepted)> {
        self.agents.iter().map(|(name, accepted)| (name.as_str(), accepted))
    }

    /// Pins an agent from now on.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn accept(&mut self, config: &Path, agent: &str, accepted: Accepted) -> Result<(), LockError> {
        self.put(agent, accepted);
        self.write(config)
    }

    /// The same, which [`AcceptanceLock::write`] then puts on disk.
    pub fn put(&mut self, agent: &str, accepted: Accepted) {
        self.agents.insert(agent.to_owned(), accepted);
    }

    /// Takes an agent out, which [`AcceptanceLock::write`] then puts on disk. Returns whether it was pinned.
    pub fn take_out(&mut self, agent: &str) -> bool {
        self.agents.remove(agent).is_some()
    }

    /// Stops pinning an agent. Returns whether it was pinned.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn forget(&mut self, config: &Path, agent: &str) -> Result<bool, LockError> {
        let was = self.take_out(agent);
        if was {
            self.write(config)?;
        }
        Ok(was)
    }

    /// What its file holds.
    ///
    /// # Errors
    /// An authority that can't be written down.
    pub fn text(&self) -> Result<String, LockError> {
        let text = toml::to_string(self).map_err(LockError::Unwritable)?;
        Ok(format!("{HEAD}{text}"))
    }

    /// Writes its file.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, config: &Path) -> Result<(), LockError> {
        Ok(file::write_shared(&path(config), self.text()?.as_bytes())?)
    }
}

impl Accepted {
    /// Accepted by this person, at `when` seconds since 1970.
    ///
    /// # Errors
    /// A number of 2^53 or more.
    pub fn new(authority: Authority, by: &str, when: u64) -> Result<Self, ConfigError> {
        Ok(Self { by: SafeText::new(by, 256).to_string(), digest: authority.digest()?, when, authority })
    }
}

/// Where the lock of a configuration is: `bailiwick.lock` beside `bailiwick.toml`.
pub fn path(config: &Path) -> PathBuf {
    config.with_extension("lock")
}

#[cfg(test)]
mod tests;
