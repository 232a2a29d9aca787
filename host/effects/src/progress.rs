//! What happens to an act on its way.

use std::net::SocketAddr;

use bytes::Bytes;
use vocabulary::record::{MetIn, Tls};
use vocabulary::{Answer, CredentialFault, Fault, Header, HttpFault, HttpHead, Reason, SafeText};

/// One thing that happened. Each is told before anything follows from it: the effect goes on when it is polled again.
#[derive(Debug)]
pub enum EffectProgress {
    /// Everything is prepared. When it is polled again, the request is sent, with the value of its credential if it has one.
    Ready,
    /// The value of a credential was met where it may not be.
    Met {
        /// Whose value.
        credential: String,
        /// Where.
        place: MetIn,
    },
    /// A response has begun. Nothing of it is told before this.
    Answered(Box<HttpAnswered>),
    /// Its head, as the guest may see it.
    Head(HttpHead),
    /// A piece of its body, as the guest may see it; at most 64 KiB, and never empty.
    Chunk(Bytes),
    /// Secrets were taken out of what is told next.
    Redacted(u64),
    /// It is over; its trailers.
    End(Vec<Header>),
    /// It went wrong, or it was refused after all. Nothing follows.
    Failed(Box<Failure>),
    /// The whole answer to an act that is answered in one piece. Nothing follows.
    Answer {
        /// For the guest.
        answer: Answer,
        /// Which version of the credential was used, where its source counts them.
        version: Option<u64>,
    },
}

/// The beginning of a response, for the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswered {
    /// Which version of the credential went along, where its source counts them.
    pub credential_version: Option<u64>,
    /// The address that was really spoken to.
    pub peer: Option<SocketAddr>,
    /// Of the response.
    pub status: u16,
    /// Of the connection.
    pub tls: Option<Tls>,
}

/// Why there is no (more) answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the guest is told.
    pub fault: Fault,
    /// The address that was really spoken to, if any was.
    pub peer: Option<SocketAddr>,
    /// Where it was refused after all, for its address or its credential.
    pub refused: Option<Reason>,
    /// What happened, for the operator alone. Empty where the fault says it all.
    pub detail: SafeText,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, peer: None, refused: None, detail: SafeText::default() }
    }
}

impl From<HttpFault> for Failure {
    fn from(fault: HttpFault) -> Self {
        Fault::from(fault).into()
    }
}

impl From<CredentialFault> for Failure {
    fn from(fault: CredentialFault) -> Self {
        Fault::from(fault).into()
    }
}
