//! Verbs and options that people may look for and that do not exist yet: an error that says so, and with which feature they will come.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The name of each verb or option, and the feature that brings it.
const LATER: &[(&str, &str)] = &[
    ("bundle", "the audit tools"),
    ("consistency", "the audit tools"),
    ("export", "the audit tools"),
    ("play", "playbooks"),
    ("prove", "the audit tools"),
    ("rollback", "approvals"),
    ("--dry-run", "approvals"),
];

/// The error for a verb or option that does not exist yet; `None` for any other.
pub(crate) fn words(err: &clap::Error) -> Option<String> {
    let key = match err.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(given)) = err.get(key) else { return None };
    let (name, with) = LATER.iter().find(|(name, _)| name == given)?;
    Some(format!("error: `{name}` does not exist yet: it will come with {with}\nhelp: `bailiwick --help` shows all verbs"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{LATER, words};
    use crate::cli::Cli;

    #[test]
    fn what_has_not_arrived_says_so_and_nothing_that_has_is_listed() {
        let said = |args: &[&str]| Cli::try_parse_from(args).err().and_then(|err| words(&err));
        for (name, with) in LATER {
            let tries = [vec!["bailiwick", name], vec!["bailiwick", "audit", name], vec!["bailiwick", "run", "a", name]];
            let more = [vec!["bailiwick", "audit", "touched", name]];
            let found: Vec<String> = tries.iter().chain(&more).filter_map(|args| said(args)).collect();
            assert!(found.iter().any(|words| words.contains(with)), "{name}: {found:?}");
        }
        assert_eq!(said(&["bailiwick", "frobnicate"]), None);
    }
}
