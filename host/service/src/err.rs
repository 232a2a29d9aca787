//! Why a host does not do what a caller wants.

use std::io;
use std::path::PathBuf;

use package::build::BuildError;
use package::{ConfigError, Difference, Refused, TrustError};
use run::RunError;
use vocabulary::{Digest, Means, exit, safe};

/// Anything that keeps a host from doing what a caller wants.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration is not trusted, or the list of what is trusted can't be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The manifest of an agent can't be used.
    #[error(transparent)]
    Manifest(#[from] package::ManifestError),
    /// The agent can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The home can't keep the component.
    #[error("the component can't be kept")]
    Store(#[from] package::store::StoreError),
    /// The lock beside the configuration can't be used.
    #[error(transparent)]
    Lock(#[from] package::lock::LockError),
    /// What is named as a component can't run here.
    #[error("`{}` can't run here", safe(what))]
    Component {
        /// Which file or agent.
        what: String,
        /// Why not.
        #[source]
        cause: package::ComponentError,
    },
    /// The agent wants something that nobody granted, or that nobody serves.
    #[error("agent `{agent}` is not admitted")]
    NotAdmitted {
        /// Its name.
        agent: String,
        /// Why.
        reasons: Vec<Refused>,
    },
    /// The agent may cause something else than what was accepted.
    #[error("agent `{agent}` is not what was accepted by {} on {} UTC", safe(by), vocabulary::utc(when.saturating_mul(1000)))]
    NotAccepted {
        /// Its name.
        agent: String,
        /// Who accepted it.
        by: String,
        /// Seconds since 1970.
        when: u64,
        /// What is different.
        difference: Box<Difference>,
        /// Which files of its source are different, where that is known here, a line each.
        files: Vec<String>,
    },
    /// The home remembers an acceptance that the lock does not have.
    #[error("agent `{agent}` was accepted in this home, and `bailiwick.lock` has no entry for it any more")]
    AcceptanceGone {
        /// Its name.
        agent: String,
    },
    /// The lock and the home remember different acceptances.
    #[error("the entry of agent `{agent}` in `bailiwick.lock` is not the one that was accepted in this home")]
    AcceptedElsewhere {
        /// Its name.
        agent: String,
    },
    /// The configuration has no agent of this name.
    #[error("the configuration has no agent `{}`", safe(name))]
    NotAnAgent {
        /// The name.
        name: String,
    },
    /// An agent takes JSON, and no arguments.
    #[error("arguments are for a command; `{agent}` is an agent, which takes `--input`")]
    ArgumentsForAgent {
        /// Its name.
        agent: String,
    },
    /// A caller in another process named a configuration by a path that means something else here.
    #[error("`{}` is not an absolute path", safe(&.0.to_string_lossy()))]
    NotAbsolute(PathBuf),
    /// A caller in another process named a configuration that nobody has trusted.
    #[error("`{}` ({digest}) is not trusted", safe(&path.to_string_lossy()))]
    NotListed {
        /// Which file.
        path: PathBuf,
        /// Of its bytes.
        digest: Digest,
    },
    /// The configuration was changed after the caller had read it.
    #[error("`{}` was changed since it was read: it is {now} now, and the request is for {asked}", safe(&path.to_string_lossy()))]
    ConfigChanged {
        /// Which file.
        path: PathBuf,
        /// The digest that the caller named.
        asked: Digest,
        /// The digest that it has.
        now: Digest,
    },
    /// The configuration allows something else than what the caller had looked at.
    #[error("`{}` allows something else now than when it was trusted for this run", safe(&path.to_string_lossy()))]
    AuthorityChanged {
        /// Which file.
        path: PathBuf,
    },
    /// The agent's source was changed after the caller had built it.
    #[error("the source of agent `{agent}` was changed since it was built")]
    NotBuilt {
        /// Its name.
        agent: String,
    },
    /// The configuration leads to another component than the one that the caller means.
    #[error("the component of agent `{agent}` is {now} now, and the request is for {asked}")]
    OtherComponent {
        /// Its name.
        agent: String,
        /// The component that the caller named.
        asked: Digest,
        /// The component that the configuration leads to.
        now: Digest,
    },
    /// The caller ended it before it began.
    #[error("ended by {means} before it began")]
    EndedEarly {
        /// By which means.
        means: Means,
    },
    /// The run or the record.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The record can't be read.
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    /// The host is another version of the program, which does not understand this one.
    #[error("bailiwick {theirs} holds the home, and this is bailiwick {own}: they don't understand each other")]
    OtherVersion {
        /// Its version.
        theirs: String,
        /// Of this program.
        own: &'static str,
    },
    /// The host said no, in words of its own.
    #[error("{message}")]
    Refused {
        /// The exit code that says so.
        exit: u8,
        /// Why.
        message: String,
        /// What to do next, where that is plain.
        help: Option<String>,
    },
    /// The host answered something that is no answer to what was asked.
    #[error("the process that holds the home gave an answer that was not expected: {}", safe(.0))]
    Unexpected(String),
    /// The host can't be spoken to, and waiting would not help.
    #[error("{other} holds the home `{}`, and can't be spoken to", home.display())]
    Unspoken {
        /// Who.
        other: home::Other,
        /// Which home.
        home: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The host went away before it had answered.
    #[error("{0}, which held the home, went away before it had answered")]
    HostGone(home::Other),
    /// The host did not answer in time.
    #[error(transparent)]
    GaveUp(#[from] home::GaveUp),
    /// A task of this process ended without a result: it panicked.
    #[error("the task that {0} ended without a result")]
    TaskLost(&'static str),
}

impl ServiceError {
    /// The exit code that says so to a shell.
    pub fn exit(&self) -> u8 {
        run::fair_exit(self, self.exit_by_kind())
    }

    fn exit_by_kind(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Trust(_) | Self::Manifest(_) | Self::Lock(_) => exit::USAGE,
            Self::NotAnAgent { .. } | Self::ArgumentsForAgent { .. } | Self::NotAbsolute(_) | Self::NotListed { .. } => exit::USAGE,
            Self::ConfigChanged { .. } | Self::AuthorityChanged { .. } | Self::NotBuilt { .. } => exit::USAGE,
            Self::Build(err) => build_exit(err),
            Self::Component { .. } | Self::NotAdmitted { .. } | Self::OtherComponent { .. } => exit::REFUSED,
            Self::NotAccepted { .. } | Self::AcceptanceGone { .. } | Self::AcceptedElsewhere { .. } => exit::REFUSED,
            Self::EndedEarly { means } => exit::of_means(*means),
            Self::Run(err) => err.exit(),
            Self::Read(_) => exit::RECORD,
            Self::Refused { exit, .. } => *exit,
            Self::Store(_) | Self::TaskLost(_) => exit::HOST,
            Self::OtherVersion { .. } | Self::Unexpected(_) | Self::Unspoken { .. } | Self::HostGone(_) | Self::GaveUp(_) => exit::HOST,
        }
    }

    /// What to do next, where that is plain.
    pub fn help(&self) -> Option<String> {
        let mend = || journal::trouble_of(self).map(home::Trouble::mend);
        let plain = match self {
            Self::Run(err) => return err.help(),
            Self::Refused { help, .. } => return help.clone(),
            _ if mend().is_some() => return mend().map(|mend| format!("{mend}, then say this again")),
            Self::Config(ConfigError::Absent(_)) => {
                "`bailiwick init` writes a first one; or go to a folder that has one, or say `--config FILE`"
            }
            Self::NotListed { .. } | Self::Trust(TrustError::Untrusted(_)) => {
                "read it, then `bailiwick trust`; or `bailiwick run --trust AGENT` for this once"
            }
            Self::Trust(TrustError::OtherComponent(_)) => {
                "`bailiwick inspect AGENT` shows it; then `bailiwick trust`, or `bailiwick accept AGENT`"
            }
            Self::AcceptanceGone { .. } => "see who took it out; then `bailiwick accept AGENT`, or `bailiwick accept rm AGENT`",
            Self::AcceptedElsewhere { .. } => "see who changed it; then `bailiwick accept AGENT` accepts it as it is now",
            Self::NotAccepted { .. } | Self::Build(BuildError::Unexpected { .. }) => {
                "look at what is different, then `bailiwick accept AGENT`"
            }
            Self::NotAdmitted { .. } => "`bailiwick inspect AGENT` shows what it declares, what it was granted and what is left",
            Self::Build(BuildError::LeadsOut { .. } | BuildError::Outside { .. }) => {
                "a build reads its project and nothing else: the agent's folder, its workspace, what lies beside `bailiwick.toml`"
            }
            Self::Build(BuildError::NoTool { .. } | BuildError::NotFound(_)) => {
                "agents in Rust need rustup with the target wasm32-wasip2, agents in Python need componentize-py"
            }
            Self::ArgumentsForAgent { .. } => "bailiwick run AGENT --input '{\"root\": \"/src\"}'",
            Self::ConfigChanged { .. } | Self::AuthorityChanged { .. } | Self::NotBuilt { .. } | Self::OtherComponent { .. } => {
                "see what was changed, then say this again"
            }
            Self::OtherVersion { .. } => {
                "wait until its runs have ended (that version's `bailiwick ps`), or use that version; one version at a time can hold a home"
            }
            _ => return None,
        };
        Some(plain.to_owned())
    }

    /// The error with its causes, each once.
    pub fn chain(&self) -> String {
        run::chain(self)
    }
}

/// An error in what somebody wrote has another exit code than a tool that is missing or fails.
fn build_exit(err: &BuildError) -> u8 {
    match err {
        BuildError::Component(_) | BuildError::Freeze(_) | BuildError::Unexpected { .. } => exit::REFUSED,
        BuildError::LeadsOut { .. } | BuildError::Outside { .. } | BuildError::Toolchain { .. } | BuildError::NotFetched(_) => {
            exit::REFUSED
        }
        BuildError::Manifest(_) | BuildError::NoRecipe(_) | BuildError::TwoRecipes(_) | BuildError::TooMuchSource { .. } => exit::USAGE,
        BuildError::TooLong { .. } => exit::LIMIT,
        BuildError::Stopped => exit::TERMINATED,
        BuildError::File(_) | BuildError::Schemas(_) | BuildError::Changed(_) | BuildError::NotText => exit::HOST,
        BuildError::NoTool { .. } | BuildError::NotFound(_) | BuildError::NotPython(_) | BuildError::NoToolchain(_) => exit::HOST,
        BuildError::ToolFailed { .. } | BuildError::ToolSaid { .. } | BuildError::ToolComplained { .. } => exit::HOST,
    }
}
