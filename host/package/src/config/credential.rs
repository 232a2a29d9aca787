//! `[credentials.NAME]`: where a credential may go, and where its value comes from. Never a value.

use std::collections::BTreeMap;

use effect::{Binding, ParseError, Placement, Scheme, Source, is_name};

use super::Place;
use crate::authored::{Fault, Table, Value, WrongError};

const KEYS: &[&str] = &["kind", "hosts", "source", "scheme", "until", "user", "header", "template", "query", "owner"];
const LATER: &[(&str, &str)] = &[
    ("agents", "the rest of the broker"),
    ("environment", "the rest of the broker"),
    ("methods", "the rest of the broker"),
    ("paths", "the rest of the broker"),
    ("rotate-every", "the rest of the broker"),
    ("uses", "the rest of the broker"),
];

/// BOUND: credentials in one file.
const CREDENTIALS_MAX: usize = 256;
/// BOUND: hosts of one.
const HOSTS_MAX: usize = 64;
/// BOUND: bytes of a name, a template or a path.
const LINE_BYTES_MAX: usize = 1024;

pub(super) fn resolve(value: &Value<'_>, place: &Place<'_>) -> Result<BTreeMap<String, Binding>, WrongError> {
    let table = value.table(CREDENTIALS_MAX)?;
    table.entries().map(|(name, value)| Ok((name.to_owned(), binding(name, &value, place)?))).collect()
}

fn binding(name: &str, value: &Value<'_>, place: &Place<'_>) -> Result<Binding, WrongError> {
    if !is_name(name) {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        return Err(value.wrong(ParseError::new("a name of a credential", name, form).into()));
    }
    let table = value.table(16)?;
    table.only(KEYS, LATER)?;
    table.get("owner").map(|owner| owner.line(LINE_BYTES_MAX).map(drop)).transpose()?;
    Ok(Binding {
        name: name.to_owned(),
        hosts: table.required("hosts")?.some_items(HOSTS_MAX)?.iter().map(Value::parse).collect::<Result<_, _>>()?,
        placement: placement(&table)?,
        scheme: table.get("scheme").map_or(Ok(Scheme::Https), |value| super::http::scheme(&value))?,
        source: table.get("source").map_or(Ok(Source::Local), |value| source(&value, place))?,
        until: table.get("until").map(|value| value.parse()).transpose()?,
    })
}

fn placement(table: &Table<'_>) -> Result<Placement, WrongError> {
    let kind = table.required("kind")?;
    let name = kind.text(16)?;
    let of_another = |key: &str, belongs: &str| match table.get(key) {
        Some(value) if name != belongs => Err(value.wrong(Fault::Impossible("means nothing for this kind"))),
        _ => Ok(()),
    };
    [("user", "basic"), ("header", "header"), ("template", "header"), ("query", "query")]
        .into_iter()
        .try_for_each(|(key, of)| of_another(key, of))?;
    match name {
        "bearer" => Ok(Placement::Bearer),
        "basic" => Ok(Placement::Basic { user: checked(&table.required("user")?, is_user, "printable ASCII without a colon")? }),
        "query" => Ok(Placement::Query { name: checked(&table.required("query")?, is_query_name, "letters, digits and `-._~`")? }),
        "header" => header(table),
        "path" | "form" | "json" | "sigv4" | "hmac" | "jwt" | "oauth2" => Err(kind.wrong(Fault::Later("the rest of the broker"))),
        other => Err(kind.wrong(ParseError::new("a kind of credential", other, "`bearer`, `basic`, `header` or `query`").into())),
    }
}

fn header(table: &Table<'_>) -> Result<Placement, WrongError> {
    let value = table.required("header")?;
    let name = checked(&value, is_header_name, "a header's name that says nothing of framing, routing or cookies")?.to_ascii_lowercase();
    let template = table.get("template").map_or(Ok("{}".to_owned()), |value| {
        checked(
            &value,
            |text| text.matches("{}").count() == 1 && is_printable(text),
            "printable ASCII with `{}` once, where the value goes",
        )
    })?;
    let (before, after) = template.split_once("{}").unwrap_or_default();
    Ok(Placement::Header { name, before: before.to_owned(), after: after.to_owned() })
}

fn checked(value: &Value<'_>, is_good: impl Fn(&str) -> bool, form: &'static str) -> Result<String, WrongError> {
    let text = value.text(LINE_BYTES_MAX)?;
    if is_good(text) { Ok(text.to_owned()) } else { Err(value.wrong(ParseError::new("a placement", text, form).into())) }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_user(text: &str) -> bool {
    is_printable(text) && !text.contains(':')
}

fn is_query_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// SECURITY: what frames or routes a message is the host's own to set, with or without a secret in it.
fn is_header_name(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let never = [
        "accept-charset",
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "http2-settings",
        "if-range",
        "keep-alive",
        "proxy-connection",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) && !never.contains(&&*lower)
}

/// `local`, `env:NAME` or `file:PATH`.
fn source(value: &Value<'_>, place: &Place<'_>) -> Result<Source, WrongError> {
    let text = value.line(LINE_BYTES_MAX)?;
    let bad = || value.wrong(ParseError::new("a source", &text, "`local`, `env:NAME` or `file:PATH`").into());
    match text.split_once(':') {
        None if text == "local" => Ok(Source::Local),
        Some(("env", name)) if is_variable(name) => Ok(Source::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(Source::File(place.folder.join(path))),
        Some(("exec" | "keyring" | "vault", _)) => Err(value.wrong(Fault::Later("the rest of the broker"))),
        _ => Err(bad()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
