//! Credentials as their operator bound them: where a value may go, in which form, and where it comes from. Never a value.

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

/// A credential as its operator bound it: where it may go and how, wherever it is granted. A grant and this must both cover a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Binding {
    /// Lower-case letters, digits, hyphens.
    pub name: String,
    /// Who may use it; any agent that it is granted to, where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentPin>,
    /// The only environment in which it is used; any, where none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// To whom it may go; at least one.
    pub hosts: Vec<HostPattern>,
    /// With which methods; any, where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// On which paths; any, where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPattern>,
    /// The files that a program which prints the value consists of: the program itself, then files among its arguments. Each must still
    /// have the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<PinnedFile>,
    /// Where it stands in a request.
    pub placement: Placement,
    /// On which port; any, where none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How fast it may be used, by all runs of a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// After how many seconds its value must be another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_every_s: Option<u64>,
    /// How a new value is set at its target, where an agent may drive that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// `https` where none is written: in clear text anybody on the way has it.
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

/// One agent: by its name in the configuration, and where written by the digest of its component too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentPin {
    /// As configured.
    pub name: String,
    /// Of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A file as it was when the configuration that names it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PinnedFile {
    /// Of its bytes; absent where there was no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where it is, without links.
    pub path: PathBuf,
}

/// Where a credential stands in a request, or what is made with it.
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
    /// A segment of its own, put into the path before the one of this number.
    Path {
        /// From 1; the guest's own path has at least as many.
        segment: u32,
        /// What stands before the value in the segment.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// A field of a form, `application/x-www-form-urlencoded`.
    Form {
        /// Unreserved characters.
        name: String,
    },
    /// A field of the outermost object of a JSON body.
    Json {
        /// As it is in the object.
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

/// How a new value is set at its target and tried there. The host sends these requests; an agent only says when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rotation {
    /// Sets the new value, under the old one.
    pub set: RotationSet,
    /// Answers with success under a value that is good, and with 401 or 403 under one that is not: a `GET` of this path.
    pub test_path: String,
}

/// The request that sets a new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RotationSet {
    /// `PUT`, `POST` or `PATCH`.
    pub method: Method,
    /// Where to, at a host of the binding.
    pub path: String,
    /// The JSON object that is sent; the new value goes into `field`.
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
    /// Drive its rotation.
    Rotate,
}

impl May {
    /// As written.
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
    /// A variable of the process that holds the home.
    Env(String),
    /// A file that is read for each use.
    File(PathBuf),
    /// What a command prints: its program, and its arguments.
    Exec(Vec<String>),
    /// The key ring of the kernel, by the description of a key.
    Keyring(String),
    /// A field of a secret in HashiCorp Vault or OpenBao.
    Vault(Box<VaultSource>),
}

/// A field of a secret in HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaultSource {
    /// Of the server.
    pub server: VaultServer,
    /// With its mount: `secret/data/app` in version 2 of the engine, `kv/app` in version 1.
    pub path: String,
    /// Of the secret.
    pub field: String,
}

/// A server of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaultServer {
    /// Without a path.
    pub address: HttpTarget,
    /// Private addresses that its name may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ipnet::IpNet>,
    /// How the host is let in.
    pub login: VaultLogin,
    /// `X-Vault-Namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How the host is let in by a server of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum VaultLogin {
    /// A token in a file.
    Token {
        /// Which.
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
    /// A binding with only what it must have: over TLS, to all of these hosts, for every agent that it is granted to.
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

    /// Whether this is the credential of that name, and it may go there.
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
    /// The other place that the value is sent to, besides the request itself: the endpoint that gives tokens for it.
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

    /// The requests that a step of its rotation makes, in order; nothing, where it does not say how.
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
    /// Whether it is this agent.
    pub fn is(&self, name: &str, digest: Digest) -> bool {
        self.name == name && self.digest.is_none_or(|pinned| pinned == digest)
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
    /// In one word, as the configuration has it.
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

/// BOUND: bytes of a name of an agent or a credential.
const NAME_BYTES_MAX: usize = 64;

/// Whether this is a name that an agent or a credential can have: lower-case letters, digits and hyphens, a letter first.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && !text.ends_with('-')
}
