//! Where a secret goes in a request, and what is made with it there.
//!
//! INVARIANT: nothing goes in beside a thing of the guest's own by the same name, in whatever spelling a server may fold into it. Policy refuses some of
//! that before; here it is refused again, and for all placements.

mod body;
mod encode;
mod hmac;
mod jwt;
mod sigv4;
#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use vocabulary::{Header, HttpTarget, Method, PATH_BYTES_MAX, Placement, QUERY_BYTES_MAX};
use zeroize::Zeroizing;

pub(crate) use self::encode::percent;
use crate::secret::{Secret, VALUE_BYTES_MIN};

/// A request on its way out, whole, before what says how it is framed has been set (`host`, `content-length`).
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a Method,
    /// Where to; path and query are sent as they stand here.
    pub target: &'a mut HttpTarget,
    /// The guest's own, and what the host has added so far.
    pub headers: &'a mut Vec<Header>,
    /// The whole body.
    pub body: &'a mut Bytes,
}

/// What a request now holds.
#[derive(Debug, Default)]
pub struct Placed {
    /// What was made with the secret, and must be taken out of what comes back as the secret itself must: tokens, signatures.
    pub made: Vec<Secret>,
}

impl Placed {
    /// A value that was written otherwise than it is: a server may give back what it was sent in hexadecimal, or in base 64. One that is too long for that
    /// is looked for as it is.
    fn written(value: &[u8], written: &[u8]) -> Self {
        let other = (value != written).then(|| Secret::new(written.to_vec()).ok());
        Self { made: other.flatten().into_iter().collect() }
    }
}

/// The value can't go where its binding says. Says nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A header field of HTTP/1 has visible ASCII.
    #[error("a value that is not ASCII can't go into a header")]
    NotAscii,
    /// JSON is UTF-8.
    #[error("a value that is not UTF-8 can't go into JSON")]
    NotText,
    /// The guest has set what the host sets. By the name in the binding, never by what the guest wrote.
    #[error("the request has a `{0}` of its own")]
    Taken(String),
    /// Fewer segments than the number in the binding.
    #[error("the path of the request has too few segments")]
    FewSegments,
    /// What stands before or after the value would not stay in its segment.
    #[error("what stands beside the value in the path is not of letters that stay there")]
    Segment,
    /// Path, query, or a token that was made.
    #[error("with the value in it, the request would be too long")]
    Long,
    /// No form, or more than one type, or one in another character set.
    #[error("the body is no form: it has one content type, `application/x-www-form-urlencoded`, in UTF-8")]
    NotForm,
    /// No JSON, or not an object, or more than one.
    #[error("the body is not one JSON object: it has one content type, `application/json` or one in `+json`, in UTF-8")]
    NotJson,
    /// A name in a packed body can't be seen.
    #[error("the body is packed (`content-encoding`), and what is in it can't be seen")]
    Packed,
    /// `{body}` not once, or another word in braces.
    #[error("what is to be signed has `{{body}}` once, and no other words in braces than `{{timestamp}}`, `{{method}}` and `{{path}}`")]
    Template,
    /// The host sets `iat` and `exp`.
    #[error("the claims of a token have no `iat` and `exp`, and its life is of 1 to 3,600 s")]
    Claims,
    /// Another kind of key, or none.
    #[error("the value is no private key for this signature: it is one PEM block, in PKCS#8 or, for RSA, in PKCS#1")]
    Key,
    /// The system gave no random bytes.
    #[error("no signature could be made")]
    Unsigned,
    /// The value is not what is sent: [`crate::oauth::token_request`], then [`bearer`].
    #[error("a token has to be obtained first")]
    NoToken,
}

/// Puts a value into a request, or signs the request with it. After an error the request may be half changed, and is not to be sent.
///
/// # Errors
/// A value that can't go there, a request that has something of its own there, a binding that can't be meant.
pub fn place(secret: &Secret, placement: &Placement, request: &mut Outgoing<'_>, now_unix_s: u64) -> Result<Placed, PlaceError> {
    let value = secret.expose();
    match placement {
        Placement::Bearer => bearer(secret, request.headers)?,
        Placement::Basic { user } => {
            let pair = Zeroizing::new([user.as_bytes(), b":", value].concat());
            let pair = Zeroizing::new(STANDARD.encode(&*pair));
            set_header(request.headers, "authorization", &[b"Basic ", pair.as_bytes()])?;
        }
        Placement::Header { name, before, after } => set_header(request.headers, name, &[before.as_bytes(), value, after.as_bytes()])?,
        Placement::Query { name } => return query(value, name, request).map(|()| Placed::written(value, percent(value).as_bytes())),
        Placement::Path { segment, before, after } => {
            path(value, *segment, (before, after), request.target)?;
            return Ok(Placed::written(value, percent(value).as_bytes()));
        }
        Placement::Form { name } => {
            body::form(value, name, request)?;
            return Ok(Placed::written(value, percent(value).as_bytes()));
        }
        Placement::Json { field } => return body::json(value, field, request).map(|written| Placed::written(value, &written)),
        Placement::Sigv4(sigv4) => return sigv4::place(value, sigv4, request, now_unix_s),
        Placement::Hmac(hmac) => return hmac::place(value, hmac, request, now_unix_s),
        Placement::Jwt(jwt) => return jwt::place(secret, jwt, request, now_unix_s),
        // SECURITY: the value is for the endpoint that gives out tokens, and for nobody else.
        Placement::Oauth2(_) => return Err(PlaceError::NoToken),
    }
    Ok(Placed::default())
}

/// Puts an access token into a request.
///
/// # Errors
/// A token that can't go into a header, or a request that has its own `authorization`.
pub fn bearer(token: &Secret, headers: &mut Vec<Header>) -> Result<(), PlaceError> {
    set_header(headers, "authorization", &[b"Bearer ", token.expose()])
}

/// Whether two names of headers are one to servers that can't tell `-` from `_` (CGI, WSGI).
fn alike(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(fold).eq(other.bytes().map(fold))
}

fn check_free(headers: &[Header], name: &str) -> Result<(), PlaceError> {
    if headers.iter().any(|header| alike(&header.name, name)) { Err(PlaceError::Taken(name.to_owned())) } else { Ok(()) }
}

/// Adds a field that is not there yet, from the parts of its value.
fn set_header(headers: &mut Vec<Header>, name: &str, parts: &[&[u8]]) -> Result<(), PlaceError> {
    check_free(headers, name)?;
    if parts.iter().copied().flatten().any(|byte| !byte.is_ascii() || byte.is_ascii_control()) {
        return Err(PlaceError::NotAscii);
    }
    headers.push(Header { name: name.to_owned(), value: parts.concat() });
    Ok(())
}

/// What comes back is looked through for it, where it is long enough not to be found by chance.
fn made(value: &[u8]) -> Result<Option<Secret>, PlaceError> {
    if value.len() < VALUE_BYTES_MIN {
        return Ok(None);
    }
    Secret::new(value.to_vec()).map(Some).map_err(|_| PlaceError::Long)
}

fn query(value: &[u8], name: &str, request: &mut Outgoing<'_>) -> Result<(), PlaceError> {
    let own = request.target.query.as_deref().unwrap_or_default();
    encode::check_no_field(own.as_bytes(), name)?;
    if body::is_form(request.headers) {
        encode::check_no_field(request.body, name)?;
    }
    let value = percent(value);
    let mut query = String::with_capacity(own.len() + name.len() + value.len() + 2);
    query.push_str(own);
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.push_str(&value);
    if query.len() > QUERY_BYTES_MAX {
        return Err(PlaceError::Long);
    }
    request.target.query = Some(query);
    Ok(())
}

/// A segment of its own, before the guest's segment of this number. The path `/` has one, which is empty.
///
/// SECURITY: a value can't end its segment or begin another, whatever is in it; nor can it become `.` or `..`, since it has eight bytes at least.
fn path(value: &[u8], segment: u32, (before, after): (&str, &str), target: &mut HttpTarget) -> Result<(), PlaceError> {
    // Of RFC 3986, `pchar` without what is written by its number, and without the `;` at which some servers end a segment.
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte);
    if !before.bytes().chain(after.bytes()).all(stays) {
        return Err(PlaceError::Segment);
    }
    let mut slashes = target.path.match_indices('/').map(|(at, _)| at);
    let at = usize::try_from(segment).ok().and_then(|n| slashes.nth(n.checked_sub(1)?)).ok_or(PlaceError::FewSegments)?;
    let (front, back) = target.path.split_at_checked(at).ok_or(PlaceError::FewSegments)?;
    let value = percent(value);
    let mut path = String::with_capacity(target.path.len() + before.len() + value.len() + after.len() + 1);
    for part in [front, "/", before, &value, after, back] {
        path.push_str(part);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PlaceError::Long);
    }
    target.path = path;
    Ok(())
}
