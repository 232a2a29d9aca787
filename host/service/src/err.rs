//! Why a host does not do what a caller requests.

use std::io;
use std::path::PathBuf;

use package::build::BuildError;
use package::{ConfigError, Difference, Refused, TrustError};
use run::RunError;
use vocabulary::{Digest, Means, exit, safe};

/// Why a host does not do what a caller requests.
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
    /// The named component can't run here.
    #[error("`{}` can't run here", safe(what))]
    Component {
        /// The file or the agent.
        what: String,
        /// Why not.
        #[source]
        cause: package::ComponentError,
    },
    /// The agent needs something that was not granted, or that this host does not serve.
    #[error("agent `{agent}` is not admitted")]
    NotAdmitted {
        /// Name of the agent.
        agent: String,
        /// Each reason for the refusal.
        reasons: Vec<Refused>,
    },
    /// The agent's authority differs from the accepted one.
    #[error("agent `{agent}` is not what was accepted by {} on {} UTC", safe(by), vocabulary::utc(when.saturating_mul(1000)))]
    NotAccepted {
        /// Name of the agent.
        agent: String,
        /// Who accepted it.
        by: String,
        /// When it was accepted, in seconds since 1970.
        when: u64,
        /// How the two authorities differ.
        difference: Box<Difference>,
        /// Which files of its source differ, one line each, if that is known here.
        files: Vec<String>,
    },
    /// The home remembers an acceptance that the lock does not have.
    #[error("agent `{agent}` was accepted in this home, and `bailiwick.lock` has no entry for it any more")]
    AcceptanceGone {
        /// Name of the agent.
        agent: String,
    },
    /// The lock and the home remember different acceptances.
    #[error("the entry of agent `{agent}` in `bailiwick.lock` is not the one that was accepted in this home")]
    AcceptedElsewhere {
        /// Name of the agent.
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
        /// Name of the agent.
        agent: String,
    },
    /// A caller in another process named a configuration by a relative path, which has no meaning in this process.
    #[error("`{}` is not an absolute path", safe(&.0.to_string_lossy()))]
    NotAbsolute(PathBuf),
    /// A caller in another process named a configuration that is not trusted.
    #[error("`{}` ({digest}) is not trusted", safe(&path.to_string_lossy()))]
    NotListed {
        /// The configuration file.
        path: PathBuf,
        /// Digest of its bytes.
        digest: Digest,
    },
    /// The configuration was changed after the caller had read it.
    #[error("`{}` was changed since it was read: its digest is {now} now, but the request names {asked}", safe(&path.to_string_lossy()))]
    ConfigChanged {
        /// The configuration file.
        path: PathBuf,
        /// The digest that the caller named.
        asked: Digest,
        /// The digest that the file has now.
        now: Digest,
    },
    /// The authority of the configuration differs from what the caller looked at.
    #[error("what `{}` allows was changed after you trusted it for this run", safe(&path.to_string_lossy()))]
    AuthorityChanged {
        /// The configuration file.
        path: PathBuf,
    },
    /// The agent's source was changed after the caller had built it.
    #[error("the source of agent `{agent}` was changed since it was built")]
    NotBuilt {
        /// Name of the agent.
        agent: String,
    },
    /// The configuration leads to another component than the one that the caller named.
    #[error("the component of agent `{agent}` is {now} now, but the request names {asked}")]
    OtherComponent {
        /// Name of the agent.
        agent: String,
        /// The component that the caller named.
        asked: Digest,
        /// The component that the configuration leads to.
        now: Digest,
    },
    /// The caller ended the run before it began.
    #[error("the run was ended by {means} before it began")]
    EndedEarly {
        /// How the caller ended it.
        means: Means,
    },
    /// An error of the run or of the record.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The policies of a run are not known now.
    #[error("run `{run}` began under policies, and those of now can't be used")]
    PoliciesUnknown {
        /// The run.
        run: vocabulary::RunId,
        /// Why not.
        #[source]
        cause: Box<ServiceError>,
    },
    /// The record does not name the configuration of a run.
    #[error("the record does not name the configuration that the run was started with")]
    NoConfigOnRecord,
    /// The record can't be read.
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    /// The host is another version of the program, which does not understand this one.
    #[error("bailiwick {theirs} holds the home, and this is bailiwick {own}: these two versions can't work together")]
    OtherVersion {
        /// Version of the host.
        theirs: String,
        /// Version of this program.
        own: &'static str,
    },
    /// The host in another process refused the request, and sent its own message.
    #[error("{message}")]
    Refused {
        /// The exit code for this refusal.
        exit: u8,
        /// The host's message.
        message: String,
        /// What to do next, if the host knows it.
        help: Option<String>,
    },
    /// The host's answer does not belong to the request.
    #[error("the process that holds the home sent an unexpected answer: {}", safe(.0))]
    Unexpected(String),
    /// The host can't be reached, and waiting would not help.
    #[error("{other} holds the home `{}`, and can't be reached", home.display())]
    Unspoken {
        /// The process that holds the home.
        other: home::Other,
        /// The home.
        home: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The host closed the connection before it had answered.
    #[error("{0}, which held the home, ended before it answered")]
    HostGone(home::Other),
    /// The host did not answer in time.
    #[error(transparent)]
    GaveUp(#[from] home::GaveUp),
    /// A task of this process ended without a result: it panicked.
    #[error("the task that {0} ended without a result; this is a fault of the program, please report it")]
    TaskLost(&'static str),
}

impl ServiceError {
    /// The exit code for this error.
    pub fn exit(&self) -> u8 {
        run::fair_exit(self, self.exit_by_kind())
    }

    fn exit_by_kind(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Trust(_) | Self::Manifest(_) | Self::Lock(_) => exit::USAGE,
            Self::NotAnAgent { .. } | Self::ArgumentsForAgent { .. } | Self::NotAbsolute(_) | Self::NotListed { .. } => exit::USAGE,
            Self::ConfigChanged { .. } | Self::AuthorityChanged { .. } | Self::NotBuilt { .. } => exit::USAGE,
            Self::PoliciesUnknown { .. } | Self::NoConfigOnRecord => exit::USAGE,
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

    /// What to do next, if that is known.
    pub fn help(&self) -> Option<String> {
        let mend = || journal::trouble_of(self).map(home::Trouble::mend);
        let plain = match self {
            Self::Run(err) => return err.help(),
            Self::Refused { help, .. } => return help.clone(),
            _ if mend().is_some() => return mend().map(|mend| format!("{mend}, then run the command again")),
            Self::Config(ConfigError::Absent(_)) => {
                "`bailiwick init` writes a first one; or change to a folder that has one, or give `--config FILE`"
            }
            Self::Config(ConfigError::Expired { .. }) => {
                "to allow it again, set a later `expires` in the configuration, then `bailiwick trust`"
            }
            Self::NotListed { .. } | Self::Trust(TrustError::Untrusted(_)) => {
                "read it, then `bailiwick trust`; or `bailiwick run --trust AGENT` for one run"
            }
            Self::Trust(TrustError::OtherComponent(_)) => {
                "`bailiwick inspect AGENT` shows it; then `bailiwick trust`, or `bailiwick accept AGENT`"
            }
            Self::PoliciesUnknown { .. } => {
                "bring the configuration back, or check it and `bailiwick trust` it; `bailiwick stop RUN` ends the run instead"
            }
            Self::AcceptanceGone { .. } => "find out who removed the entry; then `bailiwick accept AGENT`, or `bailiwick accept rm AGENT`",
            Self::AcceptedElsewhere { .. } => {
                "find out who changed the entry; then `bailiwick accept AGENT` accepts the agent as it is now"
            }
            Self::NotAccepted { .. } | Self::Build(BuildError::Unexpected { .. }) => "check the differences, then `bailiwick accept AGENT`",
            Self::NotAdmitted { .. } => "`bailiwick inspect AGENT` shows what it declares, what it was granted and what both allow",
            Self::Build(BuildError::LeadsOut { .. } | BuildError::Outside { .. }) => {
                "a build reads only its project: the agent's folder, its workspace, and what lies beside `bailiwick.toml`"
            }
            Self::Build(BuildError::NoTool { .. } | BuildError::NotFound(_)) => {
                "agents in Rust need rustup with the target wasm32-wasip2, agents in Python need componentize-py"
            }
            Self::ArgumentsForAgent { .. } => "give the input as JSON: `bailiwick run AGENT --input '{\"root\": \"/src\"}'`",
            Self::ConfigChanged { .. } | Self::AuthorityChanged { .. } | Self::NotBuilt { .. } | Self::OtherComponent { .. } => {
                "check what was changed, then run the command again"
            }
            Self::HostGone(_) => "run the command again",
            Self::OtherVersion { .. } => {
                "wait until its runs have ended (`bailiwick ps` of that version shows them), or use that version; one version at a time \
                 can hold a home"
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

/// The exit code of a build that failed: an error in the source has another one than a tool that is missing or fails.
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
        BuildError::NoTool { .. } | BuildError::NotFound(_) | BuildError::NotPython(_) => exit::HOST,
        BuildError::NoToolchain(_) | BuildError::NoTarget(_) => exit::HOST,
        BuildError::ToolFailed { .. } | BuildError::ToolSaid { .. } | BuildError::ToolComplained { .. } => exit::HOST,
    }
}
