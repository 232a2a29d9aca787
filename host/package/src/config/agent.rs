//! The `[agents.NAME]` tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vocabulary::{Binding, Environment, Grants, HttpGrant, Limits, May, ParseError, Source, Until, VaultLogin, is_name};

use super::set::set;
use super::{ComponentSource, ConfigPlace, PolicySection, ResolvedAgent, http, mount, policy, real};
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError};
use crate::later::LATER;

const KEYS: &[&str] =
    &["component", "owner", "purpose", "groups", "expires", "limits", "uses", "env", "durable", "files", "http", "credentials"];

/// BOUND: environment variables of one agent.
const ENV_MAX: usize = 128;
/// BOUND: bytes of a variable's name or value.
const ENV_BYTES_MAX: usize = 32 << 10;
/// BOUND: bytes of an owner or a purpose.
const LINE_BYTES_MAX: usize = 1024;
/// BOUND: entries in a list of one agent.
const LIST_MAX: usize = 256;

/// What the rest of the file defines, and agents refer to.
pub(super) struct Known<'a> {
    pub(super) credentials: &'a BTreeMap<String, Binding>,
    pub(super) environments: &'a [Environment],
    pub(super) policy: Option<&'a PolicySection>,
}

pub(super) fn resolve(
    name: &str,
    value: &ConfigValue<'_>,
    place: &ConfigPlace<'_>,
    known: &Known<'_>,
) -> Result<ResolvedAgent, WrongError> {
    let Known { credentials, environments, policy: policies } = known;
    if !is_name(name) {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        return Err(value.wrong(ParseError::new("a valid agent name", name, form).into()));
    }
    let agent = value.table(64)?;
    agent.only(KEYS, &[])?;
    let line = |key: &str| agent.get(key).map(|value| value.line(LINE_BYTES_MAX)).transpose();
    let http = agent.get("http").map_or(Ok(Vec::new()), |list| http::resolve(&list, credentials))?;
    let may = agent.get("credentials").map_or(Ok(BTreeMap::new()), |list| may(&list, credentials))?;
    let (env, placeholders) = env(&agent, &http)?;
    let is_used =
        |binding: &&Binding| may.contains_key(&binding.name) || http.iter().any(|grant| grant.credential.as_ref() == Some(&binding.name));
    let used: Vec<Binding> = credentials.values().filter(is_used).cloned().collect();
    if let Some(other) = used.iter().find(|binding| !binding.agents.is_empty() && binding.agents.iter().all(|pin| pin.name != name)) {
        let key = if may.contains_key(&other.name) { "credentials" } else { "http" };
        return Err(agent.required(key)?.wrong(ConfigFault::Impossible("grants a credential whose `agents` do not include this agent")));
    }
    let needs_environments = policies.is_some() || used.iter().any(|binding| binding.environment.is_some());
    let environments = if needs_environments { environments.to_vec() } else { Vec::new() };
    let (groups, owner) = (policy::groups(&agent, *policies)?, line("owner")?);
    let grants = Grants {
        credentials: used,
        engagement: None,
        env,
        environments,
        files: agent.get("files").map_or(Ok(Vec::new()), |list| mount::resolve(&list, place, &secrets(credentials)))?,
        http,
        may,
        placeholders,
        policy: policies.map(|policies| policies.rules(groups, owner.clone())),
    };
    Ok(ResolvedAgent {
        component: component(&agent.required("component")?, place)?,
        durable: durable(&agent, &grants)?,
        limits: limits(&agent)?,
        owner,
        purpose: line("purpose")?,
        expires: agent.get("expires").map(|value| value.parse::<Until>()).transpose()?,
        uses: uses(&agent)?,
        grants,
    })
}

/// `[[agents.NAME.credentials]]`: what the agent may do with credentials besides sending them.
fn may(list: &ConfigValue<'_>, credentials: &BTreeMap<String, Binding>) -> Result<BTreeMap<String, Vec<May>>, WrongError> {
    let mut all = BTreeMap::new();
    for item in list.some_items(LIST_MAX)? {
        let table = item.table(4)?;
        table.only(&["name", "may"], &[])?;
        let name_value = table.required("name")?;
        let name = http::credential(&name_value, credentials)?;
        let words = table.required("may")?.some_items(8)?;
        let may: Vec<May> = words.iter().map(may_word).collect::<Result<_, _>>().map(set)?;
        let rotation = credentials.get(&name).and_then(|binding| binding.rotation.as_ref());
        if may.contains(&May::Rotate) && rotation.is_none() {
            return Err(item.wrong(ConfigFault::Impossible("allows the rotation of a credential that has no `rotate` table")));
        }
        if all.insert(name, may).is_some() {
            return Err(name_value.wrong(ConfigFault::Impossible("is named a second time")));
        }
    }
    Ok(all)
}

fn may_word(value: &ConfigValue<'_>) -> Result<May, WrongError> {
    match value.text(16)? {
        "identify" => Ok(May::Identify),
        "rotate" => Ok(May::Rotate),
        other => Err(value.wrong(ParseError::new("a use of a credential", other, "`identify` or `rotate`").into())),
    }
}

/// The paths of the files with values of credentials, both as written and without links.
fn secrets(credentials: &BTreeMap<String, Binding>) -> Vec<PathBuf> {
    let files = credentials.values().filter_map(|binding| match &binding.source {
        Source::File(path) => Some(path),
        Source::Vault(vault) => Some(match &vault.server.login {
            VaultLogin::Token { file } | VaultLogin::Approle { file, .. } | VaultLogin::Kubernetes { file, .. } => file,
        }),
        Source::Local | Source::Env(_) | Source::Exec(_) | Source::Keyring(_) => None,
    });
    files.flat_map(|path| [Some(path.clone()), real::real_or_future(path).ok()]).flatten().collect()
}

fn component(value: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<ComponentSource, WrongError> {
    let text = value.line(LINE_BYTES_MAX)?;
    if text.starts_with("oci://") {
        return Err(value.wrong(ConfigFault::Later("packages")));
    }
    if text.contains("://") {
        return Err(value.wrong(ConfigFault::Impossible("must be a folder with `agent.toml` or a `.wasm` file")));
    }
    // The path without links, so that the same file is printed, trusted and built. A file that does not exist yet is reported later.
    let written = place.folder.join(&text);
    let path = real::of_any(&written).unwrap_or(written);
    place.note(Path::new(&text), &path);
    Ok(if path.extension().is_some_and(|extension| extension == "wasm") {
        ComponentSource::File(path)
    } else {
        ComponentSource::Folder(path)
    })
}

/// A run that may act on the world must be resumable. Otherwise a crash would leave its acts undecided forever.
fn durable(agent: &Table<'_>, grants: &Grants) -> Result<bool, WrongError> {
    let acts = !grants.http.is_empty() || !grants.may.is_empty();
    match agent.get("durable") {
        None => Ok(acts),
        Some(value) if acts && !value.bool()? => Err(value.wrong(ConfigFault::Impossible(
            "can't be false where `http` or `credentials` are granted: an agent that acts on the world is always durable",
        ))),
        Some(value) => value.bool(),
    }
}

fn limits(agent: &Table<'_>) -> Result<Limits, WrongError> {
    let mut limits = Limits::default();
    if let Some(table) = agent.get("limits") {
        for (name, value) in table.table(LIST_MAX)?.entries() {
            limits.set(name, &value.scalar()?).map_err(|err| value.wrong(err.into()))?;
        }
    }
    Ok(limits)
}

/// Environment variables with their values, and environment variables that hold a placeholder of a credential.
type Variables = (BTreeMap<String, String>, BTreeMap<String, String>);

fn env(agent: &Table<'_>, http: &[HttpGrant]) -> Result<Variables, WrongError> {
    let (mut env, mut placeholders) = (BTreeMap::new(), BTreeMap::new());
    let Some(table) = agent.get("env") else { return Ok((env, placeholders)) };
    for (name, value) in table.table(ENV_MAX)?.entries() {
        let form = "letters, digits and underscores, a letter first";
        let is_good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !is_good || name.len() > ENV_BYTES_MAX {
            return Err(value.wrong(ParseError::new("the name of a variable", name, form).into()));
        }
        if let Ok(table) = value.table(4) {
            table.only(&["placeholder"], &[])?;
            placeholders.insert(name.to_owned(), placeholder(&table.required("placeholder")?, http)?);
            continue;
        }
        let text = value.text(ENV_BYTES_MAX)?;
        if text.contains('\0') {
            return Err(value.wrong(ConfigFault::Impossible("must not contain a NUL")));
        }
        env.insert(name.to_owned(), text.to_owned());
    }
    Ok((env, placeholders))
}

fn placeholder(value: &ConfigValue<'_>, http: &[HttpGrant]) -> Result<String, WrongError> {
    let name = value.text(64)?;
    let is_granted = http.iter().any(|grant| grant.credential.as_deref() == Some(name));
    let unknown = || value.wrong(ParseError::new("a credential", name, "one that a request of this agent may carry").into());
    is_granted.then(|| name.to_owned()).ok_or_else(unknown)
}

/// No interface of this version needs a grant here. Those that do arrive in a later version.
fn uses(agent: &Table<'_>) -> Result<Vec<String>, WrongError> {
    let items = agent.get("uses").map_or(Ok(Vec::new()), |list| list.items(LIST_MAX))?;
    let Some(item) = items.first() else { return Ok(Vec::new()) };
    let name = item.text(LINE_BYTES_MAX)?;
    Err(item.wrong(match LATER.iter().find(|(later, _)| *later == name) {
        Some((_, with)) => ConfigFault::Later(with),
        None if name == "credentials" => ConfigFault::Impossible("is granted by `[[agents.NAME.credentials]]`"),
        None if ["types", "findings", "progress"].contains(&name) => ConfigFault::Impossible("needs no grant: leave it out"),
        None => ConfigFault::Impossible("`uses` must be empty, because no interface of this version needs a grant of its own"),
    }))
}
