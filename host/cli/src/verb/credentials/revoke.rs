//! `credentials revoke`: revokes a credential, or leases of it.

use ::run::{HomePlace, Revoking, own_principal};
use vault::{Changing, Local};
use vocabulary::SafeText;
use vocabulary::record::CredentialChange;

use super::recorded::{Home, of_vault};
use super::{Revoke, known, word};
use crate::err::CliError;
use crate::out::OutError;
use crate::signals::Signals;
use crate::{leave, log, out, words};
use service::{HostHandle, Recording, now_ms};

pub(super) async fn revoke(place: &HomePlace, vault: &Local, what: Revoke) -> Result<(), CliError> {
    let (mut credential, mut run) = (what.name, what.run);
    if let Some(lease) = what.lease {
        let (of, name) = lease.split_once('/').ok_or_else(|| CliError::NotALease(lease.clone()))?;
        (run, credential) = (Some(of.to_owned()), Some(name.to_owned()));
    }
    if credential.is_none() && run.is_none() && what.agent.is_none() {
        return Err(CliError::RevokeWhat);
    }
    if let Some(name) = &credential {
        known::check(place, vault, &what.config, name)?;
    }
    let run = run.map(|run| log::run_id(&log::reader(place)?, &run)).transpose()?;
    let revoking = Revoking { agent: what.agent, credential: credential.clone(), run };
    match credential.filter(|_| revoking.agent.is_none() && revoking.run.is_none()) {
        Some(name) => whole(place, vault, name, revoking).await,
        None => leases(place, revoking).await,
    }
}

/// Revokes the credential in the vault first, so that its next use is refused even if a later step fails.
///
/// SECURITY: a revocation is the only change that is made even if it can't be recorded. Then the command reports an error.
async fn whole(place: &HomePlace, vault: &Local, name: String, revoking: Revoking) -> Result<(), CliError> {
    let was_revoked = vault.is_revoked(&name)?;
    let record = word(name.clone(), CredentialChange::Revoked, None);
    let recording = Recording::new(place);
    // The value is revoked even if the owed record can't be noted.
    let witness = |changing: &Changing<'_>| {
        let _ = recording.owed(&record.record(&own_principal(), now_ms()), &[of_vault(changing)]);
        Ok(())
    };
    let kept = if was_revoked { Ok(()) } else { vault.witnessed(&witness).revoke(&name) };
    if kept.is_err() && !vault.is_revoked(&name)? {
        from_runs(place, revoking).await?;
        return Ok(kept?);
    }
    let is_on_record = || was_revoked && known::is_revoked_on_record(place, &name).unwrap_or(false);
    let is_new = !is_on_record();
    let shown = words::safe(&name);
    let ended = match Home::take(place).await {
        // Taking the home may have recorded what was owed.
        Ok(home) => home.take_back(revoking, (!is_on_record()).then_some(record)).await.map_err(CliError::from),
        Err(err) => Err(err),
    };
    // Once the change is recorded, nothing is owed. Otherwise the next process that opens the home records it.
    let ended = if ended.is_ok() { recording.ended(ended).map_err(CliError::from) } else { ended };
    let ended = ended.map_err(|cause| CliError::NotRecorded { what: format!("`{shown}` is revoked"), cause: Box::new(cause) })?;
    if was_revoked && !is_new && ended.is_empty() {
        return Err(CliError::NothingRevoked { why: format!("`{shown}` was revoked before, and no active run has a lease of it") });
    }
    let before = if was_revoked { " (as it was before)" } else { "" };
    out::words(&format!("{shown} is revoked{before}: from now on each use of it is refused"));
    told(&ended)?;
    Ok(kept?)
}

/// Ends the leases of active and suspended runs when the value could not be revoked in the vault. The caller returns that error afterwards.
async fn from_runs(place: &HomePlace, revoking: Revoking) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let ended = match host(place, &mut signals).await {
        Ok(Some(host)) => {
            let ended = signals.or(host.revoke(revoking, None)).await.map_err(CliError::from);
            leave::leave(host, &mut signals).await.and(ended)
        }
        Ok(None) => return Ok(()),
        Err(err) => Err(err),
    };
    match ended {
        Ok(ended) => Ok(told(&ended)?),
        Err(err) => {
            out::words(&format!("leases of runs could not be ended: {}", err.in_one_line()));
            Ok(())
        }
    }
}

/// The host, if runs are active or suspended. If no process holds the home and runs are suspended, this process takes it.
async fn host(place: &HomePlace, signals: &mut Signals) -> Result<Option<HostHandle>, CliError> {
    if let Some(host) = signals.or(HostHandle::ask(place)).await? {
        return Ok(Some(host));
    }
    let ledger = match journal::Reader::open(&place.home) {
        Ok(reader) => log::ledger(&reader.believing(), |_| {})?,
        Err(journal::ReadError::NoLog { .. }) => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    if ledger.open_runs().all(|(_, open)| open.suspended.is_none() && !open.is_left()) {
        return Ok(None);
    }
    Ok(Some(signals.or(HostHandle::find(place, &crate::place::host_options())).await?))
}

/// Ends leases of active and suspended runs.
async fn leases(place: &HomePlace, revoking: Revoking) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let ended = match (host(place, &mut signals).await?, revoking.run) {
        (Some(host), _) => {
            let ended = signals.or(host.revoke(revoking.clone(), None)).await;
            leave::leave(host, &mut signals).await?;
            ended?
        }
        (None, Some(run)) => return Err(CliError::NotGoing(run)),
        (None, None) => Vec::new(),
    };
    if ended.is_empty() {
        return Err(CliError::NothingRevoked { why: none(&revoking) });
    }
    told(&ended)?;
    Ok(())
}

/// The message that no lease matches.
fn none(revoking: &Revoking) -> String {
    let whose = match (&revoking.run, &revoking.agent) {
        (Some(run), _) => format!("run `{run}`"),
        (None, Some(agent)) => format!("no active run of an agent `{}`", words::safe(agent)),
        (None, None) => "no active run".to_owned(),
    };
    let has = if revoking.run.is_some() { "has no lease" } else { "has a lease" };
    let of = revoking.credential.as_ref().map_or_else(String::new, |name| format!(" of `{}`", words::safe(name)));
    let left = if revoking.run.is_some() { " that could be ended" } else { "" };
    format!("{whose} {has}{of}{left}")
}

fn told(ended: &[SafeText]) -> Result<(), OutError> {
    ended.iter().try_for_each(|lease| out::line(&format!("ended {lease}")))
}
