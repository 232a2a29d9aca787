//! Bounds on a request that do not belong to a single grant.

use vocabulary::{Engagement, Environment, Grants, HostName, HttpTarget, Method, PRODUCTION, Reason, SafeText, Until};

use crate::facts::Facts;

/// Checks that the engagement, if there is one, covers the request.
pub(crate) fn within(engagement: Option<&Engagement>, facts: &Facts, (host, method): (&HostName, &Method)) -> Result<(), Reason> {
    let Some(engagement) = engagement else { return Ok(()) };
    let outside = |what: &str| Err(Reason::OutsideEngagement(SafeText::new(what, 64)));
    if facts.earliest_unix_s.unwrap_or(facts.now_unix_s) < engagement.from_s {
        outside("the engagement has not begun")
    } else if facts.now_unix_s >= engagement.until_s {
        outside("the engagement has ended")
    } else if !engagement.reaches(host) {
        outside("the host is not one of its targets")
    } else if !engagement.allows(method) {
        outside("its tier does not allow requests that change something")
    } else {
        Ok(())
    }
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
