//! `[environments]` and `[engagements]`: bounds on asks that hold for all grants.

use std::collections::BTreeMap;

use vocabulary::{
    Engagement, EngagementTarget, Environment, EnvironmentPlace, PRODUCTION, ParseError, PathPattern, Rate, Tier, Until, VaultServer,
    is_name,
};

use super::set::set;
use crate::authored::{ConfigFault, ConfigValue, WrongError};

/// BOUND: environments or engagements in one file.
const SCOPES_MAX: usize = 64;
/// BOUND: places, paths or targets of one environment or engagement.
const LIST_MAX: usize = 256;

/// The environments and the vault that credentials may name.
pub(super) struct KnownEnvironments<'a> {
    pub(super) environments: &'a [Environment],
    pub(super) vault: Option<&'a VaultServer>,
}

impl KnownEnvironments<'_> {
    pub(super) fn environment(&self, value: &ConfigValue<'_>) -> Result<String, WrongError> {
        let name = value.text(64)?;
        let is_known = name == PRODUCTION || self.environments.iter().any(|environment| environment.name == name);
        let unknown = || {
            value
                .wrong(ParseError::new("an environment", name, "`production`, or the name of an `[environments.NAME]` of this file").into())
        };
        is_known.then(|| name.to_owned()).ok_or_else(unknown)
    }
}

fn named(value: &ConfigValue<'_>, name: &str, what: &'static str) -> Result<(), WrongError> {
    let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
    if is_name(name) { Ok(()) } else { Err(value.wrong(ParseError::new(what, name, form).into())) }
}

pub(super) fn environments(value: &ConfigValue<'_>) -> Result<Vec<Environment>, WrongError> {
    value.table(SCOPES_MAX)?.entries().map(|(name, value)| environment(name, &value)).collect()
}

fn environment(name: &str, value: &ConfigValue<'_>) -> Result<Environment, WrongError> {
    named(value, name, "a valid environment name")?;
    if name == PRODUCTION {
        return Err(value.wrong(ConfigFault::Impossible("can't be defined: it stands for all hosts that match no environment")));
    }
    let table = value.table(4)?;
    table.only(&["match"], &[])?;
    let place = |item: &ConfigValue<'_>| {
        let table = item.table(4)?;
        table.only(&["host", "paths"], &[])?;
        let paths = table.get("paths").map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX))?;
        Ok(EnvironmentPlace {
            host: table.required("host")?.parse()?,
            paths: paths.iter().map(ConfigValue::parse::<PathPattern>).collect::<Result<_, _>>().map(set)?,
        })
    };
    let places = table.required("match")?.some_items(LIST_MAX)?.iter().map(place).collect::<Result<_, _>>().map(set)?;
    Ok(Environment { name: name.to_owned(), places })
}

pub(super) fn engagements(value: &ConfigValue<'_>) -> Result<BTreeMap<String, Engagement>, WrongError> {
    value.table(SCOPES_MAX)?.entries().map(|(name, value)| Ok((name.to_owned(), engagement(name, &value)?))).collect()
}

fn engagement(name: &str, value: &ConfigValue<'_>) -> Result<Engagement, WrongError> {
    named(value, name, "a valid engagement name")?;
    let table = value.table(8)?;
    table.only(&["targets", "window", "rate", "tier"], &[])?;
    let window_value = table.required("window")?;
    let window = window_value.table(4)?;
    window.only(&["from", "until"], &[])?;
    let (from_s, until_s) = (moment(&window.required("from")?)?, moment(&window.required("until")?)?);
    if from_s >= until_s {
        return Err(window_value.wrong(ConfigFault::Impossible("ends before it begins")));
    }
    let targets = table.required("targets")?.some_items(LIST_MAX)?;
    Ok(Engagement {
        name: name.to_owned(),
        from_s,
        until_s,
        rate: table.get("rate").map(|value| value.parse::<Rate>()).transpose()?,
        targets: targets.iter().map(ConfigValue::parse::<EngagementTarget>).collect::<Result<_, _>>().map(set)?,
        tier: tier(&table.required("tier")?)?,
    })
}

fn tier(value: &ConfigValue<'_>) -> Result<Tier, WrongError> {
    match value.text(16)? {
        "read-only" => Ok(Tier::ReadOnly),
        "staged" => Ok(Tier::Staged),
        "live" => Ok(Tier::Live),
        other => Err(value.wrong(ParseError::new("a tier", other, "`read-only`, `staged` or `live`").into())),
    }
}

/// A time such as `2026-11-01T00:00:00Z`, in seconds since 1970.
fn moment(value: &ConfigValue<'_>) -> Result<u64, WrongError> {
    let text = value.text(32)?;
    let bad = || value.wrong(ParseError::new("a moment", text, "a date and a time in UTC: 2026-11-01T00:00:00Z").into());
    let (day, time) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or_else(bad)?;
    let midnight = day.parse::<Until>().map_err(|_| bad())?.unix_s - 86_400;
    let part = |text: &str, max: u64| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| plain && *number <= max)
    };
    let seconds = match time.split(':').collect::<Vec<_>>().as_slice() {
        [hours, minutes, seconds] => part(hours, 23).zip(part(minutes, 59)).zip(part(seconds, 59)).map(|((h, m), s)| h * 3600 + m * 60 + s),
        _ => None,
    };
    Ok(midnight + seconds.ok_or_else(bad)?)
}
