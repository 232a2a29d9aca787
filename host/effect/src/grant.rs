//! The form of a grant beside each ask: what the configuration holds, what `policy` matches, what a run is opened with.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::ask::Method;
use crate::pattern::{HostPattern, PathPattern, Until};
use crate::target::{HttpTarget, Scheme};

/// Everything an operator granted to one agent. Empty is the default, and grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grants {
    /// What goes along with requests, by name; never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Binding>,
    /// Environment variables the guest sees, in order of name; nothing else of the host's is seen.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// Mounts, in the order in which they were written.
    #[serde(default)]
    pub files: Vec<FilesGrant>,
    /// Where requests may go.
    #[serde(default)]
    pub http: Vec<HttpGrant>,
}

/// A folder of the host, under a name of the guest's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilesGrant {
    /// Absolute path as the guest sees it.
    pub guest: String,
    /// The host's folder; relative to the configuration as written, absolute once resolved.
    pub host: PathBuf,
    /// What may be done there.
    pub mode: FilesMode,
}

/// What may be done in a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilesMode {
    /// Look, never change.
    Read,
}

/// Where requests of one kind may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpGrant {
    /// The name of one of [`Grants::credentials`], which goes along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Private, loopback and special addresses that a *name* may resolve to. Metadata addresses are never reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Which hosts.
    pub host: HostPattern,
    /// Which methods; at least one.
    pub methods: Vec<Method>,
    /// Which paths; at least one.
    pub paths: Vec<PathPattern>,
    /// Which port; the scheme's own where none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `https` where none is written.
    #[serde(default = "https")]
    pub scheme: Scheme,
    /// The last day on which it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
}

/// A credential as its operator bound it: where it may go and how, wherever it is granted. A grant and this must both cover a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Binding {
    /// Lower-case letters, digits, hyphens.
    pub name: String,
    /// To whom it may go; at least one.
    pub hosts: Vec<HostPattern>,
    /// Where it stands in a request.
    pub placement: Placement,
    /// `https` where none is written: in clear text anybody on the way has it.
    #[serde(default = "https")]
    pub scheme: Scheme,
    /// Where its value comes from.
    pub source: Source,
    /// The last day on which it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
}

/// Where a credential stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Placement {
    /// `Authorization: Bearer VALUE`.
    Bearer,
    /// `Authorization: Basic`, with this user's name.
    Basic {
        /// Without a colon.
        user: String,
    },
    /// A header of its own.
    Header {
        /// In lower case.
        name: String,
        /// What stands before the value.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// A name in the query.
    Query {
        /// Unreserved characters.
        name: String,
    },
}

/// Where the value of a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", content = "at", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The vault of the home.
    Local,
    /// A variable of the process that holds the home.
    Env(String),
    /// A file that is read for each use.
    File(PathBuf),
}

impl Binding {
    /// Whether this is the credential of that name, and it may go there.
    pub fn covers(&self, name: &str, target: &HttpTarget) -> bool {
        self.name == name && self.scheme == target.scheme && self.hosts.iter().any(|host| host.matches(&target.host))
    }
}

impl Placement {
    /// In one word, as the configuration has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic { .. } => "basic",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query",
        }
    }
}

/// BOUND: bytes of a name of an agent or a credential.
const NAME_BYTES_MAX: usize = 64;

/// Whether this is a name that an agent or a credential can have: lower-case letters, digits and hyphens, a letter first.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

fn https() -> Scheme {
    Scheme::Https
}

impl HttpGrant {
    /// The port that is covered.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }
}
