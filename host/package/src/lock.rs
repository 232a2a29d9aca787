//! `bailiwick.lock`, beside the configuration: which component of an agent was accepted, with what authority, and by whom. An agent
//! that has no entry is not pinned.
//!
//! Its place in a checkout is where others see it and review it; it narrows what trust allows and never widens it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use effect::{Digest, Grants, SafeText};
use serde::{Deserialize, Serialize};

use crate::admission::lines;
use crate::capability::Capability;
use crate::file::{self, FileError};

/// BOUND: bytes of the file.
const LOCK_BYTES_MAX: u64 = 4 << 20;

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
}

/// What was accepted of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accepted {
    /// What it may do, a line each, as it was shown.
    pub authority: Vec<String>,
    /// Who accepted it.
    pub by: String,
    /// Of the component.
    pub digest: Digest,
    /// Seconds since 1970.
    pub when: u64,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    #[serde(default)]
    agents: BTreeMap<String, Accepted>,
}

/// What is other than what was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The component that was accepted, where it is another one now.
    pub digest_was: Option<Digest>,
    /// What it may do now and might not then.
    pub more: Vec<String>,
    /// What it may no longer do.
    pub less: Vec<String>,
}

impl Difference {
    /// Whether it has to be accepted again: less is never asked about.
    pub fn matters(&self) -> bool {
        self.digest_was.is_some() || !self.more.is_empty()
    }
}

/// What an agent may do, a line each, safe to print.
pub fn authority(grants: &Grants) -> Vec<String> {
    Capability::ALL.iter().flat_map(|capability| lines(*capability, grants)).collect()
}

impl Lock {
    /// The lock beside a configuration; an empty one, where there is none.
    ///
    /// # Errors
    /// One that can't be read.
    pub fn load(config: &Path) -> Result<Self, LockError> {
        let file = path(config);
        let bytes = match file::read(&file, LOCK_BYTES_MAX) {
            Err(err) if err.is_absence() => return Ok(Self::default()),
            bytes => bytes?,
        };
        let text = String::from_utf8_lossy(&bytes);
        toml::from_str(&text).map_err(|cause| LockError::Broken { file, cause: Box::new(cause) })
    }

    /// What is other than what was accepted; nothing for an agent that is not pinned.
    pub fn difference(&self, agent: &str, digest: Digest, authority: &[String]) -> Option<Difference> {
        let accepted = self.agents.get(agent)?;
        let without = |these: &[String], those: &[String]| these.iter().filter(|line| !those.contains(line)).cloned().collect();
        Some(Difference {
            digest_was: (accepted.digest != digest).then_some(accepted.digest),
            more: without(authority, &accepted.authority),
            less: without(&accepted.authority, authority),
        })
    }

    /// Pins an agent from now on.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn accept(&mut self, config: &Path, agent: &str, accepted: Accepted) -> Result<(), LockError> {
        let by = SafeText::new(&accepted.by, 256).to_string();
        self.agents.insert(agent.to_owned(), Accepted { by, ..accepted });
        // Serialising such a list can't fail; were it to, an empty file would pin nothing and say so.
        let text = toml::to_string(self).unwrap_or_default();
        Ok(file::write(&path(config), text.as_bytes())?)
    }
}

/// Where the lock of a configuration is: `bailiwick.lock` beside `bailiwick.toml`.
pub fn path(config: &Path) -> PathBuf {
    config.with_extension("lock")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use effect::Digest;

    use super::{Accepted, Lock, LockError, path};

    fn accepted(text: &str, authority: &[&str]) -> Accepted {
        let authority = authority.iter().map(|line| (*line).to_owned()).collect();
        Accepted { authority, by: "alice".to_owned(), digest: Digest::of(text.as_bytes()), when: 1 }
    }

    #[test]
    fn another_component_or_more_authority_has_to_be_accepted_again_and_less_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bailiwick.toml");
        let mut lock = Lock::load(&config).unwrap();
        let of = |text: &str| Digest::of(text.as_bytes());
        assert_eq!(lock.difference("a", of("one"), &[]), None, "what has no entry is not pinned");
        lock.accept(&config, "a", accepted("one", &["read /x as /src", "GET https://a.test:443 /**"])).unwrap();
        let lock = Lock::load(&config).unwrap();
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let same = lock.difference("a", of("one"), &lines(&["read /x as /src", "GET https://a.test:443 /**"])).unwrap();
        assert!(!same.matches_anything());
        let less = lock.difference("a", of("one"), &lines(&["read /x as /src"])).unwrap();
        assert!(!less.matters() && less.less.len() == 1);
        let more = lock.difference("a", of("one"), &lines(&["read / as /src"])).unwrap();
        assert!(more.matters() && more.more == ["read / as /src"]);
        assert!(lock.difference("a", of("two"), &lines(&["read /x as /src"])).unwrap().matters());
        std::fs::write(path(&config), "agents = 1\n").unwrap();
        assert!(matches!(Lock::load(&config), Err(LockError::Broken { .. })));
    }

    impl super::Difference {
        fn matches_anything(&self) -> bool {
            *self != Self::default()
        }
    }
}
