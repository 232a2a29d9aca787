//! Requests to HashiCorp Vault and OpenBao for a secret, and their answers, as bytes. A caller that has the network sends them.
//!
//! The endpoints are those of their HTTP API (`/v1`): `auth/approle/login`, `auth/kubernetes/login`, and a read of the KV engine, version 1
//! or 2. No error contains any part of an answer: a server may put what it was sent, or a secret, into its error messages.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use vocabulary::{Header, VaultLogin, VaultServer, VaultSource};
use zeroize::Zeroizing;

use crate::secret::{Secret, UnfitError};

/// BOUND: bytes of an answer that are read. A secret of the KV engine has at most one megabyte by default.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The server gave no secret. The error contains nothing of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// 400 to a log-in, 401 or 403: the credentials are wrong or have expired, or the policy of the server forbids it.
    #[error("the server refused (status {0})")]
    Refused(u16),
    /// 404: there is no such secret, or it was deleted.
    #[error("the server has no such secret")]
    Absent,
    /// 429 and 473: the server is overloaded, or is a standby.
    #[error("the server can't answer now (status {0})")]
    Busy(u16),
    /// 503: the server is sealed, or in maintenance.
    #[error("the server is sealed or out of service")]
    Sealed,
    /// The status is another one than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The answer does not have the form of the API.
    #[error("the answer of the server could not be understood")]
    Unread,
    /// The answer is too long.
    #[error("the answer of the server has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// The secret has no such field, or the field is not text.
    #[error("the secret has no text field of that name")]
    NoField,
    /// The path could be read as another one, or can't be sent.
    #[error("the path of the secret has an empty segment, `.`, `..`, or control characters")]
    Path,
    /// The host's log-in secret is not UTF-8, or can't be a header.
    #[error("the host's log-in secret for the server is not UTF-8, or can't be sent in a header")]
    Login,
    /// The field's value can't be a secret.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
}

/// The result of a log-in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The value for `X-Vault-Token`.
    pub token: Secret,
    /// For how many seconds the token is valid. 0 if it does not expire.
    pub lease_s: u64,
}

/// A log-in: a `POST` with JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// The path.
    pub path: &'static str,
    /// The body, which contains the secret.
    pub body: LoginBody,
}

/// The body of a log-in. It is overwritten when it is dropped, and can't be printed.
#[derive(PartialEq, Eq)]
pub struct LoginBody(Zeroizing<Vec<u8>>);

impl LoginBody {
    /// The bytes, for the connection on which the body is sent. A caller must not keep them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for LoginBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginBody(…)")
    }
}

/// The log-in request. `None` if the file contains the token itself ([`crate::login_secret`] reads it). The auth methods are expected at
/// their default paths.
///
/// # Errors
/// [`RemoteError::Login`] if the secret is not UTF-8, as JSON requires.
pub fn login_request(login: &VaultLogin, shown: &Secret) -> Result<Option<LoginRequest>, RemoteError> {
    let (path, role, role_name, shown_name) = match login {
        VaultLogin::Token { .. } => return Ok(None),
        VaultLogin::Approle { role, .. } => ("/v1/auth/approle/login", role, "role_id", "secret_id"),
        VaultLogin::Kubernetes { role, .. } => ("/v1/auth/kubernetes/login", role, "role", "jwt"),
    };
    let shown = std::str::from_utf8(shown.expose()).map_err(|_| RemoteError::Login)?;
    // There is room for all of it with each byte escaped, because a buffer that grows leaves copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(6 * (role.len() + shown.len()) + 64));
    let members = BTreeMap::from([(role_name, role.as_str()), (shown_name, shown)]);
    serde_json::to_writer(&mut *body, &members).map_err(|_| RemoteError::Login)?;
    Ok(Some(LoginRequest { path, body: LoginBody(body) }))
}

#[derive(Deserialize)]
struct LoginAnswer<'a> {
    #[serde(borrow)]
    auth: LoginAuth<'a>,
}

#[derive(Deserialize)]
struct LoginAuth<'a> {
    #[serde(borrow)]
    client_token: &'a RawValue,
    lease_duration: u64,
}

/// Reads the answer to a log-in.
///
/// # Errors
/// The log-in failed, or the answer has no token.
pub fn login_answer(status: u16, body: &[u8]) -> Result<Login, RemoteError> {
    const BAD_REQUEST: u16 = 400;
    let body =
        good(status, body).map_err(|err| if err == RemoteError::Status(BAD_REQUEST) { RemoteError::Refused(status) } else { err })?;
    let LoginAnswer { auth } = serde_json::from_slice(body).map_err(|_| RemoteError::Unread)?;
    let token = text(auth.client_token).ok_or(RemoteError::Unread)?;
    Ok(Login { token: token?, lease_s: auth.lease_duration })
}

/// The headers of each request: the token, the namespace, and a header that requests forged through a browser or a proxy don't have. A
/// server can be configured to require that header.
///
/// # Errors
/// [`RemoteError::Login`] if the token can't be sent in a header.
pub fn headers(server: &VaultServer, token: Option<&Secret>) -> Result<Vec<Header>, RemoteError> {
    let header = |name: &str, value: &[u8]| Header { name: name.to_owned(), value: value.to_vec() };
    let mut headers = vec![header("x-vault-request", b"true")];
    if let Some(namespace) = &server.namespace {
        headers.push(header("x-vault-namespace", namespace.as_bytes()));
    }
    if let Some(token) = token {
        let token = token.expose();
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(RemoteError::Login);
        }
        headers.push(header("x-vault-token", token));
    }
    Ok(headers)
}

/// The `GET` that reads a secret: its path, and its headers.
///
/// # Errors
/// A path or a token that can't be sent.
pub fn read_request(source: &VaultSource, token: &Secret) -> Result<(String, Vec<Header>), RemoteError> {
    let mut path = "/v1".to_owned();
    for segment in source.path.split('/') {
        if matches!(segment, "" | "." | "..") || segment.contains(char::is_control) {
            return Err(RemoteError::Path);
        }
        path.push('/');
        segment.bytes().for_each(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => path.push(char::from(byte)),
            byte => path.push_str(&format!("%{byte:02X}")),
        });
    }
    Ok((path, headers(&source.server, Some(token))?))
}

#[derive(Deserialize)]
struct ReadAnswer<'a> {
    #[serde(borrow)]
    data: BTreeMap<String, &'a RawValue>,
}

/// The part that only an answer of version 2 of the KV engine has.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(rename = "created_time")]
    _created_time: String,
}

/// The field of a secret that was read. In an answer of version 2 only the secret is searched for the field, not what is beside it.
///
/// # Errors
/// There is no secret, no such field, or its value can't be a secret.
pub fn read_answer(status: u16, body: &[u8], field: &str) -> Result<Secret, RemoteError> {
    let body = good(status, body)?;
    let unread = |_| RemoteError::Unread;
    let ReadAnswer { data: outer } = serde_json::from_slice(body).map_err(unread)?;
    let is_second = outer.len() == 2 && outer.get("metadata").is_some_and(|it| serde_json::from_str::<Metadata>(it.get()).is_ok());
    let fields = match outer.get("data") {
        Some(inner) if is_second => serde_json::from_str::<Option<BTreeMap<String, &RawValue>>>(inner.get()).map_err(unread)?,
        _ => Some(outer),
    };
    // A version that was deleted has no data.
    let fields = fields.ok_or(RemoteError::Absent)?;
    let value = fields.get(field).and_then(|value| text(value)).ok_or(RemoteError::NoField)?;
    Ok(value?)
}

fn good(status: u16, body: &[u8]) -> Result<&[u8], RemoteError> {
    match status {
        200 if body.len() > ANSWER_BYTES_MAX => Err(RemoteError::TooLong),
        200 => Ok(body),
        401 | 403 => Err(RemoteError::Refused(status)),
        404 => Err(RemoteError::Absent),
        429 | 473 => Err(RemoteError::Busy(status)),
        503 => Err(RemoteError::Sealed),
        _ => Err(RemoteError::Status(status)),
    }
}

/// A JSON string as a secret. `None` if it is not a string. It is parsed here, because a library's buffer for escapes would stay in memory.
fn text(json: &RawValue) -> Option<Result<Secret, UnfitError>> {
    let mut rest = json.get().strip_prefix('"')?.strip_suffix('"')?;
    let mut value = Zeroizing::new(Vec::with_capacity(rest.len()));
    while let Some((plain, escaped)) = rest.split_once('\\') {
        value.extend_from_slice(plain.as_bytes());
        let (character, after) = unescaped(escaped)?;
        value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
    value.extend_from_slice(rest.as_bytes());
    Some(Secret::of_text(std::mem::take(&mut *value)))
}

/// The character that an escape stands for (RFC 8259, section 7), and the text after it.
fn unescaped(escaped: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let mut characters = escaped.chars();
    let character = match characters.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (first, after) = (unit(characters.as_str())?, characters.as_str().get(4..)?);
            let second = after.strip_prefix("\\u").and_then(unit);
            let pair = [first, second.unwrap_or_default()];
            return match char::decode_utf16(pair).next()? {
                Ok(character) if character.len_utf16() == 2 => Some((character, after.get(6..)?)),
                Ok(character) => Some((character, after)),
                Err(_) => None,
            };
        }
        itself @ ('"' | '\\' | '/') => itself,
        _ => return None,
    };
    Some((character, characters.as_str()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::{HttpTarget, Scheme};

    use super::*;

    // These are the answers in the API's documentation, with other values.
    const APPROLE: &str = r#"{"auth":{"renewable":true,"lease_duration":1200,"metadata":null,"token_policies":["default"],
        "accessor":"an-accessor","client_token":"a-token-of-the-server"},"warnings":null,"wrap_info":null,"data":null,
        "lease_duration":0,"renewable":false,"lease_id":""}"#;
    const KV_1: &str = r#"{"auth":null,"data":{"foo":"correct-horse","ttl":"1h"},"lease_duration":3600,"lease_id":"","renewable":false}"#;
    const KV_2: &str = r#"{"request_id":"r","data":{"data":{"foo":"correct-horse","version":"not-the-one-beside"},"metadata":{
        "created_time":"2018-03-22T02:24:06.945319214Z","custom_metadata":{"owner":"jdoe"},"deletion_time":"","destroyed":false,"version":2}}}"#;
    const KV_2_DELETED: &str = r#"{"data":{"data":null,"metadata":{"created_time":"2018-03-22T02:24:06.945319214Z",
        "deletion_time":"2018-03-22T02:36:43.986212308Z","destroyed":false,"version":1}}}"#;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec()).unwrap()
    }

    fn source(path: &str, namespace: Option<&str>) -> VaultSource {
        let server = VaultServer {
            address: HttpTarget::parse(Scheme::Https, "vault.test", "/").unwrap(),
            addresses: Vec::new(),
            login: VaultLogin::Token { file: "/token".into() },
            namespace: namespace.map(str::to_owned),
        };
        VaultSource { server, path: path.to_owned(), field: "foo".to_owned() }
    }

    #[test]
    fn each_way_to_log_in_says_what_the_api_wants_to_know() {
        let file = std::path::PathBuf::from("/file");
        let approle = VaultLogin::Approle { role: "role-1".to_owned(), file: file.clone() };
        let request = login_request(&approle, &secret("quoted\"and\\escaped")).unwrap().unwrap();
        let body = br#"{"role_id":"role-1","secret_id":"quoted\"and\\escaped"}"#;
        assert_eq!((request.path, request.body.expose()), ("/v1/auth/approle/login", &body[..]));
        assert!(!format!("{request:?}").contains("quoted"));
        let kubernetes = VaultLogin::Kubernetes { role: "app".to_owned(), file: file.clone() };
        let request = login_request(&kubernetes, &secret("account-token")).unwrap().unwrap();
        let body = br#"{"jwt":"account-token","role":"app"}"#;
        assert_eq!((request.path, request.body.expose()), ("/v1/auth/kubernetes/login", &body[..]));
        assert_eq!(login_request(&VaultLogin::Token { file }, &secret("the-token-itself")), Ok(None));
        let not_utf8 = Secret::new(b"\xff\xfe\xfd-not-utf8".to_vec()).unwrap();
        assert_eq!(login_request(&kubernetes, &not_utf8), Err(RemoteError::Login));
    }

    #[test]
    fn a_log_in_gives_its_token_and_how_long_it_lasts() {
        let login = login_answer(200, APPROLE.as_bytes()).unwrap();
        assert_eq!((login.token.expose(), login.lease_s), (&b"a-token-of-the-server"[..], 1200));
        for status in [400, 401, 403] {
            assert_eq!(login_answer(status, APPROLE.as_bytes()).err(), Some(RemoteError::Refused(status)));
        }
        for (body, err) in [
            (r#"{"auth":null}"#, RemoteError::Unread),
            (r#"{"auth":{"client_token":7,"lease_duration":1}}"#, RemoteError::Unread),
            (r#"{"auth":{"client_token":"a-token-of-the-server","lease_duration":-1}}"#, RemoteError::Unread),
            (r#"{"auth":{"client_token":"short","lease_duration":1}}"#, RemoteError::Unfit(UnfitError::Short)),
            (r#"{"auth":{"client_token":"with\nan-end","lease_duration":1}}"#, RemoteError::Unfit(UnfitError::Control)),
            ("", RemoteError::Unread),
        ] {
            assert_eq!(login_answer(200, body.as_bytes()).err(), Some(err), "{body}");
        }
    }

    #[test]
    fn a_read_takes_the_token_and_the_namespace_along_and_goes_nowhere_else() {
        let shown = |(path, headers): (String, Vec<Header>)| {
            let headers: Vec<String> = headers.iter().map(|it| format!("{}: {}", it.name, String::from_utf8_lossy(&it.value))).collect();
            (path, headers)
        };
        let token = secret("a-token-of-the-server");
        let plain = shown(read_request(&source("secret/data/my app", None), &token).unwrap());
        assert_eq!(plain.0, "/v1/secret/data/my%20app");
        assert_eq!(plain.1, ["x-vault-request: true", "x-vault-token: a-token-of-the-server"]);
        let in_one = shown(read_request(&source("kv/a", Some("team-1/")), &token).unwrap());
        assert_eq!(in_one.1, ["x-vault-request: true", "x-vault-namespace: team-1/", "x-vault-token: a-token-of-the-server"]);
        assert_eq!(headers(&source("kv/a", Some("team-1/")).server, None).unwrap().len(), 2, "as a log-in takes them");
        assert_eq!(read_request(&source("kv/a?b#c%2e;ü", None), &token).unwrap().0, "/v1/kv/a%3Fb%23c%252e%3B%C3%BC");
        for path in ["", "/kv/a", "kv//a", "kv/a/", "kv/../sys/seal", "kv/./a", "..", "kv/a\r\nb"] {
            assert_eq!(read_request(&source(path, None), &token).err(), Some(RemoteError::Path), "{path:?}");
        }
        let bad = Secret::new("tökens-are-ascii".as_bytes().to_vec()).unwrap();
        assert_eq!(read_request(&source("kv/a", None), &bad).err(), Some(RemoteError::Login));
    }

    #[test]
    fn a_field_is_found_in_answers_of_both_versions_and_only_in_the_secret() {
        let read = |body: &str, field: &str| read_answer(200, body.as_bytes(), field).map(|value| value.expose().to_vec());
        assert_eq!((read(KV_1, "foo").unwrap(), read(KV_2, "foo").unwrap()), (b"correct-horse".to_vec(), b"correct-horse".to_vec()));
        assert_eq!(read(KV_2, "version").unwrap(), b"not-the-one-beside");
        assert_eq!(read(KV_2, "created_time"), Err(RemoteError::NoField));
        assert_eq!(read(KV_2_DELETED, "foo"), Err(RemoteError::Absent));
        for (body, err) in [
            (KV_1, RemoteError::NoField),
            (KV_2, RemoteError::NoField),
            (r#"{"data":{"bar":7}}"#, RemoteError::NoField),
            (r#"{"data":{"bar":{"a":"correct-horse"}}}"#, RemoteError::NoField),
            (r#"{"data":{"bar":["correct-horse"]}}"#, RemoteError::NoField),
            (r#"{"data":{"bar":"short"}}"#, RemoteError::Unfit(UnfitError::Short)),
            (r#"{"data":null}"#, RemoteError::Unread),
            (r#"{"errors":[]}"#, RemoteError::Unread),
            (r#"{"data":{"bar":"correct-horse"}"#, RemoteError::Unread),
            ("<html>", RemoteError::Unread),
        ] {
            assert_eq!(read(body, "bar"), Err(err), "{body}");
        }
        // In version 1 a secret may have fields of these names.
        assert_eq!(read(r#"{"data":{"data":"correct-horse","metadata":"other-horse"}}"#, "data").unwrap(), b"correct-horse");
        let long = format!("{KV_1}{}", " ".repeat(ANSWER_BYTES_MAX));
        assert_eq!(read(&long, "foo"), Err(RemoteError::TooLong));
    }

    #[test]
    fn a_status_that_is_no_success_is_told_without_the_answer() {
        let answer = r#"{"errors":["permission denied for correct-horse"],"data":{"foo":"correct-horse"}}"#;
        for (status, err) in [
            (204, RemoteError::Status(204)),
            (301, RemoteError::Status(301)),
            (400, RemoteError::Status(400)),
            (403, RemoteError::Refused(403)),
            (404, RemoteError::Absent),
            (429, RemoteError::Busy(429)),
            (473, RemoteError::Busy(473)),
            (500, RemoteError::Status(500)),
            (503, RemoteError::Sealed),
        ] {
            let is = read_answer(status, answer.as_bytes(), "foo").unwrap_err();
            assert_eq!(is, err);
            assert!(!format!("{is} {is:?}").contains("horse"));
        }
        assert!(!format!("{:?}", login_answer(200, APPROLE.as_bytes())).contains("of-the-server"));
    }

    #[test]
    fn every_escape_of_json_is_understood_as_a_library_does() {
        for json in [
            r#""plain and simple""#,
            r#""all \"of\\the\/kinds""#,
            r#""of units \u00fc \u20ac \ud83d\ude00 \uD83D\uDE00 x""#,
            r#""ends with one \u0041""#,
            r#""ends with \\""#,
            r#""ü€😀 as they are""#,
            r#""one after \u0041\u0042 the other""#,
        ] {
            let (raw, library): (&RawValue, String) = (serde_json::from_str(json).unwrap(), serde_json::from_str(json).unwrap());
            assert_eq!(text(raw).unwrap().unwrap().expose(), library.as_bytes(), "{json}");
        }
        for json in [r#""half a pair \ud83d""#, r#""half a pair \ud83dx""#, r#""half a pair \ude00\ud83d""#, r#""\ud83d\u0041 no pair""#] {
            assert!(serde_json::from_str::<&RawValue>(json).map_or(true, |raw| text(raw).is_none()), "{json}");
        }
        for json in [r#""line ends \n \r \t \b \f in it""#, r#""a nul \u0000 in it""#] {
            assert_eq!(text(serde_json::from_str(json).unwrap()).unwrap().err(), Some(UnfitError::Control), "{json}");
        }
    }
}
