//! Values from a server of HashiCorp Vault or OpenBao, and the log-ins at such servers. Both are kept for a short time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use vault::{Secret, Value, remote};
use vocabulary::record::HostPurpose;
use vocabulary::{Binding, HostPattern, HttpTarget, Method, Source, VaultSource};

use crate::context::RunContext;
use crate::host_request::{For, OwnRequest, ValueFor, patience};
use crate::searched_values::outstanding;

/// How long a value is used before it is fetched again.
const KEPT: Duration = Duration::from_secs(60);
/// How long before its end a log-in is no longer used.
const EARLY: Duration = Duration::from_secs(10);
/// How long the token of a log-in that does not expire is searched for, in seconds.
const UNENDING_S: u64 = 30 * 24 * 3600;
/// BOUND: the longest time for which a log-in is used, even if the server says that it does not expire.
const LOGIN_KEPT_MAX: Duration = Duration::from_secs(3600);

struct CachedValue {
    secret: Secret,
    until: Instant,
}

/// A slot for one value. One task at a time fetches it.
type ValueSlot = Arc<tokio::sync::Mutex<Option<CachedValue>>>;

#[derive(Default)]
pub(crate) struct Servers {
    /// Values, by the credential's name.
    values: Mutex<HashMap<String, ValueSlot>>,
    /// The log-ins, also by the credential's name: a credential is never read with a log-in that was obtained under another credential's
    /// lease.
    logins: Mutex<HashMap<String, ValueSlot>>,
}

fn slot(of: &Mutex<HashMap<String, ValueSlot>>, name: &str) -> ValueSlot {
    Arc::clone(of.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default())
}

#[expect(clippy::disallowed_methods, reason = "door: time-outs")]
fn now() -> Instant {
    Instant::now()
}

impl Servers {
    /// The value of a binding whose source is such a server.
    pub(crate) async fn value(&self, context: &Arc<RunContext>, binding: &Binding, why: ValueFor) -> Option<Value> {
        let Source::Vault(source) = &binding.source else { return None };
        let slot = slot(&self.values, &binding.name);
        let mut slot = slot.lock().await;
        if let Some(kept) = &*slot
            && now() < kept.until
        {
            return Some(Value { secret: kept.secret.clone(), version: None, destinations: None });
        }
        let asking = ServerCall { context: Arc::clone(context), name: binding.name.clone(), source: source.clone(), why };
        let token = self.login(&asking).await?;
        let Some(secret) = asking.read(&token).await else {
            // The log-in may no longer be valid, so the next ask logs in again.
            *self::slot(&self.logins, &binding.name).lock().await = None;
            return None;
        };
        *slot = Some(CachedValue { secret: secret.clone(), until: now() + KEPT });
        Some(Value { secret, version: None, destinations: None })
    }

    /// The token with which the host reads a value: the operator's token, or the one from a log-in.
    async fn login(&self, asking: &ServerCall) -> Option<Secret> {
        let server = &asking.source.server;
        let slot = slot(&self.logins, &asking.name).lock_owned().await;
        if let Some(kept) = &*slot
            && now() < kept.until
        {
            return Some(kept.secret.clone());
        }
        let shown = vault::login_secret(&server.login).await.ok()?;
        asking.note(&shown, None).await?;
        if remote::login_request(&server.login, &shown).ok()?.is_none() {
            return Some(shown);
        }
        // The secret for a log-in may be valid only once. So the log-in is finished, and its token is kept for the next ask.
        let let_in = asking.context.finishing.finish(asking.clone().into_slot(shown, slot));
        tokio::time::timeout(patience(asking.why.timeouts), let_in).await.ok()??
    }
}

/// One value that is fetched.
#[derive(Clone)]
struct ServerCall {
    context: Arc<RunContext>,
    name: String,
    source: Box<VaultSource>,
    why: ValueFor,
}

impl ServerCall {
    fn request(&self, method: &str, path: &str) -> Option<OwnRequest> {
        let server = &self.source.server;
        let target = HttpTarget { path: path.to_owned(), ..server.address.clone() };
        Some(OwnRequest::new(Method::new(method).ok()?, target, server.addresses.clone()))
    }

    fn request_for(&self, purpose: HostPurpose) -> For<'_> {
        For { credential: &self.name, op: self.why.op, purpose }
    }

    /// Searches answers of that server for the token of a log-in until the token expires, or as long as this process has the home.
    async fn note(&self, secret: &Secret, lasts_s: Option<u64>) -> Option<()> {
        let (clock, host) = (&self.context.clock, HostPattern::Exact(self.source.server.address.host.clone()));
        let until_s = lasts_s.map(|lasts_s| clock.latest_s().saturating_add(lasts_s));
        self.context.searched.note(vec![outstanding(&self.name, vec![host], until_s, secret)], clock.earliest_s()).await.ok()
    }

    async fn into_slot(self, shown: Secret, mut slot: OwnedMutexGuard<Option<CachedValue>>) -> Option<Secret> {
        let server = &self.source.server;
        let login = remote::login_request(&server.login, &shown).ok()??;
        let mut request = self.request("POST", login.path)?;
        request.headers = remote::headers(server, None).ok()?;
        request.body = bytes::Bytes::copy_from_slice(login.body.expose());
        let answer = request.send(&self.context.own, self.request_for(HostPurpose::VaultLogin)).await?;
        let login = remote::login_answer(answer.status, &answer.body).ok()?;
        let lasts_s = if login.lease_s == 0 { UNENDING_S } else { login.lease_s };
        self.note(&login.token, Some(lasts_s)).await?;
        // A lease of 0 s does not expire.
        let lease = if login.lease_s == 0 { LOGIN_KEPT_MAX } else { Duration::from_secs(login.lease_s).min(LOGIN_KEPT_MAX) };
        *slot = Some(CachedValue { secret: login.token.clone(), until: now() + lease.saturating_sub(EARLY) });
        Some(login.token)
    }

    async fn read(&self, token: &Secret) -> Option<Secret> {
        let (path, headers) = remote::read_request(&self.source, token).ok()?;
        let mut request = self.request("GET", &path)?;
        (request.headers, request.timeouts) = (headers, self.why.timeouts);
        let answer = request.send(&self.context.own, self.request_for(HostPurpose::VaultRead)).await?;
        remote::read_answer(answer.status, &answer.body, &self.source.field).ok()
    }
}
