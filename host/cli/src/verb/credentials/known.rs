//! The known names of credentials: in the vault, in the present configuration, on the record.

use std::collections::{BTreeMap, BTreeSet};

use ::run::HomePlace;
use vault::Local;
use vocabulary::RunId;
use vocabulary::record::{CredentialChange, Record};

use super::list;
use crate::err::CliError;
use crate::log;
use crate::verb::ConfigArg;
use service::Configured;

/// BOUND: names that are suggested for a name that does not exist.
const NEAR_MAX: usize = 3;

/// Checks that a credential exists. A typing mistake in its name must not look like a revocation.
///
/// # Errors
/// A name that is neither in the vault nor in the configuration nor on the record.
pub(super) fn check(place: &HomePlace, vault: &Local, config: &ConfigArg, name: &str) -> Result<(), CliError> {
    let mut names: BTreeSet<String> = vault.list()?.into_iter().map(|it| it.name).collect();
    match Configured::load(config.config.as_deref(), place) {
        Ok(configured) => names.extend(configured.resolved.credentials.into_keys()),
        // A configuration that was named must exist. A broken configuration that only happens to be here must not prevent a revocation.
        Err(err) if config.config.is_some() => return Err(err.into()),
        Err(_) => {}
    }
    if names.contains(name) {
        return Ok(());
    }
    names.extend(list::uses(place)?.into_keys());
    if names.contains(name) {
        return Ok(());
    }
    let mut near: Vec<(usize, String)> =
        names.into_iter().map(|known| (distance(name, &known), known)).filter(|(far, _)| *far <= 3).collect();
    near.sort();
    Err(CliError::NoCredential { name: name.to_owned(), near: near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect() })
}

/// The leases of runs that have not ended, according to the record: `RUN/NAME`.
pub(super) fn leases(place: &HomePlace, name: &str) -> Result<Vec<String>, CliError> {
    let reader = match log::reader(place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut live: BTreeMap<RunId, String> = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        match Record::parse(&record.body) {
            Ok(Record::LeaseIssued(issued)) if issued.credential.as_str() == name => {
                drop(live.insert(record.run, issued.lease.to_string()))
            }
            Ok(Record::LeaseRevoked(revoked)) if revoked.credential.as_str() == name => drop(live.remove(&record.run)),
            Ok(Record::RunClosed(_)) => drop(live.remove(&record.run)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(live.into_values().collect())
}

/// Whether the last record of a credential says that it was revoked.
pub(super) fn is_revoked_on_record(place: &HomePlace, name: &str) -> Result<bool, CliError> {
    let mut is_revoked = false;
    for record in log::reader(place)?.records() {
        if let Ok(Record::CredentialChanged(changed)) = Record::parse(&record?.body)
            && changed.credential.as_str() == name
        {
            is_revoked = changed.change == CredentialChange::Revoked;
        }
    }
    Ok(is_revoked)
}

/// How many letters have to be added, removed or replaced (Levenshtein).
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (n, letter) in one.chars().enumerate() {
        let mut next = vec![n + 1];
        for (other, (above, diagonal)) in two.iter().zip(row.iter().skip(1).zip(&row)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(letter != *other)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn names_are_near_by_the_letters_that_differ() {
        for (one, two, far) in
            [("tracker", "tracker", 0), ("traker", "tracker", 1), ("trackre", "tracker", 2), ("", "abc", 3), ("abc", "", 3)]
        {
            assert_eq!(distance(one, two), far, "{one} {two}");
        }
    }
}
