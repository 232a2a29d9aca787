//! Places a secret, or what is made from it, into a request.
//!
//! INVARIANT: nothing is placed into a request that has a field of the same name already, in any spelling that a server may fold into it.
//! Policy refuses some of these requests earlier. Here they are refused for all placements.

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

/// A complete request that is about to be sent, before its framing (`host`, `content-length`) is set.
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target. Its path and query are sent as they are here.
    pub target: &'a mut HttpTarget,
    /// The guest's headers, and those that the host has added so far.
    pub headers: &'a mut Vec<Header>,
    /// The whole body.
    pub body: &'a mut Bytes,
}

/// What a request contains after a value was placed.
#[derive(Debug, Default)]
pub struct Placed {
    /// What was made with the secret: tokens and signatures. They must be removed from answers just as the secret itself.
    pub made: Vec<Secret>,
}

impl Placed {
    /// A value that is sent in another form than its own. A server may return what it got in hexadecimal or base 64. A value that is too
    /// long for that is searched for as it is.
    fn written(value: &[u8], written: &[u8]) -> Self {
        let other = (value != written).then(|| Secret::new(written.to_vec()).ok());
        Self { made: other.flatten().into_iter().collect() }
    }
}

/// The value can't be placed as its binding says. The error says nothing about the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The value is not visible ASCII, as a header field of HTTP/1 requires.
    #[error("a value that is not ASCII can't go into a header")]
    NotAscii,
    /// The value is not UTF-8, as JSON requires.
    #[error("a value that is not UTF-8 can't go into JSON")]
    NotText,
    /// The guest has set what the host sets. The name is that of the binding, never what the guest wrote.
    #[error("the request already has a `{0}`")]
    Taken(String),
    /// The path has fewer segments than the number in the binding.
    #[error("the path of the request has too few segments")]
    FewSegments,
    /// The text before or after the value would not stay in its segment.
    #[error("the text beside the value in the path has characters that could end the segment")]
    Segment,
    /// The path, the query or the token that was made is too long.
    #[error("with the value in it, the request would be too long")]
    Long,
    /// The body is not a form, or the request has more than one content type, or one with another character set.
    #[error("the body is not a form with the one content type `application/x-www-form-urlencoded` in UTF-8")]
    NotForm,
    /// The body is not JSON, or not an object, or more than one value.
    #[error("the body is not one JSON object with the one content type `application/json` or `…+json` in UTF-8")]
    NotJson,
    /// The body is packed, so its names can't be checked.
    #[error("the body is packed (`content-encoding`), so its contents can't be checked")]
    Packed,
    /// The template does not have `{body}` exactly once, or it has another word in braces.
    #[error(
        "the template to sign must have `{{body}}` once, and no other words in braces but `{{timestamp}}`, `{{method}}` and `{{path}}`"
    )]
    Template,
    /// The claims have `iat` or `exp`, which the host sets, or the lifetime is out of range.
    #[error("the claims of a token must not have `iat` or `exp`, and its lifetime must be 1 to 3,600 s")]
    Claims,
    /// The value is another kind of key, or not a key.
    #[error("the value is not a private key for this signature; it must be one PEM block, in PKCS#8 or, for RSA, in PKCS#1")]
    Key,
    /// The system gave no random numbers.
    #[error("no signature could be made")]
    Unsigned,
    /// The value itself is not sent. Use [`crate::oauth::token_request`], then [`bearer`].
    #[error("a token has to be obtained first")]
    NoToken,
}

/// Puts a value into a request, or signs the request with it. After an error the request may be changed in part, and must not be sent.
///
/// # Errors
/// A value that can't be placed there, a request that has the same field already, a binding that makes no sense.
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
        // SECURITY: the value is only for the endpoint that issues tokens.
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

/// Whether two header names are the same for servers that can't tell `-` from `_` (CGI, WSGI).
fn alike(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(fold).eq(other.bytes().map(fold))
}

fn check_free(headers: &[Header], name: &str) -> Result<(), PlaceError> {
    if headers.iter().any(|header| alike(&header.name, name)) { Err(PlaceError::Taken(name.to_owned())) } else { Ok(()) }
}

/// Adds a header that is not there yet. Its value is the concatenation of `parts`.
fn set_header(headers: &mut Vec<Header>, name: &str, parts: &[&[u8]]) -> Result<(), PlaceError> {
    check_free(headers, name)?;
    if parts.iter().copied().flatten().any(|byte| !byte.is_ascii() || byte.is_ascii_control()) {
        return Err(PlaceError::NotAscii);
    }
    headers.push(Header { name: name.to_owned(), value: parts.concat() });
    Ok(())
}

/// Something that was made with a secret, to be searched for in answers. `None` if it is so short that it could occur by chance.
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

/// Inserts a segment before the guest's segment of this number. The path `/` has one segment, which is empty.
///
/// SECURITY: a value can't end its segment or begin another, whatever it contains. It can't become `.` or `..` either, because it has at
/// least eight bytes.
fn path(value: &[u8], segment: u32, (before, after): (&str, &str), target: &mut HttpTarget) -> Result<(), PlaceError> {
    // `pchar` of RFC 3986 without percent-encoding, and without `;`, at which some servers end a segment.
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
