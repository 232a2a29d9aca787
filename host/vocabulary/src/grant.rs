//! The grants that correspond to each kind of ask. The configuration holds them, `policy` matches them, and a run is opened with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::credential::{Binding, May};
use crate::ids::Digest;
use crate::method::Method;
use crate::pattern::{HostPattern, PathPattern};
use crate::policy_rules::PolicyRules;
use crate::scope::{Engagement, Environment, Rate};
use crate::target::{Scheme, https};
use crate::until::Until;

/// Everything that an operator granted to one agent. The default is empty, and grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grants {
    /// The credentials that are sent with requests, by name. They never contain a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Binding>,
    /// The engagement, which bounds every ask of a run that was started under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<Engagement>,
    /// The environment variables that the guest sees, in order of name. It sees no other variables of the host.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The places of each environment. A place that belongs to no environment is production.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Environment>,
    /// The mounts, in the order in which they were written.
    #[serde(default)]
    pub files: Vec<FilesGrant>,
    /// The requests that are granted.
    #[serde(default)]
    pub http: Vec<HttpGrant>,
    /// What the agent may do with credentials besides sending them, by the credential's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub may: BTreeMap<String, Vec<May>>,
    /// Environment variables that hold a placeholder of a credential, each with the credential's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placeholders: BTreeMap<String, String>,
    /// The policies, which only narrow what is granted. `None` if the grants alone decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRules>,
}

/// A folder of the host, with the path at which the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilesGrant {
    /// The absolute path that the guest sees.
    pub guest: String,
    /// The host's folder. It is relative to the configuration as written, and absolute once resolved.
    pub host: PathBuf,
    /// What the guest may do there.
    pub mode: FilesMode,
}

/// What a guest may do in a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilesMode {
    /// Read only.
    Read,
}

/// Requests of one kind that are granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpGrant {
    /// The name of one of [`Grants::credentials`] that is sent with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Private, loopback and special addresses that a *name* may resolve to. Metadata addresses are never reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Headers, in lower case, that a request may have besides the ordinary ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The hosts.
    pub host: HostPattern,
    /// The methods. There is at least one.
    pub methods: Vec<Method>,
    /// The paths. There is at least one.
    pub paths: Vec<PathPattern>,
    /// The port. `None` stands for the default port of the scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The scheme. The default is `https`.
    #[serde(default = "https")]
    pub scheme: Scheme,
    /// The last day on which the grant is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Further bounds on each request.
    #[serde(default, skip_serializing_if = "HttpBounds::is_empty")]
    pub within: HttpBounds,
}

/// Bounds on requests of one grant, in addition to the limits of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpBounds {
    /// The header, in lower case, in which the server honours an idempotency key: it does the same request with the same key only once. The
    /// host sets it, and repeats a request whose outcome is unknown without asking a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    /// SHA-256 digests of the subject public key info of certificates. The server's key must be one of them, in addition to what TLS itself
    /// requires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Digest>,
    /// How often requests may be sent, by all runs of the agent in a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The largest request body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    /// The largest response body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
}

impl HttpBounds {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl HttpGrant {
    /// The port that the grant covers.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }
}
