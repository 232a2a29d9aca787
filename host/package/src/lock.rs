//! `bailiwick.lock`, beside the configuration: what was accepted of which agent, and by whom. It is a list, not a file lock. An agent that
//! has no entry is not pinned.
//!
//! It is in the checkout so that others see it and review it. It narrows what trust allows and never widens it. Nothing in it depends on
//! where the checkout is: see [`crate::authority`].

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
        let bytes = match file::read(&file, LOCK_BYTES_MAX) {
            Err(err) if err.is_absence() => return Ok(Self::default()),
            bytes => bytes?,
        };
        let text = String::from_utf8(bytes).map_err(|_| LockError::NotText(file.clone()))?;
        toml::from_str(&text).map_err(|cause| LockError::Broken { file, cause: Box::new(cause) })
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
        let by = SafeText::new(&accepted.by, 256).to_string();
        self.agents.insert(agent.to_owned(), Accepted { by, ..accepted });
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
    /// Of everything that was accepted.
    ///
    /// # Errors
    /// A number that not every reader holds exactly.
    pub fn digest(&self) -> Result<Digest, LockError> {
        Ok(self.authority.digest()?)
    }
}

/// Where the lock of a configuration is: `bailiwick.lock` beside `bailiwick.toml`.
pub fn path(config: &Path) -> PathBuf {
    config.with_extension("lock")
}

#[cfg(test)]
mod tests;
