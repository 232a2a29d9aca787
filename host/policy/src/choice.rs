//! How a guest chooses among the credentials that it was granted: by a header, or by a placeholder in the place of its credential.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use vocabulary::{Binding, Grants, Header, HttpAsk, Placement, Reason, SafeText};

use crate::text::decoded;

/// The header by which a guest chooses a credential. It is never sent.
const CHOICE: &str = "bailiwick-credential";

/// The beginning of each placeholder. A placeholder gives access to nothing.
pub const PLACEHOLDER_FRONT: &str = "bwkph";

/// A text in place of a credential's value, for programs that require one. It gives access to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The name of the credential.
    pub credential: String,
    /// The text: [`PLACEHOLDER_FRONT`], then letters and digits.
    pub text: String,
}

/// The guest's choice among the credentials that it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By the header for it. The value is the credential's name.
    Header(String),
    /// By a placeholder in the place of its credential. The value is the credential's name.
    Placeholder(String),
}

impl Choice {
    /// The name of the credential.
    pub fn name(&self) -> &str {
        match self {
            Self::Header(name) | Self::Placeholder(name) => name,
        }
    }

    /// The reason if no grant for the request names the credential. A placeholder is then in the right place of the wrong request.
    pub(crate) fn not_granted(&self) -> Reason {
        let shown = SafeText::new(self.name(), 64);
        match self {
            Self::Header(_) => Reason::CredentialNotGranted(shown),
            Self::Placeholder(_) => Reason::PlaceholderMisplaced(shown),
        }
    }
}

/// A request in which the guest chose a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The choice.
    pub choice: Choice,
    /// The request without the choice, which is judged and sent.
    pub bare: HttpAsk,
}

/// The guest's choice of a credential. `None` if it made no choice.
///
/// # Errors
/// Two choices, a choice of something that is not a credential, or a placeholder outside of the body in any spelling.
pub(crate) fn choose(grants: &Grants, placeholders: &[Placeholder], ask: &HttpAsk) -> Result<Option<Chosen>, Reason> {
    let is_choice = |header: &Header| header.name.eq_ignore_ascii_case(CHOICE);
    let by_header = ask.headers.iter().any(is_choice);
    if placeholders.is_empty() && !by_header {
        return Ok(None);
    }
    // Most requests have no choice in them, and are not copied.
    let mut bare = Cow::Borrowed(ask);
    let mut chosen: Vec<Choice> = Vec::new();
    for Placeholder { credential, text } in placeholders {
        let binding = grants.credentials.iter().find(|binding| binding.name == *credential);
        if let Some(place) = binding.and_then(|binding| place_of(binding, text, &bare)) {
            place.take_from(bare.to_mut());
            chosen.push(Choice::Placeholder(credential.clone()));
        }
    }
    if by_header {
        let named = ask.headers.iter().filter(|header| is_choice(header));
        chosen.extend(named.map(|header| Choice::Header(String::from_utf8_lossy(&header.value).into_owned())));
        bare.to_mut().headers.retain(|header| !is_choice(header));
    }
    if let Some(stray) = placeholders.iter().find(|placeholder| has_somewhere(&placeholder.text, &bare)) {
        return Err(Reason::PlaceholderMisplaced(SafeText::new(&stray.credential, 64)));
    }
    match chosen.as_slice() {
        [] => Ok(None),
        [one] if vocabulary::is_name(one.name()) => Ok(Some(Chosen { choice: one.clone(), bare: bare.into_owned() })),
        _ => Err(Reason::HeaderNotYours(SafeText::new(CHOICE, 64))),
    }
}

/// The place of a placeholder that is in the place of its credential.
enum Found {
    /// The number of the header field.
    Header(usize),
    /// In the query. This is the query without it.
    Query(Option<String>),
}

impl Found {
    fn take_from(self, ask: &mut HttpAsk) {
        match self {
            Self::Header(at) => drop(ask.headers.remove(at)),
            Self::Query(rest) => ask.target.query = rest,
        }
    }
}

/// Searches for a placeholder in the place of its credential.
fn place_of(binding: &Binding, text: &str, ask: &HttpAsk) -> Option<Found> {
    let header = |name: &str, is_it: &dyn Fn(&[u8]) -> bool| {
        let is_it = |header: &Header| header.name.eq_ignore_ascii_case(name) && is_it(&header.value);
        let mut found = ask.headers.iter().enumerate().filter(|(_, header)| is_it(header));
        let (first, second) = (found.next(), found.next());
        first.filter(|_| second.is_none()).map(|(at, _)| Found::Header(at))
    };
    match &binding.placement {
        Placement::Bearer | Placement::Jwt(_) | Placement::Oauth2(_) => {
            header("authorization", &|value| is_under(value, b"bearer", text.as_bytes()))
        }
        Placement::Basic { user } => {
            let pair = STANDARD.encode(format!("{user}:{text}"));
            header("authorization", &|value| is_under(value, b"basic", pair.as_bytes()))
        }
        Placement::Header { name, before, after } => {
            let whole = format!("{before}{text}{after}");
            header(name, &|value| value == whole.as_bytes())
        }
        Placement::Query { name } => {
            let query = ask.target.query.as_deref()?;
            let pair = format!("{name}={text}");
            let kept: Vec<&str> = query.split('&').filter(|part| *part != pair).collect();
            let is_once = query.split('&').count() - kept.len() == 1;
            is_once.then(|| Found::Query((!kept.is_empty()).then(|| kept.join("&"))))
        }
        // Text in a path or a body can't be removed without changing what was judged.
        Placement::Path { .. } | Placement::Form { .. } | Placement::Json { .. } | Placement::Sigv4(_) | Placement::Hmac(_) => None,
    }
}

/// Whether a value is a scheme (RFC 9110 section 11.1) in any case, one blank, and `rest`.
fn is_under(value: &[u8], scheme: &[u8], rest: &[u8]) -> bool {
    let Some((front, after)) = value.split_at_checked(scheme.len()) else { return false };
    front.eq_ignore_ascii_case(scheme) && after.strip_prefix(b" ") == Some(rest)
}

/// Whether the text is in the target or the headers of a request: as it is, percent-encoded, or in base 64 at any offset. The request's
/// author expects the placeholder to give access there, but it never does. Refusing the request tells the author so, instead of letting it
/// fail at the server. In a body a placeholder is ordinary text.
fn has_somewhere(text: &str, ask: &HttpAsk) -> bool {
    let forms = forms(text);
    let found = |bytes: &[u8]| {
        let has = |bytes: &[u8]| forms.iter().any(|form| bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form)));
        has(bytes) || (bytes.contains(&b'%') && has(&decoded(bytes)))
    };
    found(ask.target.path.as_bytes())
        || ask.target.query.as_deref().is_some_and(|query| found(query.as_bytes()))
        || ask.headers.iter().any(|header| found(&header.value) || found(header.name.as_bytes()))
}

/// How often placeholders are quoted in a body, as they are or in base 64. They are not replaced there: a conversation that quoted a
/// placeholder once quotes it in every later request.
pub fn quoted(placeholders: &[Placeholder], body: &[u8]) -> u64 {
    let forms: BTreeSet<Vec<u8>> = placeholders.iter().flat_map(|placeholder| forms(&placeholder.text)).collect();
    forms.iter().map(|form| memchr::memmem::find_iter(body, form).count() as u64).sum()
}

fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.as_bytes().to_vec()];
    for before in [&b""[..], b"\0", b"\0\0"] {
        let bytes = [before, text.as_bytes()].concat();
        let (from, to) = ((before.len() * 8).div_ceil(6), bytes.len() * 8 / 6);
        let both = [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
        forms.extend(both.iter().filter_map(|encoded| encoded.as_bytes().get(from..to).map(<[u8]>::to_vec)));
    }
    forms
}
