//! How far a run has used its credentials, and how fast a home uses them.

use std::collections::{BTreeMap, HashMap};

use vocabulary::record::{LeaseIssued, LeaseRevoked, RecordKind, VERSION};
use vocabulary::{Binding, Bound, Grants, Principal, Rate, RateOf, Reason, SafeText, canon};

/// One run's use of one credential. A run has one lease of each credential that it uses, from the first use to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Whether its beginning is on the record: there was a value, and it was sent.
    pub begun: bool,
    /// How many requests used the credential, or were to use it.
    pub uses: u64,
    /// Whether the lease was ended, so that nothing more may be done under it.
    pub revoked: bool,
}

/// The name of a lease: the run and the credential.
pub fn lease_id(run: vocabulary::RunId, credential: &str) -> SafeText {
    SafeText::new(&format!("{run}/{credential}"), 128)
}

pub(crate) fn issued(run: vocabulary::RunId, binding: &Binding, at: u64) -> LeaseIssued {
    LeaseIssued {
        at,
        binding: vocabulary::Digest::of(&canon::to_vec(binding)),
        credential: SafeText::new(&binding.name, 64),
        kind: RecordKind::LeaseIssued,
        lease: lease_id(run, &binding.name),
        source: SafeText::new(binding.source.kind(), 32),
        until: binding.until.map(|until| until.unix_s),
        uses: binding.uses,
        v: VERSION,
    }
}

pub(crate) fn revoked(run: vocabulary::RunId, credential: &str, by: &Principal, at: u64) -> LeaseRevoked {
    LeaseRevoked {
        at,
        by: by.clone(),
        credential: SafeText::new(credential, 64),
        kind: RecordKind::LeaseRevoked,
        lease: lease_id(run, credential),
        v: VERSION,
    }
}

/// How often an agent may ask whether a value is a credential. It is bounded so that no agent finds a value by guessing.
const IDENTIFY: Rate = Rate { times: 60, seconds: 60 };

/// The state of all rates, over all runs of a home. For each rate it has the moment at which the full allowance is available again (the
/// generic cell rate algorithm of ITU-T I.371).
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<RateOf, u64>);

/// BOUND: number of rates that are remembered. Rates with their full allowance are forgotten first.
const RATES_MAX: usize = 10_000;

impl Rates {
    /// Takes one use from each of these rates. If one of them has none left, takes from none and returns that one.
    pub(crate) fn take(&mut self, wanted: &[(RateOf, Rate)], now_ns: u64) -> Result<(), RateOf> {
        if self.0.len() + wanted.len() > RATES_MAX {
            self.0.retain(|_, rest_ns| *rest_ns > now_ns);
        }
        // SECURITY: a rate that can't be remembered could not be enforced, so the use is refused.
        if self.0.len() + wanted.len() > RATES_MAX {
            return Err(RateOf::Others);
        }
        let step = |rate: &Rate| u64::from(rate.seconds) * 1_000_000_000 / u64::from(rate.times);
        let rest = |of: &RateOf| self.0.get(of).copied().unwrap_or(0).max(now_ns);
        let full = wanted.iter().find(|(of, rate)| rest(of) - now_ns > step(rate) * u64::from(rate.times - 1));
        if let Some((of, _)) = full {
            return Err(of.clone());
        }
        let after: Vec<(RateOf, u64)> = wanted.iter().map(|(of, rate)| (of.clone(), rest(of) + step(rate))).collect();
        self.0.extend(after);
        Ok(())
    }
}

/// Checks that the lease was not ended and has one more use left.
pub(crate) fn check_standing(grants: &Grants, leases: &Leases, credential: Option<&str>, is_again: bool) -> Result<(), Reason> {
    let Some(name) = credential else { return Ok(()) };
    let lease = leases.get(name).copied().unwrap_or_default();
    if lease.revoked {
        return Err(Reason::CredentialRevoked(SafeText::new(name, 64)));
    }
    let binding = grants.credentials.iter().find(|binding| binding.name == name);
    match binding.and_then(|binding| binding.uses) {
        Some(uses) if lease.uses >= uses && !is_again => Err(Reason::OverLimit(Bound::Uses(SafeText::new(name, 64)))),
        _ => Ok(()),
    }
}

/// The rates that one more use counts against.
pub(crate) fn rates(grants: &Grants, agent: &str, credential: Option<&str>, is_identify: bool) -> Vec<(RateOf, Rate)> {
    let engagement = grants.engagement.iter().filter_map(|it| Some((RateOf::Engagement(it.name.clone()), it.rate?)));
    let binding = credential.and_then(|name| grants.credentials.iter().find(|binding| binding.name == name));
    let credential = binding.and_then(|binding| Some((RateOf::Credential(binding.name.clone()), binding.rate?)));
    let identify = is_identify.then(|| (RateOf::Identify { agent: agent.to_owned() }, IDENTIFY));
    engagement.chain(credential).chain(identify).collect()
}

/// Leases of one run, by the credential's name.
pub(crate) type Leases = BTreeMap<String, Lease>;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> RateOf {
        RateOf::Credential(name.to_owned())
    }

    #[test]
    fn a_rate_lets_so_many_through_at_once_and_then_as_many_as_time_brings() {
        let mut rates = Rates::default();
        let wanted = [(of("a"), Rate { times: 3, seconds: 60 })];
        let second = 1_000_000_000;
        let mut at = |seconds: u64| rates.take(&wanted, 1 + seconds * second).is_ok();
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(19), at(20), at(20), at(39), at(40)], [false, true, false, false, true]);
        assert_eq!([at(1000), at(1000), at(1000), at(1000)], [true, true, true, false], "no more uses than this are saved up");
    }

    #[test]
    fn more_rates_than_are_remembered_are_refused_and_those_at_rest_are_forgotten() {
        let mut rates = Rates::default();
        let one = |n: usize| [(of(&format!("name {n}")), Rate { times: 1, seconds: 60 })];
        let minute = 60 * 1_000_000_000;
        for n in 0..RATES_MAX {
            assert!(rates.take(&one(n), 1).is_ok());
        }
        assert!(rates.take(&one(RATES_MAX), 1).is_err_and(|of| of == RateOf::Others));
        assert!(rates.take(&one(0), 1).is_err(), "no other rate was forgotten to make room");
        assert!(rates.take(&one(RATES_MAX), 2 * minute).is_ok());
        assert_eq!(rates.0.len(), 1, "rates with their full allowance were forgotten");
    }

    #[test]
    fn where_one_of_two_rates_is_used_up_nothing_is_taken_of_the_other() {
        let mut rates = Rates::default();
        let (one, ten) = ((of("a"), Rate { times: 1, seconds: 3600 }), (of("b"), Rate { times: 2, seconds: 3600 }));
        assert!(rates.take(&[ten.clone(), one.clone()], 1).is_ok());
        assert_eq!(rates.take(&[ten.clone(), one], 1), Err(of("a")));
        assert!(rates.take(std::slice::from_ref(&ten), 1).is_ok());
        assert!(rates.take(&[ten], 1).is_err());
    }
}
