//! One act: a request with its credential, and the part of its response that the guest may see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use effects::{EffectProgress, Failure, HttpAnswered, Permit, Trail};
use net::{BodyReader, NetError, Pool, Response, ResponseLimits, Timeouts, WireRequest};
use vocabulary::record::MetIn;
use vocabulary::{Act as Asked, Bounds, Header, HostName, HttpAsk, HttpFault, HttpHead, Limits, Reason, idempotency_key};

use crate::response_redactor::{Redacted, ResponseRedactor};
use crate::rotate;
use crate::run_credentials::{self, ForAct, Injected, RunCredentials};
use crate::steps::Steps;

/// BOUND: header fields of one response.
const HEADERS_MAX: usize = 256;

/// Everything that a request needs besides its permit.
pub(crate) struct HttpEffect {
    pub(crate) pool: Option<Pool>,
    pub(crate) run_credentials: Arc<RunCredentials>,
    /// Receives what happens.
    pub(crate) steps: Steps,
    pub(crate) trail: Arc<Trail>,
}

/// The body of a response whose head has arrived.
struct AnswerBody {
    reader: BodyReader,
    /// The redactor that it passes through. `None` if there is nothing to search for.
    redactor: Option<ResponseRedactor>,
    /// The trailers.
    trailers: Vec<Header>,
    /// The head, until it is shown.
    head: Option<HttpHead>,
    /// The values that were found in it although they may not be there.
    met: Met,
    /// Whether it is packed, or only a slice, so that its content can't be searched.
    is_opaque: bool,
}

/// The credentials whose values were found in one answer although they may not be there.
struct Met {
    /// The host of the response.
    host: HostName,
    names: BTreeSet<String>,
}

impl Met {
    fn new(host: HostName) -> Self {
        Self { host, names: BTreeSet::new() }
    }
}

impl HttpEffect {
    pub(crate) async fn run(self, permit: Permit<Asked>) {
        let told = match permit.ask() {
            Asked::Http(_) => self.http(permit).await,
            Asked::Credential(_) => rotate::done(self.run_credentials.values(), permit, &self.steps).await,
        };
        if let Err(failure) = told {
            self.steps.tell(EffectProgress::Failed(Box::new(failure))).await;
        }
    }

    /// Sends the request and passes on its response.
    async fn http(&self, permit: Permit<Asked>) -> Result<(), Failure> {
        let credential = permit.credential().map(str::to_owned);
        let SentRequest { host, response, mut redactor, version, token } = self.sent(permit).await?;
        let Response { mut head, peer, tls, body } = response;
        let is_opaque = run_credentials::is_opaque(&head);
        // SECURITY: the response is also searched for values that another run of this home has obtained since this request was sent.
        redactor = redactor.or_else(|| self.run_credentials.redactor());
        if redactor.is_some() && is_opaque {
            return Err(Failure { peer: Some(peer), ..HttpFault::Protocol.into() });
        }
        let answered = HttpAnswered { credential_version: version, peer: Some(peer), status: head.status, tls };
        self.steps.tell(EffectProgress::Answered(Box::new(answered))).await;
        if let (401, Some(name), Some(token)) = (head.status, &credential, &token) {
            self.run_credentials.not_taken(name, token);
        }
        if let Some(redactor) = &mut redactor {
            redactor.head(std::mem::take(&mut head.headers));
        }
        let (reader, met) = (body, Met::new(host));
        self.hand_on(AnswerBody { reader, is_opaque, met, redactor, trailers: Vec::new(), head: Some(head) }).await
    }

    /// Sends the request with its credential.
    async fn sent(&self, permit: Permit<Asked>) -> Result<SentRequest, Failure> {
        let (Some(pool), Asked::Http(ask)) = (&self.pool, permit.ask()) else { return Err(HttpFault::Unreachable.into()) };
        self.check_lapsed(&permit)?;
        let spec = &self.run_credentials.context().spec;
        let mut request = wire(ask, permit.bounds(), &spec.limits);
        if let Some(name) = &permit.bounds().idempotency {
            let value = idempotency_key(permit.run(), permit.op()).into_bytes();
            request.headers.push(Header { name: name.clone(), value });
        }
        let covers = |request: &WireRequest| policy::still_covers(&spec.grants, permit.bounds(), &request.method, &request.target);
        let act = ForAct { op: permit.op(), credential: permit.credential(), covers: &covers, steps: &self.steps };
        let injected = self.run_credentials.inject(&act, &mut request).await;
        let Injected { version, token } = injected.map_err(refused)?;
        let host = request.target.host.clone();
        let redactor = self.run_credentials.redactor();
        // The permit may have expired while the host waited for a token or a value.
        self.check_lapsed(&permit)?;
        tracing::debug!(credential = permit.credential(), version, "ready to be sent");
        // SECURITY: the run may have been stopped meanwhile. Then this future is not polled again.
        self.steps.tell(EffectProgress::Ready).await;
        let sent = pool.send_noting(request, &|going| self.trail.note(going)).await;
        let response =
            sent.map_err(|NetError { fault, reason, peer, detail }| Failure { fault: fault.into(), peer, refused: reason, detail })?;
        Ok(SentRequest { host, response, redactor, version, token })
    }

    fn check_lapsed(&self, permit: &Permit<Asked>) -> Result<(), Failure> {
        if permit.has_lapsed(self.run_credentials.context().clock.latest_s()) { Err(refused(Reason::GrantExpired)) } else { Ok(()) }
    }

    /// Shows the head after it was searched.
    async fn show_head(&self, body: &mut AnswerBody) {
        let Some(mut head) = body.head.take() else { return };
        if let Some(redactor) = &mut body.redactor {
            match redactor.take_head() {
                Some(fields) => head.headers = fields,
                None => {
                    body.head = Some(head);
                    return;
                }
            }
        }
        self.steps.tell(EffectProgress::Head(head)).await;
    }

    /// The next piece that the guest may see. Empty if all of it is held back.
    async fn next(&self, body: &mut AnswerBody) -> Option<Result<bytes::Bytes, Failure>> {
        let piece = body.reader.next().await;
        if piece.is_none() {
            body.trailers.extend(body.reader.take_trailers());
        }
        // SECURITY: from now on, the search includes values that another run has obtained since this response began. If that is not
        // possible, nothing more is shown.
        if body.redactor.is_none() {
            body.redactor = self.run_credentials.redactor();
        }
        if self.run_credentials.context().searched.is_blind() || body.is_opaque && body.redactor.is_some() {
            // This also happens at the end, because the trailers were not searched.
            return Some(Err(HttpFault::Incomplete.into()));
        }
        let Some(redactor) = &mut body.redactor else { return piece.map(|piece| piece.map_err(Failure::from)) };
        let is_over = piece.is_none();
        let Redacted { out, hits } = match piece {
            Some(Err(fault)) => return Some(Err(fault.into())),
            Some(Ok(piece)) => redactor.piece(&piece).await,
            None => redactor.rest(&mut body.trailers),
        };
        if hits > 0 {
            self.steps.tell(EffectProgress::Redacted(hits)).await;
        }
        // A value that can't be searched for may have become known just now.
        if self.run_credentials.context().searched.is_blind() {
            return Some(Err(HttpFault::Incomplete.into()));
        }
        for credential in self.run_credentials.context().searched.foreign(&body.met.host, redactor.hits()) {
            // Each credential is counted once.
            if body.met.names.insert(credential.clone()) {
                self.steps.tell(EffectProgress::Met { credential, place: MetIn::Answer }).await;
            }
        }
        match out {
            // If it is called again, nothing is held back, and the body is over.
            Ok(out) if is_over && out.is_empty() => None,
            Ok(out) => Some(Ok(out)),
            // Packed data in it can't be shown, so the guest gets a protocol error.
            Err(_) => Some(Err(HttpFault::Protocol.into())),
        }
    }

    /// Passes the body on, piece by piece as the guest reads.
    async fn hand_on(&self, mut body: AnswerBody) -> Result<(), Failure> {
        // If nothing is searched, there is nothing to wait for.
        self.show_head(&mut body).await;
        while let Some(piece) = self.next(&mut body).await {
            let piece = piece?;
            self.show_head(&mut body).await;
            if !piece.is_empty() {
                self.steps.tell(EffectProgress::Chunk(piece)).await;
            }
        }
        self.show_head(&mut body).await;
        self.steps.tell(EffectProgress::End(body.trailers)).await;
        Ok(())
    }
}

/// The result of a request, before any of it is on the record.
struct SentRequest {
    response: Response,
    host: HostName,
    redactor: Option<ResponseRedactor>,
    version: Option<u64>,
    token: Option<vault::Secret>,
}

fn refused(reason: Reason) -> Failure {
    Failure { refused: Some(reason), ..HttpFault::Denied.into() }
}

fn wire(ask: &HttpAsk, bounds: &Bounds, limits: &Limits) -> WireRequest {
    let most = Timeouts::default();
    let response_bytes = bounds.response_bytes.map_or(limits.response_bytes, |most| most.min(limits.response_bytes));
    // The guest may set shorter time-outs than the host, but not longer ones.
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
