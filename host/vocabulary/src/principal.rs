//! The user who gave an order, as the kernel reports it, and the means by which a run was ended.
//!
//! INVARIANT: a user id here comes from the process itself or from the credentials of a socket's peer, never from data that a client sent.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

/// BOUND: bytes of the name of an account. Linux itself allows 32.
const NAME_BYTES_MAX: usize = 64;

/// A user of the machine: the user id that the kernel knows, and the name in the machine's list of accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The name. `None` if the list of accounts has no name for the id.
    pub name: Option<SafeText>,
    /// The user id of the kernel.
    pub uid: u32,
}

impl Principal {
    /// A user id, with its name if there is one.
    pub fn new(uid: u32, name: Option<&str>) -> Self {
        Self { name: name.map(|name| SafeText::new(name, NAME_BYTES_MAX)), uid }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {})", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// The user or agent that changed something. An agent does so within its own run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// An agent, by its name in the configuration.
    Agent(SafeText),
    /// A user of the machine.
    User(Principal),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(name) => write!(f, "the agent {name}"),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// The means by which a run was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Ctrl-C at the terminal of the run.
    CtrlC,
    /// The signal SIGTERM.
    Sigterm,
    /// The signal SIGHUP: the terminal was closed.
    Sighup,
    /// `bailiwick stop`.
    Stop,
    /// The client that had started the run disconnected.
    ClientGone,
    /// Another shard of the same work could not begin.
    ShardFailed,
    /// The host process ended, and its client started the run again: the run had made only observations, and these were not kept.
    HolderGone,
}

impl Means {
    /// The means, in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CtrlC => "Ctrl-C",
            Self::Sigterm => "SIGTERM",
            Self::Sighup => "SIGHUP",
            Self::Stop => "`stop`",
            Self::ClientGone => "its client disconnected",
            Self::ShardFailed => "another shard could not begin",
            Self::HolderGone => "the process that ran it ended",
        }
    }
}

impl std::fmt::Display for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An order to end a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// The user who gave it.
    pub by: Principal,
    /// The means by which it was given.
    pub means: Means,
}

impl std::fmt::Display for Stopping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.by, self.means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_shown_with_the_id_and_a_name_can_not_draw() {
        assert_eq!(Principal::new(1000, Some("alice")).to_string(), "alice (uid 1000)");
        assert_eq!(Principal::new(1000, None).to_string(), "uid 1000");
        assert_eq!(Principal::new(7, Some("root (uid 0)\u{1b}[8m")).to_string(), "root (uid 0)\\u{1b}[8m (uid 7)");
    }
}
