//! The credentials of one run: what is sent with its requests, and what is taken out of all answers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use effect::record::MetIn;
use effect::{Binding, Claim, Clock, Header, HostPattern, HttpTarget, OpId, Outcome, Placement, Reason, SafeText, Standing};
use effects::Progress;
use net::{Pool, Timeouts, WireRequest};
use tokio::sync::watch;
use vault::{Outgoing, Scrubber, Secret, SourceError, Value, Vault};

use crate::finishing::Finishing;
use crate::looked::{Looked, Unlooked, outstanding};
use crate::remote::Servers;
use crate::starred;
use crate::steps::Steps;
use crate::tokens::Tokens;
use crate::wants::Wants;
use crate::wash::Wash;

/// How long a source that gave no value is not asked again, in nanoseconds.
const IN_VAIN_NS: u64 = 60_000_000_000;
/// How long a signature over the time may let somebody in: services accept it for 15 minutes at most, and clocks differ a little.
const SIGNED_S: u64 = 20 * 60;
/// How long a signature without a time is looked for: nothing says when it is no longer accepted.
const TIMELESS_S: u64 = 24 * 3600;
/// By how much the clock of a server may be behind.
const DRIFT_S: u64 = 5 * 60;

/// Whether a request is still one that was permitted.
type Covers<'a> = &'a (dyn Fn(&WireRequest) -> bool + Send + Sync);

/// See the module.
pub(crate) struct Leased {
    pub(crate) vault: Vault,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the host itself wants to do goes there.
    pub(crate) wants: Wants,
    /// For what the host asks on its own behalf: no guest uses its connections.
    pub(crate) own: Option<Pool>,
    /// Exchanges that are finished even if nobody waits for them.
    pub(crate) finishing: Finishing,
    pub(crate) looked: Looked,
    /// When a source gave no value for a credential that was only to be looked for.
    in_vain: Mutex<BTreeMap<String, u64>>,
    tokens: Tokens,
    servers: Servers,
    /// Credentials of which the lease was ended.
    ended: watch::Sender<BTreeSet<String>>,
}

/// What was put into a request.
#[derive(Default)]
pub(crate) struct Dressed {
    /// Of the credential, where its source counts them.
    pub(crate) version: Option<u64>,
    /// The token that went along.
    pub(crate) token: Option<Secret>,
}

impl Leased {
    pub(crate) fn new(
        vault: Vault,
        (standing, clock): (Arc<Standing>, Arc<dyn Clock>),
        (own, wants): (Option<Pool>, Wants),
        finishing: Finishing,
    ) -> Self {
        let looked = Looked::new(Arc::clone(vault.register()), &standing.grants);
        let (tokens, servers, ended) = (Tokens::default(), Servers::default(), watch::Sender::default());
        Self { vault, standing, clock, wants, own, finishing, looked, in_vain: Mutex::default(), tokens, servers, ended }
    }

    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.standing.grants.credentials
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.clock.unix_ns() / 1_000_000_000
    }

    pub(crate) fn scrubber(&self) -> Option<Arc<Scrubber>> {
        self.looked.scrubber(self.clock.earliest_s())
    }

    /// Nothing more is done under the lease of this credential. Code that waits for an answer under it learns of that.
    pub(crate) fn end(&self, credential: &str) {
        self.ended.send_modify(|ended| {
            ended.insert(credential.to_owned());
        });
    }

    /// Whether the lease was ended.
    pub(crate) fn has_ended(&self, credential: &str) -> bool {
        self.ended.borrow().contains(credential)
    }

    /// The value of a binding just now, from wherever it comes.
    pub(crate) async fn value(self: &Arc<Self>, binding: &Binding, op: OpId) -> Option<Value> {
        self.sourced(binding, (op, Timeouts::default())).await.ok().flatten()
    }

    /// The same, if the value may be sent there.
    pub(crate) async fn value_for(self: &Arc<Self>, binding: &Binding, target: &HttpTarget, op: OpId) -> Option<Secret> {
        let Value { secret, destinations, .. } = self.value(binding, op).await?;
        let may = destinations.is_none_or(|to| policy::destination::may_go(&binding.name, &to, std::iter::once(target)).is_ok());
        may.then_some(secret)
    }

    /// The same, with timeouts of the caller. An error if there may be a value that could not be fetched.
    async fn sourced(self: &Arc<Self>, binding: &Binding, asking: (OpId, Timeouts)) -> Result<Option<Value>, NotHad> {
        match self.vault.value(binding).await {
            Ok(value) => Ok(Some(value)),
            Err(SourceError::Remote) => self.servers.value(self, binding, asking).await.map(Some).ok_or(NotHad),
            Err(err) if err.is_none() => Ok(None),
            Err(_) => Err(NotHad),
        }
    }

    /// Puts the credential of that name into a request. Its value is fetched each time, so a revoked value is no longer sent.
    ///
    /// SECURITY: before anything leaves, the host starts to look for all values that the run could be shown: values that it may use itself,
    /// values that were sent with another request, and values of earlier runs of this home, in other processes too. If the guest itself has
    /// such a value, it is sent as stars.
    pub(crate) async fn dress(
        self: &Arc<Self>,
        (op, name): (OpId, Option<&str>),
        request: &mut WireRequest,
        (covers, steps): (Covers<'_>, &Steps),
    ) -> Result<Dressed, Reason> {
        let unavailable = |name: &str| Reason::CredentialUnavailable(SafeText::new(name, 64));
        let unlooked = |why: Unlooked| why.reason(name);
        self.looked.look(self.clock.earliest_s()).await.map_err(unlooked)?;
        let values = self.values(name, &request.target, (op, request.timeouts)).await.map_err(|name| unavailable(&name))?;
        let leave = values.iter().filter(|(binding, _)| leaves(binding));
        let leave = leave.map(|(binding, value)| outstanding(&binding.name, reach(binding), None, &value.secret)).collect();
        self.looked.note(leave, self.clock.earliest_s()).await.map_err(unlooked)?;
        let of_it = name.and_then(|name| values.iter().find(|(binding, _)| binding.covers(name, &request.method, &request.target)));
        if let Some(known) = self.scrubber() {
            self.star(&known, of_it, request, (covers, steps)).await?;
            ask_for_plain(&mut request.headers);
        }
        let Some(name) = name else { return Ok(Dressed::default()) };
        ask_for_plain(&mut request.headers);
        let (binding, value) = of_it.ok_or_else(|| unavailable(name))?;
        may_go(binding, value, &request.target)?;
        let put = self.put((op, binding), &value.secret, request).await.map_err(|why| match why {
            NotPut::Unfit(why) => unfit(binding, &why),
            NotPut::Unavailable => unavailable(name),
            NotPut::Unlooked(why) => unlooked(why),
        })?;
        Ok(Dressed { version: value.version, ..put })
    }

    /// Replaces the parts of a request that hold a value by stars. Whose value it was is put on the record and counted.
    ///
    /// SECURITY: the guest gets the answer that it would get to the same request with a wrong guess. If that request would be refused, this one is refused as
    /// well. Otherwise it is sent.
    async fn star(
        &self,
        known: &Scrubber,
        of_it: Option<&(&Binding, Value)>,
        request: &mut WireRequest,
        (covers, steps): (Covers<'_>, &Steps),
    ) -> Result<(), Reason> {
        let goes = |request: &WireRequest| of_it.is_none_or(|(binding, value)| may_go(binding, value, &request.target).is_ok());
        let may = |request: &WireRequest| covers(request) && goes(request);
        let takes_field = of_it.is_some_and(|(binding, _)| matches!(binding.placement, Placement::Json { .. }));
        let body = if takes_field { starred::Body::Object } else { starred::Body::Any };
        let Some(held) = starred::star(known, request, body, &may) else { return Ok(()) };
        let whose: BTreeSet<String> = held.parts.iter().flat_map(|part| self.looked.whose(part)).collect();
        for credential in whose {
            steps.tell(Progress::Met { credential, place: MetIn::Request }).await;
        }
        if let Some((binding, value)) = of_it {
            may_go(binding, value, &held.before.target)?;
            self.would_fit(binding, &value.secret, held.before)?;
        }
        // Only if the text of a grant has the whole value: then a path with another guess is not granted, and is refused as well.
        let is_clean = !known.finds(request.target.path_and_query().as_bytes());
        if is_clean && may(request) { Ok(()) } else { Err(Reason::SecretInRequest) }
    }

    /// Whether the value could be put into this request. The result is dropped: nothing of it leaves the host.
    fn would_fit(&self, binding: &Binding, secret: &Secret, request: WireRequest) -> Result<(), Reason> {
        let WireRequest { method, mut target, mut headers, mut body, .. } = request;
        if matches!(binding.placement, Placement::Oauth2(_)) {
            return Ok(());
        }
        let mut outgoing = Outgoing { method: &method, target: &mut target, headers: &mut headers, body: &mut body };
        let placed = vault::place(secret, &binding.placement, &mut outgoing, self.now_s());
        placed.map(drop).map_err(|why| unfit(binding, &why))
    }

    /// The values of all bindings of the run. If a value could not be fetched, nothing is sent to hosts that could send it back. The error
    /// is the name of its credential.
    async fn values(
        self: &Arc<Self>,
        name: Option<&str>,
        target: &HttpTarget,
        asking: (OpId, Timeouts),
    ) -> Result<Vec<(&Binding, Value)>, String> {
        let mut values = Vec::with_capacity(self.bindings().len());
        for binding in self.bindings() {
            let matters = name == Some(&binding.name) || binding.hosts.iter().any(|host| host.matches(&target.host));
            if !matters && self.was_in_vain(&binding.name) {
                continue;
            }
            match self.sourced(binding, asking).await {
                Ok(value) => values.extend(value.map(|value| (binding, value))),
                Err(NotHad) if matters => return Err(binding.name.clone()),
                Err(NotHad) => self.in_vain(&binding.name),
            }
        }
        Ok(values)
    }

    fn in_vain(&self, name: &str) {
        let now_ns = self.clock.mono_ns();
        self.in_vain.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), now_ns);
    }

    fn was_in_vain(&self, name: &str) -> bool {
        let at_ns = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        at_ns.is_some_and(|at_ns| self.clock.mono_ns().saturating_sub(at_ns) < IN_VAIN_NS)
    }

    async fn put(self: &Arc<Self>, (op, binding): (OpId, &Binding), secret: &Secret, request: &mut WireRequest) -> Result<Dressed, NotPut> {
        if let Placement::Oauth2(oauth2) = &binding.placement {
            let asking = (op, request.timeouts);
            let token = self.tokens.obtain(self, (binding, oauth2), secret, asking).await.ok_or(NotPut::Unavailable)?;
            vault::bearer(&token, &mut request.headers).map_err(NotPut::Unfit)?;
            return Ok(Dressed { token: Some(token), ..Dressed::default() });
        }
        let now_s = self.now_s();
        let WireRequest { method, target, headers, body, .. } = request;
        let mut outgoing = Outgoing { method, target, headers, body };
        let placed = vault::place(secret, &binding.placement, &mut outgoing, now_s).map_err(NotPut::Unfit)?;
        // SECURITY: a value is looked for until it has lapsed by the clock and without it, whoever has set it meanwhile.
        let until_s = lapses(&binding.placement, self.clock.latest_s());
        let made = placed.made.iter().map(|made| outstanding(&binding.name, binding.hosts.clone(), until_s, made)).collect();
        self.looked.note(made, self.clock.earliest_s()).await.map_err(NotPut::Unlooked)?;
        Ok(Dressed::default())
    }

    /// Notes values of a binding before they leave the host, or when they arrive.
    pub(crate) async fn note(&self, binding: &Binding, secrets: &[&Secret]) -> Result<(), Unlooked> {
        let values = secrets.iter().map(|secret| outstanding(&binding.name, reach(binding), None, secret)).collect();
        self.looked.note(values, self.clock.earliest_s()).await
    }

    /// A token was not taken: the next request has another.
    pub(crate) fn not_taken(&self, credential: &str, token: &Secret) {
        self.tokens.forget(credential, token);
    }

    /// What an answer is passed through. `None` if there is nothing to look for.
    pub(crate) fn wash(self: &Arc<Self>) -> Option<Wash> {
        self.scrubber().map(|_| Wash::new(Arc::clone(self)))
    }

    /// What the agent says, without what it should not have.
    pub(crate) fn scrub_claim(&self, claim: Claim) -> Claim {
        if self.looked.is_blind() {
            return claim.map_texts(&|text| SafeText::new(&"*".repeat(text.as_str().len()), text.as_str().len()));
        }
        self.scrubber().map_or(claim.clone(), |known| claim.map_texts(&|text| scrubbed(&known, text)))
    }

    /// Text for the record, with stars in place of secrets.
    pub(crate) fn scrub_text(&self, text: &SafeText) -> SafeText {
        self.scrubber().map_or_else(|| text.clone(), |known| scrubbed(&known, text))
    }

    /// What an agent returned, or how it failed.
    pub(crate) fn scrub_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
        if self.looked.is_blind() {
            output.fill(b'*');
        }
        let Some(known) = self.scrubber() else { return };
        known.scrub(output);
        match outcome {
            Outcome::Failed { code, message } => (*code, *message) = (scrubbed(&known, code), scrubbed(&known, message)),
            Outcome::Trapped { message } => *message = scrubbed(&known, message),
            _ => {}
        }
    }
}

enum NotPut {
    Unfit(vault::PlaceError),
    Unavailable,
    Unlooked(Unlooked),
}

/// A source that may have a value did not give it.
struct NotHad;

/// SECURITY: what is made with a value may go only where the value itself may go.
fn may_go(binding: &Binding, value: &Value, target: &HttpTarget) -> Result<(), Reason> {
    let Some(destinations) = &value.destinations else { return Ok(()) };
    let targets = [target].into_iter().chain(binding.endpoint());
    policy::destination::may_go(&binding.name, destinations, targets)
}

fn unfit(binding: &Binding, why: &vault::PlaceError) -> Reason {
    Reason::CredentialUnfit(SafeText::new(&format!("`{}` does not fit: {why}", binding.name), 256))
}

/// Where the value of a binding could let somebody in: also at the endpoint that gives tokens for it.
fn reach(binding: &Binding) -> Vec<HostPattern> {
    let mut hosts = binding.hosts.clone();
    if let Placement::Oauth2(oauth2) = &binding.placement {
        hosts.push(HostPattern::Exact(oauth2.token.host.clone()));
    }
    hosts
}

/// Until when something that is made for one request could let somebody in. `None` if it is the value itself in another form: it is held as
/// long as the value.
fn lapses(placement: &Placement, now_s: u64) -> Option<u64> {
    match placement {
        Placement::Jwt(jwt) => Some(now_s + jwt.lifetime_s + DRIFT_S),
        Placement::Sigv4(_) => Some(now_s + SIGNED_S),
        Placement::Hmac(hmac) if hmac.over.contains("{timestamp}") => Some(now_s + SIGNED_S),
        Placement::Hmac(_) => Some(now_s + TIMELESS_S),
        Placement::Bearer
        | Placement::Basic { .. }
        | Placement::Header { .. }
        | Placement::Query { .. }
        | Placement::Path { .. }
        | Placement::Form { .. }
        | Placement::Json { .. }
        | Placement::Oauth2(_) => None,
    }
}

/// A private key never does: what is made with it does.
fn leaves(binding: &Binding) -> bool {
    !matches!(binding.placement, Placement::Jwt(_))
}

fn scrubbed(known: &Scrubber, text: &SafeText) -> SafeText {
    let mut bytes = text.as_str().as_bytes().to_vec();
    if known.scrub(&mut bytes).places == 0 {
        return text.clone();
    }
    SafeText::from_bytes(&bytes, bytes.len())
}

/// SECURITY: packed answers and slices of answers can't be searched, so the host asks for whole, unpacked answers. If a server packs or
/// slices nevertheless, the guest gets a protocol error.
fn ask_for_plain(headers: &mut Vec<Header>) {
    headers.retain(|header| !matches!(header.name.as_str(), "accept-encoding" | "accept-charset" | "range" | "if-range"));
    headers.push(Header { name: "accept-encoding".to_owned(), value: b"identity".to_vec() });
}

/// Whether an answer is packed, or a slice.
pub(crate) fn is_opaque(head: &effect::HttpHead) -> bool {
    const PARTIAL_CONTENT: u16 = 206;
    let packs = |header: &Header| header.name == "content-encoding" && !header.value.trim_ascii().eq_ignore_ascii_case(b"identity");
    head.status == PARTIAL_CONTENT || head.headers.iter().any(packs)
}
