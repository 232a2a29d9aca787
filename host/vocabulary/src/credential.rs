//! Credentials as their operator bound them: where a value may be sent, in which form, and where it comes from. They never contain a value.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::method::Method;
use crate::pattern::{HostPattern, PathPattern};
use crate::scope::Rate;
use crate::signer::{Hmac, Jwt, Oauth2, Sigv4};
use crate::step::CredentialStep;
use crate::target::{HttpTarget, Scheme, https};
use crate::until::Until;

/// A credential as its operator bound it: where it may be sent and how, whatever the grants. A request must be covered both by a grant and
/// by this binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Binding {
    /// The name: lower-case letters, digits, hyphens.
    pub name: String,
    /// The agents that may use it. If empty, every agent that it is granted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentPin>,
    /// The only environment in which it is used. `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The hosts to which it may be sent. There is at least one.
    pub hosts: Vec<HostPattern>,
    /// The methods with which it may be sent. If empty, any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// The person or team that is responsible for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The paths to which it may be sent. If empty, any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPattern>,
    /// The files that make up a program which prints the value: the program itself, then files among its arguments. Each must still have
    /// the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<PinnedFile>,
    /// Where the value is placed in a request.
    pub placement: Placement,
    /// The port to which it may be sent. `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How often it may be used, by all runs of a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// After how many seconds its value must be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_every_s: Option<u64>,
    /// How a new value is set at its target, if an agent may rotate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The scheme. The default is `https`, because in clear text anybody on the way can read the value.
    #[serde(default = "https")]
    pub scheme: Scheme,
    /// Where its value comes from.
    pub source: Source,
    /// The last day on which it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// How often one run may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
}

/// One agent, by its name in the configuration and optionally by the digest of its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentPin {
    /// The name in the configuration.
    pub name: String,
    /// The digest of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A file as it was when the configuration that names it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PinnedFile {
    /// The digest of its bytes. `None` if there was no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The path of the file, without links.
    pub path: PathBuf,
}

/// Where a credential, or what is made with it, is placed in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Placement {
    /// `Authorization: Bearer VALUE`.
    Bearer,
    /// `Authorization: Basic`, with this user name.
    Basic {
        /// The user name, without a colon.
        user: String,
    },
    /// A header that contains only the value.
    Header {
        /// The name of the header, in lower case.
        name: String,
        /// The text before the value.
        before: String,
        /// The text after the value.
        after: String,
    },
    /// A field of the query.
    Query {
        /// The name of the field, of unreserved characters.
        name: String,
    },
    /// A segment that is inserted into the path before the segment of this number.
    Path {
        /// The number, counted from 1. The guest's own path has at least as many segments.
        segment: u32,
        /// The text before the value in the segment.
        before: String,
        /// The text after the value.
        after: String,
    },
    /// A field of a form, `application/x-www-form-urlencoded`.
    Form {
        /// The name of the field, of unreserved characters.
        name: String,
    },
    /// A field of the outermost object of a JSON body.
    Json {
        /// The name of the field, as it is in the object.
        field: String,
    },
    /// AWS Signature Version 4, in `Authorization`. The value is the secret access key.
    Sigv4(Sigv4),
    /// A keyed hash of what is sent. The value is the key.
    Hmac(Hmac),
    /// A signed JWT as bearer. The value is a private key.
    Jwt(Jwt),
    /// A token as bearer that the host obtains. The value is the client's secret, or a refresh token.
    Oauth2(Box<Oauth2>),
}

/// How a new value is set at its target and tested there. The host sends these requests; an agent only decides when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rotation {
    /// The request that sets the new value. It is sent with the old value.
    pub set: RotationSet,
    /// The path of a `GET` that succeeds with a valid value, and is answered with 401 or 403 otherwise.
    pub test_path: String,
}

/// The request that sets a new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RotationSet {
    /// The method: `PUT`, `POST` or `PATCH`.
    pub method: Method,
    /// The path, at a host of the binding.
    pub path: String,
    /// The JSON object that is sent. The new value is put into `field`.
    pub body: String,
    /// The field for the new value.
    pub field: String,
}

/// What an agent may do with a credential besides sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum May {
    /// Ask whether a value that it found is this one.
    Identify,
    /// Rotate it.
    Rotate,
}

impl May {
    /// The word as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Rotate => "rotate",
        }
    }
}

/// Where the value of a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", content = "at", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// The vault of the home.
    Local,
    /// A variable of the host process.
    Env(String),
    /// A file, which is read for each use.
    File(PathBuf),
    /// The output of a command. These are the program and its arguments.
    Exec(Vec<String>),
    /// The key ring of the kernel. This is the description of a key.
    Keyring(String),
    /// A field of a secret in HashiCorp Vault or OpenBao.
    Vault(Box<VaultSource>),
}

/// A field of a secret in HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaultSource {
    /// The server.
    pub server: VaultServer,
    /// The path with its mount: `secret/data/app` in version 2 of the engine, `kv/app` in version 1.
    pub path: String,
    /// The field of the secret.
    pub field: String,
}

/// A server of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaultServer {
    /// The address, without a path.
    pub address: HttpTarget,
    /// Private addresses to which its name may resolve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ipnet::IpNet>,
    /// How the host logs in.
    pub login: VaultLogin,
    /// The value of `X-Vault-Namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How the host logs in at a server of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum VaultLogin {
    /// A token in a file.
    Token {
        /// The file.
        file: PathBuf,
    },
    /// AppRole.
    Approle {
        /// Its role id.
        role: String,
        /// The file of its secret id.
        file: PathBuf,
    },
    /// The service account of a pod.
    Kubernetes {
        /// The role.
        role: String,
        /// The file of the account's token.
        file: PathBuf,
    },
}

impl Binding {
    /// A binding with only the fields that are required: over TLS, to all of these hosts, for every agent that it is granted to.
    pub fn new(name: &str, hosts: Vec<HostPattern>, placement: Placement, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            agents: Vec::new(),
            environment: None,
            hosts,
            methods: Vec::new(),
            owner: None,
            paths: Vec::new(),
            pinned: Vec::new(),
            placement,
            port: None,
            rate: None,
            rotate_every_s: None,
            rotation: None,
            scheme: Scheme::Https,
            source,
            until: None,
            uses: None,
        }
    }

    /// Whether this is the credential of that name, and it may be sent there.
    pub fn covers(&self, name: &str, method: &Method, target: &HttpTarget) -> bool {
        self.name == name
            && self.scheme == target.scheme
            && self.port.is_none_or(|port| port == target.port)
            && self.hosts.iter().any(|host| host.matches(&target.host))
            && (self.methods.is_empty() || self.methods.contains(method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.matches(&target.path)))
    }
}

impl Binding {
    /// The other place to which the value is sent: the endpoint that issues tokens for it.
    pub fn endpoint(&self) -> Option<&HttpTarget> {
        match &self.placement {
            Placement::Oauth2(oauth2) => Some(&oauth2.token),
            Placement::Bearer
            | Placement::Basic { .. }
            | Placement::Header { .. }
            | Placement::Query { .. }
            | Placement::Path { .. }
            | Placement::Form { .. }
            | Placement::Json { .. }
            | Placement::Sigv4(_)
            | Placement::Hmac(_)
            | Placement::Jwt(_) => None,
        }
    }

    /// The requests that a step of its rotation makes, in order. `None` if the binding has no rotation.
    pub fn requests(&self, step: &CredentialStep) -> Option<Vec<(Method, HttpTarget)>> {
        let rotation = self.rotation.as_ref()?;
        let host = self.hosts.iter().find_map(|host| match host {
            HostPattern::Exact(host) => Some(host.to_string()),
            HostPattern::Under(_) => None,
        })?;
        let authority = self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let at = |path: &str| HttpTarget::parse(self.scheme, &authority, path).ok();
        match step {
            CredentialStep::Identify(_) | CredentialStep::Create => Some(Vec::new()),
            CredentialStep::Set => Some(vec![(rotation.set.method.clone(), at(&rotation.set.path)?)]),
            CredentialStep::Test | CredentialStep::Finish => Some(vec![(Method::new("GET").ok()?, at(&rotation.test_path)?)]),
        }
    }
}

impl AgentPin {
    /// Whether this is the given agent.
    pub fn is(&self, name: &str, digest: Digest) -> bool {
        self.name == name && self.digest.is_none_or(|pinned| pinned == digest)
    }
}

impl Placement {
    /// The kind in one word, as in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic { .. } => "basic",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query",
            Self::Path { .. } => "path",
            Self::Form { .. } => "form",
            Self::Json { .. } => "json",
            Self::Sigv4(_) => "sigv4",
            Self::Hmac(_) => "hmac",
            Self::Jwt(_) => "jwt",
            Self::Oauth2(_) => "oauth2",
        }
    }
}

impl Source {
    /// The kind in one word, as in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::Exec(_) => "exec",
            Self::Keyring(_) => "keyring",
            Self::Vault(_) => "vault",
        }
    }
}

/// BOUND: bytes of the name of an agent or a credential.
const NAME_BYTES_MAX: usize = 64;

/// Whether an agent or a credential can have this name: lower-case letters, digits and hyphens, a letter first.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && !text.ends_with('-')
}
