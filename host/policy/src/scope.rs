//! Bounds on a request that do not belong to a single grant.

use std::collections::BTreeSet;

use vocabulary::{Engagement, Environment, Grants, HostName, HttpTarget, PRODUCTION, Reason, SafeText, Tier, Until};

use crate::facts::Facts;

fn outside(what: &str) -> Result<(), Reason> {
    Err(Reason::OutsideEngagement(SafeText::new(what, 64)))
}

/// Checks that the engagement, if there is one, goes to this host at this time.
pub(crate) fn within(engagement: Option<&Engagement>, facts: &Facts, host: &HostName) -> Result<(), Reason> {
    let Some(engagement) = engagement else { return Ok(()) };
    if facts.earliest_unix_s.unwrap_or(facts.now_unix_s) < engagement.from_s {
        outside("the engagement has not begun")
    } else if facts.now_unix_s >= engagement.until_s {
        outside("the engagement has ended")
    } else if !engagement.reaches(host) {
        outside("the host is not one of its targets")
    } else {
        Ok(())
    }
}

/// Checks that the engagement, if there is one, goes as far as an act. `approved` has the groups that have approved exactly this act.
///
/// SECURITY: in a staged engagement, a policy of the host's own holds each act back that changes something. That it was approved is checked
/// here once more, so that no policy set can let it pass.
pub(crate) fn goes_as_far(engagement: Option<&Engagement>, changes: bool, approved: &BTreeSet<String>) -> Result<(), Reason> {
    let Some(engagement) = engagement.filter(|_| changes) else { return Ok(()) };
    match (engagement.tier, &engagement.approval) {
        (Tier::Live, _) => Ok(()),
        (Tier::ReadOnly, _) => outside("it is read-only, and this act may change something"),
        (Tier::Staged, Some(need)) if approved.contains(&need.group) => Ok(()),
        (Tier::Staged, Some(_)) => nobody("the engagement is staged, and this act was not put to its people"),
        (Tier::Staged, None) => nobody("the engagement is staged, and names no group that may approve what changes something"),
    }
}

fn nobody(why: &str) -> Result<(), Reason> {
    Err(Reason::NobodyToAsk(SafeText::new(why, 300)))
}

/// The earliest end of what permits a request, in seconds since 1970.
pub(crate) fn end(grants: &Grants, grant: Option<Until>, credential: Option<&str>) -> Option<u64> {
    let bindings = grants.credentials.iter().filter(|binding| Some(binding.name.as_str()) == credential);
    let untils = bindings.filter_map(|binding| binding.until).chain(grant).map(|until| until.unix_s);
    untils.chain(grants.engagement.iter().map(|engagement| engagement.until_s)).min()
}

/// Whether a request to this target goes to the environment of that name and to no other. A target that matches no environment is in
/// production.
pub(crate) fn is_environment(name: &str, environments: &[Environment], target: &HttpTarget) -> bool {
    let mut matching = environments.iter().filter(|environment| environment.has(target)).map(|environment| environment.name.as_str());
    match (matching.next(), matching.next()) {
        (None, _) => name == PRODUCTION,
        (Some(only), None) => name == only,
        (Some(_), Some(_)) => false,
    }
}

/// The name of the environment, for people.
pub(crate) fn environment_words(environments: &[Environment], target: &HttpTarget) -> String {
    let matching: Vec<&str> =
        environments.iter().filter(|environment| environment.has(target)).map(|environment| environment.name.as_str()).collect();
    if matching.is_empty() { PRODUCTION.to_owned() } else { matching.join(" and ") }
}
