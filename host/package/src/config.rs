//! `bailiwick.toml`: from what an operator wrote to what one agent may do. Two types, since what was written is not yet true.
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
mod real;
mod scope;
mod set;
mod source;

pub use network::Root;

/// The name of the file.
pub const FILE_NAME: &str = "bailiwick.toml";

/// BOUND: bytes of a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// BOUND: agents in one file.
const AGENTS_MAX: usize = 1000;

/// What comes later at the outermost level, and with what.
const LATER: &[(&str, &str)] = &[("policy", "approvals"), ("people", "approvals"), ("notify", "approvals")];

/// A file as it was written: its bytes, and nothing of what they mean.
#[derive(Clone, Debug)]
pub struct Authored {
    /// Where it is, without links in the way.
    pub file: PathBuf,
    /// Of all its bytes.
    pub digest: Digest,
    /// As it was named, for errors.
    shown: PathBuf,
    text: String,
}

/// A file, understood: every value is one that can be used.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Where it is.
    pub file: PathBuf,
    /// Of all its bytes.
    pub digest: Digest,
    /// By name.
    pub agents: BTreeMap<String, ResolvedAgent>,
    /// By name; also those that no agent was granted.
    pub credentials: BTreeMap<String, Binding>,
    /// By name.
    pub engagements: BTreeMap<String, Engagement>,
    /// By name.
    pub environments: Vec<Environment>,
    /// How names are resolved and whom TLS believes.
    pub network: NetworkConfig,
    /// The places that this file names as places of this machine: they stay where they are if the file is moved. See [`crate::authority`].
    pub machine_paths: BTreeSet<PathBuf>,
}

/// One agent, as its operator wants it run.
#[derive(Clone, Debug)]
pub struct ResolvedAgent {
    /// What is run.
    pub component: ComponentSource,
    /// What was granted; the agent's own declaration may narrow it.
    pub grants: Grants,
    /// Defaults where nothing was written.
    pub limits: Limits,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// The last day on which it may be started.
    pub expires: Option<Until>,
    /// Interfaces that need a grant of their own; none does in this version.
    pub uses: Vec<String>,
    /// Whether its runs can be resumed after a crash: those that may act on the world always can.
    pub durable: bool,
}

/// Where the component of an agent comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentSource {
    /// A folder with `agent.toml`; building it runs its author's code.
    Folder(PathBuf),
    /// A component, which is never built.
    File(PathBuf),
}

/// `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Name servers; the system's where empty.
    pub resolvers: Vec<SocketAddr>,
    /// PEM certificates beside the public roots, as they were read.
    pub roots: Vec<Root>,
}

/// The configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error("there is no `{FILE_NAME}` in `{}`, nor above it", .0.display())]
    Absent(PathBuf),
    /// It could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not text.
    #[error("`{}` is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// A number in it is larger than what every reader of JSON holds exactly.
    #[error("a number in the configuration is too large to be compared exactly; take one below 2^53")]
    Inexact,
    /// Something in it is wrong.
    #[error(transparent)]
    Wrong(#[from] WrongError),
    /// It has no such agent.
    #[error("`{}` has no agent `{name}`; it has: {known}", file.display())]
    NoAgent {
        /// Which file.
        file: PathBuf,
        /// Who was looked for.
        name: SafeText,
        /// Who is there.
        known: String,
    },
    /// It has no such engagement.
    #[error("`{}` has no engagement `{name}`; it has: {known}", file.display())]
    NoEngagement {
        /// Which file.
        file: PathBuf,
        /// Which was looked for.
        name: SafeText,
        /// Which are there.
        known: String,
    },
    /// The agent's last day is over.
    #[error("agent `{name}` expired with {expires}")]
    Expired {
        /// Who.
        name: String,
        /// Its last day.
        expires: Until,
    },
}

/// The configuration of a folder: in it, or in the nearest one above it.
///
/// # Errors
/// [`ConfigError::Absent`] where there is none.
pub fn find(from: &Path) -> Result<PathBuf, ConfigError> {
    let from = from.canonicalize().map_err(file::failed("find", from))?;
    // A link that leads nowhere is found, so that it is an error instead of another file being taken.
    let found = from.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.symlink_metadata().is_ok());
    found.ok_or(ConfigError::Absent(from))
}

/// Reads a file, and nothing that it names.
///
/// # Errors
/// A file that is missing, not regular, too large or not UTF-8.
pub fn read(file: &Path) -> Result<Authored, ConfigError> {
    let real = file.canonicalize().map_err(file::failed("find", file))?;
    let bytes = file::read(&real, FILE_BYTES_MAX)?;
    let digest = Digest::of(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText(file.to_owned()))?;
    Ok(Authored { file: real, digest, shown: file.to_owned(), text })
}

/// What the parts of a file are resolved against.
pub(crate) struct ConfigPlace<'a> {
    /// Relative paths begin here.
    folder: &'a Path,
    /// Nothing of it is ever mounted; without links in the way.
    home: PathBuf,
    /// BOUND: bytes of programs that are still read for their digests.
    program_bytes_left: Cell<u64>,
    /// What [`Resolved::machine_paths`] will hold.
    machine_paths: RefCell<BTreeSet<PathBuf>>,
}

impl ConfigPlace<'_> {
    /// Notes what kind of place a path of the file leads to. `written` is the path as it is in the file, and `real` is where it leads.
    ///
    /// A place belongs to this machine if its path is absolute, or if a link on the way leads out of the folder of the file. Every other place
    /// moves with the folder.
    fn note(&self, written: &Path, real: &Path) {
        let moves_along =
            !written.is_absolute() && (real.starts_with(self.folder) || real == real::without_dots(&self.folder.join(written)));
        if !moves_along {
            self.machine_paths.borrow_mut().insert(real.to_owned());
        }
    }
}

/// BOUND: bytes of all programs of one configuration that print values: of each, a digest is made whenever the file is understood.
const PROGRAMS_BYTES_MAX: u64 = 1 << 30;

impl Authored {
    /// Understands it. `home` is where the host keeps its record and keys; no mount may touch it.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and key.
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
        root.only(&["agents", "credentials", "engagements", "environments", "network", "vault"], LATER)?;
        let environments = root.get("environments").map_or(Ok(Vec::new()), |value| scope::environments(&value))?;
        let engagements = root.get("engagements").map_or(Ok(BTreeMap::new()), |value| scope::engagements(&value))?;
        let vault = root.get("vault").map(|value| source::vault(&value, &place)).transpose()?;
        let known = scope::KnownEnvironments { environments: &environments, vault: vault.as_ref() };
        let credentials = root.get("credentials").map_or(Ok(BTreeMap::new()), |value| credential::resolve(&value, &place, &known))?;
        let mut agents = BTreeMap::new();
        if let Some(list) = root.get("agents") {
            for (name, value) in list.table(AGENTS_MAX)?.entries() {
                agents.insert(name.to_owned(), agent::resolve(name, &value, &place, (&credentials, &environments))?);
            }
        }
        let network = root.get("network").map_or(Ok(NetworkConfig::default()), |value| network::resolve(&value, &place))?;
        let machine_paths = place.machine_paths.into_inner();
        Ok(Resolved {
            file: self.file.clone(),
            digest: self.digest,
            agents,
            credentials,
            engagements,
            environments,
            network,
            machine_paths,
        })
    }
}

impl Resolved {
    /// An engagement, which then bounds every ask of a run.
    ///
    /// # Errors
    /// One that is not there.
    pub fn engagement(&self, name: &str) -> Result<&Engagement, ConfigError> {
        self.engagements.get(name).ok_or_else(|| ConfigError::NoEngagement {
            file: self.file.clone(),
            name: SafeText::new(name, 64),
            known: self.engagements.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// An agent that may be started now.
    ///
    /// # Errors
    /// One that is not there, or whose last day is over at `now_s`, seconds since 1970.
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
