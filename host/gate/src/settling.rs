//! Settles an operation: determines what is recorded as its end.

use std::net::SocketAddr;

use effects::{Failure, HttpAnswered};
use vocabulary::record::{HttpOutcome, HttpSettled, Sent, Settled};
use vocabulary::{ActKind, Fault, Reason, SafeText};

/// The fault that a guest gets for a refusal.
pub(crate) fn told(kind: ActKind, reason: &Reason) -> Fault {
    if matches!(reason, Reason::OverLimit(_)) { Fault::over_limit(kind) } else { Fault::denied(kind) }
}

/// How an operation is settled.
pub(crate) enum Settling {
    /// The guest lost interest, or the run ended.
    Abandoned,
    /// The response to a request has begun.
    Answered(HttpAnswered),
    /// No answer came, or nothing was sent.
    Failed(Failure),
    /// It was answered in one piece.
    Done(Settled),
    /// Nobody knows whether it happened. With a fault, the guest is told so.
    Unknown(Option<Fault>),
}

/// Whether an operation was settled by this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settles {
    /// It was settled now, and this is on the record.
    Now,
    /// The operation was settled before, or the guest has abandoned it. Nothing was recorded, and the guest gets nothing.
    Before,
}

/// The part of a settling that is recorded.
pub(crate) struct SettledAct {
    pub(crate) detail: SafeText,
    pub(crate) how: Settled,
    pub(crate) reason: Option<Reason>,
}

impl From<Settled> for SettledAct {
    fn from(how: Settled) -> Self {
        Self { detail: SafeText::default(), how, reason: None }
    }
}

impl Settling {
    /// The record of the outcome for this kind of act. `going` says how much of a request was handed to a connection, and to which address.
    pub(crate) fn of(self, kind: ActKind, going: Option<(SocketAddr, Sent)>) -> SettledAct {
        let mut settled = match self {
            Self::Abandoned => Settled::abandoned(kind).into(),
            Self::Answered(head) => Settled::Http(answered(head)).into(),
            Self::Failed(why) => failed(why),
            Self::Done(how) => how.into(),
            Self::Unknown(Some(fault)) => Settled::unknown_after(fault).into(),
            Self::Unknown(None) => Settled::unknown(kind).into(),
        };
        if let (Settled::Http(http), Some((peer, sent))) = (&mut settled.how, going) {
            http.peer = http.peer.or(Some(peer));
            http.sent = Some(sent);
            // `failed` and `refused` say that it certainly did not happen. If any part of it was sent, this is not certain.
            if !matches!(http.outcome, HttpOutcome::Response | HttpOutcome::Abandoned) {
                http.outcome = HttpOutcome::Unknown;
            }
        }
        settled
    }
}

/// The outcome of a request whose response has begun.
fn answered(head: HttpAnswered) -> HttpSettled {
    let HttpAnswered { credential_version, peer, status, tls } = head;
    HttpSettled { credential_version, peer, status: Some(status), tls, ..HttpOutcome::Response.into() }
}

/// The outcome of an act that got no answer, or of which nothing was sent.
fn failed(why: Failure) -> SettledAct {
    let Failure { fault, peer, refused, detail } = why;
    let how = Settled::failed(fault, refused.as_ref(), peer);
    SettledAct { detail: detail_beside(refused.as_ref(), detail), how, reason: refused }
}

/// A reason says by itself why something was refused.
pub(crate) fn detail_beside(reason: Option<&Reason>, detail: SafeText) -> SafeText {
    if reason.is_some() { SafeText::default() } else { detail }
}
