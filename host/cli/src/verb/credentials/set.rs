//! `credentials set` and `rotate`: set a value, and where it may go.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use ::run::{CredentialWord, HomePlace};
use vault::{Listed, Local, LocalError, Secret, Witnessed};
use vocabulary::record::CredentialChange;
use vocabulary::{Destination, HttpGrant, SafeText, Source};

use super::recorded::Home;
use super::{Valued, enter, word};
use crate::err::CliError;
use crate::{out, trusting, words};
use service::{Configured, TrustWord, now_s};

/// BOUND: how many times a person is asked where a value may go.
const ASKED_MAX: u32 = 3;

/// Sets a value. With destinations and without a value, sets only where the present value may go. A terminal is asked for the value first,
/// without echo: people type the value first, whatever the prompt asks.
pub(super) async fn set(place: &HomePlace, vault: &Local, valued: Valued, said: &[String]) -> Result<(), CliError> {
    if !vocabulary::is_name(&valued.name) {
        return Err(LocalError::NotAName(valued.name.chars().take(80).collect()).into());
    }
    let said = parsed(said.iter().map(String::as_str))?;
    let known = vault.list()?.into_iter().find(|it| it.name == valued.name);
    let has_value = known.as_ref().is_some_and(|known| known.version > 0 && !known.revoked);
    let has_destinations = known.is_some_and(|known| !known.destinations.is_empty());
    if said.is_empty() && !has_destinations && !std::io::stdin().is_terminal() {
        return Err(CliError::NoDestination { proposed: proposed(place, &valued.name), name: valued.name });
    }
    let entered = if !said.is_empty() && has_value { enter::value_or_none(&valued.name)? } else { Some(enter::value(&valued.name)?) };
    let secret = entered.map(|value| fit(vault, &valued, value)).transpose()?;
    // The present value again is not a new value, but its destinations may change.
    let secret = match secret {
        Some(Fit::Present) if said.is_empty() => return Err(CliError::SameValue { name: valued.name }),
        Some(Fit::Present) | None => None,
        Some(Fit::New(secret)) => Some(secret),
    };
    let said = if said.is_empty() && !has_destinations { asked(place, &valued.name)? } else { said };
    let home = Home::take(place).await?;
    // SECURITY: destinations are read now. Another process may have narrowed them since the prompt appeared.
    let destinations = if said.is_empty() { present(place, vault, &valued.name) } else { Ok(said) };
    let destinations = match destinations {
        Ok(destinations) => destinations,
        Err(err) => return home.left(Err(err)).await,
    };
    let change = if secret.is_some() { CredentialChange::Set } else { CredentialChange::Bounded };
    let told: Vec<SafeText> = destinations.iter().map(|destination| SafeText::new(&destination.to_string(), 1200)).collect();
    let name = valued.name.clone();
    let of = |listed: &[Listed]| CredentialWord { destinations: told.clone(), ..word(name.clone(), change, version_of(listed, &name)) };
    let changed = home.change(vault, &of, |vault| put(vault, &name, secret, &destinations)).await?;
    let version = vault.get(&name)?.1;
    match changed {
        Some(version) => out::words(&format!("{name} is set, version {version}")),
        None => out::words(&format!("{name} keeps its value, version {version}")),
    }
    destinations.iter().for_each(|destination| out::words(&format!("it may go to {destination}")));
    Ok(())
}

/// The version of the value of a name.
fn version_of(listed: &[Listed], name: &str) -> Option<u64> {
    listed.iter().find(|it| it.name == name).map(|it| it.version)
}

/// The destinations of the value of a name.
fn present(place: &HomePlace, vault: &Local, name: &str) -> Result<Vec<Destination>, CliError> {
    let known = vault.list()?.into_iter().find(|it| it.name == name).map(|known| known.destinations);
    let none = || CliError::NoDestination { proposed: proposed(place, name), name: name.to_owned() };
    known.filter(|destinations| !destinations.is_empty()).ok_or_else(none)
}

/// Returns the version of a value that was set; `None` if only its destinations were set.
fn put(vault: &Witnessed<'_>, name: &str, secret: Option<Secret>, destinations: &[Destination]) -> Result<Option<u64>, CliError> {
    match secret {
        Some(secret) => Ok(Some(vault.set_for(name, secret, destinations, now_s())?)),
        None => {
            vault.send_to(name, destinations)?;
            Ok(None)
        }
    }
}

/// Replaces a value by a new one, which may go to the same destinations.
pub(super) async fn rotate(place: &HomePlace, vault: &Local, valued: Valued) -> Result<(), CliError> {
    vault.get(&valued.name)?;
    let value = enter::value(&valued.name)?;
    let Fit::New(secret) = fit(vault, &valued, value)? else { return Err(CliError::SameValue { name: valued.name }) };
    let name = valued.name;
    let of = |listed: &[Listed]| word(name.clone(), CredentialChange::Rotated, version_of(listed, &name));
    let home = Home::take(place).await?;
    let version = home.change(vault, &of, |vault| Ok(vault.set(&name, secret, now_s())?)).await?;
    out::words(&format!("{name} is set, version {version}"));
    Ok(())
}

/// A value that is accepted.
enum Fit {
    /// It is the present value of the name.
    Present,
    New(Secret),
}

/// Accepts a value that can't be guessed and was not given up before, or one that the person insists on.
fn fit(vault: &Local, valued: &Valued, mut value: zeroize::Zeroizing<Vec<u8>>) -> Result<Fit, CliError> {
    let name = || valued.name.clone();
    let secret = Secret::of_text(std::mem::take(&mut *value)).map_err(LocalError::from)?;
    match vault.get(&valued.name) {
        Ok((present, _)) if present.is(&secret) => return Ok(Fit::Present),
        Ok(_) | Err(LocalError::Absent(_) | LocalError::Revoked(_)) => {}
        Err(err) => return Err(err.into()),
    }
    let bits = secret.strength_bits();
    if bits < vault::STRONG_BITS && !valued.weak {
        return Err(CliError::WeakValue { name: name(), bits });
    }
    // SECURITY: a value was revoked for a reason, but it may still be in the clipboard of a person in a hurry.
    if !valued.again && vault.is_former(&valued.name, &secret, now_s())? {
        return Err(CliError::FormerValue { name: name() });
    }
    Ok(Fit::New(secret))
}

/// SECURITY: text that is not a destination may be a value in the wrong place, so no error repeats it.
fn parsed<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Destination>, CliError> {
    texts.map(|text| text.parse().map_err(|_| CliError::NotADestination)).collect()
}

/// The destinations that the present configuration needs, if it is trusted; otherwise none.
fn proposed(place: &HomePlace, name: &str) -> Vec<Destination> {
    let Ok(configured) = Configured::load(None, place) else { return Vec::new() };
    if trusting::proof(&configured, place, TrustWord::SaidBefore, &[]).is_err() {
        return Vec::new();
    }
    let Some(binding) = configured.resolved.credentials.get(name).filter(|binding| binding.source == Source::Local) else {
        return Vec::new();
    };
    let grants: Vec<&HttpGrant> = configured.resolved.agents.values().flat_map(|agent| &agent.grants.http).collect();
    Destination::of_grants(binding, &grants)
}

/// Asks for destinations at a terminal. An empty line accepts what is proposed.
fn asked(place: &HomePlace, name: &str) -> Result<Vec<Destination>, CliError> {
    let proposed = proposed(place, name);
    out::words(&format!("Where may the value of {name} go? No configuration will send it elsewhere."));
    out::words("URLs, separated by blanks: https://HOST, or https://*.HOST:PORT/PATH/**");
    if !proposed.is_empty() {
        out::words("Enter alone accepts what the configuration needs:");
        proposed.iter().for_each(|destination| out::words(&format!("  {}", words::safe(&destination.to_string()))));
    }
    for _ in 0..ASKED_MAX {
        let _ = write!(std::io::stderr(), "URLs: ");
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map_err(CliError::file("read", Path::new("the terminal")))?;
        match parsed(line.split_whitespace()) {
            Ok(said) if !said.is_empty() => return Ok(said),
            Ok(_) if read > 0 && !proposed.is_empty() => return Ok(proposed),
            Ok(_) => return Err(CliError::NoDestination { name: name.to_owned(), proposed }),
            Err(err) => out::words(&err.to_string()),
        }
    }
    Err(CliError::NoDestination { name: name.to_owned(), proposed })
}
