//! `[notify.NAME]`: where people are told that an act waits for them. Nothing is sent anywhere without such a table.

use std::collections::BTreeMap;

use vocabulary::{Binding, HostName, HttpTarget, NoticeChannel, NoticeShape, NoticeTo, ParseError, Placement, Scheme, Source, is_name};

use crate::authored::{ConfigFault, ConfigValue, Table, WrongError};

/// BOUND: channels of one file, and recipients of one channel.
const CHANNELS_MAX: usize = 16;
const RECIPIENTS_MAX: usize = 32;
/// BOUND: bytes of a path or of an address of mail (RFC 5321).
const LINE_BYTES_MAX: usize = 1024;
const ADDRESS_BYTES_MAX: usize = 254;
/// The program that passes mail on, unless `sendmail` names another one.
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// The keys of every channel that is a server.
const HTTP: &[&str] = &["kind", "url", "credential", "addresses", "details"];
/// The keys of a channel that is mail.
const MAIL: &[&str] = &["kind", "from", "recipients", "sendmail", "details"];

pub(super) fn resolve(
    value: &ConfigValue<'_>,
    credentials: &BTreeMap<String, Binding>,
    has_policy: bool,
) -> Result<Vec<NoticeChannel>, WrongError> {
    let table = value.table(CHANNELS_MAX)?;
    let channels = table.entries().map(|(name, value)| channel(name, &value, credentials)).collect::<Result<Vec<_>, WrongError>>()?;
    if !has_policy {
        return Err(value.wrong(ConfigFault::Impossible("has no effect without `[policy]`: only policies ask people")));
    }
    Ok(channels)
}

fn channel(name: &str, value: &ConfigValue<'_>, credentials: &BTreeMap<String, Binding>) -> Result<NoticeChannel, WrongError> {
    if !is_name(name) {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        return Err(value.wrong(ParseError::new("a valid name of a channel", name, form).into()));
    }
    let table = value.table(16)?;
    let kind = table.required("kind")?;
    let shape = match kind.text(16)? {
        "webhook" => Some(NoticeShape::CloudEvents),
        "slack" => Some(NoticeShape::Slack),
        "teams" => Some(NoticeShape::Teams),
        "mail" => None,
        _ => return Err(kind.wrong(ConfigFault::UnknownChoice { known: "webhook, slack, teams, mail".to_owned() })),
    };
    table.only(if shape.is_some() { HTTP } else { MAIL }, &[])?;
    let to = match shape {
        Some(shape) => http(&table, shape, credentials)?,
        None => mail(&table)?,
    };
    let details = table.get("details").map_or(Ok(false), |value| value.bool())?;
    Ok(NoticeChannel { details, name: name.to_owned(), to })
}

fn http(table: &Table<'_>, shape: NoticeShape, credentials: &BTreeMap<String, Binding>) -> Result<NoticeTo, WrongError> {
    let url_value = table.required("url")?;
    let url: HttpTarget = url_value.parse()?;
    let is_loopback = match &url.host {
        HostName::V4(address) => address.is_loopback(),
        HostName::V6(address) => address.is_loopback(),
        HostName::Name(_) => false,
    };
    if url.scheme != Scheme::Https && !is_loopback {
        return Err(
            url_value.wrong(ConfigFault::Impossible("must begin with `https://`: others could read, forge and suppress what is sent"))
        );
    }
    let addresses = table.get("addresses").map_or(Ok(Vec::new()), |list| super::http::networks(&list))?;
    if let Some(problem) = policy::grants::problems_of(&addresses, &url.host).into_iter().next() {
        return Err(url_value.wrong(problem.into()));
    }
    let credential = table.get("credential").map(|value| credential(&value, &url, credentials)).transpose()?;
    Ok(NoticeTo::Http { addresses, credential, shape, url })
}

/// A credential whose value is in the vault of the home, and that its binding lets go there.
fn credential(value: &ConfigValue<'_>, url: &HttpTarget, credentials: &BTreeMap<String, Binding>) -> Result<String, WrongError> {
    let name = super::http::credential(value, credentials)?;
    let Some(binding) = credentials.get(&name) else { return Err(value.wrong(ConfigFault::Missing)) };
    if binding.source != Source::Local {
        return Err(value.wrong(ConfigFault::Impossible("must have the source `local`: the host takes it from the vault of the home")));
    }
    if matches!(binding.placement, Placement::Oauth2(_)) {
        return Err(value.wrong(ConfigFault::Impossible("can't be of the kind `oauth2`")));
    }
    let fits_port = binding.port.is_none_or(|port| port == url.port);
    let fits_host = binding.hosts.iter().any(|host| host.matches(&url.host));
    let fits_path = binding.paths.is_empty() || binding.paths.iter().any(|path| path.matches(&url.path));
    if binding.scheme != url.scheme || !fits_port || !fits_host || !fits_path {
        return Err(value.wrong(ConfigFault::Impossible("may not be sent to this `url`: its own table says where it may go")));
    }
    Ok(name)
}

fn mail(table: &Table<'_>) -> Result<NoticeTo, WrongError> {
    let recipients = table.required("recipients")?.some_items(RECIPIENTS_MAX)?;
    let recipients = recipients.iter().map(address).collect::<Result<Vec<String>, WrongError>>()?;
    let program = match table.get("sendmail") {
        None => SENDMAIL.to_owned(),
        Some(value) => {
            let path = value.line(LINE_BYTES_MAX)?;
            if !path.starts_with('/') {
                return Err(value.wrong(ParseError::new("a program", &path, "an absolute path").into()));
            }
            path
        }
    };
    Ok(NoticeTo::Mail { from: address(&table.required("from")?)?, program, recipients: super::set::set(recipients) })
}

/// SECURITY: an address goes onto a command line and into a header, so it has no blanks, no control characters, and no hyphen first.
fn address(value: &ConfigValue<'_>) -> Result<String, WrongError> {
    let text = value.text(ADDRESS_BYTES_MAX)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+=".contains(&byte);
    let is_good = text.bytes().all(is_plain)
        && !text.starts_with('-')
        && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    let form = "user@host, of letters, digits and `.-_+=`, without a hyphen first";
    if is_good { Ok(text.to_owned()) } else { Err(value.wrong(ParseError::new("an address of mail", text, form).into())) }
}
