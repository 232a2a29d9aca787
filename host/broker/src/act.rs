//! One act: a request with its credential, and what of its answer the guest may see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use effect::record::MetIn;
use effect::{Act as Asked, Bounds, Header, Host, HttpAsk, HttpFault, HttpHead, Limits, Reason};
use effects::{Failure, HttpAnswered, Permit, Progress, Trail};
use net::{BodyReader, NetError, Pool, Response, ResponseLimits, Timeouts, WireRequest};

use crate::leased::{self, Dressed, ForAct, Leased};
use crate::rotate;
use crate::steps::Steps;
use crate::wash::{Redacted, Wash};

/// BOUND: header fields of one response.
const HEADERS_MAX: usize = 256;

/// Everything that a request needs besides its permit.
pub(crate) struct Act {
    pub(crate) pool: Option<Pool>,
    pub(crate) leased: Arc<Leased>,
    /// Where it tells what happens.
    pub(crate) steps: Steps,
    pub(crate) trail: Arc<Trail>,
}

/// The body of an answer whose head was taken up.
struct Body {
    reader: BodyReader,
    /// What it goes through, where there is anything to look for.
    wash: Option<Wash>,
    /// What came after it.
    trailers: Vec<Header>,
    /// The head, until it is shown.
    head: Option<HttpHead>,
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
    pub(crate) async fn run(self, permit: Permit<Asked>) {
        let told = match permit.ask() {
            Asked::Http(_) => self.http(permit).await,
            Asked::Credential(_) => rotate::done(self.leased.values(), permit, &self.steps).await,
        };
        if let Err(failure) = told {
            self.steps.tell(Progress::Failed(Box::new(failure))).await;
        }
    }

    /// Sends it and hands on what comes.
    async fn http(&self, permit: Permit<Asked>) -> Result<(), Failure> {
        let credential = permit.credential().map(str::to_owned);
        let Sent { host, response, mut wash, version, token } = self.sent(permit).await?;
        let Response { mut head, peer, tls, body } = response;
        let is_opaque = leased::is_opaque(&head);
        // SECURITY: the answer is also searched for what another run of this home has obtained since this request was sent.
        wash = wash.or_else(|| self.leased.wash());
        if wash.is_some() && is_opaque {
            return Err(Failure { peer: Some(peer), ..HttpFault::Protocol.into() });
        }
        let answered = HttpAnswered { credential_version: version, peer: Some(peer), status: head.status, tls };
        self.steps.tell(Progress::Answered(Box::new(answered))).await;
        if let (401, Some(name), Some(token)) = (head.status, &credential, &token) {
            self.leased.not_taken(name, token);
        }
        if let Some(wash) = &mut wash {
            wash.head(std::mem::take(&mut head.headers));
        }
        let (reader, met) = (body, Met::new(host));
        self.hand_on(Body { reader, is_opaque, met, wash, trailers: Vec::new(), head: Some(head) }).await
    }

    /// Sends it, with its credential.
    async fn sent(&self, permit: Permit<Asked>) -> Result<Sent, Failure> {
        let (Some(pool), Asked::Http(ask)) = (&self.pool, permit.ask()) else { return Err(HttpFault::Unreachable.into()) };
        self.check_lapsed(&permit)?;
        let standing = &self.leased.context().standing;
        let mut request = wire(ask, permit.bounds(), &standing.limits);
        let covers = |request: &WireRequest| policy::still_covers(&standing.grants, permit.bounds(), &request.method, &request.target);
        let act = ForAct { op: permit.op(), credential: permit.credential(), covers: &covers, steps: &self.steps };
        let dressed = self.leased.dress(&act, &mut request).await;
        let Dressed { version, token } = dressed.map_err(refused)?;
        let host = request.target.host.clone();
        let wash = self.leased.wash();
        // It may have lapsed while the host waited for a token or a value.
        self.check_lapsed(&permit)?;
        tracing::debug!(credential = permit.credential(), version, "ready to be sent");
        // SECURITY: the run may have been stopped meanwhile. Then this is not polled again.
        self.steps.tell(Progress::Ready).await;
        let sent = pool.send_noting(request, &|going| self.trail.note(going)).await;
        let response = sent.map_err(|NetError { fault, reason, peer, detail }| Failure { fault, peer, refused: reason, detail })?;
        Ok(Sent { host, response, wash, version, token })
    }

    fn check_lapsed(&self, permit: &Permit<Asked>) -> Result<(), Failure> {
        if permit.has_lapsed(self.leased.context().clock.latest_s()) { Err(refused(Reason::GrantExpired)) } else { Ok(()) }
    }

    /// Shows the head once it was searched.
    async fn show_head(&self, body: &mut Body) {
        let Some(mut head) = body.head.take() else { return };
        if let Some(wash) = &mut body.wash {
            match wash.take_head() {
                Some(fields) => head.headers = fields,
                None => {
                    body.head = Some(head);
                    return;
                }
            }
        }
        self.steps.tell(Progress::Head(head)).await;
    }

    /// The next piece as the guest may see it; empty where all of it is held back.
    async fn next(&self, body: &mut Body) -> Option<Result<bytes::Bytes, Failure>> {
        let piece = body.reader.next().await;
        if piece.is_none() {
            body.trailers.extend(body.reader.take_trailers());
        }
        // SECURITY: from now on, a value that another run obtained since this answer began is looked for. If that is not possible, nothing
        // more is shown.
        if body.wash.is_none() {
            body.wash = self.leased.wash();
        }
        if self.leased.context().looked.is_blind() || body.is_opaque && body.wash.is_some() {
            // Also at the end: the trailers were not searched.
            return Some(Err(HttpFault::Incomplete.into()));
        }
        let Some(wash) = &mut body.wash else { return piece.map(|piece| piece.map_err(Failure::from)) };
        let is_over = piece.is_none();
        let Redacted { out, hits } = match piece {
            Some(Err(fault)) => return Some(Err(fault.into())),
            Some(Ok(piece)) => wash.piece(&piece).await,
            None => wash.rest(&mut body.trailers),
        };
        if hits > 0 {
            self.steps.tell(Progress::Redacted(hits)).await;
        }
        // A value that can't be looked for may have become known just now.
        if self.leased.context().looked.is_blind() {
            return Some(Err(HttpFault::Incomplete.into()));
        }
        for credential in self.leased.context().looked.foreign(&body.met.host, wash.hits()) {
            // Each credential is counted once.
            if body.met.names.insert(credential.clone()) {
                self.steps.tell(Progress::Met { credential, place: MetIn::Answer }).await;
            }
        }
        match out {
            // If it is called again, nothing is held back, and that is the end.
            Ok(out) if is_over && out.is_empty() => None,
            Ok(out) => Some(Ok(out)),
            // What is packed in it can't be shown: the guest is told of a protocol error.
            Err(_) => Some(Err(HttpFault::Protocol.into())),
        }
    }

    /// Hands the body on, piece by piece as the guest reads.
    async fn hand_on(&self, mut body: Body) -> Result<(), Failure> {
        // Nothing is waited for where nothing is searched.
        self.show_head(&mut body).await;
        while let Some(piece) = self.next(&mut body).await {
            let piece = piece?;
            self.show_head(&mut body).await;
            if !piece.is_empty() {
                self.steps.tell(Progress::Chunk(piece)).await;
            }
        }
        self.show_head(&mut body).await;
        self.steps.tell(Progress::End(body.trailers)).await;
        Ok(())
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

fn refused(reason: Reason) -> Failure {
    Failure { refused: Some(reason), ..HttpFault::Denied.into() }
}

fn wire(ask: &HttpAsk, bounds: &Bounds, limits: &Limits) -> WireRequest {
    let most = Timeouts::default();
    let response_bytes = bounds.response_bytes.map_or(limits.response_bytes, |most| most.min(limits.response_bytes));
    // The guest may be less patient than the host, never more.
    let clamp = |wished: Option<u64>, most: Duration| wished.map_or(most, |ms| Duration::from_millis(ms.max(1)).min(most));
    WireRequest {
        target: ask.target.clone(),
        method: ask.method.clone(),
        headers: ask.headers.clone(),
        body: ask.body.clone(),
        bounds: bounds.clone(),
        timeouts: Timeouts {
            connect: clamp(ask.timeouts.connect_ms, most.connect),
            first_byte: clamp(ask.timeouts.first_byte_ms, most.first_byte),
            between_bytes: clamp(ask.timeouts.between_bytes_ms, most.between_bytes),
        },
        limits: ResponseLimits { header_bytes: limits.header_bytes, header_count: HEADERS_MAX, response_bytes },
    }
}
