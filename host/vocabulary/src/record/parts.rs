//! What records are made of.

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

/// BOUND: longest body of a record, in bytes (a C2SP tile entry carries its length in 16 bits).
pub const BODY_BYTES_MAX: usize = 65_535;

/// The form that this version writes.
pub const VERSION: u32 = 1;

/// What was asked, in words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AskedFor {
    /// What it gives access to.
    pub capability: Capability,
    /// Interface and function.
    pub function: Function,
    /// The headers of a request: names, and the values of those that say what is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<SafeText>,
    /// How often a placeholder is quoted in the body, where it is not changed.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub placeholders: u64,
    /// Where a path of a mount leads, as the guest sees it from its root. Absent if it leads nowhere, or if it was asked for in this form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<SafeText>,
    /// What it is about, in the guest's own words, without what may be secret.
    pub resource: Resource,
}

/// What a record that stands for several refusals counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The index of the name that was asked for last.
    pub last: u64,
    /// Each name that was asked for, in the order in which they were first asked for.
    pub names: Vec<CountedName>,
    /// When the first of them was asked for, milliseconds since 1970.
    pub since: u64,
}

/// One name among those that a record counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedName {
    /// As in [`AskedFor::resolved`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<SafeText>,
    /// As in [`AskedFor::resource`].
    pub resource: Resource,
    /// How often.
    pub times: u64,
}

/// Bytes of one request as they are put on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Of the body.
    pub body: u64,
    /// Of the request line and the header fields, with their line ends.
    pub head: u64,
}

impl Sent {
    /// All of them.
    pub fn bytes(self) -> u64 {
        self.body.saturating_add(self.head)
    }
}

/// What the host asks for on its own behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPurpose {
    /// A token at an endpoint of OAuth 2.
    Token,
    /// A log-in at a server of HashiCorp Vault or OpenBao.
    VaultLogin,
    /// A value at such a server.
    VaultRead,
    /// A rotation: the new value is set at its target.
    RotationSet,
    /// A rotation: the new value is tried.
    RotationTest,
    /// A rotation: the old value is tried.
    RotationProbe,
}

impl HostPurpose {
    /// As the record has it.
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

    /// Whether it changes something at the server that only its answer tells. Then it is finished even if nobody waits for it.
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
    /// A request of the guest, which was sent with stars in its place.
    Request,
    /// An answer from a host where the value may not be.
    Answer,
}

/// Where the key comes from that a vault, or a key of the home, is sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealedUnder {
    /// A file: of the home for the vault, and elsewhere for the home's keys.
    File,
    /// A passphrase.
    Passphrase,
    /// The key ring of the kernel.
    Keyring,
}

/// What was done with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialChange {
    /// A value was set.
    Set,
    /// A new value is used from now on.
    Rotated,
    /// It may not be used any more.
    Revoked,
    /// It may be used again.
    Restored,
    /// Its value may be sent to other places than before.
    Bounded,
    /// Its value and everything that was known about it here are deleted.
    Removed,
}

/// What is known of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// SHA-256 of the subject public key info of the server's certificate.
    pub key: Digest,
    /// `TLSv1.3`.
    pub version: SafeText,
}

/// One object of a mount and what was done with it since the last such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Bytes read, or names listed.
    pub amount: u64,
    /// Of the whole content if it was read once from start to end; else over (offset, length, bytes) of each read. Of the
    /// names and kinds for a listing. Absent when it was only opened or looked at.
    pub digest: Option<Digest>,
    /// As the guest sees it.
    pub path: SafeText,
    /// Where the file really was when it was opened, if links led to another place than its path says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<SafeText>,
    /// How often.
    pub times: u64,
    /// Names of a listing that are not UTF-8: WASI has no way to tell a guest of them, so they were left out.
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

/// One release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredOne {
    /// Bytes of a body.
    pub bytes: u64,
    /// Looks that found nothing since the release before.
    pub empty: u64,
    /// What was released.
    pub event: DeliveredEvent,
    /// The run's clock from then on, nanoseconds.
    pub mono_ns: u64,
    /// Which operation.
    pub op: u64,
}

/// How long a machine was up at some moment. Nobody can set it, unlike the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Which start of which machine: 32 hexadecimal digits. Empty where the system does not tell.
    pub boot: String,
    /// Since that start, in milliseconds.
    pub ms: u64,
}

/// The kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveredEvent {
    /// Head of a response.
    Head,
    /// Piece of a body.
    Chunk,
    /// End of a body.
    End,
    /// The whole answer to an act that is answered in one piece.
    Answer,
    /// Nothing more comes, for this reason.
    Failed(Fault),
    /// A timer set to this moment, nanoseconds.
    Timer(u64),
    /// The clock jumped.
    Clock,
}

impl DeliveredEvent {
    /// Whether the event has bytes that are kept beside its record.
    pub fn has_content(self) -> bool {
        match self {
            Self::Head | Self::Chunk | Self::End | Self::Answer => true,
            Self::Failed(_) | Self::Timer(_) | Self::Clock => false,
        }
    }
}

/// Which component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// Of the component's bytes.
    pub digest: Digest,
    /// As configured.
    pub name: SafeText,
    /// As its manifest says.
    pub version: SafeText,
}

/// What runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRef {
    /// Version of this host.
    pub host: SafeText,
    /// Digest of the engine profile.
    pub profile: SafeText,
    /// Version of the engine.
    pub wasmtime: SafeText,
}

/// A key of a home that can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotatedKey {
    /// The one that wraps the keys of runs.
    Home,
    /// The one that signs the record.
    Journal,
}
