//! What a configuration may cause, as one value: its canonical bytes are what is trusted, accepted, locked and compared. Lines for people are
//! made from it, and are never compared.
//!
//! Paths are relative to the folder of the configuration, so that every checkout has the same value.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vocabulary::{Binding, Digest, Engagement, Environment, Grants, LIMITS, Limits, Until, canon};

use crate::config::{ComponentSource, ConfigError, NetworkConfig, Resolved, ResolvedAgent};

mod difference;
mod line;
mod spelling;

pub use difference::Difference;
pub use spelling::Spelling;

/// Everything that one agent of a configuration may cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Authority {
    /// What is run.
    pub component: Code,
    /// Whether every run of it is kept so that it can be resumed.
    pub durable: bool,
    /// The engagements under which it may be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engagements: Vec<Engagement>,
    /// The last day on which it may be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Until>,
    /// What was granted.
    pub grants: Grants,
    /// The limits that are not the default, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// How names are resolved and whom TLS believes.
    #[serde(default, skip_serializing_if = "Reach::is_empty")]
    pub network: Reach,
    /// Interfaces that need a grant of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
}

/// What is run, and what it must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Code {
    /// A component that is run as it is.
    File {
        /// The digest of its bytes, if it must have exactly these.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// What it imports, if it must have exactly these bytes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        imports: Vec<String>,
        /// Where it is.
        path: PathBuf,
    },
    /// A folder of source, which is built.
    Folder {
        /// Where it is.
        path: PathBuf,
        /// The digest of everything that a build reads of it, if it must have exactly that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Digest>,
        /// The tools that it is built with, if they must be exactly these.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tools: Option<String>,
    },
}

/// How names are resolved and whom TLS believes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reach {
    /// Name servers; the system's where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<SocketAddr>,
    /// Certificates beside the public roots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<RootFile>,
}

/// A file of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootFile {
    /// Of its bytes.
    pub digest: Digest,
    /// Where it is.
    pub path: PathBuf,
}

impl Reach {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of(network: &NetworkConfig) -> Self {
        let roots = network.roots.iter().map(|root| RootFile { digest: root.digest, path: root.path.clone() });
        Self { resolvers: network.resolvers.clone(), roots: roots.collect() }
    }
}

/// Everything that a configuration may cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Whole {
    /// By name.
    pub agents: BTreeMap<String, Authority>,
    /// The credentials that no agent was granted.
    pub credentials: Vec<Binding>,
    /// All of them.
    pub engagements: Vec<Engagement>,
    /// All of them.
    pub environments: Vec<Environment>,
    /// For every agent.
    pub network: Reach,
}

impl Whole {
    /// Of a configuration that was understood.
    ///
    /// # Errors
    /// A path that is not text.
    pub fn of(resolved: &Resolved) -> Result<Self, ConfigError> {
        let spelling = Spelling::from_folder_of(&resolved.file);
        let agents = resolved.agents.iter().map(|(name, agent)| Ok((name.clone(), Authority::of(resolved, agent, &spelling)?)));
        let agents: BTreeMap<String, Authority> = agents.collect::<Result<_, ConfigError>>()?;
        let is_granted = |name: &str| agents.values().any(|agent| agent.grants.credentials.iter().any(|binding| binding.name == name));
        let others = resolved.credentials.values().filter(|binding| !is_granted(&binding.name)).cloned().collect();
        let mut rest = Grants { credentials: others, ..Grants::default() };
        spelling.shorten(&mut rest)?;
        Ok(Self {
            credentials: rest.credentials,
            engagements: resolved.engagements.values().cloned().collect(),
            environments: resolved.environments.clone(),
            network: spelling.short_reach(Reach::of(&resolved.network))?,
            agents,
        })
    }

    /// Of its canonical bytes.
    ///
    /// # Errors
    /// A number that not every reader holds exactly.
    pub fn digest(&self) -> Result<Digest, ConfigError> {
        digest(self)
    }
}

impl Authority {
    fn of(resolved: &Resolved, agent: &ResolvedAgent, spelling: &Spelling) -> Result<Self, ConfigError> {
        let mut grants = agent.grants.clone();
        spelling.shorten(&mut grants)?;
        let component = match &agent.component {
            ComponentSource::File(path) => Code::File { digest: None, imports: Vec::new(), path: spelling.short(path)? },
            ComponentSource::Folder(path) => Code::Folder { path: spelling.short(path)?, source: None, tools: None },
        };
        Ok(Self {
            component,
            durable: agent.durable,
            engagements: resolved.engagements.values().cloned().collect(),
            expires: agent.expires,
            grants,
            limits: changed(&agent.limits),
            network: spelling.short_reach(Reach::of(&resolved.network))?,
            uses: agent.uses.clone(),
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

    /// The source that it is held to.
    pub fn source(&self) -> Option<Digest> {
        match &self.component {
            Code::Folder { source, .. } => *source,
            Code::File { .. } => None,
        }
    }

    /// Of its canonical bytes.
    ///
    /// # Errors
    /// A number that not every reader holds exactly.
    pub fn digest(&self) -> Result<Digest, ConfigError> {
        digest(self)
    }
}

fn digest<T: Serialize>(value: &T) -> Result<Digest, ConfigError> {
    let json = serde_json::to_value(value).map_err(|_| ConfigError::Inexact)?;
    canon::of_json(&json).map(|bytes| Digest::of(&bytes)).ok_or(ConfigError::Inexact)
}

/// The limits that are not the default. The table and the struct are in the same order, both alphabetical.
fn changed(limits: &Limits) -> BTreeMap<String, u64> {
    let words = |limits: &Limits| serde_json::to_value(limits).unwrap_or_default();
    let (mine, default) = (words(limits), words(&Limits::default()));
    let (Some(mine), Some(default)) = (mine.as_object(), default.as_object()) else { return BTreeMap::new() };
    let pairs = LIMITS.iter().zip(mine.values()).zip(default.values());
    pairs.filter(|((_, mine), default)| mine != default).map(|((row, mine), _)| (row.name.to_owned(), mine.as_u64().unwrap_or(0))).collect()
}

#[cfg(test)]
pub(crate) mod tests;
