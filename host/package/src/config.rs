//! `bailiwick.toml`: turns what an operator wrote into what one agent may do. There are two types, because the written text is not yet
//! checked.
//!
//! A file that came with a checkout may be hostile. Nothing here runs anything that the file names. Certificates, and programs that print
//! values, are opened only to make their digests. [`crate::trust`] decides whether the file may be used. Its digest is made of exactly the
//! bytes that are parsed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use std::net::SocketAddr;
use vocabulary::{Binding, Digest, Engagement, Environment, Grants, Limits, SafeText, Until};

use crate::authored::{Table, Text, WrongError};
use crate::file::{self, FileError};

mod agent;
mod credential;
mod http;
mod mount;
mod network;
mod placement;
mod policy;
mod real;
mod scope;
mod set;
mod source;

pub use network::Root;
pub use policy::PolicySection;

/// The name of the file.
pub const FILE_NAME: &str = "bailiwick.toml";

/// BOUND: bytes of a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// BOUND: agents in one file.
const AGENTS_MAX: usize = 1000;

/// Keys of later versions at the outermost level, each with the feature that it arrives with.
const LATER: &[(&str, &str)] = &[("notify", "notifications")];

/// A configuration file as it was written: its bytes, not yet interpreted.
#[derive(Clone, Debug)]
pub struct Authored {
    /// The path of the file, without links.
    pub file: PathBuf,
    /// The digest of all its bytes.
    pub digest: Digest,
    /// The path as the caller named it, for errors.
    shown: PathBuf,
    text: String,
}

/// A configuration file after it was checked: every value can be used.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The path of the file, without links.
    pub file: PathBuf,
    /// The digest of all its bytes.
    pub digest: Digest,
    /// The agents, by name.
    pub agents: BTreeMap<String, ResolvedAgent>,
    /// The credentials, by name, including those that are not granted to any agent.
    pub credentials: BTreeMap<String, Binding>,
    /// The engagements, by name.
    pub engagements: BTreeMap<String, Engagement>,
    /// The environments, in the order of their names.
    pub environments: Vec<Environment>,
    /// The name servers, and the roots that TLS trusts.
    pub network: NetworkSection,
    /// The policies behind the grants; `None` if the grants alone decide.
    pub policy: Option<PolicySection>,
    /// Places that belong to this machine: they stay where they are if the file is moved. See [`crate::authority`].
    pub machine_paths: BTreeSet<PathBuf>,
}

/// One agent, as its operator wants it run.
#[derive(Clone, Debug)]
pub struct ResolvedAgent {
    /// The component to run.
    pub component: ComponentSource,
    /// What the operator granted. The agent's own declaration may narrow it.
    pub grants: Grants,
    /// The limits of a run. Those that the file does not set have their defaults.
    pub limits: Limits,
    /// The person or team that is responsible for the agent.
    pub owner: Option<String>,
    /// The purpose of the agent.
    pub purpose: Option<String>,
    /// The last day on which the agent may be started.
    pub expires: Option<Until>,
    /// Interfaces that need a grant of their own. There are none in this version.
    pub uses: Vec<String>,
    /// Whether its runs can be resumed after a crash. Runs that may act on the world always can.
    pub durable: bool,
}

/// Where the component of an agent comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentSource {
    /// A folder with `agent.toml`. Building it runs its author's code.
    Folder(PathBuf),
    /// A component file, which is never built.
    File(PathBuf),
}

/// The `[network]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSection {
    /// The name servers. If empty, those of the system are used.
    pub resolvers: Vec<SocketAddr>,
    /// Certificates in PEM that TLS trusts in addition to the public roots, with the bytes that were read.
    pub roots: Vec<Root>,
}

/// The configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no `{FILE_NAME}` in `{}` or in a folder above it", .0.display())]
    Absent(PathBuf),
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not UTF-8.
    #[error("`{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The file has a number that is too large: readers of JSON don't hold it exactly.
    #[error("a number in `{FILE_NAME}` is too large to be compared exactly; take one below 2^53")]
    Inexact,
    /// The file has an error.
    #[error(transparent)]
    Wrong(#[from] WrongError),
    /// The file has no agent of this name.
    #[error("`{}` has no agent `{name}`; it has: {known}", file.display())]
    NoAgent {
        /// The configuration file.
        file: PathBuf,
        /// The name that was looked for.
        name: SafeText,
        /// The names of the agents in the file.
        known: String,
    },
    /// The file has no engagement of this name.
    #[error("`{}` has no engagement `{name}`; it has: {known}", file.display())]
    NoEngagement {
        /// The configuration file.
        file: PathBuf,
        /// The name that was looked for.
        name: SafeText,
        /// The names of the engagements in the file.
        known: String,
    },
    /// The last day of the agent is past.
    #[error("agent `{name}` may not be started any more: its last day was {expires}")]
    Expired {
        /// The name of the agent.
        name: String,
        /// The last day of the agent.
        expires: Until,
    },
}

/// Finds the configuration of a folder: the file in it, or in the nearest folder above it.
///
/// # Errors
/// [`ConfigError::Absent`] if there is no file.
pub fn find(from: &Path) -> Result<PathBuf, ConfigError> {
    let from = from.canonicalize().map_err(file::failed("find", from))?;
    // A link that leads nowhere counts as found. It is then an error, and no other file is used in its place.
    let found = from.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.symlink_metadata().is_ok());
    found.ok_or(ConfigError::Absent(from))
}

/// Reads the file, but no file that it names.
///
/// # Errors
/// The file is missing, not regular, too large or not UTF-8.
pub fn read(file: &Path) -> Result<Authored, ConfigError> {
    let real = file.canonicalize().map_err(file::failed("find", file))?;
    let bytes = file::read(&real, FILE_BYTES_MAX)?;
    let digest = Digest::of(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText(file.to_owned()))?;
    Ok(Authored { file: real, digest, shown: file.to_owned(), text })
}

/// What the parts of a file are resolved against.
pub(crate) struct ConfigPlace<'a> {
    /// The folder in which relative paths begin.
    folder: &'a Path,
    /// The home, without links. No mount may contain it or lie in it.
    home: PathBuf,
    /// BOUND: bytes of programs that may still be read for their digests.
    program_bytes_left: Cell<u64>,
    /// Collects [`Resolved::machine_paths`].
    machine_paths: RefCell<BTreeSet<PathBuf>>,
}

impl ConfigPlace<'_> {
    /// Notes what kind of place a path of the file leads to. `written` is the path as it is in the file, and `real` is where it leads.
    ///
    /// A place belongs to this machine if its path is absolute, or if a link on the way leads out of the folder of the file. Every other
    /// place moves with the folder.
    fn note(&self, written: &Path, real: &Path) {
        let moves_along =
            !written.is_absolute() && (real.starts_with(self.folder) || real == real::without_dots(&self.folder.join(written)));
        if !moves_along {
            self.machine_paths.borrow_mut().insert(real.to_owned());
        }
    }
}

/// BOUND: bytes of all programs of one configuration that print values. Each one is hashed whenever the file is resolved.
const PROGRAMS_BYTES_MAX: u64 = 1 << 30;

impl Authored {
    /// Checks the file and resolves its paths. `home` is where the host keeps its record and keys; no mount may touch it.
    ///
    /// # Errors
    /// The first error in the file, with file, line and key.
    pub fn resolve(&self, home: &Path) -> Result<Resolved, ConfigError> {
        let place = ConfigPlace {
            folder: self.file.parent().unwrap_or(Path::new("/")),
            home: real::real_or_future(home)?,
            program_bytes_left: Cell::new(PROGRAMS_BYTES_MAX),
            machine_paths: RefCell::default(),
        };
        let text = Text::new(&self.shown, &self.text);
        let parsed = text.parse()?;
        let root = Table::root(text, &parsed);
        root.only(&["agents", "credentials", "engagements", "environments", "network", "people", "policy", "vault"], LATER)?;
        let policy = policy::resolve(&root, &place)?;
        let environments = root.get("environments").map_or(Ok(Vec::new()), |value| scope::environments(&value))?;
        let engagements = root.get("engagements").map_or(Ok(BTreeMap::new()), |value| scope::engagements(&value))?;
        let vault = root.get("vault").map(|value| source::vault(&value, &place)).transpose()?;
        let known = scope::KnownEnvironments { environments: &environments, vault: vault.as_ref() };
        let credentials = root.get("credentials").map_or(Ok(BTreeMap::new()), |value| credential::resolve(&value, &place, &known))?;
        let mut agents = BTreeMap::new();
        if let Some(list) = root.get("agents") {
            for (name, value) in list.table(AGENTS_MAX)?.entries() {
                let known = agent::Known { credentials: &credentials, environments: &environments, policy: policy.as_ref() };
                agents.insert(name.to_owned(), agent::resolve(name, &value, &place, &known)?);
            }
        }
        let network = root.get("network").map_or(Ok(NetworkSection::default()), |value| network::resolve(&value, &place))?;
        let machine_paths = place.machine_paths.into_inner();
        Ok(Resolved {
            file: self.file.clone(),
            digest: self.digest,
            agents,
            credentials,
            engagements,
            environments,
            network,
            policy,
            machine_paths,
        })
    }
}

impl Resolved {
    /// Returns an engagement, which then bounds every ask of a run.
    ///
    /// # Errors
    /// The file has no engagement of this name.
    pub fn engagement(&self, name: &str) -> Result<&Engagement, ConfigError> {
        self.engagements.get(name).ok_or_else(|| ConfigError::NoEngagement {
            file: self.file.clone(),
            name: SafeText::new(name, 64),
            known: self.engagements.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// Returns an agent that may be started now.
    ///
    /// # Errors
    /// The file has no agent of this name, or its last day is past at `now_s`, in seconds since 1970.
    pub fn agent(&self, name: &str, now_s: u64) -> Result<&ResolvedAgent, ConfigError> {
        let agent = self.agents.get(name).ok_or_else(|| ConfigError::NoAgent {
            file: self.file.clone(),
            name: SafeText::new(name, 64),
            known: self.agents.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })?;
        match &agent.expires {
            Some(expires) if now_s >= expires.unix_s => Err(ConfigError::Expired { name: name.to_owned(), expires: *expires }),
            _ => Ok(agent),
        }
    }
}

#[cfg(test)]
mod tests;
