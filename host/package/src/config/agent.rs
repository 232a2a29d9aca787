//! `[agents.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use effect::{Binding, Grants, Limits, ParseError, Source, Until, is_name};

use super::{ComponentSource, Place, ResolvedAgent, http, mount};
use crate::authored::{Fault, Table, Value, WrongError};
use crate::capability::LATER;

const KEYS: &[&str] = &["component", "owner", "purpose", "expires", "limits", "uses", "env", "durable", "files", "http"];

/// BOUND: variables of one agent.
const ENV_MAX: usize = 128;
/// BOUND: bytes of a variable's name or value.
const ENV_BYTES_MAX: usize = 32 << 10;
/// BOUND: bytes of an owner or a purpose.
const LINE_BYTES_MAX: usize = 1024;
/// BOUND: entries in a list of one agent.
const LIST_MAX: usize = 256;

pub(super) fn resolve(
    name: &str,
    value: &Value<'_>,
    place: &Place<'_>,
    credentials: &BTreeMap<String, Binding>,
) -> Result<ResolvedAgent, WrongError> {
    if !is_name(name) {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        return Err(value.wrong(ParseError::new("a name of an agent", name, form).into()));
    }
    let agent = value.table(64)?;
    agent.only(KEYS, &[("credentials", "credentials")])?;
    let line = |key: &str| agent.get(key).map(|value| value.line(LINE_BYTES_MAX)).transpose();
    let http = agent.get("http").map_or(Ok(Vec::new()), |list| http::resolve(&list, credentials))?;
    let is_used = |binding: &&Binding| http.iter().any(|grant| grant.credential.as_ref() == Some(&binding.name));
    let grants = Grants {
        credentials: credentials.values().filter(is_used).cloned().collect(),
        env: env(&agent)?,
        files: agent.get("files").map_or(Ok(Vec::new()), |list| mount::resolve(&list, place, &secrets(credentials)))?,
        http,
    };
    Ok(ResolvedAgent {
        component: component(&agent.required("component")?, place)?,
        durable: durable(&agent, &grants)?,
        limits: limits(&agent)?,
        owner: line("owner")?,
        purpose: line("purpose")?,
        expires: agent.get("expires").map(|value| value.parse::<Until>()).transpose()?,
        uses: uses(&agent)?,
        grants,
    })
}

/// Where the values of credentials lie, in every spelling.
fn secrets(credentials: &BTreeMap<String, Binding>) -> Vec<PathBuf> {
    let files = credentials.values().filter_map(|binding| match &binding.source {
        Source::File(path) => Some(path),
        Source::Local | Source::Env(_) => None,
    });
    files.flat_map(|path| [Some(path.clone()), mount::real_or_future(path).ok()]).flatten().collect()
}

fn component(value: &Value<'_>, place: &Place<'_>) -> Result<ComponentSource, WrongError> {
    let text = value.line(LINE_BYTES_MAX)?;
    if text.starts_with("oci://") {
        return Err(value.wrong(Fault::Later("packages")));
    }
    if text.contains("://") {
        return Err(value.wrong(Fault::Impossible("must be a folder with `agent.toml` or a `.wasm` file")));
    }
    // The real one, so that what is printed, trusted and built is the same one; what is not there yet is found missing later.
    let path = place.folder.join(&text);
    let path = path.canonicalize().unwrap_or(path);
    Ok(if path.extension().is_some_and(|extension| extension == "wasm") {
        ComponentSource::File(path)
    } else {
        ComponentSource::Folder(path)
    })
}

/// A run that may act on the world has to be resumable, or a crash would leave it undecided for ever.
fn durable(agent: &Table<'_>, grants: &Grants) -> Result<bool, WrongError> {
    let acts = !grants.http.is_empty();
    match agent.get("durable") {
        None => Ok(acts),
        Some(value) if acts && !value.bool()? => {
            Err(value.wrong(Fault::Impossible("can't be false where `http` is granted: what acts on the world is always durable")))
        }
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

fn env(agent: &Table<'_>) -> Result<BTreeMap<String, String>, WrongError> {
    let mut env = BTreeMap::new();
    let Some(table) = agent.get("env") else { return Ok(env) };
    for (name, value) in table.table(ENV_MAX)?.entries() {
        let form = "letters, digits and underscores, a letter first";
        let is_good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !is_good || name.len() > ENV_BYTES_MAX {
            return Err(value.wrong(ParseError::new("the name of a variable", name, form).into()));
        }
        let text = value.text(ENV_BYTES_MAX)?;
        if text.contains('\0') {
            return Err(value.wrong(Fault::Impossible("must not contain a NUL")));
        }
        env.insert(name.to_owned(), text.to_owned());
    }
    Ok(env)
}

/// Nothing of this version needs to be named here: what does arrives later.
fn uses(agent: &Table<'_>) -> Result<Vec<String>, WrongError> {
    let items = agent.get("uses").map_or(Ok(Vec::new()), |list| list.items(LIST_MAX))?;
    let Some(item) = items.first() else { return Ok(Vec::new()) };
    let name = item.text(LINE_BYTES_MAX)?;
    Err(item.wrong(match LATER.iter().find(|(later, _)| *later == name) {
        Some((_, with)) => Fault::Later(with),
        None if ["types", "findings", "progress"].contains(&name) => Fault::Impossible("needs no grant: leave it out"),
        None => ParseError::new("an interface that can be granted", name, "nothing in this version").into(),
    }))
}
