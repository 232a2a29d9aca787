//! `credentials set` and `rotate`: a value, and where it may go.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use ::run::Place;
use effect::record::CredentialChange;
use effect::{Destination, SafeText, Source};
use vault::{Listed, Local, LocalError, Secret};

use super::{Valued, enter, record, word};
use crate::configured::{Configured, TrustWord};
use crate::err::CliError;
use crate::{out, place, words};

/// Sets a value. With destinations and without a value, it sets only where the present value may be sent.
pub(super) async fn set(place: &Place, vault: &Local, valued: Valued, said: Vec<Destination>) -> Result<(), CliError> {
    let Valued { name, weak } = valued;
    if !effect::is_name(&name) {
        return Err(LocalError::NotAName(name.chars().take(80).collect()).into());
    }
    let known = vault.list()?.into_iter().find(|it| it.name == name);
    let is_said = !said.is_empty();
    let destinations = match &known {
        _ if is_said => said,
        Some(known) if !known.destinations.is_empty() => known.destinations.clone(),
        _ if std::io::stdin().is_terminal() => asked(place, &name)?,
        _ => return Err(CliError::NoDestination { proposed: proposed(place, &name), name }),
    };
    let has_value = known.as_ref().is_some_and(|known| known.version > 0 && !known.revoked);
    let entered = if is_said && has_value { enter::value_or_none(&name)? } else { Some(enter::value(&name)?) };
    let (change, version) = match entered {
        Some(value) => {
            let secret = strong(&name, weak, value)?;
            home::make_folder(&place.home).map_err(CliError::Home)?;
            let version = vault.set_for(&name, secret, &destinations, place::now_s())?;
            out::words(&format!("{name} is set, version {version}"));
            (CredentialChange::Set, Some(version))
        }
        None => {
            vault.send_to(&name, &destinations)?;
            (CredentialChange::Bounded, known.map(|known: Listed| known.version))
        }
    };
    destinations.iter().for_each(|destination| out::words(&format!("it may go to {destination}")));
    let destinations = destinations.iter().map(|destination| SafeText::new(&destination.to_string(), 1200)).collect();
    record(place, ::run::CredentialWord { destinations, ..word(name, change, version) }, None).await.map(drop)
}

/// Replaces a value by a new one, which may be sent to the same places.
pub(super) async fn rotate(place: &Place, vault: &Local, Valued { name, weak }: Valued) -> Result<(), CliError> {
    vault.get(&name)?;
    let secret = strong(&name, weak, enter::value(&name)?)?;
    let version = vault.set(&name, secret, place::now_s())?;
    out::words(&format!("{name} is set, version {version}"));
    record(place, word(name, CredentialChange::Rotated, Some(version)), None).await.map(drop)
}

/// Checks that a value can't be guessed, or that its owner has said that it may be a weak one.
fn strong(name: &str, weak: bool, mut value: zeroize::Zeroizing<Vec<u8>>) -> Result<Secret, CliError> {
    let secret = Secret::of_text(std::mem::take(&mut *value)).map_err(LocalError::from)?;
    let bits = secret.strength_bits();
    if bits < vault::STRONG_BITS && !weak { Err(CliError::WeakValue { name: name.to_owned(), bits }) } else { Ok(secret) }
}

/// What the configuration at hand says, if a person has trusted it. Empty if there is none.
fn proposed(place: &Place, name: &str) -> Vec<Destination> {
    let Ok(configured) = Configured::load(None, place) else { return Vec::new() };
    if configured.proof(place, TrustWord::SaidBefore, &[]).is_err() {
        return Vec::new();
    }
    let binding = configured.resolved.credentials.get(name).filter(|binding| binding.source == Source::Local);
    binding.map_or_else(Vec::new, Destination::of_binding)
}

/// Asks once, at a terminal. An empty line accepts the proposal.
fn asked(place: &Place, name: &str) -> Result<Vec<Destination>, CliError> {
    let proposed = proposed(place, name);
    let shown = proposed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    out::words(&format!("Where may the value of {name} go? No configuration will send it elsewhere."));
    out::words("Write URLs, separated by blanks: https://HOST, or https://*.HOST:PORT/PATH/**");
    if !proposed.is_empty() {
        out::words(&format!("Enter alone takes: {}", words::safe(&shown)));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CliError::file("read", Path::new("the terminal")))?;
    let said: Vec<Destination> =
        line.split_whitespace().map(|text| text.parse().map_err(CliError::NotADestination)).collect::<Result<_, _>>()?;
    match said.is_empty() {
        false => Ok(said),
        true if proposed.is_empty() => Err(CliError::NoDestination { name: name.to_owned(), proposed }),
        true => Ok(proposed),
    }
}
