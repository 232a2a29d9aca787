//! What was trusted before, for those who are told that a configuration is not.

use package::trust::{Before, Untrusted};

use crate::words::{safe, utc};

/// What is nearest to it among what was trusted, what has changed, and what it asks for, a line each.
pub(crate) fn told(untrusted: &Untrusted) -> Vec<String> {
    let mut lines = untrusted.before.as_ref().map_or_else(Vec::new, |before| said(untrusted, before));
    lines.push("it asks for:".to_owned());
    lines.extend(untrusted.authority.iter().map(|line| format!("  {line}")));
    lines
}

fn said(untrusted: &Untrusted, Before { trust, is_here, is_gone, difference }: &Before) -> Vec<String> {
    let (by, when) = (safe(&trust.by), utc(trust.when.saturating_mul(1000)));
    if !is_here {
        let gone = if *is_gone { ", which is gone" } else { ", where they still are" };
        let place = format!("these bytes were trusted by {by} on {when} UTC as `{}`{gone}", safe(&trust.path));
        return vec![place, "trust is for a place: the same bytes in another one name other folders".to_owned()];
    }
    let is_same = trust.digest == untrusted.digest;
    let what = if is_same { "and what it names has changed since, although the file has not" } else { "and was changed since" };
    let mut told = vec![format!("it was trusted by {by} on {when} UTC, {what}:")];
    match difference.as_deref() {
        None => told.push("  which part has changed is not kept; all that it asks for now is below".to_owned()),
        Some([]) => told.push("  what it asks for is the same: only its text has changed".to_owned()),
        Some(lines) => told.extend(lines.iter().map(|line| format!("  {line}"))),
    }
    told
}
