//! Which header fields a guest may not set, because they say who speaks, how a message ends, or who it came from.

use effect::{Header, HttpAsk, Reason, SafeText};

/// Only the host sets these. Framing and routing (RFC 9110 section 7.6), credentials, what servers believe of a proxy, and what some
/// take for another host, method or path than the one that was judged. `proxy` becomes `HTTP_PROXY` in a CGI program (httpoxy).
/// In lower case, with `-` for `_`: CGI and WSGI programs can't tell these two apart.
const NEVER: &[&str] = &[
    "authorization",
    "cf-connecting-ip",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Nor any that begins like this.
const NEVER_FRONT: &[&str] = &["bailiwick-", "proxy-", "x-forwarded-"];

/// BOUND: longest name that is quoted in a reason.
const QUOTED_BYTES_MAX: usize = 64;

/// Judges every header field of an ask.
pub(crate) fn check(ask: &HttpAsk) -> Result<(), Reason> {
    let mut lengths = 0;
    for header in &ask.headers {
        well_formed(header)?;
        let name = header.name.as_str();
        if name.eq_ignore_ascii_case("content-length") {
            lengths += 1;
            // SECURITY: `+5`, `5, 5`, ` 5` and `05` are lengths to some servers and not to others.
            if lengths > 1 || header.value != ask.body.len().to_string().as_bytes() {
                return Err(not_yours(name));
            }
        } else if is_hosts_own(name) {
            return Err(not_yours(name));
        }
    }
    Ok(())
}

/// Whether the guest has set a header that servers may take for this one.
pub(crate) fn has(ask: &HttpAsk, name: &str) -> bool {
    let alike = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    ask.headers.iter().any(|header| alike(&header.name) == alike(name))
}

fn well_formed(header: &Header) -> Result<(), Reason> {
    if header.name.is_empty() || !header.name.bytes().all(is_token) {
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

fn is_hosts_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    NEVER.contains(&name.as_str()) || NEVER_FRONT.iter().any(|front| name.starts_with(front))
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn not_yours(name: &str) -> Reason {
    Reason::HeaderNotYours(SafeText::new(name, QUOTED_BYTES_MAX))
}
