//! How an operation is settled: what goes onto the record as its end.

use std::net::SocketAddr;

use effects::{Failure, HttpAnswered};
use vocabulary::record::{HttpOutcome, HttpSettled, Sent, Settled};
use vocabulary::{ActKind, Fault, Reason, SafeText};

/// What a guest is told of a refusal.
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

/// Whether a settling took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settles {
    /// It is on the record now.
    Now,
    /// The operation was settled before, or nobody wants its answer any more: nothing was recorded, and nothing is to be told.
    Before,
}

/// What of it goes onto the record.
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
    /// In the terms of its kind; of a request, so much was handed to a connection.
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
            // `failed` and `refused` say that it certainly did not happen. If something of it was sent, nobody knows that.
            if !matches!(http.outcome, HttpOutcome::Response | HttpOutcome::Abandoned) {
                http.outcome = HttpOutcome::Unknown;
            }
        }
        settled
    }
}

/// A response came.
fn answered(head: HttpAnswered) -> HttpSettled {
    let HttpAnswered { credential_version, peer, status, tls } = head;
    HttpSettled { credential_version, peer, status: Some(status), tls, ..HttpOutcome::Response.into() }
}

/// No answer came, or nothing was sent.
fn failed(why: Failure) -> SettledAct {
    let Failure { fault, peer, refused, detail } = why;
    let how = Settled::failed(fault, refused.as_ref(), peer);
    SettledAct { detail: detail_beside(refused.as_ref(), detail), how, reason: refused }
}

/// A reason says by itself why something was refused.
pub(crate) fn detail_beside(reason: Option<&Reason>, detail: SafeText) -> SafeText {
    if reason.is_some() { SafeText::default() } else { detail }
}
