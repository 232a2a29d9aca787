//! Which files of a home are in a backup.

use super::mark::MARK;

/// Names in a home that a backup leaves out: they are derived, compiled or only of use to running processes.
///
/// SECURITY: notes of changes (`changes`) are left out, because the next opening of a home writes what a note says.
const NOT_KEPT: &[&str] = &[
    "build",
    "cache",
    "cache.key",
    "changes",
    "host.sock",
    "journal.damaged",
    "journal.index",
    "journal.touched",
    "lock",
    "lost+found",
    "used",
];
/// Folders of which a backup has only some files, which are added in separate steps.
const KEPT_IN_PART: &[&str] = &["components", "journal"];

pub(super) fn is_of_vault(name: &str) -> bool {
    name == "vault" || name == "vault.live" || name == "vault.key" || name.starts_with("vault.key.")
}

/// Whether the file contains a key, in plain or wrapped.
pub(super) fn has_keys(name: &str) -> bool {
    let begins = |with: &str| name == with || name.strip_prefix(with).is_some_and(|rest| rest.starts_with('.'));
    ["home.key", "journal.key", "keys", "vault.key"].into_iter().any(begins)
}

/// Whether a name directly in the home is left out, or is added in a separate step.
pub(super) fn is_left_out(name: &str) -> bool {
    !is_kept(name) || is_of_vault(name)
}

/// Whether a backup may have a file with this path.
pub(super) fn is_kept(path: &str) -> bool {
    match path.split_once('/') {
        Some((folder, _)) if KEPT_IN_PART.contains(&folder) => true,
        Some((folder, _)) => !NOT_KEPT.contains(&folder),
        None if home::is_unfinished(path) => false,
        None => !NOT_KEPT.contains(&path) && !KEPT_IN_PART.contains(&path) && !path.ends_with(".lock") && path != MARK,
    }
}

#[cfg(test)]
mod tests {
    use home::is_unfinished;

    use super::*;

    #[test]
    fn what_is_derived_or_half_written_is_left_out_and_what_is_not_known_is_kept() {
        for name in [
            "lock",
            "trust.lock",
            "journal.index",
            "journal.touched",
            "cache.key",
            "cache",
            "journal",
            "host.sock",
            "restored",
            "used",
            "lost+found",
        ] {
            assert!(is_left_out(name) && !is_kept(name), "{name}");
        }
        for name in
            ["form", "journal.base", "keys", "home.key", "journal.key", "journal.pub", "trust.toml", "set-aside-0001", "of-tomorrow"]
        {
            assert!(!is_left_out(name) && !is_unfinished(name) && is_kept(name), "{name}");
        }
        assert!(["home.key", "vault.key", "vault.key.00ff", "keys", "journal.key"].iter().all(|name| has_keys(name)));
        assert!(["vault", "vault.live", "journal.pub", "keystone"].iter().all(|name| !has_keys(name)));
    }

    #[test]
    fn no_backup_has_compiled_code_or_the_key_that_vouches_for_it() {
        assert!(["journal/00000001.seg", "components/aa.wasm", "set-aside-0001/00000001.seg", "vault"].into_iter().all(is_kept));
        assert!(
            ["cache/aa.cwasm", "build/x/y", "changes/0123456789abcdef", "cache.key", "vault.lock", "journal.index", "restored"]
                .into_iter()
                .all(|name| !is_kept(name))
        );
    }
}
