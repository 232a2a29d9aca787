//! Which headers a guest may set. It may not set a header that states who is asking, where a message ends, or that the request is about
//! another resource than the one that was judged.
//!
//! A request without a credential may have every header whose kind is not closed. Under a credential it may have ordinary headers, and
//! those that its grant names. A header that names another resource needs a grant that names the header, and is judged as a request for
//! that resource.

use vocabulary::{Header, HttpAsk, HttpGrant, Reason, SafeText};

use crate::header_names::{self as names, NameKind};
use crate::resource::{self, RequestView};

/// BOUND: bytes of a name that is quoted in a reason.
const QUOTED_BYTES_MAX: usize = 64;
/// BOUND: headers of one request on the record.
const TOLD_MAX: usize = 64;
/// BOUND: bytes of a value on the record.
const TOLD_BYTES_MAX: usize = 512;

/// Judges every header of an ask under the grant that covers it.
pub(crate) fn check(asking: &RequestView<'_>, grant: &HttpGrant, ask: &HttpAsk) -> Result<(), Reason> {
    for (n, header) in ask.headers.iter().enumerate() {
        well_formed(header)?;
        let name = header.name.as_str();
        let is_named = || grant.headers.iter().any(|named| named.eq_ignore_ascii_case(name));
        let not_named = || Reason::HeaderNotGranted(SafeText::new(name, QUOTED_BYTES_MAX));
        let before = ask.headers.get(..n).unwrap_or_default();
        // The host sets it, so that each attempt has the same key.
        if grant.within.idempotency.as_ref().is_some_and(|own| names::folded(own) == names::folded(name)) {
            return Err(not_yours(name));
        }
        match names::kind(name) {
            NameKind::Closed if name.eq_ignore_ascii_case("content-length") => check_length(header, before, ask)?,
            NameKind::Closed => return Err(not_yours(name)),
            NameKind::Resource(form) => {
                if !is_named() {
                    return Err(not_named());
                }
                check_once(header, before)?;
                resource::check(asking, form, header, ask)?;
            }
            NameKind::OnBehalf if !is_named() => return Err(not_named()),
            NameKind::Other if grant.credential.is_some() && !is_named() => return Err(not_named()),
            NameKind::Other if grant.credential.is_none() => {}
            NameKind::Ordinary if names::is_list(name) => check_value(header)?,
            NameKind::Ordinary => {
                check_once(header, before)?;
                check_value(header)?;
            }
            NameKind::OnBehalf | NameKind::Other => check_once(header, before)?,
        }
    }
    Ok(())
}

/// Whether no grant can allow a header of this name.
pub(crate) fn is_closed(name: &str) -> bool {
    names::kind(name) == NameKind::Closed
}

/// Whether a header of this name may hold an idempotency key: it says nothing of who asks, what is asked or where the request goes.
pub(crate) fn may_hold_a_key(name: &str) -> bool {
    !names::is_list(name) && matches!(names::kind(name), NameKind::Ordinary | NameKind::Other)
}

/// Whether the guest has set a header that servers may take for this one.
pub(crate) fn has(ask: &HttpAsk, name: &str) -> bool {
    ask.headers.iter().any(|header| names::folded(&header.name) == names::folded(name))
}

/// Whether some servers read this name in a query as the header of that name, which the guest may not set.
pub(crate) fn is_closed_in_query(name: &str) -> bool {
    let folded = names::folded(name);
    folded.starts_with("x-") && (is_closed(&folded) || matches!(names::kind(&folded), NameKind::Resource(_)))
}

/// The headers of a request for the record: names, and the values of those that say what is done. The query of a URL is left out.
pub fn told(headers: &[Header]) -> Vec<SafeText> {
    let one = |header: &Header| {
        let name = SafeText::new(&header.name.to_ascii_lowercase(), QUOTED_BYTES_MAX);
        if !names::is_told(&header.name) {
            return name;
        }
        let value = header.value.split(|byte| *byte == b'?').next().unwrap_or_default();
        let cut = if value.len() < header.value.len() { "?…" } else { "" };
        SafeText::new(&format!("{name}: {}{cut}", String::from_utf8_lossy(value)), TOLD_BYTES_MAX)
    };
    let mut all: Vec<SafeText> = headers.iter().take(TOLD_MAX).map(one).collect();
    if headers.len() > TOLD_MAX {
        all.push(SafeText::new(&format!("and {} more", headers.len() - TOLD_MAX), QUOTED_BYTES_MAX));
    }
    all
}

/// SECURITY: some servers accept `+5`, `5, 5`, ` 5` and `05` as lengths, and others do not.
fn check_length(header: &Header, before: &[Header], ask: &HttpAsk) -> Result<(), Reason> {
    let is_second = before.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(&header.name));
    if is_second || header.value != ask.body.len().to_string().as_bytes() { Err(not_yours(&header.name)) } else { Ok(()) }
}

/// SECURITY: if there are two lines, one server uses the first and another one the last.
fn check_once(header: &Header, before: &[Header]) -> Result<(), Reason> {
    let name = names::folded(&header.name);
    if before.iter().any(|earlier| names::folded(&earlier.name) == name) {
        return Err(Reason::Malformed(SafeText::new(&format!("the header `{}` occurs twice", quoted(&header.name)), 256)));
    }
    Ok(())
}

/// SECURITY: values of ordinary headers can make a server fetch or call something else: `message/external-body` (RFC 2046 section 5.2.3),
/// and the callback preference of OData.
fn check_value(header: &Header) -> Result<(), Reason> {
    let value = String::from_utf8_lossy(&header.value).to_ascii_lowercase();
    let means_another = match header.name.to_ascii_lowercase().as_str() {
        "content-type" => ["message/", "application/http"].iter().any(|kind| value.contains(kind)),
        "prefer" => value.contains("callback") || value.contains("://"),
        _ => false,
    };
    if means_another { Err(Reason::ChangesMeaning(SafeText::new(&header.name, QUOTED_BYTES_MAX))) } else { Ok(()) }
}

fn well_formed(header: &Header) -> Result<(), Reason> {
    if header.name.is_empty() || !is_token(&header.name) {
        return Err(Reason::Malformed(SafeText::new(&format!("the header name `{}`", quoted(&header.name)), 256)));
    }
    if header.value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7F) {
        return Err(Reason::Malformed(SafeText::new(&format!("the value of the header `{}`", quoted(&header.name)), 256)));
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    name.chars().take(QUOTED_BYTES_MAX).collect()
}

/// Whether the text has only characters of a header's name (RFC 9110 section 5.6.2).
pub fn is_token(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn not_yours(name: &str) -> Reason {
    Reason::HeaderNotYours(SafeText::new(name, QUOTED_BYTES_MAX))
}
