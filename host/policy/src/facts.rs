//! What a decision goes by besides the grants and the ask.

use crate::choice::Choice;

/// What is true at the moment of asking, apart from the ask itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// For a request: the credential that the guest chose, by [`crate::choose`].
    pub chosen: Option<Choice>,
    /// Seconds since 1970, where that may be an earlier moment than `now_unix_s`: somebody has set the clock, and what is good from a moment on
    /// must have begun by both.
    pub earliest_unix_s: Option<u64>,
    /// Seconds since 1970: a grant is good before its end.
    pub now_unix_s: u64,
    /// For an ask of a file: the mount it is in, counted as in [`vocabulary::Grants::files`], where the broker knows it.
    pub mount: Option<usize>,
}
