//! Who gave an order, as the kernel reports it, and by which means a run was ended.
//!
//! INVARIANT: a user id here comes from the process itself or from the credentials of a socket's peer, never from what a client wrote.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

/// BOUND: longest name of an account, in bytes; Linux itself allows 32.
const NAME_BYTES_MAX: usize = 64;

/// A user of the machine: the id that the kernel knows, and the name that the machine's list of accounts has for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Absent where the list of accounts has no name for the id.
    pub name: Option<SafeText>,
    /// As the kernel knows it.
    pub uid: u32,
}

impl Principal {
    /// A user id, and its name where there is one.
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

/// Who changed something: a user of the machine, or an agent within its own run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The agent's name, as configured.
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

/// By which means a run was ended from outside.
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
    /// The client that had started the run went away.
    ClientGone,
    /// Another shard of the same work could not begin.
    ShardFailed,
    /// The process that ran it went away, and its client began it anew: it had only looked, and what it saw was not kept.
    HolderGone,
}

impl Means {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CtrlC => "Ctrl-C",
            Self::Sigterm => "SIGTERM",
            Self::Sighup => "SIGHUP",
            Self::Stop => "`stop`",
            Self::ClientGone => "its client went away",
            Self::ShardFailed => "another shard could not begin",
            Self::HolderGone => "the process that ran it went away",
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
    /// Who.
    pub by: Principal,
    /// By which means.
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
