//! The credentials of one run: what is sent with its requests, and what is removed from all answers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use effects::EffectProgress;
use net::WireRequest;
use vault::{Outgoing, Scrubber, Secret, Value};
use vocabulary::record::MetIn;
use vocabulary::{AboutCredential, Binding, Claim, Header, HttpTarget, OpId, Outcome, Placement, Reason, SafeText};

use crate::context::{RunContext, reach};
use crate::host_request::ValueFor;
use crate::response_redactor::ResponseRedactor;
use crate::searched_values::{Unsearched, outstanding};
use crate::starred;
use crate::steps::Steps;
use crate::tokens::{TokenFor, Tokens};
use crate::values::{NotHad, Values};

/// For how many nanoseconds a source that gave no value is not asked again.
const IN_VAIN_NS: u64 = 60_000_000_000;
/// For how many seconds a signature with a time may give access: services accept it for at most 15 minutes, and clocks differ a little.
const SIGNED_S: u64 = 20 * 60;
/// For how many seconds a signature without a time is searched for: it is not known when services stop accepting it.
const TIMELESS_S: u64 = 24 * 3600;
/// By how many seconds the clock of a server may be slow.
const DRIFT_S: u64 = 5 * 60;

/// Whether a request is still one that was permitted.
type Covers<'a> = &'a (dyn Fn(&WireRequest) -> bool + Send + Sync);

/// The run's credentials. See the documentation of the module.
pub(crate) struct RunCredentials {
    values: Arc<Values>,
    tokens: Tokens,
    /// When a source gave no value for a credential that was only needed for searching.
    in_vain: Mutex<BTreeMap<String, u64>>,
}

/// The act for which a request is sent.
pub(crate) struct ForAct<'a> {
    pub(crate) op: OpId,
    /// The credential that is sent with it, if any.
    pub(crate) credential: Option<&'a str>,
    pub(crate) covers: Covers<'a>,
    /// Receives what happens.
    pub(crate) steps: &'a Steps,
}

/// A binding, and its present value.
struct Bound<'a> {
    binding: &'a Binding,
    value: Value,
}

/// What was put into a request.
#[derive(Default)]
pub(crate) struct Injected {
    /// The version of the credential's value, if its source counts versions.
    pub(crate) version: Option<u64>,
    /// The token that was sent.
    pub(crate) token: Option<Secret>,
}

impl RunCredentials {
    pub(crate) fn new(context: Arc<RunContext>) -> Self {
        Self { values: Arc::new(Values::new(context)), tokens: Tokens::default(), in_vain: Mutex::default() }
    }

    pub(crate) fn values(&self) -> &Arc<Values> {
        &self.values
    }

    pub(crate) fn context(&self) -> &Arc<RunContext> {
        self.values.context()
    }

    /// Puts the credential of that name into a request. Its value is fetched each time, so that a revoked value is no longer sent.
    ///
    /// SECURITY: before anything leaves, the host starts to search for all values that an answer could show to the run: values that the run
    /// may use, values that were sent with another request, and values of earlier runs of this home, in other processes too. If the guest's
    /// own request contains such a value, it is sent as stars.
    pub(crate) async fn inject(&self, act: &ForAct<'_>, request: &mut WireRequest) -> Result<Injected, Reason> {
        let (context, name) = (self.context(), act.credential);
        let unavailable = |name: &str| Reason::CredentialUnavailable(SafeText::new(name, 64));
        let unsearched = |why: Unsearched| why.reason(name);
        context.searched.refresh(context.clock.earliest_s()).await.map_err(unsearched)?;
        let why = ValueFor { op: act.op, timeouts: request.timeouts };
        let values = self.all_values(name, &request.target, why).await.map_err(|missing| unavailable(missing.0))?;
        let leave = values.iter().filter(|bound| leaves(bound.binding));
        let leave = leave.map(|bound| outstanding(&bound.binding.name, reach(bound.binding), None, &bound.value.secret)).collect();
        context.searched.note(leave, context.clock.earliest_s()).await.map_err(unsearched)?;
        let of_it = name.and_then(|name| values.iter().find(|bound| bound.binding.covers(name, &request.method, &request.target)));
        if let Some(known) = context.scrubber() {
            self.star(&known, of_it, request, act).await?;
            ask_for_plain(&mut request.headers);
        }
        let Some(name) = name else { return Ok(Injected::default()) };
        ask_for_plain(&mut request.headers);
        let bound = of_it.ok_or_else(|| unavailable(name))?;
        bound.check_may_go(&request.target)?;
        let put = self.put(bound, act.op, request).await.map_err(|why| match why {
            NotPut::Unfit(why) => unfit(bound.binding, &why),
            NotPut::Unavailable => unavailable(name),
            NotPut::Unlooked(why) => unsearched(why),
        })?;
        Ok(Injected { version: bound.value.version, ..put })
    }

    /// Replaces the parts of a request that contain a value by stars. The credential of the value is recorded and counted.
    ///
    /// SECURITY: the guest gets the answer that it would get to the same request with a wrong guess. If that request would be refused, this
    /// one is refused as well. Otherwise it is sent.
    async fn star(&self, known: &Scrubber, of_it: Option<&Bound<'_>>, request: &mut WireRequest, act: &ForAct<'_>) -> Result<(), Reason> {
        let goes = |request: &WireRequest| of_it.is_none_or(|bound| bound.check_may_go(&request.target).is_ok());
        let may = |request: &WireRequest| (act.covers)(request) && goes(request);
        let takes_field = of_it.is_some_and(|bound| matches!(bound.binding.placement, Placement::Json { .. }));
        let body = if takes_field { starred::BodyKind::Object } else { starred::BodyKind::Any };
        let Some(held) = starred::star(known, request, body, &may) else { return Ok(()) };
        let whose: BTreeSet<String> = held.parts.iter().flat_map(|part| self.context().searched.whose(part)).collect();
        for credential in whose {
            act.steps.tell(EffectProgress::Met { credential, place: MetIn::Request }).await;
        }
        if let Some(bound) = of_it {
            bound.check_may_go(&held.before.target)?;
            self.would_fit(bound, held.before)?;
        }
        // This happens only if the text of a grant contains the whole value. Then a path with another guess is not granted, and is refused
        // as well.
        let is_clean = !known.finds(request.target.path_and_query().as_bytes());
        if is_clean && may(request) { Ok(()) } else { Err(Reason::SecretInRequest) }
    }

    /// Whether the value could be put into this request. The result is dropped, so nothing of it leaves the host.
    fn would_fit(&self, Bound { binding, value }: &Bound<'_>, request: WireRequest) -> Result<(), Reason> {
        let WireRequest { method, mut target, mut headers, mut body, .. } = request;
        if matches!(binding.placement, Placement::Oauth2(_)) {
            return Ok(());
        }
        let mut outgoing = Outgoing { method: &method, target: &mut target, headers: &mut headers, body: &mut body };
        let placed = vault::place(&value.secret, &binding.placement, &mut outgoing, self.context().now_s());
        placed.map(drop).map_err(|why| unfit(binding, &why))
    }

    /// The values of all bindings of the run. If a value could not be fetched, nothing is sent to hosts that could send that value back.
    async fn all_values(&self, name: Option<&str>, target: &HttpTarget, why: ValueFor) -> Result<Vec<Bound<'_>>, Missing<'_>> {
        let bindings = self.context().bindings();
        let mut values = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let matters = name == Some(&binding.name) || binding.hosts.iter().any(|host| host.matches(&target.host));
            if !matters && self.was_in_vain(&binding.name) {
                continue;
            }
            match self.values.of(binding, why).await {
                Ok(value) => values.extend(value.map(|value| Bound { binding, value })),
                Err(NotHad) if matters => return Err(Missing(&binding.name)),
                Err(NotHad) => self.in_vain(&binding.name),
            }
        }
        Ok(values)
    }

    fn in_vain(&self, name: &str) {
        let now_ns = self.context().clock.mono_ns();
        self.in_vain.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), now_ns);
    }

    fn was_in_vain(&self, name: &str) -> bool {
        let at_ns = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        at_ns.is_some_and(|at_ns| self.context().clock.mono_ns().saturating_sub(at_ns) < IN_VAIN_NS)
    }

    async fn put(&self, Bound { binding, value }: &Bound<'_>, op: OpId, request: &mut WireRequest) -> Result<Injected, NotPut> {
        let (context, secret) = (self.context(), &value.secret);
        if let Placement::Oauth2(oauth2) = &binding.placement {
            let why = ValueFor { op, timeouts: request.timeouts };
            let wanted = TokenFor { binding, oauth2, secret };
            let token = self.tokens.obtain(&self.values, wanted, why).await.ok_or(NotPut::Unavailable)?;
            vault::bearer(&token, &mut request.headers).map_err(NotPut::Unfit)?;
            return Ok(Injected { token: Some(token), ..Injected::default() });
        }
        let now_s = context.now_s();
        let WireRequest { method, target, headers, body, .. } = request;
        let mut outgoing = Outgoing { method, target, headers, body };
        let placed = vault::place(secret, &binding.placement, &mut outgoing, now_s).map_err(NotPut::Unfit)?;
        // SECURITY: a value is searched for until it has expired by the latest possible time, so setting the clock does not end the search early.
        let until_s = lapses(&binding.placement, context.clock.latest_s());
        let made = placed.made.iter().map(|made| outstanding(&binding.name, binding.hosts.clone(), until_s, made)).collect();
        context.searched.note(made, context.clock.earliest_s()).await.map_err(NotPut::Unlooked)?;
        Ok(Injected::default())
    }

    /// The server did not accept a token, so the next request uses another one.
    pub(crate) fn not_taken(&self, credential: &str, token: &Secret) {
        self.tokens.forget(credential, token);
    }

    /// The redactor for an answer. `None` if there is nothing to search for.
    pub(crate) fn redactor(&self) -> Option<ResponseRedactor> {
        self.context().scrubber().map(|_| ResponseRedactor::new(Arc::clone(self.context())))
    }

    /// A claim of the agent, with stars in place of secrets.
    pub(crate) fn scrub_claim(&self, claim: Claim) -> Claim {
        if self.context().searched.is_blind() {
            return claim.map_texts(&|text| SafeText::new(&"*".repeat(text.as_str().len()), text.as_str().len()));
        }
        self.context().scrubber().map_or(claim.clone(), |known| claim.map_texts(&|text| scrubbed(&known, text)))
    }

    /// Text for the record, with stars in place of secrets.
    pub(crate) fn scrub_text(&self, text: &SafeText) -> SafeText {
        self.context().scrubber().map_or_else(|| text.clone(), |known| scrubbed(&known, text))
    }

    /// Replaces secrets by stars in what an agent returned, or in how it failed.
    pub(crate) fn scrub_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
        if self.context().searched.is_blind() {
            output.fill(b'*');
        }
        let Some(known) = self.context().scrubber() else { return };
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
    Unlooked(Unsearched),
}

/// The credential whose source may have a value but did not return it.
struct Missing<'a>(&'a str);

impl Bound<'_> {
    /// SECURITY: what is made with a value may go only where the value itself may go.
    fn check_may_go(&self, target: &HttpTarget) -> Result<(), Reason> {
        let Some(destinations) = &self.value.destinations else { return Ok(()) };
        let targets = [target].into_iter().chain(self.binding.endpoint());
        policy::destination::may_go(&self.binding.name, destinations, targets)
    }
}

fn unfit(binding: &Binding, why: &vault::PlaceError) -> Reason {
    Reason::CredentialUnfit(AboutCredential::new(&binding.name, &format!("does not fit: {why}"), 256))
}

/// Until when something that is made for one request could give access. `None` if it is the value itself in another form: it is kept as
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

/// Whether the value itself leaves the host. A private key never does, only what is made with it.
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

/// Whether an answer is packed, or only a slice.
pub(crate) fn is_opaque(head: &vocabulary::HttpHead) -> bool {
    const PARTIAL_CONTENT: u16 = 206;
    let packs = |header: &Header| header.name == "content-encoding" && !header.value.trim_ascii().eq_ignore_ascii_case(b"identity");
    head.status == PARTIAL_CONTENT || head.headers.iter().any(packs)
}
