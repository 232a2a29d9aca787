//! `bailiwick.lock`, beside the configuration: what was accepted for each agent, and by whom. It is a list, not a file lock. An agent
//! without an entry is not pinned.
//!
//! It is in the checkout so that others see and review it. It narrows what trust allows and never widens it. Its paths are relative to its
//! folder, so it still holds if the project is moved or cloned: see [`crate::authority`].
//!
//! INVARIANT: the digest in an entry is that of the canonical bytes of its authority. An entry that was edited by hand is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, SafeText};

use crate::authority::Authority;
use crate::config::ConfigError;
use crate::file::{self, FileError};

/// BOUND: bytes of the file.
const LOCK_BYTES_MAX: u64 = 4 << 20;
/// The first line of the file.
const HEAD: &str = "# What was accepted for each agent. `bailiwick accept` writes this file; `run` refuses anything else.\n\n";

/// The lock can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not in the form that this program writes. Nothing counts as accepted.
    #[error("`{}` is broken; remove it, and accept what it pinned again", file.display())]
    Broken {
        /// The lock.
        file: PathBuf,
        /// The parse error.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// The file is a link, so it is unclear which folder its paths are relative to.
    #[error("`{}` is a link; put the file itself there, or remove the link and accept again", .0.display())]
    Link(PathBuf),
    /// An entry was changed by hand, or was written by a version with another form of the canonical bytes.
    #[error("the entry of agent `{agent}` in `{}` was changed, so its digest does not match; restore the file, or remove it and accept what it pinned again", file.display())]
    Altered {
        /// The lock.
        file: PathBuf,
        /// The agent that the entry is for, safe to print.
        agent: Box<SafeText>,
    },
    /// The file is not UTF-8.
    #[error("`{}` is not UTF-8; remove it, and accept what it pinned again", .0.display())]
    NotText(PathBuf),
    /// The contents could not be serialized.
    #[error("what was accepted can't be written down")]
    Unwritable(#[source] toml::ser::Error),
    /// The authority of an agent can't be compared.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What was accepted for one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accepted {
    /// The person who accepted it.
    pub by: String,
    /// The digest of the canonical bytes of `authority`.
    pub digest: Digest,
    /// When it was accepted, in seconds since 1970.
    pub when: u64,
    /// Everything that the agent may cause, with the component or the source that it must have.
    pub authority: Authority,
}

/// The contents of `bailiwick.lock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceLock {
    #[serde(default)]
    agents: BTreeMap<String, Accepted>,
}

impl AcceptanceLock {
    /// The lock beside a configuration. Empty if there is no file.
    ///
    /// # Errors
    /// A file that can't be read, or that is broken.
    pub fn load(config: &Path) -> Result<Self, LockError> {
        let file = path(config);
        // Removes what an acceptance that was killed left beside the file. Only files of this exact name are removed, because this is the
        // user's own folder.
        if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
            home::sweep(folder, |left| name == left);
        }
        let bytes = match file::read_here(&file, LOCK_BYTES_MAX) {
            Err(err) if err.is_absence() => return Ok(Self::default()),
            // SECURITY: a link may lead to the lock of another project, in which the same paths mean other folders.
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

    /// What was accepted for an agent.
    pub fn accepted(&self, agent: &str) -> Option<&Accepted> {
        self.agents.get(agent)
    }

    /// All entries, by name.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &Accepted)> {
        self.agents.iter().map(|(name, accepted)| (name.as_str(), accepted))
    }

    /// Pins an agent from now on, and writes the file.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn accept(&mut self, config: &Path, agent: &str, accepted: Accepted) -> Result<(), LockError> {
        self.put(agent, accepted);
        self.write(config)
    }

    /// Pins an agent without writing the file. [`AcceptanceLock::write`] does that.
    pub fn put(&mut self, agent: &str, accepted: Accepted) {
        self.agents.insert(agent.to_owned(), accepted);
    }

    /// Removes an agent without writing the file. [`AcceptanceLock::write`] does that. Returns whether the agent was pinned.
    pub fn take_out(&mut self, agent: &str) -> bool {
        self.agents.remove(agent).is_some()
    }

    /// Stops pinning an agent, and writes the file. Returns whether the agent was pinned.
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

    /// The text of the file.
    ///
    /// # Errors
    /// An authority that can't be serialized.
    pub fn text(&self) -> Result<String, LockError> {
        let text = toml::to_string(self).map_err(LockError::Unwritable)?;
        Ok(format!("{HEAD}{text}"))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, config: &Path) -> Result<(), LockError> {
        Ok(file::write_shared(&path(config), self.text()?.as_bytes())?)
    }
}

impl Accepted {
    /// An acceptance by this person, at `when` seconds since 1970.
    ///
    /// # Errors
    /// A number of 2^53 or more in the authority.
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
