//! Credentials that are recognised by the text around them: a name with a value, a PEM header, a login in a URL.

use super::check::{contains, placeholder};
use super::shape::{ALNUM, BASE64, Part, URL64, begins, end_of};
use std::ops::Range;

/// BOUND: how many bytes may lie between the first line of a key and the next.
const LINE_END_BYTES_MAX: usize = 64;
/// BOUND: how long a PEM label, and the first line of a body, may be.
const LABEL_BYTES_MAX: usize = 512;
/// BOUND: how far from the keyword a name may begin or end.
const NAME_BYTES_MAX: usize = 32;
/// BOUND: how many bytes may lie between a name and its value: `": "`, ` => '`, ` := "`.
const SIGN_BYTES_MAX: usize = 12;
/// BOUND: how long a user name, and a password, in an address may be.
const LOGIN_BYTES_MAX: usize = 128;
/// One of these in a name says that its value is a secret.
const SECRET_WORDS: &[&str] = &["key", "token", "secret", "password", "passwd", "auth", "api", "pat", "credential", "access"];

/// The spellings of a word in names: `datadog`, `Datadog`, `DATADOG`.
pub(super) fn spellings(word: &str) -> Vec<String> {
    let mut capital = word.to_owned();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let mut all = vec![word.to_owned(), capital, word.to_ascii_uppercase()];
    all.dedup();
    all
}

/// The value of a name with the keyword in it, if the name also says that the value is a secret.
pub(super) fn named(text: &[u8], key: &Range<usize>, parts: &[Part]) -> Option<Range<usize>> {
    let in_name = |byte: &u8| URL64.has(*byte) || *byte == b'.';
    let before = text.get(key.start.saturating_sub(NAME_BYTES_MAX)..key.start)?.iter().rev().take_while(|byte| in_name(byte)).count();
    let after = text.get(key.end..)?.iter().take(NAME_BYTES_MAX).take_while(|byte| in_name(byte)).count();
    let name = text.get(key.start - before..key.end + after)?.to_ascii_lowercase();
    if !SECRET_WORDS.iter().any(|word| contains(&name, word.as_bytes())) {
        return None;
    }
    let start = key.end + after + sign(text.get(key.end + after..)?)?;
    let end = end_of(text, start, parts)?;
    // Text that continues after a dot or a slash is a path or a host.
    let more = text.get(end).is_some_and(|byte| matches!(byte, b'.' | b'/' | b'-' | b'('));
    (begins(text, start) && !more).then_some(start..end)
}

/// The length of the text between a name and its value: blanks and quotes, and at least one assignment sign.
fn sign(text: &[u8]) -> Option<usize> {
    let fits = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b' ' | b'\t' | b'=' | b':' | b'>' | b'\\');
    let length = text.iter().take(SIGN_BYTES_MAX).take_while(|byte| fits(byte)).count();
    text.get(..length)?.iter().any(|byte| matches!(byte, b'=' | b':')).then_some(length)
}

/// The place of the password in `scheme://user:password@host`, given the place of `scheme://`.
pub(super) fn login(text: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    if !begins(text, key.start) {
        return None;
    }
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'`<>{}()[]$\\/@:,;|".contains(byte);
    let rest = |from: usize| text.get(from..).unwrap_or_default();
    let user = rest(key.end).iter().take(LOGIN_BYTES_MAX).take_while(|byte| plain(byte)).count();
    let start = key.end + user + 1;
    if user == 0 || text.get(start - 1) != Some(&b':') {
        return None;
    }
    let length = rest(start).iter().take(LOGIN_BYTES_MAX).take_while(|byte| plain(byte)).count();
    let end = start + length;
    let host = rest(end).strip_prefix(b"@")?;
    let far = !is_local(host) && host.first().is_some_and(|byte| ALNUM.has(*byte));
    (length >= 8 && far).then_some(start..end)
}

/// Whether a host is this machine, or a name that RFC 2606 and RFC 6761 reserve for examples and tests.
fn is_local(host: &[u8]) -> bool {
    let end = host.iter().take(253).take_while(|byte| URL64.has(**byte) || **byte == b'.').count();
    let host = host.get(..end).unwrap_or_default().to_ascii_lowercase();
    let reserved = [b".example".as_slice(), b".test", b".invalid", b".localhost", b"example.com", b"example.org", b"example.net"];
    !host.contains(&b'.') || host.starts_with(b"127.") || reserved.iter().any(|name| host.ends_with(name))
}

/// The first line of a PEM block with a private key, if text that could be the key follows.
pub(super) fn private_key(text: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let run = |from: usize, fits: fn(u8) -> bool| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take(LABEL_BYTES_MAX).take_while(|byte| fits(**byte)).count()
    };
    let length = run(key.end, |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '));
    let label = text.get(key.end..key.end + length)?;
    if !(label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    let end = key.end + length + b"-----".len();
    if text.get(key.end + length..end)? != b"-----" {
        return None;
    }
    let body = end + line_end(text.get(end..)?);
    let rest = text.get(body..)?;
    let headed = [b"Proc-Type:".as_slice(), b"DEK-Info:", b"Version:", b"Comment:"].iter().any(|name| rest.starts_with(name));
    let encoded = run(body, |byte| BASE64.has(byte) || byte == b'=');
    let distinct = !placeholder(text.get(body..body + encoded)?);
    (headed || (encoded >= 16 && distinct)).then_some(key.start..end)
}

/// The length of the text between two lines. In source code these are often strings, with quotes, a literal `\\n`, `+` and commas.
fn line_end(text: &[u8]) -> usize {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'\\', b'n' | b'r' | b't', rest @ ..] => rest,
            [byte, rest @ ..] if byte.is_ascii_whitespace() || b"\\\"'`+,#*/|>".contains(byte) => rest,
            _ => return text.len() - rest.len(),
        };
        if text.len() - rest.len() > LINE_END_BYTES_MAX {
            return text.len() - rest.len();
        }
    }
}
