//! What a guest can ask of the world, after parsing. A request reaches the gate only in these forms.

use serde::{Deserialize, Serialize};

use crate::commit::CommitAsk;
use crate::fields::{front, put};
use crate::file::FileAsk;
use crate::function::{ActKind, Capability, Function};
use crate::http_ask::HttpAsk;
use crate::resource::Resource;
use crate::step::{CredentialAsk, CredentialStep};
use crate::target::HostName;
use crate::text::SafeText;
use crate::undo::UndoAsk;

/// BOUND: bytes of an ask of a file on the record, if its path is not known.
const FILE_BYTES_MAX: usize = 1024;
/// BOUND: of the line that says where an answer comes from.
const SOURCE_BYTES_MAX: usize = 512;

/// Acts leave the host, and are durable before they begin. Observations stay inside, and are durable before the next act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskClass {
    /// Network, credentials, commits, approvals, other agents.
    Act,
    /// Reading what was granted, listing it. Saying what could be done.
    Observation,
}

/// One ask. Each variant that can be granted has its form in [`crate::Grants`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Sends one HTTP request.
    Http(HttpAsk),
    /// Does something with a credential besides sending it.
    Credential(CredentialAsk),
    /// Puts what the run changed beneath a mount into its folder.
    Commit(CommitAsk),
    /// Looks at something in a mount, or tries to change it.
    File(FileAsk),
    /// Says how a coming act can be taken back, or withdraws that.
    Undo(UndoAsk),
    /// Something that no grant of this version can cover. It is asked so that it is refused in one place, and recorded.
    Closed(ClosedAsk),
}

impl Ask {
    /// Whether the ask is an act or an observation.
    pub fn class(&self) -> AskClass {
        match self {
            Self::Http(_) | Self::Credential(_) | Self::Commit(_) => AskClass::Act,
            Self::File(_) | Self::Undo(_) | Self::Closed(_) => AskClass::Observation,
        }
    }

    /// The capability of the ask, which a manifest declares and a configuration grants.
    pub fn capability(&self) -> Capability {
        self.function().capability()
    }

    /// The function of the interface through which the guest asked.
    pub fn function(&self) -> Function {
        match self {
            Self::Http(_) => Function::HttpHandle,
            Self::Credential(credential) => credential.step.function(),
            Self::Commit(_) => Function::FilesCommit,
            Self::File(file) => file.function(),
            Self::Undo(undo) => undo.function(),
            Self::Closed(closed) => closed.function,
        }
    }

    /// The host that it would reach; `None` if it reaches none.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Http(http) => Some(&http.target.host),
            Self::Credential(_) | Self::Commit(_) | Self::File(_) | Self::Undo(_) | Self::Closed(_) => None,
        }
    }

    /// What the ask is about, without anything that may be secret: for the record and for people.
    pub fn resource(&self) -> Resource {
        match self {
            Self::Http(http) => http.into(),
            Self::Credential(credential) => credential.into(),
            Self::Commit(commit) => Resource::Commit(commit.into()),
            Self::Undo(undo) => undo.resource(),
            Self::File(file) => Resource::path(&file.resource(), FILE_BYTES_MAX),
            Self::Closed(closed) => Resource::Words(closed.what.clone()),
        }
    }

    /// Every byte of the ask in one unambiguous form (each field is preceded by its length), for the parameter digest. Two asks are the
    /// same exactly if these bytes are the same.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = front(self.function());
        match self {
            Self::Http(http) => http.canonical_into(&mut to),
            Self::Credential(credential) => credential.canonical_into(&mut to),
            Self::Commit(commit) => commit.canonical_into(&mut to),
            Self::Undo(undo) => undo.canonical_into(&mut to),
            Self::File(file) => put(&mut to, file.resource().as_bytes()),
            Self::Closed(closed) => put(&mut to, closed.what.as_str().as_bytes()),
        }
        to
    }
}

/// An ask that leaves the host: those of [`AskClass::Act`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends one HTTP request.
    Http(HttpAsk),
    /// Does something with a credential besides sending it.
    Credential(CredentialAsk),
    /// Puts what the run changed beneath a mount into its folder.
    Files(CommitAsk),
}

impl Act {
    /// The kind of the act.
    pub fn kind(&self) -> ActKind {
        match self {
            Self::Http(_) => ActKind::Http,
            Self::Credential(_) => ActKind::Credential,
            Self::Files(_) => ActKind::Files,
        }
    }

    /// As [`Ask::function`].
    pub fn function(&self) -> Function {
        match self {
            Self::Http(_) => Function::HttpHandle,
            Self::Credential(credential) => credential.step.function(),
            Self::Files(_) => Function::FilesCommit,
        }
    }

    /// As [`Ask::resource`].
    pub fn resource(&self) -> Resource {
        match self {
            Self::Http(http) => http.into(),
            Self::Credential(credential) => credential.into(),
            Self::Files(commit) => Resource::Commit(commit.into()),
        }
    }

    /// As [`Ask::canonical_bytes`].
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = front(self.function());
        match self {
            Self::Http(http) => http.canonical_into(&mut to),
            Self::Credential(credential) => credential.canonical_into(&mut to),
            Self::Files(commit) => commit.canonical_into(&mut to),
        }
        to
    }

    /// Where its answer comes from, in a line of at most 512 bytes.
    pub fn source(&self) -> SafeText {
        let line = match self {
            Self::Http(ask) => format!("{}://{}:{}", ask.target.scheme.as_str(), ask.target.host, ask.target.port),
            Self::Credential(ask) => format!("credential:{}", ask.name),
            Self::Files(ask) => format!("files:{}", ask.guest),
        };
        SafeText::new(&line, SOURCE_BYTES_MAX)
    }

    /// Whether it may be made again after a crash without a person's word.
    pub fn repeat(&self) -> Repeat {
        let is_safe = match self {
            Self::Http(http) => http.method.is_safe(),
            Self::Credential(credential) => credential.step != CredentialStep::Set,
            // A commit leaves a note when it is done, so repeating it changes nothing more.
            Self::Files(_) => true,
        };
        if is_safe { Repeat::Safe } else { Repeat::OnWord }
    }
}

impl From<Act> for Ask {
    fn from(act: Act) -> Self {
        match act {
            Act::Http(http) => Self::Http(http),
            Act::Credential(credential) => Self::Credential(credential),
            Act::Files(commit) => Self::Commit(commit),
        }
    }
}

/// Whether an act may be repeated if it is unknown whether it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It changes nothing, or repeating it changes nothing more. So it is simply repeated.
    Safe,
    /// It is repeated only if a person says that it did not happen.
    OnWord,
}

/// A call that nothing in this version can allow, or text that could not be parsed into an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedAsk {
    /// The interface and the function.
    pub function: Function,
    /// The guest's words, bounded and escaped.
    pub what: SafeText,
    /// Whether the words were not well formed. Otherwise they ask for something that is not available.
    pub malformed: bool,
}
