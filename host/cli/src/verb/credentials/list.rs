//! Lists the credentials, and shows what is known of one.

use std::collections::BTreeSet;

use ::run::HomePlace;
use serde::Serialize;
use vault::{Listed, Local};
use vocabulary::record::Record;

use crate::err::CliError;
use crate::out::OutError;
use crate::verb::ConfigArg;
use crate::{log, out, words};
use service::{Configured, ServiceError};

#[derive(Serialize)]
struct ListRow {
    name: String,
    version: u64,
    set_at: u64,
    revoked: bool,
    staged: bool,
    /// Whether its value can be guessed.
    weak: bool,
    /// How often its value was found where it may not be, according to the record.
    met: u64,
    /// Where its value may go.
    destinations: Vec<vocabulary::Destination>,
}

impl From<Listed> for ListRow {
    fn from(it: Listed) -> Self {
        Self {
            name: it.name,
            version: it.version,
            set_at: it.set_at,
            revoked: it.revoked,
            staged: it.staged,
            weak: it.weak,
            met: 0,
            destinations: it.destinations,
        }
    }
}

pub(super) fn all(place: &HomePlace, vault: &Local, json: bool) -> Result<(), CliError> {
    let uses = uses(place)?;
    let mut rows: Vec<ListRow> = vault.list()?.into_iter().map(ListRow::from).collect();
    rows.iter_mut().for_each(|row| row.met = uses.get(&row.name).map_or(0, |used| used.met));
    if json {
        return Ok(out::json(&rows)?);
    }
    if rows.is_empty() {
        out::words("the vault has no values; `bailiwick credentials set NAME` sets one");
        return Ok(());
    }
    let head = ["NAME", "VERSION", "SET", "MET", "STATE", "MAY GO TO"].map(str::to_owned).to_vec();
    let table: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().flat_map(cells)).collect();
    words::table(&table).iter().try_for_each(|line| out::line(line))?;
    Ok(())
}

/// One line for each destination. The first line has everything else.
fn cells(row: &ListRow) -> Vec<Vec<String>> {
    let set_at = words::utc(row.set_at.saturating_mul(1000));
    let mut first = vec![row.name.clone(), row.version.to_string(), set_at, row.met.to_string(), state(row)];
    let mut places = row.destinations.iter().map(ToString::to_string);
    first.push(places.next().unwrap_or_else(|| "nowhere".to_owned()));
    let more = places.map(|place| [vec![String::new(); 5], vec![place]].concat());
    std::iter::once(first).chain(more).collect()
}

fn state(row: &ListRow) -> String {
    let weak = if row.weak { ", CAN BE GUESSED" } else { "" };
    match (row.revoked, row.staged) {
        (true, _) => "revoked".to_owned(),
        (false, true) => format!("set, with a new value in waiting{weak}"),
        (false, false) => format!("set{weak}"),
    }
}

/// Uses of one credential, according to the record.
#[derive(Default, Serialize)]
pub(super) struct Used {
    /// Agents that used it.
    pub(super) agents: BTreeSet<String>,
    /// The last use, in milliseconds since 1970.
    pub(super) last_ms: Option<u64>,
    /// How often its value was found where it may not be.
    pub(super) met: u64,
    /// Asks that used it.
    pub(super) times: u64,
}

/// Uses by credential. A home without a record has none.
pub(super) fn uses(place: &HomePlace) -> Result<std::collections::BTreeMap<String, Used>, CliError> {
    let mut uses: std::collections::BTreeMap<String, Used> = std::collections::BTreeMap::new();
    let reader = match log::reader(place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => return Ok(uses),
        reader => reader?,
    };
    let mut agents = std::collections::HashMap::new();
    for record in reader.records() {
        let record = record?;
        match Record::parse(&record.body) {
            Ok(Record::RunOpened(opened)) => drop(agents.insert(record.run, opened.agent.name.to_string())),
            Ok(Record::RunClosed(_)) => drop(agents.remove(&record.run)),
            Ok(Record::Asked(asked)) => {
                let Some(name) = asked.bounds.credential else { continue };
                let used = uses.entry(name).or_default();
                used.agents.extend(agents.get(&record.run).cloned());
                used.last_ms = used.last_ms.max(Some(asked.at));
                used.times += 1;
            }
            Ok(Record::ValueMet(met)) => uses.entry(met.credential.to_string()).or_default().met += 1,
            // A record of a later version is not a use that this version knows.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(uses)
}

#[derive(Serialize)]
struct Shown {
    name: String,
    value: Option<ListRow>,
    /// As configured; absent if the configuration has no credential of this name.
    binding: Option<vocabulary::Binding>,
    /// Agents that it is granted to.
    granted_to: Vec<String>,
    used: Used,
}

pub(super) fn one(place: &HomePlace, vault: &Local, config: &ConfigArg, name: &str, json: bool) -> Result<(), CliError> {
    let used = uses(place)?.remove(name).unwrap_or_default();
    let value = vault.list()?.into_iter().find(|it| it.name == name).map(|it| ListRow { met: used.met, ..ListRow::from(it) });
    let configured = match Configured::load(config.config.as_deref(), place) {
        Err(ServiceError::Config(package::ConfigError::Absent(_))) => None,
        configured => Some(configured?.resolved),
    };
    let binding = configured.as_ref().and_then(|resolved| resolved.credentials.get(name).cloned());
    if value.is_none() && binding.is_none() {
        return Err(vault::LocalError::Absent(name.chars().take(80).collect()).into());
    }
    let has = |agent: &package::ResolvedAgent| agent.grants.credentials.iter().any(|binding| binding.name == name);
    let agents = configured.iter().flat_map(|resolved| &resolved.agents).filter(|(_, agent)| has(agent));
    let granted_to = agents.map(|(agent, _)| agent.clone()).collect();
    let shown = Shown { name: name.to_owned(), value, binding, granted_to, used };
    if json {
        out::json(&shown)?
    } else {
        print(&shown)?
    }
    Ok(())
}

fn print(shown: &Shown) -> Result<(), OutError> {
    let line = |key: &str, value: &str| out::line(&format!("{key:<12} {}", words::safe(value)));
    line("name", &shown.name)?;
    match &shown.value {
        Some(row) => {
            line("value", &format!("{}, version {}, of {}", state(row), row.version, words::utc(row.set_at.saturating_mul(1000))))?;
            if row.destinations.is_empty() {
                line("may go to", &format!("nowhere: `bailiwick credentials set {} --for URL` says where", shown.name))?;
            }
            row.destinations.iter().try_for_each(|destination| line("may go to", &destination.to_string()))?;
        }
        None => line("value", "none in the vault")?,
    }
    match &shown.binding {
        Some(binding) => {
            line("binding", &package::admission::credential_line(binding))?;
            line("owner", binding.owner.as_deref().unwrap_or("nobody"))?;
        }
        None => line("binding", "none in this configuration")?,
    }
    line("granted to", &if shown.granted_to.is_empty() { "nobody".to_owned() } else { shown.granted_to.join(", ") })?;
    let last = shown.used.last_ms.map_or_else(|| "never".to_owned(), words::utc);
    line("used", &format!("{}, last {last}", words::many(shown.used.times, "time", "times")))
}
