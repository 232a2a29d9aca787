//! The credentials of one run: what goes along with its requests, and what is taken out of everything that comes back to it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use effect::{Binding, Claim, Header, OpId, Outcome, Placement, Reason, SafeText, Source};
use gate::RunGate;
use net::{Pool, Timeouts, WireRequest};
use tokio::sync::watch;
use vault::{Outgoing, Scrubber, Secret, Value, Vault};

use crate::finishing::Finishing;
use crate::remote::Servers;
use crate::tokens::Tokens;
use crate::wash::Wash;

/// BOUND: values of one run, older ones too; each takes part in every look at what comes back.
const VALUES_MAX: usize = 64;
/// BOUND: tokens that were obtained or made, the newest; older ones have run out.
const TOKENS_MAX: usize = 16;

/// See the module.
pub(crate) struct Leased {
    pub(crate) vault: Vault,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) gate: RunGate,
    /// For what the host asks on its own behalf: no guest uses its connections.
    pub(crate) own: Option<Pool>,
    /// What is brought to its end, whoever lost interest.
    pub(crate) finishing: Finishing,
    known: Mutex<Known>,
    tokens: Tokens,
    servers: Servers,
    /// Credentials of which the lease was ended.
    ended: watch::Sender<BTreeSet<String>>,
}

/// Values that may have gone along, older ones too: a server may give back what it was given before.
#[derive(Default)]
struct Known {
    values: Vec<Secret>,
    tokens: VecDeque<Secret>,
    scrubber: Option<Arc<Scrubber>>,
}

/// A value that is not known to the scrubber must not leave.
#[derive(Debug)]
pub(crate) struct Unknown;

/// What was put into a request.
#[derive(Default)]
pub(crate) struct Dressed {
    /// Of the credential, where its source counts them.
    pub(crate) version: Option<u64>,
    /// What was made for this request alone, to be taken out of its answer.
    pub(crate) made: Vec<Secret>,
    /// The token that went along.
    pub(crate) token: Option<Secret>,
}

impl Leased {
    pub(crate) fn new(vault: Vault, gate: RunGate, own: Option<Pool>, finishing: Finishing) -> Self {
        let bindings = gate.opening().standing.grants.credentials.clone();
        let (tokens, servers, ended) = (Tokens::default(), Servers::default(), watch::Sender::default());
        Self { vault, bindings, gate, own, finishing, known: Mutex::default(), tokens, servers, ended }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn scrubber(&self) -> Option<Arc<Scrubber>> {
        self.lock().scrubber.clone()
    }

    /// Nothing more is done under the lease of this credential: whoever waits for an answer under it is told.
    pub(crate) fn end(&self, credential: &str) {
        self.ended.send_modify(|ended| {
            ended.insert(credential.to_owned());
        });
    }

    /// Whether the lease was ended.
    pub(crate) fn has_ended(&self, credential: &str) -> bool {
        self.ended.borrow().contains(credential)
    }

    /// Returns when the lease was ended; never, for a request without a credential.
    pub(crate) async fn ended(&self, credential: Option<&str>) {
        let Some(name) = credential else { return std::future::pending().await };
        let mut ended = self.ended.subscribe();
        // The sender lives as long as this.
        let _ = ended.wait_for(|ended| ended.contains(name)).await;
    }

    /// The value of a binding just now, from wherever it comes.
    pub(crate) async fn value(self: &Arc<Self>, binding: &Binding, op: OpId) -> Option<Value> {
        self.value_within(binding, (op, Timeouts::default())).await
    }

    /// The same, for somebody who is less patient.
    async fn value_within(self: &Arc<Self>, binding: &Binding, asking: (OpId, Timeouts)) -> Option<Value> {
        match self.vault.value(binding).await {
            Ok(value) => Some(value),
            Err(vault::SourceError::Remote) => self.servers.value(self, binding, asking).await,
            Err(_) => None,
        }
    }

    /// Puts the credential of that name into a request. Its value is asked for each time: one that was revoked is gone.
    ///
    /// SECURITY: before anything leaves, the scrubber knows all that the run may use, also what another request takes along, or one of this run did
    /// before the host was restarted. And what the guest itself has of them does not leave at all.
    pub(crate) async fn dress(self: &Arc<Self>, (op, name): (OpId, Option<&str>), request: &mut WireRequest) -> Result<Dressed, Reason> {
        if self.bindings.is_empty() {
            return Ok(Dressed::default());
        }
        let shown = |name: &str| SafeText::new(name, 64);
        let unavailable = |name: &str| Reason::CredentialUnavailable(shown(name));
        let values = self.values(name, (op, request.timeouts)).await;
        self.note(values.iter().filter(|(binding, _)| leaves(binding)).map(|(_, value)| &value.secret))
            .map_err(|_| unavailable(name.unwrap_or("*")))?;
        if self.scrubber().is_some_and(|known| holds_any(&known, request)) {
            return Err(Reason::SecretInRequest);
        }
        ask_for_plain(&mut request.headers);
        let Some(name) = name else { return Ok(Dressed::default()) };
        let of_it = values.iter().find(|(binding, _)| binding.covers(name, &request.method, &request.target));
        let (binding, value) = of_it.ok_or_else(|| unavailable(name))?;
        let put = self.put((op, binding), &value.secret, request).await.map_err(|why| match why {
            NotPut::Unfit(why) => Reason::CredentialUnfit(SafeText::new(&format!("`{name}` does not fit: {why}"), 256)),
            NotPut::Unavailable => unavailable(name),
        })?;
        Ok(Dressed { version: value.version, ..put })
    }

    async fn values(self: &Arc<Self>, name: Option<&str>, asking: (OpId, Timeouts)) -> Vec<(&Binding, Value)> {
        let mut values = Vec::with_capacity(self.bindings.len());
        for binding in &self.bindings {
            // What has to be started or asked for far away is not asked in vain.
            let is_near = !matches!(binding.source, Source::Exec(_) | Source::Vault(_));
            if (is_near || name == Some(&binding.name) || self.gate.has_lease(&binding.name))
                && let Some(value) = self.value_within(binding, asking).await
            {
                values.push((binding, value));
            }
        }
        values
    }

    async fn put(self: &Arc<Self>, (op, binding): (OpId, &Binding), secret: &Secret, request: &mut WireRequest) -> Result<Dressed, NotPut> {
        let now_unix_s = self.gate.clock().unix_ns() / 1_000_000_000;
        if let Placement::Oauth2(oauth2) = &binding.placement {
            let asking = (op, request.timeouts);
            let token = self.tokens.obtain(self, (binding, oauth2), secret, asking).await.ok_or(NotPut::Unavailable)?;
            self.note_token(&token).map_err(|_| NotPut::Unavailable)?;
            vault::bearer(&token, &mut request.headers).map_err(NotPut::Unfit)?;
            return Ok(Dressed { token: Some(token), ..Dressed::default() });
        }
        let WireRequest { method, target, headers, body, .. } = request;
        let mut outgoing = Outgoing { method, target, headers, body };
        let placed = vault::place(secret, &binding.placement, &mut outgoing, now_unix_s).map_err(NotPut::Unfit)?;
        Ok(Dressed { made: placed.made, ..Dressed::default() })
    }

    /// A token was not taken: the next request has another.
    pub(crate) fn not_taken(&self, credential: &str, token: &Secret) {
        self.tokens.forget(credential, token);
    }

    pub(crate) fn note<'a>(&self, values: impl Iterator<Item = &'a Secret>) -> Result<(), Unknown> {
        let mut known = self.lock();
        let new: Vec<Secret> = values.filter(|value| !known.values.iter().any(|other| other.is(value))).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        if known.values.len() + new.len() > VALUES_MAX {
            return Err(Unknown);
        }
        known.values.extend(new);
        known.rebuild()
    }

    fn note_token(&self, token: &Secret) -> Result<(), Unknown> {
        let mut known = self.lock();
        if known.tokens.iter().any(|other| other.is(token)) {
            return Ok(());
        }
        if known.tokens.len() >= TOKENS_MAX {
            known.tokens.pop_front();
        }
        known.tokens.push_back(token.clone());
        known.rebuild()
    }

    /// What an answer goes through; nothing, in a run without credentials.
    pub(crate) fn wash(self: &Arc<Self>, made: &[Secret]) -> Result<Option<Wash>, Unknown> {
        if self.bindings.is_empty() {
            return Ok(None);
        }
        let made = if made.is_empty() { None } else { Some(Scrubber::new(made).map_err(|_| Unknown)?) };
        Ok(Some(Wash::new(Arc::clone(self), made)))
    }

    /// What the agent says, without what it should not have.
    pub(crate) fn scrub_claim(&self, claim: Claim) -> Claim {
        self.scrubber().map_or(claim.clone(), |known| claim.map_texts(&|text| scrubbed(&known, text)))
    }

    /// What an agent returned, or how it failed.
    pub(crate) fn scrub_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
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
}

impl Known {
    fn rebuild(&mut self) -> Result<(), Unknown> {
        let scrubber = Scrubber::new(self.values.iter().chain(&self.tokens)).map_err(|_| Unknown)?;
        self.scrubber = Some(Arc::new(scrubber));
        Ok(())
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

fn holds_any(known: &Scrubber, request: &WireRequest) -> bool {
    let header = |header: &Header| known.finds(header.name.as_bytes()) || known.finds(&header.value);
    known.finds(request.target.path_and_query().as_bytes()) || request.headers.iter().any(header) || known.finds(&request.body)
}

/// SECURITY: what is packed or cut into slices can't be looked through, so whole answers are asked for, plainly. A server that packs or slices all the
/// same is not understood.
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
