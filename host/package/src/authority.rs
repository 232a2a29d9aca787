//! What a configuration may cause, as one value. Its canonical bytes are what is trusted, accepted, locked and compared. Lines for people
//! are made from it, and are never compared.
//!
//! A path is relative to the folder of the configuration if it is relative in the configuration: a project that is moved or cloned has the
//! same value. A place that the configuration names as a place of this machine is absolute. `spelling.rs` decides between the two.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vocabulary::{Binding, Digest, Engagement, Environment, Grants, Limit, Until};

use crate::config::{ComponentSource, ConfigError, NetworkSection, Resolved, ResolvedAgent, Root};

mod canonical;
mod difference;
mod line;
mod spelling;

pub use canonical::FORM;
pub use difference::Difference;
use spelling::Shortening;
pub use spelling::Spelling;

/// Everything that one agent of a configuration may cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Authority {
    /// The component or source.
    pub component: Code,
    /// Whether every run is kept so that it can be resumed.
    pub durable: bool,
    /// The engagements under which the agent may be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engagements: Vec<Engagement>,
    /// The last day on which the agent may be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Until>,
    /// What was granted.
    pub grants: Grants,
    /// The limits that are not the default, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Limit, u64>,
    /// The name servers, and the roots that TLS trusts.
    #[serde(default, skip_serializing_if = "Reach::is_empty")]
    pub network: Reach,
    /// Interfaces that need a grant of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
}

/// The code that is run, and what it must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Code {
    /// A component that is run without a build.
    File {
        /// The digest of its bytes. `None` if it may have any bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// The interfaces that it imports, if it must have exactly these bytes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        imports: Vec<String>,
        /// Its path.
        path: PathBuf,
    },
    /// A folder of source, which is built.
    Folder {
        /// Its path.
        path: PathBuf,
        /// The digest of everything that a build reads of it. `None` if it may be any source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Digest>,
        /// The tools that it is built with. `None` if it may be any tools.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tools: Option<String>,
    },
}

/// The name servers, and the roots that TLS trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reach {
    /// The name servers. If empty, those of the system are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<SocketAddr>,
    /// Certificates that TLS trusts in addition to the public roots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<RootFile>,
}

/// A file of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its path.
    pub path: PathBuf,
}

impl Code {
    /// The digest of the component or of the source that it must match.
    pub fn held_to(&self) -> Option<Digest> {
        match self {
            Self::File { digest, .. } => *digest,
            Self::Folder { source, .. } => *source,
        }
    }
}

impl Reach {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of(network: &NetworkSection, short: &Shortening<'_>) -> Result<Self, ConfigError> {
        let NetworkSection { resolvers, roots } = network;
        // The digest stands for the bytes.
        let root = |Root { bytes: _, digest, path }: &Root| Ok(RootFile { digest: *digest, path: short.path(path)? });
        Ok(Self { resolvers: resolvers.clone(), roots: roots.iter().map(root).collect::<Result<_, ConfigError>>()? })
    }
}

/// Everything that a configuration may cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Whole {
    /// The authorities of the agents, by name.
    pub agents: BTreeMap<String, Authority>,
    /// The credentials that are granted to no agent.
    pub credentials: Vec<Binding>,
    /// All engagements.
    pub engagements: Vec<Engagement>,
    /// All environments.
    pub environments: Vec<Environment>,
    /// The network of every agent.
    pub network: Reach,
}

impl Whole {
    /// The value of a resolved configuration.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn of(resolved: &Resolved) -> Result<Self, ConfigError> {
        // Each field is named, so that a new field can't be forgotten here. `file` and `digest` identify the file, and say nothing about
        // what it allows.
        // The policies are part of what each agent is granted.
        let Resolved { file, digest: _, agents, credentials, engagements, environments, network, policy: _, machine_paths } = resolved;
        let short = Shortening::new(file, machine_paths);
        let engagements: Vec<Engagement> = engagements.values().cloned().collect();
        let network = Reach::of(network, &short)?;
        let shared = Shared { engagements: &engagements, network: &network, short: &short };
        let agents = agents.iter().map(|(name, agent)| Ok((name.clone(), Authority::of(agent, &shared)?)));
        let agents: BTreeMap<String, Authority> = agents.collect::<Result<_, ConfigError>>()?;
        let is_granted = |name: &str| agents.values().any(|agent| agent.grants.credentials.iter().any(|binding| binding.name == name));
        let others = credentials.values().filter(|binding| !is_granted(&binding.name)).cloned().collect();
        let mut rest = Grants { credentials: others, ..Grants::default() };
        short.grants(&mut rest)?;
        Ok(Self { credentials: rest.credentials, engagements, environments: environments.clone(), network, agents })
    }
}

/// What all agents of a configuration have in common.
struct Shared<'a> {
    engagements: &'a [Engagement],
    network: &'a Reach,
    short: &'a Shortening<'a>,
}

impl Authority {
    fn of(agent: &ResolvedAgent, shared: &Shared<'_>) -> Result<Self, ConfigError> {
        // `owner` and `purpose` allow nothing: only people read them.
        let ResolvedAgent { component, grants, limits, owner: _, purpose: _, expires, uses, durable } = agent;
        let mut grants = grants.clone();
        shared.short.grants(&mut grants)?;
        let component = match component {
            ComponentSource::File(path) => Code::File { digest: None, imports: Vec::new(), path: shared.short.path(path)? },
            ComponentSource::Folder(path) => Code::Folder { path: shared.short.path(path)?, source: None, tools: None },
        };
        Ok(Self {
            component,
            durable: *durable,
            engagements: shared.engagements.to_vec(),
            expires: *expires,
            grants,
            limits: limits.changed(),
            network: shared.network.clone(),
            uses: uses.clone(),
        })
    }

    /// The same authority, with these bytes as its only component.
    #[must_use]
    pub fn held_to_component(mut self, of: Digest, imported: Vec<String>) -> Self {
        if let Code::File { digest, imports, .. } = &mut self.component {
            (*digest, *imports) = (Some(of), imported);
        }
        self
    }

    /// The same authority, with this as its only source.
    #[must_use]
    pub fn held_to_source(mut self, of: Digest, with: String) -> Self {
        if let Code::Folder { source, tools, .. } = &mut self.component {
            (*source, *tools) = (Some(of), Some(with));
        }
        self
    }

    /// The digest of the source that it must match.
    pub fn source(&self) -> Option<Digest> {
        match &self.component {
            Code::Folder { source, .. } => *source,
            Code::File { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
