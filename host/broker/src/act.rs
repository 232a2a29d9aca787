//! One request, from its intent to the last piece of its answer, in a task of the host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use effect::record::{MetIn, Tls};
use effect::{Act as Asked, Event, Header, Host, HttpAsk, HttpFault, HttpHead, Limits, OpId, Reason, SafeText, Stop};
use gate::{AnswerHead, NoAnswer, Pending, Permit, RunGate, Seen};
use net::{BodyReader, NetError, Pool, Response, ResponseLimits, Timeouts, WireRequest};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::inbox::{Ending, Inbox};
use crate::leased::{self, Dressed, Leased, Undressed};
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
    /// The head, until it is shown.
    head: Option<HttpHead>,
    /// What the guest has seen already, until it has been passed over.
    skipping: Option<Skipping>,
    /// The values that were found in it and may not be there.
    met: Met,
    /// Whether it is packed, or only a slice, so that its content can't be searched.
    is_opaque: bool,
}

/// The credentials whose values were found in one answer although they may not be there.
struct Met {
    /// Where the answer comes from.
    host: Host,
    names: BTreeSet<String>,
}

impl Met {
    fn new(host: Host) -> Self {
        Self { host, names: BTreeSet::new() }
    }
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
            Err(stop @ (Stop::RecordBroken | Stop::Limit(_))) => self.inbox.end(stop),
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
        // The guest may have seen the beginning of an earlier answer, which then does not go on.
        let begun = self.seen.as_ref().is_some_and(|seen| seen.status.is_some());
        let told = |fault| if begun { HttpFault::Incomplete } else { fault };
        let credential = permit.bounds().credential.clone();
        let sent = match self.sent(&permit, credential.as_deref()).await {
            Ok(sent) => sent,
            Err(Unsent::Net(NetError { fault, reason, peer, detail: _ })) => {
                permit.unanswered(NoAnswer { fault, peer, refused: reason })?;
                return Ok(Err(told(fault)));
            }
            Err(Unsent::Ends(stop)) => return Err(stop),
        };
        let Sent { host, response: Response { mut head, peer, tls, body }, mut wash, version, token } = sent;
        let is_opaque = leased::is_opaque(&head);
        // SECURITY: the answer is also searched for what another run of this home has obtained since this request was sent.
        wash = wash.or_else(|| self.leased.wash());
        if wash.is_some() && is_opaque {
            permit.unanswered(NoAnswer { fault: told(HttpFault::Protocol), peer: Some(peer), refused: None })?;
            return Ok(Err(told(HttpFault::Protocol)));
        }
        permit.answered(AnswerHead { credential_version: version, ..answer_head(&head, peer, tls) })?;
        if let (401, Some(name), Some(token)) = (head.status, &credential, &token) {
            self.leased.not_taken(name, token);
        }
        if let Some(wash) = &mut wash {
            wash.head(std::mem::take(&mut head.headers));
        }
        let (reader, met) = (body, Met::new(host));
        Ok(Ok(Body { reader, credential, is_opaque, met, wash, trailers: Vec::new(), head: Some(head), skipping: None }))
    }

    /// Sends it, with its credential, unless the lease is ended meanwhile.
    async fn sent(&self, permit: &Permit<Asked>, credential: Option<&str>) -> Result<Sent, Unsent> {
        let (Some(pool), Asked::Http(ask)) = (&self.pool, permit.ask()) else {
            return Err(nothing(HttpFault::Unreachable, None).into());
        };
        let mut request = wire(ask, permit, &self.gate.opening().standing.limits);
        let covers = |request: &WireRequest| self.gate.still_covers(permit.bounds(), &request.method, &request.target);
        let exchange = async {
            let Dressed { version, token } = self.leased.dress((permit.op(), credential), &mut request, &covers).await?;
            let host = request.target.host.clone();
            let wash = self.leased.wash();
            // SECURITY: the run may have been stopped while the host waited for a token or a value.
            self.gate.check_going()?;
            if let Some(name) = credential {
                self.gate.lease_begins(name)?;
            }
            let response = pool.send_noting(request, &|going| self.gate.sending(permit.op(), going)).await?;
            Ok::<_, Unsent>(Sent { host, response, wash, version, token })
        };
        tokio::select! {
            biased;
            () = self.leased.ended(credential) => Err(Unsent::Net(nothing(HttpFault::Denied, credential.map(revoked)))),
            sent = exchange => sent,
        }
    }

    /// Shows the head once it was searched, unless the guest has seen it. Then the new one must be like it.
    fn show_head(&self, op: OpId, body: &mut Body) -> Result<(), HttpFault> {
        let Some(mut head) = body.head.take() else { return Ok(()) };
        if let Some(wash) = &mut body.wash {
            match wash.take_head() {
                Some(fields) => head.headers = fields,
                None => {
                    body.head = Some(head);
                    return Ok(());
                }
            }
        }
        match &self.seen {
            Some(seen) if seen.status == Some(head.status) => body.skipping = Some(Skipping::new(seen.clone())),
            Some(Seen { status: Some(_), .. }) => return Err(HttpFault::Incomplete),
            Some(_) | None => self.inbox.put(op, Event::Head(head)),
        }
        self.pass_over(op, body, bytes::Bytes::new()).map(drop)
    }

    /// Takes from a piece what the guest has seen already.
    fn pass_over(&self, op: OpId, body: &mut Body, mut piece: bytes::Bytes) -> Result<bytes::Bytes, HttpFault> {
        if let Some(skipping) = &mut body.skipping {
            match skipping.take(&mut piece) {
                Skipped::More => {}
                Skipped::Differs => return Err(HttpFault::Incomplete),
                Skipped::Done => {
                    self.gate.seen_before(op, &skipping.seen);
                    body.skipping = None;
                }
            }
        }
        Ok(piece)
    }

    /// The next piece as the guest may see it; empty where all of it is held back.
    async fn next(&self, op: OpId, body: &mut Body) -> Option<Result<bytes::Bytes, HttpFault>> {
        let piece = body.reader.next().await;
        if piece.is_none() {
            body.trailers.extend(body.reader.take_trailers());
        }
        // SECURITY: from now on, a value that another run obtained since this answer began is looked for. If that is not possible, nothing
        // more is shown.
        if body.wash.is_none() {
            body.wash = self.leased.wash();
        }
        if self.leased.looked.is_blind() || body.is_opaque && body.wash.is_some() {
            // Also at the end: the trailers were not searched.
            return Some(Err(HttpFault::Incomplete));
        }
        let Some(wash) = &mut body.wash else { return piece };
        let is_over = piece.is_none();
        let (out, hits) = match piece {
            Some(Err(fault)) => return Some(Err(fault)),
            Some(Ok(piece)) => wash.piece(&piece).await,
            None => wash.rest(&mut body.trailers),
        };
        self.gate.redacted(op, hits);
        // A value that can't be looked for may have become known just now.
        if self.leased.looked.is_blind() {
            return Some(Err(HttpFault::Incomplete));
        }
        if let Err(stop) = self.meet(op, wash, &mut body.met) {
            self.inbox.end(stop);
            return Some(Err(HttpFault::Incomplete));
        }
        match out {
            // If it is called again, nothing is held back, and that is the end.
            Ok(out) if is_over && out.is_empty() => None,
            Ok(out) => Some(Ok(out)),
            // What is packed in it can't be shown: the guest is told of a protocol error.
            Err(_) => Some(Err(HttpFault::Protocol)),
        }
    }

    /// Notes values that were found and may not be in this answer. Each credential is counted once.
    fn meet(&self, op: OpId, wash: &Wash, met: &mut Met) -> Result<(), Stop> {
        for name in self.leased.looked.foreign(&met.host, wash.hits()) {
            if met.names.insert(name.clone()) {
                self.gate.value_met(op, &name, MetIn::Answer)?;
            }
        }
        Ok(())
    }

    /// Hands the body on, piece by piece as the guest reads; gives back the last event.
    async fn hand_on(&self, op: OpId, mut body: Body) -> Event {
        // Nothing is waited for where nothing is searched.
        if let Err(fault) = self.show_head(op, &mut body) {
            return Event::Failed(fault);
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
            let (credit, piece) = match next {
                Some(Err(fault)) => return Event::Failed(fault),
                Some(Ok((credit, piece))) => (Some(credit), piece),
                None => (None, bytes::Bytes::new()),
            };
            let shown = self.show_head(op, &mut body).and_then(|()| self.pass_over(op, &mut body, piece));
            let piece = match shown {
                Ok(piece) => piece,
                Err(fault) => return Event::Failed(fault),
            };
            let Some(credit) = credit else {
                let is_whole = body.head.is_none() && body.skipping.is_none();
                return if is_whole { Event::End(body.trailers) } else { Event::Failed(HttpFault::Incomplete) };
            };
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
    host: Host,
    wash: Option<Wash>,
    version: Option<u64>,
    token: Option<vault::Secret>,
}

/// Why there is no response.
enum Unsent {
    Net(NetError),
    Ends(Stop),
}

impl From<NetError> for Unsent {
    fn from(err: NetError) -> Self {
        Self::Net(err)
    }
}

impl From<Stop> for Unsent {
    fn from(stop: Stop) -> Self {
        Self::Ends(stop)
    }
}

impl From<Undressed> for Unsent {
    fn from(why: Undressed) -> Self {
        match why {
            Undressed::Refused(reason) => Self::Net(nothing(HttpFault::Denied, Some(reason))),
            Undressed::Ends(stop) => Self::Ends(stop),
        }
    }
}

fn nothing(fault: HttpFault, reason: Option<Reason>) -> NetError {
    NetError { fault, reason, peer: None, detail: SafeText::new("", 0) }
}

fn revoked(name: &str) -> Reason {
    Reason::CredentialRevoked(SafeText::new(name, 64))
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
