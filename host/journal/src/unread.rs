//! What could not be read, as opposed to what is damaged: because of a file system, of rights, or of a key that is not at hand.

use std::io;

use crate::err::{LogFault, OpenError};

/// Why something could not be read, if an error comes from that.
fn unread_of<'e>(err: &'e (dyn std::error::Error + 'static)) -> Option<&'e Unread> {
    let mut next = Some(err);
    while let Some(err) = next {
        if let Some(unread) = err.downcast_ref::<LogFault>().and_then(LogFault::unread) {
            return Some(unread);
        }
        next = err.source();
    }
    None
}

/// What is wrong with a file system or with rights, if an error of this room comes from that.
pub fn trouble_of<'e>(err: &'e (dyn std::error::Error + 'static)) -> Option<&'e home::Trouble> {
    unread_of(err).map_or_else(|| home::Trouble::of(err), |unread| unread.trouble.as_deref())
}

/// Whether an error comes from a prune that took the beginning of the record away meanwhile. Nothing is wrong then.
pub fn is_pruned(err: &(dyn std::error::Error + 'static)) -> bool {
    unread_of(err).is_some_and(|unread| unread.is_pruned)
}

/// Why a key of the home does not open, if an error comes from that.
pub fn sealed_of<'e>(err: &'e (dyn std::error::Error + 'static)) -> Option<&'e key::UnderError> {
    let mut next = Some(err);
    while let Some(err) = next {
        if let Some(cause) = err.downcast_ref::<Box<key::UnderError>>() {
            return Some(cause);
        }
        next = err.source();
    }
    None
}

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
    pub(crate) fn sealed(err: &OpenError, cause: &key::UnderError) -> Self {
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
