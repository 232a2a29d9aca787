//! Something could not be read: because of a file system, missing rights, or a key that is not available. That is not damage.

use std::io;

/// Why the system could not read something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Unread {
    words: String,
    /// What is wrong with the file system or with rights, if that is the reason.
    pub trouble: Option<Box<home::Trouble>>,
    /// Whether a key of the home is sealed under a key that is not available. The records themselves were read.
    pub is_sealed: bool,
    /// Whether the beginning of the record was pruned meanwhile.
    pub is_pruned: bool,
}

impl Unread {
    pub(crate) fn new(path: &std::path::Path, cause: io::Error) -> Self {
        let cause = home::told(path, cause);
        let trouble = home::Trouble::of(&cause).cloned().map(Box::new);
        Self { words: format!("`{}`: {cause}", path.display()), trouble, is_sealed: false, is_pruned: false }
    }

    /// For a key that does not open.
    pub(crate) fn sealed(err: &dyn std::error::Error, cause: &key::UnderError) -> Self {
        let why = std::error::Error::source(cause).map_or_else(String::new, |why| format!(": {why}"));
        Self { words: format!("{err}: {cause}{why}"), trouble: None, is_sealed: true, is_pruned: false }
    }

    /// For a record whose beginning was pruned meanwhile. If the command is repeated, it reads from where the record begins now.
    pub(crate) fn pruned() -> Self {
        let words = "the beginning of the record was pruned while it was read".to_owned();
        Self { words, trouble: None, is_sealed: false, is_pruned: true }
    }

    /// For an error that was put into words already.
    pub(crate) fn of(err: &dyn std::error::Error, trouble: &home::Trouble) -> Self {
        Self { words: format!("{err}: {trouble}"), trouble: Some(Box::new(trouble.clone())), is_sealed: false, is_pruned: false }
    }
}
