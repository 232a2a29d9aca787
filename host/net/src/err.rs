//! Errors of the network: a word for the guest, a reason and a sentence for the operator.

use std::error::Error as _;
use std::net::SocketAddr;

use vocabulary::{HttpFault, Reason, SafeText};

/// BOUND: bytes of the sentence about a failure.
const DETAIL_BYTES_MAX: usize = 256;

/// The reason why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct NetError {
    /// The fault that the guest may see.
    pub fault: HttpFault,
    /// The reason of the refusal, if an address was refused.
    pub reason: Option<Reason>,
    /// The address of the connection, if there was one.
    pub peer: Option<SocketAddr>,
    /// What happened, for the operator alone.
    pub detail: SafeText,
}

impl NetError {
    pub(crate) fn new(fault: HttpFault, detail: &str) -> Self {
        Self { fault, reason: None, peer: None, detail: SafeText::new(detail, DETAIL_BYTES_MAX) }
    }

    pub(crate) fn refused(reason: Reason) -> Self {
        let detail = SafeText::new(&reason.to_string(), DETAIL_BYTES_MAX);
        Self { fault: HttpFault::Denied, reason: Some(reason), peer: None, detail }
    }

    pub(crate) fn with_peer(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }
}

/// Translates an error of hyper.
pub(crate) fn fault_of(err: &hyper::Error) -> NetError {
    let io = err.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let text = err.to_string();
    // hyper offers `is_parse_too_large` to servers only. A test checks that its text stays the same.
    let fault = if err.is_parse() && text == "message head is too large" {
        HttpFault::HeadersTooLarge
    } else if err.is_parse() {
        HttpFault::Protocol
    } else if err.is_timeout() {
        HttpFault::TimedOut
    } else {
        match io {
            // hyper's decoder of chunks reports this for data that is not chunked.
            Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => HttpFault::Protocol,
            _ => HttpFault::Incomplete,
        }
    };
    NetError::new(fault, &text)
}

/// A configuration of the network that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// One of the roots.
    #[error("root {index} is not a certificate in PEM or DER")]
    Root {
        /// The number of the root, counted from 0.
        index: usize,
    },
    /// The TLS library refuses its own default settings.
    #[error("TLS can't be set up")]
    Tls {
        /// The error of the library.
        #[source]
        cause: tokio_rustls::rustls::Error,
    },
}
