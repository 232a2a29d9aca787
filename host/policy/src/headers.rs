//! Which header fields a guest may not set, because they say who speaks, how a message ends, or who it came from.

use effect::{Header, HttpAsk, Reason, SafeText};

/// Only the host sets these. Framing and routing (RFC 9110 section 7.6), credentials, and what servers believe of a proxy.
const NEVER: &[&str] = &[
    "authorization",
    "connection",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
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
    let begins = |front: &&str| name.get(..front.len()).is_some_and(|own| own.eq_ignore_ascii_case(front));
    NEVER.iter().any(|own| name.eq_ignore_ascii_case(own)) || NEVER_FRONT.iter().any(begins)
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn not_yours(name: &str) -> Reason {
    Reason::HeaderNotYours(SafeText::new(name, QUOTED_BYTES_MAX))
}
