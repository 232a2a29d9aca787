//! What the host itself does for a run, besides what the agent asked: it requests tokens and values, and makes the changes of a rotation.

use std::net::SocketAddr;
use std::path::PathBuf;

use permit::Permit;
use tokio::sync::oneshot;
use vocabulary::record::{HostPurpose, Sent};
use vocabulary::{HttpFault, OpId, Reason, Resource, SafeText};

/// A request that the host wants to make for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAsk {
    /// The credential that the request is for.
    pub credential: String,
    /// The act of the run that needs it.
    pub op: OpId,
    /// The purpose of the request.
    pub purpose: HostPurpose,
    /// What is asked, without parts that may be secret.
    pub resource: Resource,
}

/// A request of the host, with the number that it has on the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRequest {
    /// The number among the host's own requests for the run.
    pub number: u64,
    /// What is asked.
    pub ask: HostAsk,
}

/// How a request of the host ended.
#[derive(Clone, Debug, Default)]
pub struct HostEnd {
    /// Whether the caller had stopped waiting.
    pub abandoned: bool,
    /// How many bytes of the body arrived.
    pub bytes: u64,
    /// What happened, for the operator alone.
    pub detail: SafeText,
    /// The fault, if the request failed.
    pub fault: Option<HttpFault>,
    /// The address that the host was connected to, if it was.
    pub peer: Option<SocketAddr>,
    /// Why the address was refused, if it was.
    pub reason: Option<Reason>,
    /// The address to which bytes were passed for sending, and how many.
    pub going: Option<(SocketAddr, Sent)>,
    /// The status code of the response, if one came.
    pub status: Option<u16>,
}

/// A change of a file of the vault that is about to be made.
#[derive(Clone, Debug)]
pub struct VaultChange {
    /// The path of the file.
    pub path: PathBuf,
    /// The new content of the file, sealed.
    pub bytes: Vec<u8>,
}

/// A change of the vault that is noted and whose record is durable.
#[derive(Debug)]
pub struct ChangeNoted {
    /// Send on this when the change is complete: on the record and in the vault.
    pub done: oneshot::Sender<()>,
    /// Resolves when the note is gone.
    pub gone: oneshot::Receiver<()>,
}

/// One thing that the host wants to do for the run. A dropped reply means a refusal.
#[derive(Debug)]
pub enum HostWant {
    /// Send a request of the host.
    Request(HostAsk, oneshot::Sender<Permit<HostRequest>>),
    /// Use the answer of such a request. How the request ended is recorded first.
    Ended {
        /// The number of the request.
        number: u64,
        /// How the request ended.
        end: HostEnd,
        /// Replied to once this is recorded.
        reply: oneshot::Sender<()>,
    },
    /// Put the new value of a credential into the vault.
    Rotation {
        /// The name of the credential.
        credential: String,
        /// The version that the new value gets.
        version: u64,
        /// The change of the vault's file.
        change: VaultChange,
        /// Replied to once the record of the change is durable.
        reply: oneshot::Sender<ChangeNoted>,
    },
    /// Record how the target answered to an old value.
    Probed {
        /// The act of the run that caused the probe.
        op: OpId,
        /// The name of the credential.
        credential: String,
        /// The version of the old value.
        version: u64,
        /// The status code of the answer, if one came.
        status: Option<u16>,
        /// Replied to once this is recorded.
        reply: oneshot::Sender<()>,
    },
}
