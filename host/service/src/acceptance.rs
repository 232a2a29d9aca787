//! Compares an agent with what was accepted: the digests of the two authorities.

use package::build::{self, Change, ListingChange, SourcePin};
use package::lock::AcceptanceLock;
use package::trust::HeldComponent;
use package::{Authority, ComponentSource, Difference, Trusted, trust};
use run::HomePlace;

use crate::component::{Obtained, build_cache};
use crate::configured::{Configured, held};
use crate::err::ServiceError;

/// BOUND: how many files are listed one by one.
const FILES_MAX: usize = 20;

impl Configured {
    /// Compares a component that is about to run with what was accepted and with what was trusted, if the component was not built here. For
    /// a component that was built here, its source was compared before the build.
    pub fn hold(&self, place: &HomePlace, trusted: &Trusted, name: &str, obtained: &Obtained) -> Result<(), ServiceError> {
        let ComponentSource::File(_) = &self.agent(name)?.component else { return Ok(()) };
        let now = held(self.authority(name)?, Some(&HeldComponent::of(&obtained.component)));
        check(self, place, name, &now)?;
        Ok(trusted.holds(name, &now, &self.spelling)?)
    }
}

/// Compares everything that an agent may cause with what was accepted, if the agent was accepted.
///
/// SECURITY: the lock is in a folder where other users may write. The home remembers what was accepted in it, so a missing or changed entry
/// in the lock is noticed.
fn check(configured: &Configured, place: &HomePlace, agent: &str, now: &Authority) -> Result<(), ServiceError> {
    let config = &configured.authored.file;
    let lock = AcceptanceLock::load(config)?;
    let here = trust::acceptance(&place.home)?.into_iter().find(|accepted| accepted.is_of(config, agent));
    let Some(accepted) = lock.accepted(agent) else {
        return if here.is_some() { Err(ServiceError::AcceptanceGone { agent: agent.to_owned() }) } else { Ok(()) };
    };
    if now.digest()? != accepted.digest {
        let difference = Difference::between(&accepted.authority, now, &configured.spelling);
        let files = files(configured, place, agent, &accepted.authority).unwrap_or_default();
        let (agent, by, when) = (agent.to_owned(), accepted.by.clone(), accepted.when);
        return Err(ServiceError::NotAccepted { agent, by, when, difference: Box::new(difference), files });
    }
    if here.is_some_and(|here| here.authority != accepted.digest) {
        return Err(ServiceError::AcceptedElsewhere { agent: agent.to_owned() });
    }
    Ok(())
}

/// Which source files differ from the accepted ones, one line each. This is known only if the accepted source was built here last.
fn files(configured: &Configured, place: &HomePlace, agent: &str, was: &Authority) -> Option<Vec<String>> {
    let ComponentSource::Folder(folder) = &configured.agent(agent).ok()?.component else { return None };
    let changes = build::changes(folder, &build_cache(place), was.source()?).ok()?;
    let Some(changes) = changes else {
        return Some(vec!["which files differ is not known here: the last build here was not of the accepted source".to_owned()]);
    };
    let line = |it: &ListingChange| match it.change {
        Change::Added => format!("+ file {}", it.path),
        Change::Removed => format!("- file {}", it.path),
        Change::Changed => format!("~ file {}, which has other bytes", it.path),
    };
    let more = changes.len().saturating_sub(FILES_MAX);
    let more = (more > 0).then(|| format!("and {} more", if more == 1 { "1 file".to_owned() } else { format!("{more} files") }));
    Some(changes.iter().take(FILES_MAX).map(line).chain(more).collect())
}

/// Compares a folder of source with the accepted authority of its agent, before any of it is built or run. Returns the pin that the build
/// must match: the copied source is compared with the pin once more.
pub fn check_before_build(configured: &Configured, place: &HomePlace, agent: &str) -> Result<Option<SourcePin>, ServiceError> {
    let ComponentSource::Folder(_) = &configured.agent(agent)?.component else { return Ok(None) };
    let config = &configured.authored.file;
    let is_pinned = AcceptanceLock::load(config)?.accepted(agent).is_some()
        || trust::acceptance(&place.home)?.iter().any(|accepted| accepted.is_of(config, agent));
    if !is_pinned {
        return Ok(None);
    }
    let (authority, pin) = of_source(configured, agent)?;
    check(configured, place, agent, &authority)?;
    Ok(pin)
}

/// Everything that an agent may cause. If it is a folder, its source is pinned.
pub fn of_source(configured: &Configured, agent: &str) -> Result<(Authority, Option<SourcePin>), ServiceError> {
    let authority = configured.authority(agent)?.clone();
    let ComponentSource::Folder(folder) = &configured.agent(agent)?.component else { return Ok((authority, None)) };
    let pin = build::pin(folder)?;
    Ok((authority.held_to_source(pin.source, pin.tools.clone()), Some(pin)))
}
