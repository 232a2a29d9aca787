//! What could not be read, as opposed to what is damaged: because of a file system, of rights, or of a key that is not at hand.

use std::io;

/// Why the system could not read something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Unread {
    words: String,
    /// What is wrong with the file system or with rights, if it is that.
    pub trouble: Option<Box<home::Trouble>>,
    /// Whether it is a key of the home that is sealed under one that is not at hand. What is recorded was read.
    pub is_sealed: bool,
    /// Whether the beginning of the record was taken away meanwhile.
    pub is_pruned: bool,
}

impl Unread {
    pub(crate) fn new(path: &std::path::Path, cause: io::Error) -> Self {
        let cause = home::told(path, cause);
        let trouble = home::Trouble::of(&cause).cloned().map(Box::new);
        Self { words: format!("`{}`: {cause}", path.display()), trouble, is_sealed: false, is_pruned: false }
    }

    /// The same, of a key that does not open.
    pub(crate) fn sealed(err: &dyn std::error::Error, cause: &key::UnderError) -> Self {
        let why = std::error::Error::source(cause).map_or_else(String::new, |why| format!(": {why}"));
        Self { words: format!("{err}: {cause}{why}"), trouble: None, is_sealed: true, is_pruned: false }
    }

    /// The same, of a record whose beginning was taken away meanwhile. Said again, what reads it begins where it begins now.
    pub(crate) fn pruned() -> Self {
        let words = "the beginning of the record was taken away while it was read".to_owned();
        Self { words, trouble: None, is_sealed: false, is_pruned: true }
    }

    /// The same, of an error that was put into words already.
    pub(crate) fn of(err: &dyn std::error::Error, trouble: &home::Trouble) -> Self {
        Self { words: format!("{err}: {trouble}"), trouble: Some(Box::new(trouble.clone())), is_sealed: false, is_pruned: false }
    }
}
