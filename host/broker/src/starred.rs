//! A request of the guest that contains the value of a credential. It is sent like any other, with stars in place of each part that
//! contained one.
//!
//! SECURITY: if it were refused, the guest would learn that one of millions of guesses in it is right. If only the value were starred, a
//! server that cooperates with the guest would learn which guess. So the whole part is starred, except for what it needs to be sent: the
//! letters of a path that the patterns of the grants have, and the kind of a body.

use bytes::Bytes;
use net::WireRequest;
use vault::Scrubber;
use vocabulary::{Header, HttpTarget};

/// A request that contained a value.
pub(crate) struct StarredRequest {
    /// The parts that contained a value, as they were.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The whole request, as it was.
    pub(crate) before: WireRequest,
}

/// What a starred body has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// Any bytes will do.
    Any,
    /// A JSON object, into which the host puts a field.
    Object,
}

/// Replaces each part that contains a value by stars: a header's name or value, a segment of the path, the query, the body. Lengths stay
/// the same. Returns `None` if no part contains a value.
pub(crate) fn star(
    known: &Scrubber,
    request: &mut WireRequest,
    body: BodyKind,
    may: &dyn Fn(&WireRequest) -> bool,
) -> Option<StarredRequest> {
    if !holds(known, request) {
        return None;
    }
    let (before, mut parts) = (request.clone(), Vec::new());
    for header in &mut request.headers {
        if known.finds(header.name.as_bytes()) {
            let stars = "*".repeat(header.name.len());
            parts.push(std::mem::replace(&mut header.name, stars).into_bytes());
        }
        if known.finds(&header.value) {
            let stars = in_header(known, header);
            parts.push(std::mem::replace(&mut header.value, stars));
        }
    }
    if star_target(known, &mut request.target, &mut parts) && !may(request) {
        let starred = std::mem::replace(&mut request.target.path, before.target.path.clone());
        widen(request, &starred, may);
    }
    if known.finds(&request.body) {
        parts.push(request.body.to_vec());
        request.body = in_body(request.body.len(), body);
    }
    Some(StarredRequest { parts, before })
}

/// Whether a part of a request contains a value. Most requests contain none, and are not copied.
fn holds(known: &Scrubber, request: &WireRequest) -> bool {
    let in_header = |header: &Header| known.finds(header.name.as_bytes()) || known.finds(&header.value);
    request.headers.iter().any(in_header) || known.finds(request.target.path_and_query().as_bytes()) || known.finds(&request.body)
}

/// Returns only stars. A `content-type` keeps what the host needs to know before it puts a value into the body: the type without its
/// parameters, or `+json`.
fn in_header(known: &Scrubber, header: &Header) -> Vec<u8> {
    const JSON: &[u8] = b"+json";
    if header.name != "content-type" {
        return vec![b'*'; header.value.len()];
    }
    let end = header.value.iter().position(|byte| *byte == b';').unwrap_or(header.value.len());
    let (kind, parameters) = header.value.split_at(end);
    let mut out = kind.to_vec();
    if known.finds(kind) {
        let stays = if kind.to_ascii_lowercase().ends_with(JSON) { JSON.len() } else { 0 };
        out.get_mut(..kind.len() - stays).into_iter().flatten().for_each(|byte| *byte = b'*');
    }
    out.extend(parameters.iter().enumerate().map(|(at, _)| if at == 0 { b';' } else { b'*' }));
    out
}

/// Stars of this length. They are in an object if the host puts a field into it.
fn in_body(length: usize, body: BodyKind) -> Bytes {
    let (front, back) = (b"{\"".as_slice(), b"\":\"\"}".as_slice());
    match (body, length.checked_sub(front.len() + back.len())) {
        (BodyKind::Object, Some(stars)) => [front, &vec![b'*'; stars], back].concat().into(),
        (BodyKind::Object | BodyKind::Any, _) => vec![b'*'; length].into(),
    }
}

/// Replaces the parts of a target that contain a value. Returns whether there was one.
fn star_target(known: &Scrubber, target: &mut HttpTarget, parts: &mut Vec<Vec<u8>>) -> bool {
    let whole = target.path_and_query();
    if !known.finds(whole.as_bytes()) {
        return false;
    }
    parts.push(whole.into_bytes());
    let in_query = target.query.as_ref().is_some_and(|query| known.finds(query.as_bytes()));
    let in_path = known.finds(target.path.as_bytes());
    // A value that begins in the path and ends in the query is in neither part alone.
    let is_across = !in_query && !in_path;
    if in_query || is_across {
        target.query = target.query.as_deref().map(|query| stars_but(query, "&="));
    }
    if in_path || is_across {
        let in_one = target.path.split('/').any(|segment| known.finds(segment.as_bytes()));
        let starred = target.path.split('/').map(|segment| match in_one {
            true if !known.finds(segment.as_bytes()) => segment.to_owned(),
            _ => "*".repeat(segment.len()),
        });
        target.path = starred.collect::<Vec<_>>().join("/");
    }
    true
}

/// Keeps the characters that separate the parts of a text, so that it still has the same parts.
fn stars_but(text: &str, parts: &str) -> String {
    text.chars().map(|letter| if parts.contains(letter) { letter } else { '*' }).collect()
}

/// Puts as many of these stars into a path as the grants allow. The letters that their patterns require stay; they are the same for every
/// guess.
fn widen(request: &mut WireRequest, starred: &str, may: &dyn Fn(&WireRequest) -> bool) {
    for at in starred.match_indices('*').map(|(at, _)| at) {
        // A path is ASCII.
        let Some(letter) = request.target.path.get(at..=at).map(str::to_owned) else { continue };
        request.target.path.replace_range(at..=at, "*");
        if !may(request) {
            request.target.path.replace_range(at..=at, &letter);
        }
    }
}
