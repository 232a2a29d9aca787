//! Access tokens that the host obtains for a run (OAuth 2): kept in the host, used until shortly before they end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use effect::{Binding, Method, Oauth2, OauthGrant, Source};
use net::Timeouts;
use vault::{Secret, oauth};

use crate::leased::Leased;
use crate::own::OwnRequest;

/// How long before its end a token is no longer used, in seconds.
const EARLY_S: u64 = 30;
/// How long a token is used whose end the endpoint does not tell, in seconds.
const UNTOLD_S: u64 = 300;
/// BOUND: the longest that one is used, in seconds.
const LIFE_S_MAX: u64 = 3600;

#[derive(Clone)]
struct Obtained {
    access: Secret,
    until_unix_s: u64,
}

/// One at a time for each credential: requests that come together wait for one token.
type Slot = Arc<tokio::sync::Mutex<Option<Obtained>>>;

/// By the credential's name.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Slot>>);

impl Tokens {
    fn slot(&self, name: &str) -> Slot {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default())
    }

    /// The next use obtains another than this one. Where somebody is at it already, or has it, that is the other one.
    pub(crate) fn forget(&self, name: &str, token: &Secret) {
        if let Ok(mut slot) = self.slot(name).try_lock()
            && slot.as_ref().is_some_and(|obtained| obtained.access.is(token))
        {
            *slot = None;
        }
    }

    /// A token that is good; nothing, where the endpoint gives none.
    pub(crate) async fn obtain(
        &self,
        leased: &Leased,
        (binding, oauth2): (&Binding, &Oauth2),
        secret: &Secret,
        timeouts: Timeouts,
    ) -> Option<Secret> {
        let slot = self.slot(&binding.name);
        let mut slot = slot.lock().await;
        let now_s = leased.gate.clock().unix_ns() / 1_000_000_000;
        if let Some(obtained) = &*slot
            && now_s < obtained.until_unix_s
        {
            return Some(obtained.access.clone());
        }
        // Whoever had the slot before may have spent the refresh token that this request came with.
        let fresh = if oauth2.grant == OauthGrant::Refresh { Some(leased.value(binding).await?.secret) } else { None };
        leased.note(fresh.iter()).ok()?;
        let secret = fresh.as_ref().unwrap_or(secret);
        let (headers, body) = oauth::token_request(secret, oauth2);
        // However impatient the guest: an endpoint that was given up on may have spent the refresh token.
        let timeouts = if oauth2.grant == OauthGrant::Refresh { Timeouts::default() } else { timeouts };
        let request = OwnRequest {
            headers,
            body,
            timeouts,
            ..OwnRequest::new(Method::new("POST").ok()?, oauth2.token.clone(), oauth2.token_addresses.clone())
        };
        let answer = request.send(leased.own.as_ref()?, &binding.name).await;
        let (status, peer) = answer.as_ref().map_or((None, None), |answer| (Some(answer.status), Some(answer.peer)));
        leased.gate.refreshed(&binding.name, &oauth2.token.redacted(), (status, peer)).ok()?;
        let answer = answer?;
        let token = oauth::token_answer(answer.status, &answer.body).ok()?;
        if let (OauthGrant::Refresh, Source::Local, Some(refresh)) = (oauth2.grant, &binding.source, token.refresh) {
            leased.note([&refresh].into_iter()).ok()?;
            // The one that was sent is worth nothing any more: without the new one, the next start would be locked out.
            // SECURITY: not where the credential was revoked while the endpoint was asked.
            leased.vault.local().replace(&binding.name, secret, refresh, now_s).ok()?;
        }
        let life_s = token.expires_in_s.unwrap_or(UNTOLD_S).min(LIFE_S_MAX).saturating_sub(EARLY_S);
        *slot = Some(Obtained { access: token.access.clone(), until_unix_s: now_s + life_s });
        Some(token.access)
    }
}
