//! Finds faults of the credentials of a configuration. Each one is a case of a risk in OWASP's list for non-human identities (2025).

use std::collections::BTreeMap;

use serde::Serialize;
use vocabulary::{Binding, Environment, HostPattern, Scheme, Source};

use crate::config::Resolved;

/// How long a credential may be unused, in seconds: 90 days.
const UNUSED_S: u64 = 90 * 86_400;

/// Facts that the configuration does not show.
#[derive(Clone, Debug, Default)]
pub struct ReviewFacts {
    /// Pairs of names of credentials that have the same value.
    pub alike: Vec<(String, String)>,
    /// What is known of each credential, by name.
    pub known: BTreeMap<String, KnownCredential>,
    /// The present time, in seconds since 1970.
    pub now_s: u64,
}

/// What is known of one credential.
#[derive(Clone, Debug, Default)]
pub struct KnownCredential {
    /// Its last use on the record, in seconds since 1970.
    pub last_used_s: Option<u64>,
    /// How often its value was found in requests of agents, or in answers from hosts to which it may not go.
    pub met: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When its value was set in the vault, in seconds since 1970.
    pub set_at_s: Option<u64>,
    /// Whether its value in the vault can be guessed.
    pub weak: bool,
}

/// One fault of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReviewFault {
    /// The fault as one word: `unused`, `over-broad`, `overdue`, `no-rotation`, `shared`, `two-environments`, `no-owner`, `agent-expired`,
    /// `clear-text`, `revoked-yet-granted`, `met`, `guessable`.
    pub code: &'static str,
    /// The name of the credential.
    pub credential: String,
    /// The id of the risk in OWASP's list, for example `NHI7:2025`.
    pub nhi: &'static str,
    /// The name of the risk in that list.
    pub risk: &'static str,
    /// The reason, in one sentence.
    pub why: String,
}

const OFFBOARDING: (&str, &str) = ("NHI1:2025", "improper offboarding");
const LEAKAGE: (&str, &str) = ("NHI2:2025", "secret leakage");
const AUTHENTICATION: (&str, &str) = ("NHI4:2025", "insecure authentication");
const OVERPRIVILEGED: (&str, &str) = ("NHI5:2025", "overprivileged NHI");
const LONG_LIVED: (&str, &str) = ("NHI7:2025", "long-lived secrets");
const ISOLATION: (&str, &str) = ("NHI8:2025", "environment isolation");
const REUSE: (&str, &str) = ("NHI9:2025", "NHI reuse");

/// All faults, in the order of the credentials' names.
pub fn faults(resolved: &Resolved, facts: &ReviewFacts) -> Vec<ReviewFault> {
    let bound = resolved.credentials.values().flat_map(|binding| Judged { binding, facts, resolved }.faults());
    let strays = facts.known.iter().filter(|(name, known)| known.set_at_s.is_some() && !resolved.credentials.contains_key(*name));
    let mut faults: Vec<ReviewFault> = bound.chain(strays.flat_map(|(name, known)| unbound(name, known))).collect();
    faults.sort_by(|one, other| one.credential.cmp(&other.credential));
    faults
}

/// The faults of a name that is in the vault but not in the configuration.
fn unbound(name: &str, known: &KnownCredential) -> Vec<ReviewFault> {
    let fault = |code, (nhi, risk): (&'static str, &'static str), why: &str| ReviewFault {
        code,
        credential: name.to_owned(),
        nhi,
        risk,
        why: why.to_owned(),
    };
    let unused = "it is in the vault, and this configuration has no credential of that name";
    let mut found = vec![fault("unused", OFFBOARDING, unused)];
    if known.weak {
        found.push(fault("guessable", AUTHENTICATION, GUESSABLE));
    }
    if known.met > 0 {
        found.push(fault("met", LEAKAGE, &met_words(known.met)));
    }
    found
}

const GUESSABLE: &str = "its value is short or regular enough to be guessed";

fn met_words(met: u64) -> String {
    let times = if met == 1 { "once".to_owned() } else { format!("{met} times") };
    format!(
        "its value was found {times} in requests of agents, or in answers from hosts to which it may not go: did it leak, or was it guessed?"
    )
}

struct Judged<'a> {
    binding: &'a Binding,
    facts: &'a ReviewFacts,
    resolved: &'a Resolved,
}

impl Judged<'_> {
    fn faults(&self) -> Vec<ReviewFault> {
        let found = [
            self.without_owner(),
            self.unused(),
            self.guessable(),
            self.revoked(),
            self.over_broad(),
            self.clear_text(),
            self.rotation(),
            self.shared(),
            self.environments(),
            self.same_value(),
            self.expired_agent(),
            self.met(),
        ];
        found.into_iter().flatten().collect()
    }

    fn fault(&self, code: &'static str, (nhi, risk): (&'static str, &'static str), why: String) -> Option<ReviewFault> {
        Some(ReviewFault { code, credential: self.binding.name.clone(), nhi, risk, why })
    }

    fn holders(&self) -> Vec<&str> {
        let has = |grants: &vocabulary::Grants| grants.credentials.iter().any(|binding| binding.name == self.binding.name);
        self.resolved.agents.iter().filter(|(_, agent)| has(&agent.grants)).map(|(name, _)| name.as_str()).collect()
    }

    fn met(&self) -> Option<ReviewFault> {
        let met = self.facts.known.get(&self.binding.name).map_or(0, |known| known.met);
        (met > 0).then(|| self.fault("met", LEAKAGE, met_words(met)))?
    }

    fn guessable(&self) -> Option<ReviewFault> {
        let weak = self.facts.known.get(&self.binding.name).is_some_and(|known| known.weak);
        (weak && self.binding.source == Source::Local).then(|| self.fault("guessable", AUTHENTICATION, GUESSABLE.to_owned()))?
    }

    fn without_owner(&self) -> Option<ReviewFault> {
        self.binding.owner.is_none().then(|| self.fault("no-owner", OFFBOARDING, "it has no `owner`".to_owned()))?
    }

    fn unused(&self) -> Option<ReviewFault> {
        if self.holders().is_empty() {
            return self.fault("unused", OFFBOARDING, "it is granted to no agent".to_owned());
        }
        let known = self.facts.known.get(&self.binding.name)?;
        // The time of a credential that was never used counts from when its value was set.
        let since_s = known.last_used_s.max(known.set_at_s)?;
        let days = self.facts.now_s.saturating_sub(since_s) / 86_400;
        (self.facts.now_s.saturating_sub(since_s) > UNUSED_S)
            .then(|| self.fault("unused", OFFBOARDING, format!("it has not been used for {days} days")))?
    }

    fn revoked(&self) -> Option<ReviewFault> {
        let revoked = self.facts.known.get(&self.binding.name).is_some_and(|known| known.revoked);
        let holders = self.holders();
        (revoked && !holders.is_empty()).then(|| {
            self.fault("revoked-yet-granted", OFFBOARDING, format!("it was revoked, and is still granted to {}", holders.join(", ")))
        })?
    }

    fn over_broad(&self) -> Option<ReviewFault> {
        let wide = self.binding.hosts.iter().find(|host| matches!(host, HostPattern::Under(_)))?;
        let Binding { methods, paths, .. } = self.binding;
        (methods.is_empty() && paths.is_empty())
            .then(|| self.fault("over-broad", OVERPRIVILEGED, format!("it may go to any path of `{wide}`, with any method")))?
    }

    fn clear_text(&self) -> Option<ReviewFault> {
        (self.binding.scheme == Scheme::Http)
            .then(|| self.fault("clear-text", AUTHENTICATION, "it is sent in clear text, which anybody on the way can read".to_owned()))?
    }

    fn rotation(&self) -> Option<ReviewFault> {
        let Some(every_s) = self.binding.rotate_every_s else {
            return self.fault("no-rotation", LONG_LIVED, "nothing says how often its value must be rotated (`rotate-every`)".to_owned());
        };
        let set_at_s = self.facts.known.get(&self.binding.name).and_then(|known| known.set_at_s)?;
        let age_s = self.facts.now_s.saturating_sub(set_at_s);
        (age_s > every_s).then(|| {
            let why = format!("its value is {} days old, and must be rotated after {}", age_s / 86_400, every_s / 86_400);
            self.fault("overdue", LONG_LIVED, why)
        })?
    }

    fn shared(&self) -> Option<ReviewFault> {
        let holders = self.holders();
        (holders.len() > 1).then(|| self.fault("shared", REUSE, format!("{} use it", holders.join(" and "))))?
    }

    fn environments(&self) -> Option<ReviewFault> {
        if self.binding.environment.is_some() {
            return None;
        }
        let meets = |environment: &&Environment| {
            environment.places.iter().any(|place| self.binding.hosts.iter().any(|host| host.overlaps(&place.host)))
        };
        let environment = self.resolved.environments.iter().find(meets)?;
        let why = format!("it may be used in {} and in production: set `environment` to choose one", environment.name);
        self.fault("two-environments", ISOLATION, why)
    }

    fn same_value(&self) -> Option<ReviewFault> {
        let name = &self.binding.name;
        let other = self.facts.alike.iter().find_map(|(one, other)| match () {
            () if one == name => Some(other),
            () if other == name => Some(one),
            () => None,
        })?;
        let there = self.resolved.credentials.get(other)?;
        if there.environment == self.binding.environment {
            return self.fault("shared", REUSE, format!("it has the same value as {other}"));
        }
        self.fault("two-environments", ISOLATION, format!("it has the same value as {other}, which is for another environment"))
    }

    fn expired_agent(&self) -> Option<ReviewFault> {
        let is_over = |name: &&str| {
            let agent = self.resolved.agents.get(*name);
            agent.and_then(|agent| agent.expires).is_some_and(|expires| self.facts.now_s >= expires.unix_s)
        };
        let expired: Vec<&str> = self.holders().into_iter().filter(is_over).collect();
        (!expired.is_empty())
            .then(|| self.fault("agent-expired", OFFBOARDING, format!("{} expired, and still has a grant for it", expired.join(", "))))?
    }
}
