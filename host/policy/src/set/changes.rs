//! The changes of a commit, as policies see them.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;
use vocabulary::{ChangeCounts, CommitAsk};

use super::asked::{number, pair, set, text};

/// The record `Changes` of the schema.
///
/// SECURITY: it has every path, so that no path is hidden behind many others. A run can't change more than 100,000.
pub(super) fn record(ask: &CommitAsk) -> RestrictedExpression {
    let all: BTreeSet<&String> = ask.changes.iter().flat_map(|change| std::iter::once(&change.path).chain(&change.from)).collect();
    let tops: BTreeSet<String> = all.iter().filter_map(|path| path.split('/').next().map(str::to_owned)).collect();
    let endings: BTreeSet<String> = all.iter().map(|path| ending(path)).collect();
    let ChangeCounts { bytes, changed, created, moved, removed } = ask.counts();
    let fields = [
        pair("created", number(created)),
        pair("changed", number(changed)),
        pair("moved", number(moved)),
        pair("removed", number(removed)),
        pair("bytes", number(bytes)),
        pair("paths", set(all)),
        pair("tops", set(&tops)),
        pair("endings", set(&endings)),
    ];
    RestrictedExpression::new_record(fields).unwrap_or_else(|_| text(""))
}

/// `.rs` of `src/main.rs`; the whole name if it has no dot.
fn ending(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    name.rfind('.').and_then(|at| name.get(at..)).map_or_else(|| name.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::ending;

    #[test]
    fn the_ending_of_a_name_is_what_follows_its_last_dot_or_the_whole_name() {
        for (path, expected) in [("a/b.RS", ".rs"), ("a.d/Makefile", "makefile"), (".env", ".env"), ("x.tar.gz", ".gz")] {
            assert_eq!(ending(path), expected);
        }
    }
}
