//! One request, from its intent to the last piece of its answer, in a task of the host.

use std::sync::Arc;
use std::time::Duration;

use effect::record::Tls;
use effect::{Act as Asked, Event, Header, HttpAsk, HttpFault, HttpHead, Limits, OpId, Reason, SafeText, Stop};
use gate::{AnswerHead, NoAnswer, Pending, Permit, RunGate, Seen};
use net::{BodyReader, NetError, Pool, Response, ResponseLimits, Timeouts, WireRequest};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::inbox::{Ending, Inbox};
use crate::leased::{self, Dressed, Leased};
use crate::rotate;
use crate::wash::Wash;

/// BOUND: header fields of one response.
const HEADERS_MAX: usize = 256;

/// Everything that a request needs besides its permit.
pub(crate) struct Act {
    pub(crate) gate: RunGate,
    pub(crate) pool: Option<Pool>,
    pub(crate) leased: Arc<Leased>,
    pub(crate) inbox: Inbox,
    pub(crate) credit: Arc<Semaphore>,
    /// What the guest saw of an earlier answer to the same ask.
    pub(crate) seen: Option<Seen>,
}

/// The body of an answer whose head was taken up.
struct Body {
    reader: BodyReader,
    /// Under whose lease it comes.
    credential: Option<String>,
    /// What it goes through, where a credential went along with anything.
    wash: Option<Wash>,
    /// What came after it.
    trailers: Vec<Header>,
    /// What the guest has seen already: so many bytes, with this digest.
    skip: Option<Seen>,
}

impl Act {
    /// Waits until the intent is durable, sends, and hands on what comes.
    pub(crate) async fn run(self, pending: Pending) {
        let op = pending.op();
        let ending = Ending::new(self.inbox.clone(), op);
        let permit = match pending.durable().await {
            Ok(permit) => permit,
            Err(Stop::RecordBroken) => return self.inbox.end(Stop::RecordBroken),
            // Stopped before anything was sent.
            Err(_) => return,
        };
        if let Asked::Credential(ask) = permit.ask().clone() {
            return match rotate::done(&self, permit, &ask).await {
                Ok(answer) => self.tell(op, ending, answer),
                Err(Stop::RecordBroken) => self.inbox.end(Stop::RecordBroken),
                Err(_) => {}
            };
        }
        match self.exchange(permit).await {
            Ok(Ok(body)) => {
                let event = self.hand_on(op, body).await;
                ending.end(event);
            }
            Ok(Err(fault)) => ending.end(Event::Failed(fault)),
            Err(Stop::RecordBroken) => self.inbox.end(Stop::RecordBroken),
            // Nobody wants the answer any more.
            Err(_) => {}
        }
    }

    /// An answer that the host itself gives: as JSON, or as a refusal.
    fn tell(&self, op: OpId, ending: Ending, answer: Result<serde_json::Value, HttpFault>) {
        match answer {
            Ok(answer) => {
                self.inbox.put(op, Event::Head(HttpHead { headers: Vec::new(), status: 200 }));
                self.inbox.put(op, Event::Chunk(answer.to_string().into_bytes().into()));
                ending.end(Event::End(Vec::new()));
            }
            Err(fault) => ending.end(Event::Failed(fault)),
        }
    }

    /// INVARIANT: the effect takes the permit, and the answer is on the record before any of it is shown.
    async fn exchange(&self, permit: Permit<Asked>) -> Result<Result<Body, HttpFault>, Stop> {
        let op = permit.op();
        // The guest may have seen the beginning of an earlier answer, which then does not go on.
        let begun = self.seen.as_ref().is_some_and(|seen| seen.status.is_some());
        let told = |fault| if begun { HttpFault::Incomplete } else { fault };
        let credential = permit.bounds().credential.clone();
        let sent = match self.sent(&permit, credential.as_deref()).await {
            Ok(sent) => sent,
            Err(NetError { fault, reason, peer, detail: _ }) => {
                permit.unanswered(NoAnswer { fault, peer, refused: reason })?;
                return Ok(Err(told(fault)));
            }
        };
        let Sent { response: Response { mut head, peer, tls, body }, mut wash, version, token } = sent;
        if wash.is_some() && leased::is_opaque(&head) {
            permit.unanswered(NoAnswer { fault: told(HttpFault::Protocol), peer: Some(peer), refused: None })?;
            return Ok(Err(told(HttpFault::Protocol)));
        }
        permit.answered(AnswerHead { credential_version: version, ..answer_head(&head, peer, tls) })?;
        if let (401, Some(name), Some(token)) = (head.status, &credential, &token) {
            self.leased.not_taken(name, token);
        }
        if let Some(wash) = &mut wash {
            self.gate.redacted(op, wash.head(&mut head.headers));
        }
        Ok(self.head(op, head).map(|skip| Body { reader: body, credential, wash, trailers: Vec::new(), skip }))
    }

    /// Sends it, with its credential, unless the lease is ended meanwhile.
    async fn sent(&self, permit: &Permit<Asked>, credential: Option<&str>) -> Result<Sent, NetError> {
        let (Some(pool), Asked::Http(ask)) = (&self.pool, permit.ask()) else { return Err(nothing(HttpFault::Unreachable, None)) };
        let mut request = wire(ask, permit, &self.gate.opening().standing.limits);
        let exchange = async {
            let Dressed { version, made, token } = self
                .leased
                .dress((permit.op(), credential), &mut request)
                .await
                .map_err(|reason| nothing(HttpFault::Denied, Some(reason)))?;
            let wash = self.leased.wash(&made).map_err(|_| nothing(HttpFault::Denied, credential.map(unfit)))?;
            if let Some(name) = credential {
                self.gate.lease_begins(name).map_err(|_| nothing(HttpFault::Denied, None))?;
            }
            let response = pool.send_noting(request, &|going| self.gate.sending(permit.op(), going)).await?;
            Ok(Sent { response, wash, version, token })
        };
        tokio::select! {
            biased;
            () = self.leased.ended(credential) => Err(nothing(HttpFault::Denied, credential.map(revoked))),
            sent = exchange => sent,
        }
    }

    /// Shows the head, unless the guest has seen it; then the new one must be like it.
    fn head(&self, op: OpId, head: HttpHead) -> Result<Option<Seen>, HttpFault> {
        match &self.seen {
            Some(seen) if seen.status == Some(head.status) => Ok(Some(seen.clone())),
            Some(Seen { status: Some(_), .. }) => Err(HttpFault::Incomplete),
            Some(_) | None => {
                self.inbox.put(op, Event::Head(head));
                Ok(None)
            }
        }
    }

    /// The next piece as the guest may see it; empty where all of it is held back.
    async fn next(&self, op: OpId, body: &mut Body) -> Option<Result<bytes::Bytes, HttpFault>> {
        let piece = body.reader.next().await;
        if piece.is_none() {
            body.trailers.extend(body.reader.take_trailers());
        }
        let Some(wash) = &mut body.wash else { return piece };
        let is_over = piece.is_none();
        let (out, hits) = match piece {
            Some(Err(fault)) => return Some(Err(fault)),
            Some(Ok(piece)) => wash.piece(&piece),
            None => wash.rest(&mut body.trailers),
        };
        self.gate.redacted(op, hits);
        match out {
            // Asked once more, nothing is held back, and that is the end.
            Ok(out) if is_over && out.is_empty() => None,
            Ok(out) => Some(Ok(out)),
            // What is packed in it can't be shown: the server is not understood.
            Err(_) => Some(Err(HttpFault::Protocol)),
        }
    }

    /// Hands the body on, piece by piece as the guest reads; gives back the last event.
    async fn hand_on(&self, op: OpId, mut body: Body) -> Event {
        let mut skipping = body.skip.take().map(Skipping::new);
        if let Some(skip) = &skipping
            && skip.is_done()
        {
            self.gate.seen_before(op, &skip.seen);
            skipping = None;
        }
        let leased = Arc::clone(&self.leased);
        let credential = body.credential.clone();
        let mut ended = std::pin::pin!(leased.ended(credential.as_deref()));
        loop {
            let next = async {
                // Taken before reading, so that no more than the credit is ever held.
                let Ok(credit) = self.credit.acquire().await else { return Some(Err(HttpFault::Incomplete)) };
                let piece = self.next(op, &mut body).await?;
                Some(piece.map(|piece| (credit, piece)))
            };
            // SECURITY: also while nobody reads. What was not handed on stays here, and its connection is closed with its reader.
            let next = tokio::select! {
                biased;
                () = &mut ended => return Event::Failed(HttpFault::Incomplete),
                next = next => next,
            };
            let (credit, mut piece) = match next {
                None if skipping.is_some() => return Event::Failed(HttpFault::Incomplete),
                None => return Event::End(body.trailers),
                Some(Err(fault)) => return Event::Failed(fault),
                Some(Ok(next)) => next,
            };
            if let Some(skip) = &mut skipping {
                match skip.take(&mut piece) {
                    Skipped::More => {}
                    Skipped::Differs => return Event::Failed(HttpFault::Incomplete),
                    Skipped::Done => {
                        self.gate.seen_before(op, &skip.seen);
                        skipping = None;
                    }
                }
            }
            if !piece.is_empty() {
                credit.forget();
                self.inbox.put(op, Event::Chunk(piece));
            }
        }
    }
}

/// Passes over what the guest has seen of a body, if it is the same.
struct Skipping {
    seen: Seen,
    hash: Sha256,
    left: u64,
}

enum Skipped {
    More,
    Done,
    Differs,
}

impl Skipping {
    fn new(seen: Seen) -> Self {
        Self { hash: Sha256::new(), left: seen.bytes, seen }
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }

    fn take(&mut self, piece: &mut bytes::Bytes) -> Skipped {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        let known = piece.split_to(len);
        self.hash.update(&known);
        self.left -= known.len() as u64;
        if self.left > 0 {
            Skipped::More
        } else if self.hash.clone().finalize() == self.seen.hash.clone().finalize() {
            Skipped::Done
        } else {
            Skipped::Differs
        }
    }
}

/// What came of a request, before any of it is on the record.
struct Sent {
    response: Response,
    wash: Option<Wash>,
    version: Option<u64>,
    token: Option<vault::Secret>,
}

fn nothing(fault: HttpFault, reason: Option<Reason>) -> NetError {
    NetError { fault, reason, peer: None, detail: SafeText::new("", 0) }
}

fn revoked(name: &str) -> Reason {
    Reason::CredentialRevoked(SafeText::new(name, 64))
}

fn unfit(name: &str) -> Reason {
    Reason::CredentialUnfit(SafeText::new(&format!("`{name}` makes too much to be found again"), 256))
}

fn wire(ask: &HttpAsk, permit: &Permit<Asked>, limits: &Limits) -> WireRequest {
    let most = Timeouts::default();
    let response_bytes = permit.bounds().response_bytes.map_or(limits.response_bytes, |most| most.min(limits.response_bytes));
    // The guest may be less patient than the host, never more.
    let clamp = |wished: Option<u64>, most: Duration| wished.map_or(most, |ms| Duration::from_millis(ms.max(1)).min(most));
    WireRequest {
        target: ask.target.clone(),
        method: ask.method.clone(),
        headers: ask.headers.clone(),
        body: ask.body.clone(),
        bounds: permit.bounds().clone(),
        timeouts: Timeouts {
            connect: clamp(ask.timeouts.connect_ms, most.connect),
            first_byte: clamp(ask.timeouts.first_byte_ms, most.first_byte),
            between_bytes: clamp(ask.timeouts.between_bytes_ms, most.between_bytes),
        },
        limits: ResponseLimits { header_bytes: limits.header_bytes, header_count: HEADERS_MAX, response_bytes },
    }
}

fn answer_head(head: &HttpHead, peer: std::net::SocketAddr, tls: Option<Tls>) -> AnswerHead {
    AnswerHead { credential_version: None, peer: Some(peer), status: Some(head.status), tls }
}
