//! What the host itself does for a run, besides what the agent asked: requests for tokens and values, and what a rotation changes.

use std::net::SocketAddr;
use std::path::PathBuf;

use permit::Permit;
use tokio::sync::oneshot;
use vocabulary::record::{HostPurpose, Sent};
use vocabulary::{HttpFault, OpId, Reason, Resource, SafeText};

/// What the host wants to ask on its own behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAsk {
    /// For which credential.
    pub credential: String,
    /// For which act of the run.
    pub op: OpId,
    /// What for.
    pub purpose: HostPurpose,
    /// What is asked, without what may be secret.
    pub resource: Resource,
}

/// The same, with the number that it has on the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRequest {
    /// Its number among the host's own requests for the run.
    pub number: u64,
    /// What is asked.
    pub ask: HostAsk,
}

/// How a request of the host's own ended.
#[derive(Clone, Debug, Default)]
pub struct HostEnd {
    /// Nobody waited for it any more.
    pub abandoned: bool,
    /// Bytes of the body, as far as it came.
    pub bytes: u64,
    /// What happened, for the operator alone.
    pub detail: SafeText,
    /// What went wrong, if something did.
    pub fault: Option<HttpFault>,
    /// The address that was spoken to, if any.
    pub peer: Option<SocketAddr>,
    /// Why its address was refused, if it was.
    pub reason: Option<Reason>,
    /// What was handed to a connection, and to whom.
    pub going: Option<(SocketAddr, Sent)>,
    /// Of the response.
    pub status: Option<u16>,
}

/// The file of the vault that is about to be changed.
#[derive(Clone, Debug)]
pub struct VaultChange {
    /// Which file.
    pub path: PathBuf,
    /// What it will hold, sealed.
    pub bytes: Vec<u8>,
}

/// A change is noted, and its record is durable.
#[derive(Debug)]
pub struct ChangeNoted {
    /// Said when the change is whole: on the record and in the vault.
    pub done: oneshot::Sender<()>,
    /// Ends when the note is gone.
    pub gone: oneshot::Receiver<()>,
}

/// One thing that the host wants to do for the run. A reply that is dropped is a refusal.
#[derive(Debug)]
pub enum HostWant {
    /// To send a request of its own.
    Request(HostAsk, oneshot::Sender<Permit<HostRequest>>),
    /// To use the answer of one: how it ended goes onto the record first.
    Ended {
        /// Its number.
        number: u64,
        /// How.
        end: HostEnd,
        /// Replied when it is on the record.
        reply: oneshot::Sender<()>,
    },
    /// To put the new value of a credential into the vault.
    Rotation {
        /// Which credential.
        credential: String,
        /// The version that it will be.
        version: u64,
        /// What is changed.
        change: VaultChange,
        /// Replied when the record of it is durable.
        reply: oneshot::Sender<ChangeNoted>,
    },
    /// To say how the target answered to an old value.
    Probed {
        /// For which act of the run.
        op: OpId,
        /// Whose value.
        credential: String,
        /// Which version it was.
        version: u64,
        /// The answer, if one came.
        status: Option<u16>,
        /// Replied when it is on the record.
        reply: oneshot::Sender<()>,
    },
}
