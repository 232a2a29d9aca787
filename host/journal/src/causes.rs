//! Finds causes of an error of this room that matter to a caller.

use crate::err::LogFault;
use crate::unread::Unread;

/// Why something could not be read, if that caused the error.
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

/// What is wrong with a file system or with rights, if that caused an error of this room.
pub fn trouble_of<'e>(err: &'e (dyn std::error::Error + 'static)) -> Option<&'e home::Trouble> {
    unread_of(err).map_or_else(|| home::Trouble::of(err), |unread| unread.trouble.as_deref())
}

/// Whether the cause is that a prune removed the beginning of the record meanwhile. Then nothing is wrong with the record.
pub fn is_pruned(err: &(dyn std::error::Error + 'static)) -> bool {
    unread_of(err).is_some_and(|unread| unread.is_pruned)
}

/// Why a key of the home does not open, if that caused the error.
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
