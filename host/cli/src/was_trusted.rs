//! What was trusted before, shown with the error that a configuration is not trusted.

use package::trust::{Before, Untrusted};

use crate::words::{safe, utc};

/// The trusted configuration that is most similar, what has changed since, and what this one asks for, one line each.
pub(crate) fn told(untrusted: &Untrusted) -> Vec<String> {
    let mut lines = untrusted.before.as_ref().map_or_else(Vec::new, |before| said(untrusted, before));
    lines.push("it asks for:".to_owned());
    lines.extend(untrusted.authority.iter().map(|line| format!("  {line}")));
    lines
}

fn said(untrusted: &Untrusted, Before { trust, is_here, is_gone, difference }: &Before) -> Vec<String> {
    let (by, when) = (safe(&trust.by), utc(trust.when.saturating_mul(1000)));
    if !is_here {
        let gone = if *is_gone { ", which is gone" } else { ", where the file still is" };
        let place = format!("these bytes were trusted by {by} on {when} UTC as `{}`{gone}", safe(&trust.path));
        return vec![place, "trust is for a path: at another path, the same bytes name other folders".to_owned()];
    }
    let is_same = trust.digest == untrusted.digest;
    let what = if is_same { "and the files that it names have changed since, although it has not" } else { "and was changed since" };
    let mut told = vec![format!("it was trusted by {by} on {when} UTC, {what}:")];
    match difference.as_deref() {
        None => told.push("  what it asked for then is not kept; all that it asks for now is below".to_owned()),
        Some([]) => told.push("  it asks for the same: only its text has changed".to_owned()),
        Some(lines) => told.extend(lines.iter().map(|line| format!("  {line}"))),
    }
    told
}
