//! The parts of records.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::function::{Capability, Function};
use crate::ids::Digest;
use crate::resource::Resource;
use crate::text::SafeText;

impl super::Record {
    /// The bytes that are hashed and kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::canon::to_vec(self)
    }
}

/// BOUND: bytes of the body of a record. (A C2SP tile entry has a length of 16 bits.)
pub const BODY_BYTES_MAX: usize = 65_535;

/// The version of the form that this program writes.
pub const VERSION: u32 = 1;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AskedFor {
    /// The capability of the ask.
    pub capability: Capability,
    /// The interface and the function.
    pub function: Function,
    /// The headers of a request: their names, and the values of those that affect what the request does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<SafeText>,
    /// How often a placeholder occurs in the body, where it is not replaced.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub placeholders: u64,
    /// Where a path of a mount leads, as the guest sees it from its root. Absent if it leads nowhere, or if it was asked for in this form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<SafeText>,
    /// What the ask is about, in the guest's own words, without anything that may be secret.
    pub resource: Resource,
}

/// The refusals that one record counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The index of the name that was asked for last.
    pub last: u64,
    /// Each name that was asked for, in the order in which they were first asked for.
    pub names: Vec<CountedName>,
    /// When the first of these refusals was asked for, in milliseconds since 1970.
    pub since: u64,
}

/// One name among the refusals that a record counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedName {
    /// As in [`AskedFor::resolved`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<SafeText>,
    /// As in [`AskedFor::resource`].
    pub resource: Resource,
    /// How often it was asked for.
    pub times: u64,
}

/// The bytes of one request as they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The bytes of the body.
    pub body: u64,
    /// The bytes of the request line and the header fields, with their line ends.
    pub head: u64,
}

impl Sent {
    /// The sum of both.
    pub fn bytes(self) -> u64 {
        self.body.saturating_add(self.head)
    }
}

/// The purpose of a request that the host makes on its own behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPurpose {
    /// A token at an endpoint of OAuth 2.
    Token,
    /// A log-in at a server of HashiCorp Vault or OpenBao.
    VaultLogin,
    /// Reading a value at such a server.
    VaultRead,
    /// Rotation: setting the new value at its target.
    RotationSet,
    /// Rotation: testing the new value.
    RotationTest,
    /// Rotation: testing the old value.
    RotationProbe,
}

impl HostPurpose {
    /// The word on the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::VaultLogin => "vault-login",
            Self::VaultRead => "vault-read",
            Self::RotationSet => "rotation-set",
            Self::RotationTest => "rotation-test",
            Self::RotationProbe => "rotation-probe",
        }
    }

    /// Whether it changes something at the server that only the answer shows. Such a request is finished even if nobody waits for it.
    pub fn changes_something(self) -> bool {
        match self {
            Self::Token | Self::VaultLogin | Self::RotationSet => true,
            Self::VaultRead | Self::RotationTest | Self::RotationProbe => false,
        }
    }
}

/// Where the value of a credential was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetIn {
    /// A request of the guest. It was sent with stars in place of the value.
    Request,
    /// An answer from a host to which the value may not be sent.
    Answer,
}

/// Where the key comes from under which a vault, or a key of the home, is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealedUnder {
    /// A file. For the vault it is in the home, for the home's keys it is elsewhere.
    File,
    /// A passphrase.
    Passphrase,
    /// The key ring of the kernel.
    Keyring,
}

/// A change of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialChange {
    /// A value was set.
    Set,
    /// A new value is in use from now on.
    Rotated,
    /// It may no longer be used.
    Revoked,
    /// It may be used again.
    Restored,
    /// The destinations of its value were changed.
    Bounded,
    /// Its value, and everything else that the home knew about it, was deleted.
    Removed,
}

/// What is known of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// SHA-256 of the subject public key info of the server's certificate.
    pub key: Digest,
    /// The version, for example `TLSv1.3`.
    pub version: SafeText,
}

/// One object of a mount, and what was done with it since the previous such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The number of bytes that were read, or of names that were listed.
    pub amount: u64,
    /// The digest of the whole content if it was read once from start to end; otherwise a digest over the offset, length and bytes of each
    /// read. For a listing, the digest of the names and kinds. Absent if the object was only opened or looked at.
    pub digest: Option<Digest>,
    /// The path as the guest sees it.
    pub path: SafeText,
    /// Where the file really was when it was opened, if links led to another place than its path says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<SafeText>,
    /// How often it was done.
    pub times: u64,
    /// The number of names in a listing that are not UTF-8. WASI can't pass them to a guest, so they were left out.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub untold: u64,
    /// What was done.
    pub what: Touch,
    /// Whether `digest` is that of the whole content.
    pub whole: bool,
}

fn is_nought(number: &u64) -> bool {
    *number == 0
}

/// What was done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touch {
    /// A regular file was opened, and perhaps read.
    File,
    /// A directory was listed.
    Listing,
    /// Looked at without being opened: kind, size, time, link.
    Look,
}

/// One release, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredOne {
    /// The number of bytes of a body.
    pub bytes: u64,
    /// How many polls found nothing since the previous release.
    pub empty: u64,
    /// What was released.
    pub event: DeliveredEvent,
    /// The run's clock from then on, in nanoseconds.
    pub mono_ns: u64,
    /// The number of the operation in the run.
    pub op: u64,
}

/// How long a machine had been up at some moment. Unlike the clock, it can't be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// An id of the start of the machine: 32 hexadecimal digits. Empty if the system has none.
    pub boot: String,
    /// The time since that start, in milliseconds.
    pub ms: u64,
}

/// What a suspended run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WaitsFor {
    /// A moment: the first timer of the agent.
    Time {
        /// When the timer runs out, in milliseconds since 1970, if nobody sets the clock meanwhile.
        until: u64,
    },
    /// People, who have to approve an act.
    Person {
        /// When their time to decide ends, in milliseconds since 1970, if nobody sets the clock meanwhile.
        until: u64,
    },
}

/// Whether a number is 0, so that it is left out of a record.
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The kinds of release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveredEvent {
    /// The head of a response.
    Head,
    /// A piece of a body.
    Chunk,
    /// The end of a body.
    End,
    /// The whole answer to an act that is answered in one piece.
    Answer,
    /// Nothing more comes, for this reason.
    Failed(Fault),
    /// A timer that was set for this moment, in nanoseconds.
    Timer(u64),
    /// The clock jumped.
    Clock,
}

impl DeliveredEvent {
    /// Whether nothing more comes for its operation.
    pub fn is_last(self) -> bool {
        match self {
            Self::End | Self::Answer | Self::Failed(_) => true,
            Self::Head | Self::Chunk | Self::Timer(_) | Self::Clock => false,
        }
    }

    /// Whether the event has bytes that are kept beside its record.
    pub fn has_content(self) -> bool {
        match self {
            Self::Head | Self::Chunk | Self::End | Self::Answer => true,
            Self::Failed(_) | Self::Timer(_) | Self::Clock => false,
        }
    }
}

/// A component, as a record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// The agent's name in the configuration.
    pub name: SafeText,
    /// The version in its manifest.
    pub version: SafeText,
}

/// The host and the engine that run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRef {
    /// The version of this host.
    pub host: SafeText,
    /// The digest of the engine profile.
    pub profile: SafeText,
    /// The version of the engine.
    pub wasmtime: SafeText,
}

/// A key of a home that can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotatedKey {
    /// The key that wraps the keys of runs.
    Home,
    /// The key that signs the record.
    Journal,
}
