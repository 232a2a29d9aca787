//! The `[credentials.NAME]` tables: where each credential may go, and which agents may use it. They never hold a value.

use std::collections::BTreeMap;

use vocabulary::{AgentPin, Binding, HostPattern, ParseError, PathPattern, Rate, Rotation, RotationSet, Scheme, Source, is_name};

use super::set::set;
use super::{ConfigPlace, placement, scope, source};
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError, path_fault};
use crate::file::FileError;

/// The keys of every credential, in addition to those of its kind.
const KEYS: &[&str] = &[
    "kind",
    "hosts",
    "source",
    "scheme",
    "port",
    "methods",
    "paths",
    "environment",
    "agents",
    "until",
    "uses",
    "rate",
    "owner",
    "rotate-every",
    "rotate",
];

/// BOUND: credentials in one file.
const CREDENTIALS_MAX: usize = 256;
/// BOUND: hosts, methods, paths or agents of one credential.
const LIST_MAX: usize = 64;
/// BOUND: bytes of an owner or a path.
const LINE_BYTES_MAX: usize = 1024;

pub(super) fn resolve(
    value: &ConfigValue<'_>,
    place: &ConfigPlace<'_>,
    known: &scope::KnownEnvironments<'_>,
) -> Result<BTreeMap<String, Binding>, WrongError> {
    let table = value.table(CREDENTIALS_MAX)?;
    table.entries().map(|(name, value)| Ok((name.to_owned(), binding(name, &value, place, known)?))).collect()
}

fn binding(
    name: &str,
    value: &ConfigValue<'_>,
    place: &ConfigPlace<'_>,
    known: &scope::KnownEnvironments<'_>,
) -> Result<Binding, WrongError> {
    if !is_name(name) {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        return Err(value.wrong(ParseError::new("a valid credential name", name, form).into()));
    }
    let table = value.table(32)?;
    let kind = table.required("kind")?;
    table.only(&[KEYS, placement::keys(&kind)?].concat(), &[])?;
    let list = |key: &str| table.get(key).map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX));
    let source = table.get("source").map_or(Ok(Source::Local), |value| source::resolve(&value, place, known))?;
    let pinned = source::pinned(&source, place).map_err(|err| unpinnable(&table, &err))?;
    let binding = Binding {
        name: name.to_owned(),
        agents: list("agents")?.iter().map(agent).collect::<Result<_, _>>().map(set)?,
        environment: table.get("environment").map(|value| known.environment(&value)).transpose()?,
        hosts: table.required("hosts")?.some_items(LIST_MAX)?.iter().map(ConfigValue::parse).collect::<Result<_, _>>().map(set)?,
        methods: list("methods")?.iter().map(super::http::method).collect::<Result<_, _>>().map(set)?,
        owner: table.get("owner").map(|owner| owner.line(LINE_BYTES_MAX)).transpose()?,
        paths: list("paths")?.iter().map(ConfigValue::parse::<PathPattern>).collect::<Result<_, _>>().map(set)?,
        pinned,
        placement: placement::resolve(&kind, &table)?,
        port: table.get("port").map(|value| super::http::port(&value)).transpose()?,
        rate: table.get("rate").map(|value| value.parse::<Rate>()).transpose()?,
        rotate_every_s: table.get("rotate-every").map(|value| every(&value)).transpose()?,
        rotation: table.get("rotate").map(|value| rotation(&value)).transpose()?,
        scheme: table.get("scheme").map_or(Ok(Scheme::Https), |value| super::http::scheme(&value))?,
        source,
        until: table.get("until").map(|value| value.parse()).transpose()?,
        uses: table.get("uses").map(|value| value.count()).transpose()?,
    };
    if let Some(rotate) = table.get("rotate")
        && binding.source != Source::Local
    {
        return Err(rotate.wrong(ConfigFault::Impossible("needs the source `local`: the host can't set a value anywhere else")));
    }
    if let Some(rotate) = table.get("rotate")
        && !matches!(binding.hosts.as_slice(), [HostPattern::Exact(_)])
    {
        return Err(rotate.wrong(ConfigFault::Impossible("needs exactly one host, without a wildcard, at which the new value is set")));
    }
    Ok(binding)
}

fn unpinnable(table: &Table<'_>, err: &FileError) -> WrongError {
    let path = match err {
        FileError::Io { path, .. } | FileError::NotRegular(path) | FileError::TooLarge { path, .. } => path,
    };
    let fault = path_fault(path.display(), "can't be read, so its present contents can't be pinned");
    table.get("source").map_or_else(|| table.wrong(ConfigFault::Missing), |source| source.wrong(fault))
}

/// `NAME`, or `NAME@sha256:…` for one component of the agent.
fn agent(value: &ConfigValue<'_>) -> Result<AgentPin, WrongError> {
    let text = value.text(256)?;
    let bad =
        || value.wrong(ParseError::new("an agent", text, "its name, or its name followed by `@` and the digest of its component").into());
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let digest = digest.map(|digest| digest.parse().map_err(|_| bad())).transpose()?;
    if is_name(name) { Ok(AgentPin { name: name.to_owned(), digest }) } else { Err(bad()) }
}

/// A time in seconds, written as `30d` or `12h`.
fn every(value: &ConfigValue<'_>) -> Result<u64, WrongError> {
    let text = value.text(16)?;
    let unit = |unit: char, seconds: u64| text.strip_suffix(unit).map(|number| (number, seconds));
    let seconds = unit('d', 86_400).or_else(|| unit('h', 3600)).and_then(|(number, seconds)| {
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        number.parse::<u64>().ok().filter(|number| plain && (1..=10_000).contains(number)).map(|number| number * seconds)
    });
    seconds.ok_or_else(|| value.wrong(ParseError::new("a time", text, "days or hours: 30d, 12h").into()))
}

fn rotation(value: &ConfigValue<'_>) -> Result<Rotation, WrongError> {
    let table = value.table(4)?;
    table.only(&["set", "test"], &[])?;
    let set = table.required("set")?.table(8)?;
    set.only(&["method", "path", "body", "field"], &[])?;
    let method_value = set.required("method")?;
    let method = super::http::method(&method_value)?;
    if !["PUT", "POST", "PATCH"].contains(&method.as_str()) {
        return Err(method_value.wrong(ParseError::new("a method", method.as_str(), "`PUT`, `POST` or `PATCH`").into()));
    }
    let set = RotationSet { method, path: path(&set)?, body: body(&set)?, field: set.required("field")?.line(256)? };
    Ok(Rotation { set, test_path: plain_path(&table.required("test")?)? })
}

fn path(table: &Table<'_>) -> Result<String, WrongError> {
    plain_path(&table.required("path")?)
}

/// Whether the path is one that a request can have.
fn plain_path(value: &ConfigValue<'_>) -> Result<String, WrongError> {
    let text = value.text(LINE_BYTES_MAX)?;
    vocabulary::HttpTarget::parse(Scheme::Https, "host.test", text).map_err(|err| value.wrong(err.into()))?;
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(value.wrong(ParseError::new("a path", text, "a `/` first").into())) }
}

fn body(table: &Table<'_>) -> Result<String, WrongError> {
    let Some(value) = table.get("body") else { return Ok("{}".to_owned()) };
    let text = value.text(LINE_BYTES_MAX)?;
    let is_object = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|body| body.is_object());
    if is_object { Ok(text.to_owned()) } else { Err(value.wrong(ParseError::new("a body", text, "a JSON object").into())) }
}
