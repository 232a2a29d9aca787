//! The policies of now, for a run that is resumed and for votes.
//!
//! What counts is the configuration as it is now, if it is trusted. So a policy that was changed and trusted applies to what is asked from
//! then on, and somebody who was taken out of `[people]` does not vote any more.

use package::trust;
use run::{HomePlace, RunPolicies};
use vocabulary::RunId;
use vocabulary::record::RunOpened;

use crate::admission::{config_here, opened, reading, was_trusted};
use crate::configured::Configured;
use crate::err::ServiceError;

/// The policies that a run is subject to now; `None` if there are none.
///
/// # Errors
/// The run began under policies, and its configuration is gone, has a fault, or is not trusted as it is now.
pub(crate) async fn policies_of(place: &HomePlace, run: RunId) -> Result<Option<RunPolicies>, ServiceError> {
    let place = place.clone();
    reading(move || policies_here(&place, run)).await
}

fn policies_here(place: &HomePlace, run: RunId) -> Result<Option<RunPolicies>, ServiceError> {
    let Some(opened) = opened(place, run)? else { return Ok(None) };
    match now(place, &opened) {
        Ok(policies) => Ok(policies),
        // A run that began without policies needs no configuration to continue.
        Err(_) if opened.policy.is_none() => Ok(None),
        Err(err) => Err(ServiceError::PoliciesUnknown { run, cause: Box::new(err) }),
    }
}

fn now(place: &HomePlace, opened: &RunOpened) -> Result<Option<RunPolicies>, ServiceError> {
    let Some(config) = config_here(place, opened)? else { return Err(ServiceError::NoConfigOnRecord) };
    let authored = package::config::read(&config.path)?;
    let not_listed = |digest| ServiceError::NotListed { path: config.path.clone(), digest };
    let (is_listed, is_same) = (trust::is_listed(&place.home, &authored)?, opened.config == Some(authored.digest));
    // SECURITY: a file that nobody trusted is not resolved.
    if !is_listed && !is_same {
        return Err(not_listed(authored.digest));
    }
    let configured = Configured::of(authored, place)?;
    let is_trusted_now = trust::find(&place.home, &configured.authored, &configured.whole)?.is_some();
    let is_trusted = is_trusted_now || (is_same && was_trusted(place, &configured, opened)?);
    if !is_trusted {
        return Err(not_listed(configured.authored.digest));
    }
    let name = opened.agent.name.as_str();
    let agent = configured.resolved.agents.get(name).ok_or_else(|| ServiceError::NotAnAgent { name: name.to_owned() })?;
    Ok(configured.policies(agent))
}
