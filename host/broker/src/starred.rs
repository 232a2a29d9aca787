//! A request of the guest that holds the value of a credential: it is sent like any other, with stars in place of each part that held one.
//!
//! SECURITY: if it were refused, the guest would learn that one of millions of guesses in it is right. If only the value were starred, a
//! server that works with the guest would learn which guess.

use effect::HttpTarget;
use net::WireRequest;
use vault::Scrubber;

/// The parts of a request that held a value, as they were.
pub(crate) struct Held(pub(crate) Vec<Vec<u8>>);

/// Puts stars over the whole of each part that holds a value: a header field's name, its value, a segment of the path, the query, the body. Lengths stay.
pub(crate) fn star(known: &Scrubber, request: &mut WireRequest) -> Held {
    let mut held = Vec::new();
    for header in &mut request.headers {
        if known.finds(header.name.as_bytes()) {
            let stars = "*".repeat(header.name.len());
            held.push(std::mem::replace(&mut header.name, stars).into_bytes());
        }
        if known.finds(&header.value) {
            let stars = vec![b'*'; header.value.len()];
            held.push(std::mem::replace(&mut header.value, stars));
        }
    }
    star_target(known, &mut request.target, &mut held);
    if known.finds(&request.body) {
        held.push(request.body.to_vec());
        request.body = vec![b'*'; request.body.len()].into();
    }
    Held(held)
}

fn star_target(known: &Scrubber, target: &mut HttpTarget, held: &mut Vec<Vec<u8>>) {
    let whole = target.path_and_query();
    if !known.finds(whole.as_bytes()) {
        return;
    }
    held.push(whole.into_bytes());
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
}

/// Characters that separate the parts of a text are kept, so that it still has the same parts.
fn stars_but(text: &str, parts: &str) -> String {
    text.chars().map(|letter| if parts.contains(letter) { letter } else { '*' }).collect()
}
