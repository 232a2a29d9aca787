//! Access tokens that the host obtains for a run (OAuth 2). They are kept in the host, and used until shortly before they expire.
//!
//! INVARIANT: an exchange that has begun is finished and its result is kept, even if nobody waits for it any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use vault::{Secret, oauth};
use vocabulary::record::HostPurpose;
use vocabulary::{Binding, Method, Oauth2, OauthGrant, OpId, Source};

use crate::host_request::{For, OwnRequest, ValueFor, patience};
use crate::searched_values::outstanding;
use crate::values::Values;

/// How many seconds before its end a token is no longer used.
const EARLY_S: u64 = 30;
/// For how many seconds a token is used if the endpoint does not say when it expires.
const UNTOLD_S: u64 = 300;
/// For how many seconds a token is searched for if nothing says how long it is valid.
const UNKNOWN_S: u64 = 24 * 3600;
/// BOUND: for how many seconds a token is used at most.
const LIFE_S_MAX: u64 = 3600;

#[derive(Clone)]
struct Obtained {
    access: Secret,
    /// When it is no longer used, by the clock that can't be set.
    until_ns: u64,
}

/// A slot for the token of one credential. Requests that arrive together wait for the same token.
type TokenSlot = Arc<tokio::sync::Mutex<Option<Obtained>>>;

/// What is needed to obtain a token: the binding, the form of token requests, and the value that is exchanged for a token.
#[derive(Clone, Copy)]
pub(crate) struct TokenFor<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) oauth2: &'a Oauth2,
    pub(crate) secret: &'a Secret,
}

/// The slots, by the credential's name.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, TokenSlot>>);

impl Tokens {
    fn slot(&self, name: &str) -> TokenSlot {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default())
    }

    /// The next use obtains another token than this one. If another task is obtaining one, or has done so, that token is used.
    pub(crate) fn forget(&self, name: &str, token: &Secret) {
        if let Ok(mut slot) = self.slot(name).try_lock()
            && slot.as_ref().is_some_and(|obtained| obtained.access.is(token))
        {
            *slot = None;
        }
    }

    /// A valid token. `None` if the endpoint issues none.
    pub(crate) async fn obtain(&self, values: &Arc<Values>, wanted: TokenFor<'_>, why: ValueFor) -> Option<Secret> {
        let TokenFor { binding, oauth2, secret } = wanted;
        let context = values.context();
        let slot = self.slot(&binding.name).lock_owned().await;
        if let Some(obtained) = &*slot
            && context.clock.mono_ns() < obtained.until_ns
        {
            return Some(obtained.access.clone());
        }
        let exchange =
            Exchange { values: Arc::clone(values), binding: binding.clone(), oauth2: oauth2.clone(), secret: secret.clone(), op: why.op };
        // This happens even if the guest no longer waits: the endpoint may have used up the refresh token, and the token that it issued is
        // valid. The next use finds it.
        let obtained = context.finishing.finish(exchange.into_slot(slot));
        tokio::time::timeout(patience(why.timeouts), obtained).await.ok()??
    }
}

/// One request to an endpoint: it sends the value, and keeps the token that it gets.
struct Exchange {
    values: Arc<Values>,
    binding: Binding,
    oauth2: Oauth2,
    secret: Secret,
    op: OpId,
}

impl Exchange {
    async fn into_slot(self, mut slot: OwnedMutexGuard<Option<Obtained>>) -> Option<Secret> {
        let obtained = self.obtained().await?;
        let access = obtained.access.clone();
        *slot = Some(obtained);
        Some(access)
    }

    async fn obtained(&self) -> Option<Obtained> {
        let Self { values, binding, oauth2, .. } = self;
        let context = values.context();
        // One exchange at a time for each credential of the home. Two exchanges would send the same refresh token.
        let _turn = context.vault.turn(&binding.name).await;
        // The previous exchange may have used up the refresh token that this request was given.
        let fresh = if oauth2.grant == OauthGrant::Refresh { Some(values.any_for(binding, &oauth2.token, self.op).await?) } else { None };
        let secret = fresh.as_ref().unwrap_or(&self.secret);
        context.note(binding, &[secret]).await.ok()?;
        let (headers, body) = oauth::token_request(secret, oauth2);
        let mut request = OwnRequest::new(Method::new("POST").ok()?, oauth2.token.clone(), oauth2.token_addresses.clone());
        (request.headers, request.body) = (headers, body);
        // The lease may have been revoked while this request waited for its turn.
        if context.has_ended(&binding.name) {
            return None;
        }
        let answer = request.send(&context.own, For { credential: &binding.name, op: self.op, purpose: HostPurpose::Token }).await?;
        let token = oauth::token_answer(answer.status, &answer.body).ok()?;
        let clock = &context.clock;
        let now_s = clock.unix_ns() / 1_000_000_000;
        let lives_s = token.lives_s(now_s).unwrap_or(UNKNOWN_S);
        if let (OauthGrant::Refresh, Source::Local, Some(refresh)) = (oauth2.grant, &binding.source, token.refresh) {
            // The refresh token that was sent is no longer valid. Without the new one, the host could not log in after the next start. So
            // the new one is kept first, even if it can't be searched for and is not used.
            // SECURITY: it is not kept if the credential was revoked while the endpoint was asked.
            let (local, name, spent, next) = (context.vault.local().clone(), binding.name.clone(), secret.clone(), refresh.clone());
            tokio::task::spawn_blocking(move || local.replace(&name, &spent, next, now_s)).await.ok()?.ok()?;
            context.note(binding, &[&refresh]).await.ok()?;
        }
        // SECURITY: the token is searched for until it expires, however long it is used. If it can't be searched for, it is not used.
        let until_s = clock.latest_s().saturating_add(lives_s).saturating_add(EARLY_S);
        context
            .searched
            .note(vec![outstanding(&binding.name, binding.hosts.clone(), Some(until_s), &token.access)], clock.earliest_s())
            .await
            .ok()?;
        let life_s = token.expires_in_s.unwrap_or(UNTOLD_S).min(LIFE_S_MAX).saturating_sub(EARLY_S);
        Some(Obtained { access: token.access, until_ns: clock.mono_ns() + life_s * 1_000_000_000 })
    }
}
