//! Decides which credential is sent with a request, and whether it may be.

use vocabulary::{
    AboutCredential, Binding, Bounds, CredentialAsk, CredentialStep, Grants, HttpAsk, HttpGrant, HttpTarget, May, Placement, Reason, Rule,
    SafeText,
};

use crate::coverage::never_host;
use crate::facts::Facts;
use crate::text::decoded;
use crate::{headers, scope};

/// SECURITY: the operator's binding holds wherever the credential is granted, so both the binding and the grant must cover the request. A
/// request that already has something in the place of the credential is refused.
pub(crate) fn judge(grants: &Grants, grant: &HttpGrant, facts: &Facts, ask: &HttpAsk) -> Result<Option<String>, Reason> {
    let Some(name) = &grant.credential else { return Ok(None) };
    let shown = || SafeText::new(name, 64);
    let bound = grants.credentials.iter().find(|binding| binding.covers(name, &ask.method, &ask.target));
    let binding = bound.ok_or_else(|| Reason::CredentialNotBound(shown()))?;
    if binding.until.is_some_and(|until| facts.now_unix_s >= until.unix_s) {
        return Err(Reason::CredentialExpired(shown()));
    }
    in_its_environment(grants, binding, &ask.target)?;
    let taken = |name: &str| headers::has(ask, name);
    let twice = match &binding.placement {
        Placement::Header { name, .. } if taken(name) => Some(name.clone()),
        Placement::Hmac(hmac) => {
            [Some(&hmac.header), hmac.timestamp_header.as_ref()].into_iter().flatten().find(|name| taken(name)).cloned()
        }
        Placement::Query { name } if has_in_query(ask, name) => Some(format!("?{name}=")),
        // The other placements use `Authorization`, which no guest can set, or are checked against the body when they are placed.
        _ => None,
    };
    twice.map_or_else(|| Ok(Some(name.clone())), |name| Err(Reason::HeaderNotYours(SafeText::new(&name, 64))))
}

/// Whether an agent may do this with a credential, besides sending it. For a rotation, the grant alone is not enough: the binding must
/// cover the requests that set and test a value, and the engagement bounds them, as for any other request.
pub(crate) fn use_bounds(grants: &Grants, facts: &Facts, ask: &CredentialAsk) -> Result<Bounds, Reason> {
    let shown = || SafeText::new(&ask.name, 64);
    if let CredentialStep::Identify(_) = ask.step {
        let may = grants.may.values().any(|may| may.contains(&May::Identify));
        let bounds = Bounds { rule: Rule::Credentials, ..Bounds::default() };
        return may.then_some(bounds).ok_or_else(|| Reason::CredentialUseNotGranted(shown()));
    }
    let may = grants.may.get(&ask.name).is_some_and(|may| may.contains(&May::Rotate));
    let binding = grants.credentials.iter().find(|binding| may && binding.name == ask.name);
    let binding = binding.ok_or_else(|| Reason::CredentialUseNotGranted(shown()))?;
    if binding.until.is_some_and(|until| facts.now_unix_s >= until.unix_s) {
        return Err(Reason::CredentialExpired(shown()));
    }
    let (credential, rule) = (Some(ask.name.clone()), Rule::Credential(ask.name.clone()));
    let mut bounds = Bounds { until_unix_s: scope::end(grants, None, Some(&ask.name)), credential, rule, ..Bounds::default() };
    for (method, target) in binding.requests(&ask.step).ok_or_else(|| Reason::CredentialNotBound(shown()))? {
        scope::within(grants.engagement.as_ref(), facts, (&target.host, &method))?;
        never_host(&target.host)?;
        if !binding.covers(&ask.name, &method, &target) {
            return Err(Reason::CredentialNotBound(shown()));
        }
        in_its_environment(grants, binding, &target)?;
        let there = grants.http.iter().filter(|grant| grant.credential.as_ref() == Some(&ask.name) && grant.host.matches(&target.host));
        bounds.addresses = there.flat_map(|grant| grant.addresses.clone()).collect();
    }
    Ok(bounds)
}

fn in_its_environment(grants: &Grants, binding: &Binding, target: &HttpTarget) -> Result<(), Reason> {
    match &binding.environment {
        Some(environment) if !scope::is_environment(environment, &grants.environments, target) => {
            let there = scope::environment_words(&grants.environments, target);
            let what = format!("is for {environment}, but this request goes to {there}");
            Err(Reason::CredentialElsewhere(AboutCredential::new(&binding.name, &what, 256)))
        }
        _ => Ok(()),
    }
}

/// The name may have any spelling: servers decode names, and some fold their case.
fn has_in_query(ask: &HttpAsk, name: &str) -> bool {
    let query = ask.target.query.as_deref().unwrap_or_default();
    let names = query.split(['&', ';']).filter_map(|pair| pair.split('=').next());
    names.map(str::as_bytes).any(|written| decoded(written).eq_ignore_ascii_case(name.as_bytes()))
}
