//! How a credential is placed into a request, by its kind.

use std::collections::BTreeMap;

use vocabulary::{Encoding, Hash, Hmac, HttpTarget, Jwt, JwtAlgorithm, Oauth2, OauthGrant, ParseError, Placement, Sigv4};

use crate::authored::{ConfigFault, ConfigValue, Table, WrongError};

/// BOUND: bytes of a name, a template or a claim.
const LINE_BYTES_MAX: usize = 1024;
/// BOUND: claims of a token.
const CLAIMS_MAX: usize = 32;
/// BOUND: seconds for which a token is valid. Common servers accept no more.
const LIFETIME_S_MAX: u64 = 3600;
const KINDS: &str = "`bearer`, `basic`, `header`, `query`, `path`, `form`, `json`, `sigv4`, `hmac`, `jwt` or `oauth2`";

/// The keys that belong to each kind.
pub(super) fn keys(kind: &ConfigValue<'_>) -> Result<&'static [&'static str], WrongError> {
    Ok(match kind.text(16)? {
        "bearer" => &[],
        "basic" => &["user"],
        "header" => &["header", "template"],
        "query" => &["query"],
        "path" => &["segment", "template"],
        "form" | "json" => &["field"],
        "sigv4" => &["key-id", "region", "service"],
        "hmac" => &["header", "template", "hash", "encoding", "over", "timestamp-header"],
        "jwt" => &["algorithm", "claims", "key-id", "lifetime"],
        "oauth2" => &["grant", "client-id", "scope", "token", "token-addresses"],
        other => return Err(kind.wrong(ParseError::new("a kind of credential", other, KINDS).into())),
    })
}

pub(super) fn resolve(kind: &ConfigValue<'_>, table: &Table<'_>) -> Result<Placement, WrongError> {
    let word = |key: &str| checked(&table.required(key)?, is_word, "printable ASCII without blanks");
    let field = || checked(&table.required("field")?, is_printable, "printable ASCII");
    match kind.text(16)? {
        "bearer" => Ok(Placement::Bearer),
        "basic" => Ok(Placement::Basic { user: checked(&table.required("user")?, is_user, "printable ASCII without a colon")? }),
        "query" => Ok(Placement::Query { name: checked(&table.required("query")?, is_unreserved, "letters, digits and `-._~`")? }),
        "form" => Ok(Placement::Form { name: checked(&table.required("field")?, is_unreserved, "letters, digits and `-._~`")? }),
        "json" => Ok(Placement::Json { field: field()? }),
        "header" => {
            let (before, after) = template(table, is_printable)?;
            Ok(Placement::Header { name: header_name(&table.required("header")?)?, before, after })
        }
        "path" => path(table),
        "sigv4" => Ok(Placement::Sigv4(Sigv4 { key_id: word("key-id")?, region: word("region")?, service: word("service")? })),
        "hmac" => hmac(table).map(Placement::Hmac),
        "jwt" => jwt(table).map(Placement::Jwt),
        _ => oauth2(table).map(|oauth2| Placement::Oauth2(Box::new(oauth2))),
    }
}

fn path(table: &Table<'_>) -> Result<Placement, WrongError> {
    let (before, after) = template(table, is_unreserved_around)?;
    let segment = table.get("segment").map_or(Ok(1), |value| {
        let number = value.count()?;
        u32::try_from(number).ok().filter(|number| *number <= 32).ok_or_else(|| value.wrong(ConfigFault::Impossible("must be at most 32")))
    })?;
    Ok(Placement::Path { segment, before, after })
}

fn hmac(table: &Table<'_>) -> Result<Hmac, WrongError> {
    let (before, after) = template(table, is_printable)?;
    if !after.is_empty() {
        return Err(table.required("template")?.wrong(ConfigFault::Impossible("must end with `{}`")));
    }
    let over = table.get("over").map_or(Ok("{body}".to_owned()), |value| checked(&value, is_signable, "text with `{body}` once"))?;
    let timestamp_header = table.get("timestamp-header").map(|value| header_name(&value)).transpose()?;
    if over.contains("{timestamp}") != timestamp_header.is_some() {
        let (key, fault) = match table.get("over") {
            Some(_) => (
                "over",
                "must contain `{timestamp}` if `timestamp-header` is set, and only then: the server needs the signed time to check the \
                 signature",
            ),
            // The default has no `{timestamp}`.
            None => ("timestamp-header", "needs an `over` with `{timestamp}`: without it, the time that is sent is not signed"),
        };
        return Err(table.required(key)?.wrong(ConfigFault::Impossible(fault)));
    }
    let hash = choice(table, "hash", "sha256", &[("sha1", Hash::Sha1), ("sha256", Hash::Sha256), ("sha512", Hash::Sha512)])?;
    let encoding = choice(table, "encoding", "hex", &[("hex", Encoding::Hex), ("base64", Encoding::Base64)])?;
    Ok(Hmac { header: header_name(&table.required("header")?)?, before, hash, encoding, over, timestamp_header })
}

fn jwt(table: &Table<'_>) -> Result<Jwt, WrongError> {
    let algorithms = [("RS256", JwtAlgorithm::Rs256), ("ES256", JwtAlgorithm::Es256), ("EdDSA", JwtAlgorithm::EdDsa)];
    let algorithm = choice(table, "algorithm", "", &algorithms)?;
    let mut claims = BTreeMap::new();
    for (name, value) in table.required("claims")?.table(CLAIMS_MAX)?.entries() {
        if ["iat", "exp", "nbf"].contains(&name) || !is_printable(name) {
            return Err(value.wrong(ConfigFault::Impossible("is not a claim that can be fixed: the host sets the times")));
        }
        claims.insert(name.to_owned(), value.text(LINE_BYTES_MAX)?.to_owned());
    }
    let lifetime_s = table.get("lifetime").map_or(Ok(300), |value| {
        let text = value.text(16)?;
        let seconds = text.strip_suffix('s').and_then(|number| number.parse().ok());
        seconds
            .filter(|seconds| (1..=LIFETIME_S_MAX).contains(seconds))
            .ok_or_else(|| value.wrong(ParseError::new("a time", text, "1s to 3600s").into()))
    })?;
    let key_id = table.get("key-id").map(|value| checked(&value, is_word, "printable ASCII without blanks")).transpose()?;
    Ok(Jwt { algorithm, claims, key_id, lifetime_s })
}

fn oauth2(table: &Table<'_>) -> Result<Oauth2, WrongError> {
    let token_value = table.required("token")?;
    let token: HttpTarget = token_value.parse()?;
    if token.query.is_some() {
        return Err(token_value.wrong(ConfigFault::Impossible("must not have a query")));
    }
    let grants = [("client-credentials", OauthGrant::ClientCredentials), ("refresh", OauthGrant::Refresh)];
    let addresses = table.get("token-addresses").map_or(Ok(Vec::new()), |list| super::http::networks(&list))?;
    if let Some(problem) = policy::grants::problems_of(&addresses, &token.host).into_iter().next() {
        return Err(token_value.wrong(problem.into()));
    }
    Ok(Oauth2 {
        client_id: checked(&table.required("client-id")?, is_printable, "printable ASCII")?,
        grant: choice(table, "grant", "client-credentials", &grants)?,
        scope: table.get("scope").map(|value| checked(&value, is_printable, "printable ASCII")).transpose()?,
        token,
        token_addresses: addresses,
    })
}

/// One of the words in `all`. If the key is absent, `usual` counts, unless that is empty.
fn choice<T: Copy>(table: &Table<'_>, key: &str, usual: &str, all: &[(&str, T)]) -> Result<T, WrongError> {
    let find = |text: &str| all.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    if let (None, Some(usual)) = (table.get(key), find(usual)) {
        return Ok(usual);
    }
    let value = table.required(key)?;
    let text = value.text(32)?;
    find(text)
        .ok_or_else(|| value.wrong(ConfigFault::UnknownChoice { known: all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ") }))
}

/// The text before and after the one hole of a template.
fn template(table: &Table<'_>, is_good: fn(&str) -> bool) -> Result<(String, String), WrongError> {
    let Some(value) = table.get("template") else { return Ok(Default::default()) };
    let good = |text: &str| text.matches("{}").count() == 1 && is_good(text);
    let text = checked(&value, good, "printable ASCII with `{}` once, where the value goes")?;
    let (before, after) = text.split_once("{}").unwrap_or_default();
    Ok((before.to_owned(), after.to_owned()))
}

fn checked(value: &ConfigValue<'_>, is_good: impl Fn(&str) -> bool, form: &'static str) -> Result<String, WrongError> {
    let text = value.text(LINE_BYTES_MAX)?;
    if is_good(text) { Ok(text.to_owned()) } else { Err(value.wrong(ParseError::new("a placement", text, form).into())) }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_user(text: &str) -> bool {
    is_printable(text) && !text.contains(':')
}

fn is_unreserved(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn is_unreserved_around(text: &str) -> bool {
    is_unreserved(&text.replacen("{}", "", 1))
}

fn is_signable(text: &str) -> bool {
    let rest = ["{timestamp}", "{method}", "{path}", "{body}"].iter().fold(text.to_owned(), |rest, hole| rest.replace(hole, ""));
    text.matches("{body}").count() == 1 && is_printable(text) && !rest.contains(['{', '}'])
}

/// SECURITY: headers that frame or route a message are set only by the host, with or without a secret in them.
fn header_name(value: &ConfigValue<'_>) -> Result<String, WrongError> {
    const NEVER: &[&str] = &[
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
    let is_good = |text: &str| {
        let lower = text.to_ascii_lowercase();
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) && !NEVER.contains(&&*lower)
    };
    checked(value, is_good, "the name of a header that has no part in framing, routing or cookies").map(|name| name.to_ascii_lowercase())
}
