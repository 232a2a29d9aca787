//! Looks for an error among the causes of another one.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// Finds an error of this type: the error itself, one of its causes, or the inner error of an [`io::Error`] among them.
pub(crate) fn within<'e, E: Error + 'static>(err: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(err);
    while let Some(err) = next {
        // A cause that several errors share is an `Arc<io::Error>`.
        let io = err.downcast_ref::<io::Error>().or_else(|| err.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref));
        let inner = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref());
        if let Some(found) = inner.or_else(|| err.downcast_ref()) {
            return Some(found);
        }
        next = err.source();
    }
    None
}
