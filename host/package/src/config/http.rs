//! The `[[agents.NAME.http]]` tables.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use vocabulary::{Binding, Digest, HostName, HostPattern, HttpBounds, HttpGrant, Limit, Limits, Method, ParseError, Scheme};

use super::set::set;
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError};

const KEYS: &[&str] = &[
    "addresses",
    "credential",
    "headers",
    "host",
    "idempotency",
    "methods",
    "paths",
    "pins",
    "port",
    "rate",
    "request-bytes",
    "response-bytes",
    "scheme",
    "until",
];

/// BOUND: grants of one agent. Each grant is checked for each request.
const GRANTS_MAX: usize = 256;
/// BOUND: methods, paths or addresses of one grant.
const LIST_MAX: usize = 64;

pub(super) fn resolve(list: &ConfigValue<'_>, credentials: &BTreeMap<String, Binding>) -> Result<Vec<HttpGrant>, WrongError> {
    list.some_items(GRANTS_MAX)?.iter().map(|item| grant(&item.table(16)?, credentials)).collect()
}

fn grant(table: &Table<'_>, credentials: &BTreeMap<String, Binding>) -> Result<HttpGrant, WrongError> {
    table.only(KEYS, &[])?;
    let host: HostPattern = table.required("host")?.parse()?;
    let each = |key: &str| table.required(key)?.some_items(LIST_MAX);
    let scheme = table.get("scheme").map_or(Ok(Scheme::Https), |value| scheme(&value))?;
    let grant = HttpGrant {
        addresses: addresses(table, &host)?,
        credential: table.get("credential").map(|value| credential(&value, credentials)).transpose()?,
        headers: table.get("headers").map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX)?.iter().map(header).collect()).map(set)?,
        methods: each("methods")?.iter().map(method).collect::<Result<_, _>>().map(set)?,
        paths: each("paths")?.iter().map(ConfigValue::parse).collect::<Result<_, _>>().map(set)?,
        // The default port of the scheme means the same as no port.
        port: table.get("port").map(|value| port(&value)).transpose()?.filter(|port| *port != scheme.default_port()),
        scheme,
        until: table.get("until").map(|value| value.parse()).transpose()?,
        within: within(table)?,
        host,
    };
    if let (Scheme::Http, Some(pins)) = (grant.scheme, table.get("pins")) {
        return Err(pins.wrong(ConfigFault::Impossible("has no effect with `http`: only a server with TLS has a key to compare")));
    }
    // SECURITY: a grant that no operator can intend (metadata services, half of all addresses) is an error here instead of a surprise
    // later.
    match policy::grants::problems(&grant).into_iter().next() {
        Some((key, problem)) => Err(table.required(key)?.wrong(problem.into())),
        None => Ok(grant),
    }
}

fn within(table: &Table<'_>) -> Result<HttpBounds, WrongError> {
    let pins = table.get("pins").map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX))?;
    Ok(HttpBounds {
        idempotency: table.get("idempotency").map(|value| header(&value)).transpose()?,
        pins: pins.iter().map(pin).collect::<Result<_, _>>().map(set)?,
        rate: table.get("rate").map(|value| value.parse()).transpose()?,
        request_bytes: table.get("request-bytes").map(|value| bytes(&value, Limit::RequestBytes)).transpose()?,
        response_bytes: table.get("response-bytes").map(|value| bytes(&value, Limit::ResponseBytes)).transpose()?,
    })
}

fn pin(value: &ConfigValue<'_>) -> Result<Digest, WrongError> {
    let text = value.text(128)?;
    let form = "`sha256:` and 64 hexadecimal digits, of the subject public key info, as in `tls.key` of `answered` in the record";
    text.parse().map_err(|_| value.wrong(ParseError::new("a pin", text, form).into()))
}

/// A number of bytes, written in the same way as the run's limit of that name.
fn bytes(value: &ConfigValue<'_>, limit: Limit) -> Result<u64, WrongError> {
    let mut limits = Limits::default();
    limits.set(limit.as_str(), &value.scalar()?).map_err(|err| value.wrong(err.into()))?;
    Ok(limits.get(limit))
}

pub(super) fn credential(value: &ConfigValue<'_>, credentials: &BTreeMap<String, Binding>) -> Result<String, WrongError> {
    let name = value.text(64)?;
    let unknown = || value.wrong(ParseError::new("a credential", name, "the name of a `[credentials.NAME]` of this file").into());
    credentials.contains_key(name).then(|| name.to_owned()).ok_or_else(unknown)
}

/// `policy` decides whether a grant may allow this header.
fn header(value: &ConfigValue<'_>) -> Result<String, WrongError> {
    let text = value.text(64)?;
    let is_good = !text.is_empty() && policy::is_header_name(text);
    let bad =
        || value.wrong(ParseError::new("a header", text, "its name, in letters, digits and hyphens, for instance x-requested-with").into());
    if is_good { Ok(text.to_ascii_lowercase()) } else { Err(bad()) }
}

pub(super) fn method(value: &ConfigValue<'_>) -> Result<Method, WrongError> {
    Method::new(value.text(64)?).map_err(|err| value.wrong(err.into()))
}

pub(super) fn port(value: &ConfigValue<'_>) -> Result<u16, WrongError> {
    u16::try_from(value.count()?).map_err(|_| value.wrong(ConfigFault::Impossible("must be a number from 1 to 65535")))
}

pub(super) fn scheme(value: &ConfigValue<'_>) -> Result<Scheme, WrongError> {
    match value.text(16)? {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(value.wrong(ParseError::new("a scheme", other, "`http` or `https`").into())),
    }
}

fn addresses(table: &Table<'_>, host: &HostPattern) -> Result<Vec<IpNet>, WrongError> {
    let Some(list) = table.get("addresses") else { return Ok(Vec::new()) };
    if matches!(host, HostPattern::Exact(HostName::V4(_) | HostName::V6(_))) {
        return Err(list.wrong(ConfigFault::Impossible("has no effect here: a literal address is a grant for that address")));
    }
    networks(&list)
}

/// Networks of private addresses that a name may resolve to.
pub(super) fn networks(list: &ConfigValue<'_>) -> Result<Vec<IpNet>, WrongError> {
    list.some_items(LIST_MAX)?.iter().map(address).collect::<Result<_, _>>().map(set)
}

/// A network in its usual form, without bits after the prefix: a network that looks like one address must not stand for many.
fn address(value: &ConfigValue<'_>) -> Result<IpNet, WrongError> {
    let text = value.text(64)?;
    let bad =
        || value.wrong(ParseError::new("a network", text, "an address, `/`, and a prefix that covers all its bits: 10.2.0.0/16").into());
    let net: IpNet = text.parse().map_err(|_| bad())?;
    let first = match net.network() {
        // SECURITY: networks such as ::ffff:10.0.0.0/104 would grant an IPv4 network in a form that does not look like one.
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => return Err(bad()),
        first => first,
    };
    if first == net.addr() { Ok(net) } else { Err(bad()) }
}
