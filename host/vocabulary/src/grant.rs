//! The form of a grant beside each ask: what the configuration holds, what `policy` matches, what a run is opened with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::credential::{Binding, May};
use crate::ids::Digest;
use crate::method::Method;
use crate::pattern::{HostPattern, PathPattern};
use crate::scope::{Engagement, Environment, Rate};
use crate::target::{Scheme, https};
use crate::until::Until;

/// Everything an operator granted to one agent. Empty is the default, and grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grants {
    /// The credentials that are sent with requests, by name; never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Binding>,
    /// What bounds every ask of a run that was started under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engagement: Option<Engagement>,
    /// Environment variables the guest sees, in order of name; nothing else of the host's is seen.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Which places belong together; what matches none is production.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Environment>,
    /// Mounts, in the order in which they were written.
    #[serde(default)]
    pub files: Vec<FilesGrant>,
    /// Where requests may go.
    #[serde(default)]
    pub http: Vec<HttpGrant>,
    /// What may be done with credentials besides sending them, by the credential's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub may: BTreeMap<String, Vec<May>>,
    /// Variables that hold an inert stand-in for a credential, and the credential's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placeholders: BTreeMap<String, String>,
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
    /// The name of one of [`Grants::credentials`], which is sent with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Private, loopback and special addresses that a *name* may resolve to. Metadata addresses are never reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Headers that a request may have besides the ordinary ones, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
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
    /// What bounds each request further.
    #[serde(default, skip_serializing_if = "HttpBounds::is_empty")]
    pub within: HttpBounds,
}

/// What bounds requests of one grant, beside the limits of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpBounds {
    /// SHA-256 of the subject public key info of servers' certificates: any of these, beside what TLS itself wants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Digest>,
    /// How often, by all runs of the agent in a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Bytes of a body that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    /// Bytes of a body that comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
}

impl HttpBounds {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl HttpGrant {
    /// The port that is covered.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }
}
