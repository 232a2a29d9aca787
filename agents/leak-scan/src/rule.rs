//! What a leaked credential looks like: a keyword that is searched for, and what must be around it.
//!
//! The shapes are those that the issuers document. A shape alone proves nothing; whether a credential works is not
//! asked here. Placeholders (one or two different characters, AWS's own examples) are left out.

use bailiwick_sdk::findings::Severity;
use std::ops::{Range, RangeInclusive};

/// BOUND: no token is longer than this; what is longer is data.
const TOKEN_BYTES_MAX: usize = 512;
/// BOUND: how much may lie between the first line of a key and the next.
const LINE_END_BYTES_MAX: usize = 64;

/// One sort of credential.
pub(crate) struct Rule {
    /// Stable: reports, suppressions and fingerprints refer to it.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    /// What must be there literally. No keyword is the beginning of another's, see `scan`.
    pub(crate) keywords: &'static [&'static str],
    /// Where the credential is, given where a keyword is.
    pub(crate) form: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
    /// How much of what `form` returns is no secret.
    pub(crate) public: Public,
}

/// What of a credential is the same in everybody's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Public {
    /// The keyword, with which it begins.
    Keyword,
    /// This, with which it begins: its keyword stands elsewhere.
    Prefix(&'static str),
    /// All of it: what was found is only the line before the secret.
    Everything,
}

impl Rule {
    /// How many bytes at the beginning of `found` anybody may see.
    pub(crate) fn public_bytes(&self, found: &[u8]) -> usize {
        let prefixes: &[&str] = match &self.public {
            Public::Keyword => self.keywords,
            Public::Prefix(prefix) => std::slice::from_ref(prefix),
            Public::Everything => return found.len(),
        };
        prefixes.iter().find(|prefix| found.starts_with(prefix.as_bytes())).map_or(0, |prefix| prefix.len())
    }
}

const fn token(
    id: &'static str,
    title: &'static str,
    severity: Severity,
    keywords: &'static [&'static str],
    form: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
) -> Rule {
    Rule { id, title, severity, keywords, form, public: Public::Keyword }
}

/// All of them.
pub(crate) static RULES: &[Rule] = &[
    token("aws-access-key-id", "AWS access key id", Severity::High, &["AKIA", "ASIA", "ABIA", "ACCA"], |text, key| {
        placed(text, &key, 16..=16, base32).filter(|at| !slice(text, at).ends_with(b"EXAMPLE"))
    }),
    token("github-token", "GitHub token", Severity::Critical, &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], |text, key| {
        placed(text, &key, 36..=251, alphanumeric)
    }),
    token("github-fine-grained-token", "GitHub fine-grained token", Severity::Critical, &["github_pat_"], |text, key| {
        let at = placed(text, &key, 82..=82, word)?;
        parts(text.get(key.end..at.end)?, b'_', &[(22..=22, alphanumeric), (59..=59, alphanumeric)]).then_some(at)
    }),
    token("gitlab-token", "GitLab personal access token", Severity::Critical, &["glpat-"], |text, key| {
        placed(text, &key, 20..=300, word_or_dash)
    }),
    token("slack-token", "Slack token", Severity::High, &["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"], |text, key| {
        placed(text, &key, 20..=300, alphanumeric_or_dash)
            .filter(|at| text.get(key.end..at.end).is_some_and(|rest| rest.iter().any(u8::is_ascii_digit)))
    }),
    token("slack-webhook", "Slack webhook", Severity::High, &["hooks.slack.com/services/"], |text, key| {
        let length = run(text, key.end, |byte| alphanumeric(byte) || byte == b'/');
        let path = text.get(key.end..key.end + length)?;
        let fits = parts(path, b'/', &[(9..=13, alphanumeric), (9..=13, alphanumeric), (24..=24, alphanumeric)]);
        let named = path.split(|byte| *byte == b'/').zip([b"T", b"B"]).all(|(part, first)| part.starts_with(first));
        (fits && named && !placeholder(path)).then_some(key.start..key.end + length)
    }),
    token("stripe-live-key", "Stripe live key", Severity::Critical, &["sk_live_", "rk_live_"], |text, key| {
        placed(text, &key, 24..=247, alphanumeric)
    }),
    token("google-api-key", "Google API key", Severity::High, &["AIza"], |text, key| placed(text, &key, 35..=35, word_or_dash)),
    token("npm-token", "npm access token", Severity::Critical, &["npm_"], |text, key| placed(text, &key, 36..=36, alphanumeric)),
    token(
        "pypi-token",
        "PyPI upload token",
        Severity::Critical,
        // Both name the index they are for, in base64.
        &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        |text, key| placed(text, &key, 50..=480, word_or_dash),
    ),
    token("sendgrid-key", "SendGrid API key", Severity::High, &["SG."], |text, key| {
        let at = placed(text, &key, 66..=66, |byte| word_or_dash(byte) || byte == b'.')?;
        parts(text.get(key.end..at.end)?, b'.', &[(22..=22, word_or_dash), (43..=43, word_or_dash)]).then_some(at)
    }),
    token("twilio-api-key", "Twilio API key", Severity::High, &["SK"], |text, key| {
        placed(text, &key, 32..=32, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }),
    Rule {
        id: "openai-api-key",
        title: "OpenAI API key",
        severity: Severity::Critical,
        // In the middle of every one of them: the issuer's name, in base64.
        keywords: &["T3BlbkFJ"],
        form: |text, key| {
            let run_start = key.start - back(text, key.start, word_or_dash);
            let before = text.get(run_start..key.start)?;
            let start = run_start + before.windows(3).position(|window| window == b"sk-")?;
            let at = start..key.end + run(text, key.end, word_or_dash);
            let long = key.start - start >= 23 && at.end - key.end >= 20 && at.len() <= TOKEN_BYTES_MAX;
            (long && begins(text, start)).then_some(at)
        },
        public: Public::Prefix("sk-"),
    },
    token("anthropic-api-key", "Anthropic API key", Severity::Critical, &["sk-ant-"], |text, key| {
        let at = placed(text, &key, 80..=200, word_or_dash)?;
        let rest = text.get(key.end..at.end)?;
        (rest.starts_with(b"api") || rest.starts_with(b"admin")).then_some(at)
    }),
    Rule {
        id: "private-key",
        title: "Private key",
        severity: Severity::Critical,
        keywords: &["-----BEGIN "],
        form: private_key,
        public: Public::Everything,
    },
];

/// The keyword and the run of `fits` after it, where that has an allowed length and stands by itself.
fn placed(text: &[u8], key: &Range<usize>, lengths: RangeInclusive<usize>, fits: fn(u8) -> bool) -> Option<Range<usize>> {
    let length = run(text, key.end, fits);
    let end = key.end + length;
    let alone = begins(text, key.start) && !text.get(end).is_some_and(|byte| word(*byte));
    (alone && lengths.contains(&length) && !placeholder(text.get(key.end..end)?)).then_some(key.start..end)
}

/// The first line of a PEM block with a private key, where something that could be the key follows.
fn private_key(text: &[u8], key: Range<usize>) -> Option<Range<usize>> {
    let length = run(text, key.end, |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '));
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
    let encoded = run(text, body, |byte| alphanumeric(byte) || matches!(byte, b'+' | b'/' | b'='));
    let distinct = !placeholder(text.get(body..body + encoded)?);
    (headed || (encoded >= 16 && distinct)).then_some(key.start..end)
}

/// How much lies between two lines. In source code these are often strings: quotes, `\\n` written out, `+` and commas.
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

/// How many bytes from `from` on fit, up to what any token may have.
fn run(text: &[u8], from: usize, fits: fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().take(TOKEN_BYTES_MAX).take_while(|byte| fits(**byte)).count()
}

/// How many bytes before `to` fit.
fn back(text: &[u8], to: usize, fits: fn(u8) -> bool) -> usize {
    let before = text.get(..to).unwrap_or_default();
    before.iter().rev().take(TOKEN_BYTES_MAX).take_while(|byte| fits(**byte)).count()
}

/// Whether a word may begin there: nothing of a word before it, or an escape like `\n` or `%3D`.
fn begins(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(3)..at).unwrap_or_default();
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !word(*last),
        [] => true,
    }
}

/// How long a part may be, and of what.
type Part = (RangeInclusive<usize>, fn(u8) -> bool);

/// Whether `text` is exactly these parts, separated.
fn parts(text: &[u8], separator: u8, parts: &[Part]) -> bool {
    let mut found = text.split(|byte| *byte == separator);
    let all = parts
        .iter()
        .all(|(lengths, fits)| found.next().is_some_and(|part| lengths.contains(&part.len()) && part.iter().all(|byte| fits(*byte))));
    all && found.next().is_none()
}

/// `xxxxxxxx`, `********` and the like: no more than two different characters.
fn placeholder(text: &[u8]) -> bool {
    let mut others = text.iter().filter(|byte| Some(*byte) != text.first());
    let second = others.next();
    others.all(|byte| Some(byte) == second)
}

fn slice<'a>(text: &'a [u8], at: &Range<usize>) -> &'a [u8] {
    text.get(at.clone()).unwrap_or_default()
}

fn base32(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'2'..=b'7')
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn alphanumeric_or_dash(byte: u8) -> bool {
    alphanumeric(byte) || byte == b'-'
}

fn word(byte: u8) -> bool {
    alphanumeric(byte) || byte == b'_'
}

fn word_or_dash(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

#[cfg(test)]
pub(crate) mod tests;
