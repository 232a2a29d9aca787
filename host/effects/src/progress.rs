//! What happens while an act is carried out.

use std::net::SocketAddr;

use bytes::Bytes;
use vocabulary::record::{MetIn, Tls};
use vocabulary::{Answer, CredentialFault, Fault, Header, HttpFault, HttpHead, Reason, SafeText};

/// One step of an act. Each is returned before the next one happens: the effect continues only when it is polled again.
#[derive(Debug)]
pub enum EffectProgress {
    /// Everything is prepared. The next poll sends the request, with the value of its credential if it has one.
    Ready,
    /// The value of a credential was found where it may not be.
    Met {
        /// The name of the credential.
        credential: String,
        /// Where the value was found.
        place: MetIn,
    },
    /// A response has begun. This comes before its head and body.
    Answered(Box<HttpAnswered>),
    /// The head of the response, as the guest may see it.
    Head(HttpHead),
    /// A piece of the body, as the guest may see it: at most 64 KiB, and never empty.
    Chunk(Bytes),
    /// So many secrets were removed from what comes next.
    Redacted(u64),
    /// The response is complete. Holds its trailers.
    End(Vec<Header>),
    /// The act failed, or was refused after all. Nothing follows.
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
    /// The version of the credential that was sent, if its source counts versions.
    pub credential_version: Option<u64>,
    /// The address that the host was connected to.
    pub peer: Option<SocketAddr>,
    /// The status code of the response.
    pub status: u16,
    /// What was negotiated for TLS, if the connection used it.
    pub tls: Option<Tls>,
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The fault that the guest gets.
    pub fault: Fault,
    /// The address that the host was connected to, if it was.
    pub peer: Option<SocketAddr>,
    /// Why the act was refused after all, if it was: for its address or its credential.
    pub refused: Option<Reason>,
    /// What happened, for the operator alone. Empty if the fault says everything.
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
